"""Makes an archive of one commit of a git repository: the same bytes on every machine, from objects alone.

git itself only fetches objects. It reads no configuration. It runs no hook, no helper of the user's and only the
transports named here. Nothing is checked out, so attributes, filters and submodules of the repository have no effect.
The checksum decides whether xsrc accepts the archive, as for any other.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

from urllib3.util import parse_url

from xsrc.core.command import Command
from xsrc.sources.disk.ask import DIRECT, Network, Way, asked
from xsrc.sources.disk.web import Bounds, Clock, Unanswered, basic, connect, service_of
from xsrc.unix.git import ENVIRONMENT
from xsrc.unix.process import Feed, LimitReached, Sink, Watch, bounded, stream
from xsrc.unix.trees import remove_tree

_PROTOCOLS = "https:http:git"
"""Not ssh, which goes by keys and settings of a user, not file, which is another thing on each machine."""
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "transfer.bundleURI=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "http.followRedirects=false",
    "core.packedGitWindowSize=32m",
    "core.packedGitLimit=256m",
    "core.bigFileThreshold=32m",
)
_SERVICE = "/info/refs?service=git-upload-pack"
_GIT_SERVICE = 9418
_SILENT = 600
_SAID = 64 << 20
"""Bytes that git may print of what is held in memory."""
_MEMORY = 4 << 30
"""Bytes of address space for each git: what a pack says of its objects decides how much it asks for."""
_LARGEST = 8**11 - 1
"""What the field of a size, and of a time, can say."""
_LINK = 4096
"""Bytes that the text of a link may have (PATH_MAX)."""
_COMMITTER = re.compile(rb"^committer [^\n]*> (-?[0-9]{1,18}) [+-][0-9]{1,6}$", re.MULTILINE)


class _Blob(NamedTuple):
    """A path of a commit."""

    mode: str
    digest: str
    path: bytes


@dataclass(frozen=True)
class _Repository:
    """The place of the objects, and the environment of git."""

    path: Path
    bounds: Bounds
    clock: Clock
    env: Mapping[str, str]
    """What the server is to know, which other users of this machine are not: arguments are seen by all."""
    settings: tuple[str, ...] = ()


def archive(url: str, commit: str, out: IO[bytes], private: Path, bounds: Bounds, network: Network = DIRECT) -> None:
    """Write the tree of a commit as a tar archive, below a folder with the name of the commit.

    The objects are kept in `private` meanwhile, a folder that nobody else can write. A submodule is an empty directory.
    Raises Unanswered if the address does not send the commit, and OSError.
    """
    path = private / ".git-objects"
    remove_tree(path)
    try:
        with Clock(bounds) as clock:
            address, env, settings = _asked(url, clock, network)
        repository = _Repository(path, bounds, clock, env, settings)
        _git(repository, "init", "--quiet", "--bare", "--template=", "--", str(path))
        _fetch(repository, address, commit)
        out.seek(0)
        out.truncate(0)
        _write(repository, commit, _Limited(out, bounds))
    finally:
        remove_tree(path)


def _asked(url: str, clock: Clock, network: Network = DIRECT) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
    """The address that git uses, with its environment and settings.

    git would follow redirects and look names up by itself. So xsrc follows them here and passes the result to git.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "git":
        host, slash, path = rest.partition("/")
        place = parse_url(f"git://{host}")
        name, service = (place.host or "").strip("[]"), place.port or _GIT_SERVICE
        with connect(name, service, None) as line:
            peer = str(line.getpeername()[0])
        return (
            f"git://{_bracketed(peer)}:{service}{slash}{path}",
            {"GIT_OVERRIDE_VIRTUAL_HOST": host.rpartition("@")[2]},
            (),
        )
    if scheme not in ("http", "https"):
        raise Unanswered(f"want an http, https or git address, got one of {scheme!a}")
    with asked(f"{url.rstrip('/')}{_SERVICE}", {}, clock, network) as answer:
        if answer.status != 200:
            raise Unanswered(f"HTTP {answer.status}")
        if not answer.url.endswith(_SERVICE):
            raise Unanswered(f"it leads to {answer.url}, which is no repository")
        place, peer = parse_url(answer.url), answer.way.peer
        name = (place.host or "").strip("[]")
        found = f"http.curloptResolve={name}:{service_of(place)}:{_bracketed(peer)}"
        known = answer.way.proxy is not None or name == peer
        return answer.url.removesuffix(_SERVICE), _private(answer.way), () if known else (found,)


def _private(way: Way) -> Mapping[str, str]:
    """The environment that lets git reach a server as xsrc did, with passwords."""
    settings = {}
    if way.login:
        settings["http.extraHeader"] = f"Authorization: {basic(way.login)}"
    if way.proxy is not None:
        login = quote(way.proxy.login, safe=":")
        settings["http.proxy"] = str(way.proxy).replace("://", f"://{login}@", 1) if login else str(way.proxy)
        settings["http.proxyAuthMethod"] = "basic"
    if (file := ssl.get_default_verify_paths().cafile) is not None:  # of SSL_CERT_FILE, as for all other downloads
        settings["http.sslCAInfo"] = file
    env = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (key, value) in enumerate(settings.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _fetch(repository: _Repository, url: str, commit: str) -> None:
    """Fetch a commit: alone if the server allows that, else with everything that the server has."""
    fetch = ("fetch", "--quiet", "--progress", "--no-tags", "--no-write-fetch-head")
    try:
        _git(repository, *fetch, "--depth=1", "--", url, commit)
    except _Refused:
        _git(repository, *fetch, "--", url, "+refs/*:refs/all/*")
    try:
        _git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    except _Refused as error:
        raise Unanswered(f"there is no commit {commit}") from error


def _command(repository: _Repository, *words: str) -> Command:
    where = () if words[0] == "init" else (f"--git-dir={repository.path}",)
    settings = (word for setting in (*_SETTINGS, *repository.settings) for word in ("-c", setting))
    env = {
        **ENVIRONMENT,
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_ASKPASS": "/bin/false",
        "GIT_NO_REPLACE_OBJECTS": "1",
        **repository.env,
    }
    return Command(("git", *settings, *where, *words), env)


class _Refused(Unanswered):
    """What git itself says that it cannot do."""


@dataclass(frozen=True)
class _Patience(Watch):
    """How long git may work and be silent, and how much it may bring, all of it together."""

    repository: _Repository | None = None
    looked: list[float] = field(default_factory=list)
    """When it was last looked at what there is."""

    def patience(self, begun: float, heard: float, now: float) -> float | None:
        assert self.repository is not None
        self.repository.clock.left()
        if now - heard >= _SILENT:
            raise Unanswered(f"git said nothing for {_SILENT} seconds")
        if not self.looked or now - self.looked[0] >= 1:
            self.looked[:] = [now]
            self.repository.bounds.check(_size(self.repository.path))
        return 1


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which git may change meanwhile."""
    size = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.lstat(os.path.join(top, name)).st_size  # noqa: PTH118 - there may be a million
    return size


class _Limited:
    """A file that takes no more than one distfile may have."""

    def __init__(self, file: IO[bytes], bounds: Bounds) -> None:
        self.file, self.bounds, self.size = file, bounds, 0

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        self.bounds.check(self.size)
        self.file.write(data)


def _run(repository: _Repository, sink: Sink, *words: str, size: int = 0, feed: Feed | None = None) -> int:
    """Run git within its bounds; return its exit code, raises Unanswered where it goes beyond them."""
    watch = _Patience(size=size, repository=repository)
    left = repository.clock.left()
    before = bounded(0 if left == float("inf") else int(left) + 1, _MEMORY)
    try:
        return stream(_command(repository, *words), sink, feed, watch, before)
    except LimitReached as error:
        raise Unanswered(f"git {words[0]} prints more than {size >> 20} MiB") from error


def _git(repository: _Repository, *words: str) -> bytes:
    """What git says; raises Unanswered with its first complaint where it fails."""
    said = bytearray()
    if code := _run(repository, said.extend, *words, size=_SAID):
        lines = said.decode(errors="replace").replace("\r", "\n").split("\n")
        lines = [line for line in lines if line]
        reasons = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines
        raise _Refused(f"git says: {reasons[0].strip()}" if reasons else f"git {words[0]}: exit code {code}")
    return bytes(said)


def _write(repository: _Repository, commit: str, out: _Limited) -> None:
    """The archive: a member for each path, in the order of git's trees, all of the time of the commit."""
    head = _git(repository, "cat-file", "commit", commit).partition(b"\n\n")[0]
    committer = _COMMITTER.search(head)
    if committer is None:
        raise Unanswered(f"commit {commit} names no committer with a time")
    rows = repository.path / "rows"
    with rows.open("wb") as listed:  # a tree of trees may list more paths than memory holds
        code = _run(repository, _Limited(listed, repository.bounds).write, "ls-tree", "-rz", "--full-tree", commit)
    if code:
        raise Unanswered(f"git ls-tree: exit code {code}")
    writer = _Members(_blobs(rows), commit.encode(), min(max(int(committer[1]), 0), _LARGEST), out)

    def ask(git: IO[bytes]) -> None:
        for one in _blobs(rows):
            if one.mode != _SUBMODULE:
                git.write(f"{one.digest}\n".encode())

    code = _run(repository, writer.take, "cat-file", "--batch", feed=ask)
    if code or not writer.done():
        raise Unanswered(f"git cat-file: exit code {code}")
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _blobs(rows: Path) -> Iterator[_Blob]:
    """The output of `git ls-tree -z` in a file, row by row."""
    rest = b""
    with rows.open("rb") as file:
        while data := file.read(1 << 16):
            *found, rest = (rest + data).split(b"\0")
            yield from map(_blob, found)


def _blob(row: bytes) -> _Blob:
    about, _, path = row.partition(b"\t")
    mode, _, digest = about.decode().split(" ")
    return _Blob(mode, digest, path)


_LINKED, _SUBMODULE = "120000", "160000"


class _Members:
    """Turns what `git cat-file --batch` says of blobs (a header, the content, a line's end) into members."""

    def __init__(self, members: Iterator[_Blob], top: bytes, when: int, out: _Limited) -> None:
        self.members, self.top, self.when, self.out = members, top, when, out
        self.head = b""
        self.left = -1
        """Bytes of the content, and of the line's end after it, that are still to come; -1 before the header."""
        self.size = 0
        self.link: bytes | None = None
        self.one = self.next()

    def next(self) -> _Blob | None:
        """The next member that has a content; submodules before it are written at once."""
        for one in self.members:
            if one.mode != _SUBMODULE:
                return one
            self.out.write(self.header(one, tarfile.DIRTYPE, 0o755))
        return None

    def header(self, one: _Blob, kind: bytes, mode: int, size: int = 0, link: bytes = b"") -> bytes:
        """The header of a member as POSIX has it (pax), whatever bytes its name has."""
        member = tarfile.TarInfo(_text(self.top + b"/" + one.path))
        member.type, member.mode, member.size, member.mtime = kind, mode, size, self.when
        member.linkname = _text(link)
        return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

    def done(self) -> bool:
        """Whether all of it has come."""
        return self.one is None and not self.head and self.left < 0

    def take(self, data: bytes) -> None:
        """Process the bytes that came. Raises Unanswered for bytes that cannot be a member."""
        view = memoryview(data)
        while len(view):
            if self.left < 0:
                view = self.begin(view)
            else:
                some = view[: self.left]
                view = view[len(some) :]
                self.left -= len(some)
                content = some[:-1] if self.left == 0 else some
                if self.link is None:
                    self.out.write(content)
                else:
                    self.link += content
            if self.left == 0:
                self.end()

    def begin(self, view: memoryview) -> memoryview:
        """Read the header of a blob, as far as it has come."""
        line, end, _ = bytes(view[:200]).partition(b"\n")
        self.head += line
        if not end:
            return view[len(line) :]
        words = self.head.split()
        if self.one is None or len(words) != 3 or words[1] != b"blob":
            raise Unanswered(f"git cat-file says {self.head!a}")
        self.head, self.size = b"", int(words[2])
        self.link = b"" if self.one.mode == _LINKED else None
        if self.size > (_LINK if self.link is not None else _LARGEST):
            raise Unanswered(f"{self.one.path!a} has {self.size} bytes")
        if self.link is None:
            self.out.write(
                self.header(self.one, tarfile.REGTYPE, 0o755 if self.one.mode == "100755" else 0o644, self.size)
            )
        self.left = self.size + 1
        return view[len(line) + 1 :]

    def end(self) -> None:
        """End a member."""
        if self.one is not None and self.link is not None:
            self.out.write(self.header(self.one, tarfile.SYMTYPE, 0o777, link=self.link))
        else:
            self.out.write(bytes(-self.size % tarfile.BLOCKSIZE))
        self.left = -1
        self.one = self.next()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
