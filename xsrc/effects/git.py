"""Makes an archive of one commit of a git repository: the same bytes on every machine, from objects alone.

git itself only brings objects. It reads no configuration and runs no hook, no helper of the user's and no transport but
those named here; nothing is checked out, so that attributes, filters and submodules of the repository are without
effect. What becomes of the archive is decided by its checksum, as of any other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, NamedTuple

import prctl

from xsrc.effects.destdir import remove_tree
from xsrc.effects.proc import LimitReached, Watch, stream
from xsrc.model.command import Command

_PROTOCOLS = "https:http:git"
"""Not ssh, which goes by keys and settings of a user, not file, which is another thing on each machine."""
_SETTINGS = (
    *("core.hooksPath=/dev/null", "credential.helper=", "gc.auto=0", "maintenance.auto=false"),
    *("fetch.recurseSubmodules=false", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60"),
)
_PATIENCE = Watch(silent=600, size=64 << 20)
_BLOCK = 512
_LARGEST = 8**11 - 1
"""What the field of a size, and of a time, can say."""
_LINK = 4096
"""Bytes that the text of a link may have (PATH_MAX)."""


class _Blob(NamedTuple):
    """A path of a commit."""

    mode: str
    digest: str
    path: bytes


def archive(url: str, commit: str, part: Path) -> None:
    """Write the tree of a commit as a tar archive below a folder that is called as the commit; raises OSError.

    A submodule is an empty directory.
    """
    repository = part.with_name(f"{part.name}.git")
    remove_tree(repository)
    try:
        _git(None, "init", "--quiet", "--bare", "--template=", str(repository))
        _fetch(repository, url, commit)
        with part.open("wb") as out:
            _write(repository, commit, out)
    except LimitReached as error:
        raise ConnectionError(str(error)) from error
    finally:
        remove_tree(repository)


def _fetch(repository: Path, url: str, commit: str) -> None:
    """Bring a commit: alone where the server gives it so, else with all that it has."""
    fetch = ("fetch", "--quiet", "--progress", "--no-tags", "--no-write-fetch-head")
    try:
        _git(repository, *fetch, "--depth=1", "--", url, commit)
    except ConnectionError:
        _git(repository, *fetch, "--", url, "+refs/*:refs/all/*")
    try:
        _git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    except ConnectionError as error:
        raise ConnectionError(f"there is no commit {commit}") from error


def _command(repository: Path | None, *words: str) -> Command:
    where = () if repository is None else (f"--git-dir={repository}",)
    settings = (word for setting in _SETTINGS for word in ("-c", setting))
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    return Command(("git", *settings, *where, *words), env)


def _git(repository: Path | None, *words: str) -> bytes:
    """What git says; raises ConnectionError with its last line where it fails."""
    said = bytearray()
    code = stream(_command(repository, *words), said.extend, watch=_PATIENCE, before=_no_privileges)
    if code:
        lines = said.decode(errors="replace").replace("\r", "\n").split("\n")
        told = [line for line in lines if line.startswith(("fatal: ", "error: "))] or [line for line in lines if line]
        raise ConnectionError(f"git says: {told[0].strip()}" if told else f"git {words[0]}: exit code {code}")
    return bytes(said)


def _no_privileges() -> None:
    prctl.set_no_new_privs(1)


def _write(repository: Path, commit: str, out: IO[bytes]) -> None:
    """The archive: a member for each path, in the order of git's trees, all of the time of the commit."""
    said = _git(repository, "cat-file", "commit", commit)
    when = next(int(line.split()[-2]) for line in said.split(b"\n") if line.startswith(b"committer "))
    rows = (row for row in _git(repository, "ls-tree", "-rz", "--full-tree", commit).split(b"\0") if row)
    members = [_blob(row) for row in rows]
    writer = _Members(members, commit.encode(), min(max(when, 0), _LARGEST), out)
    asked = "".join(f"{one.digest}\n" for one in members if one.mode != _SUBMODULE).encode()

    def ask(git: IO[bytes]) -> None:
        git.write(asked)

    code = stream(_command(repository, "cat-file", "--batch"), writer.take, ask, before=_no_privileges)
    if code or not writer.done():
        raise ConnectionError(f"git cat-file: exit code {code}")
    out.write(bytes(2 * _BLOCK))


def _blob(row: bytes) -> _Blob:
    about, _, path = row.partition(b"\t")
    mode, _, digest = about.decode().split(" ")
    return _Blob(mode, digest, path)


_LINKED, _SUBMODULE = "120000", "160000"


class _Members:
    """Turns what `git cat-file --batch` says of blobs (a header, the content, a line's end) into members."""

    def __init__(self, members: list[_Blob], top: bytes, when: int, out: IO[bytes]) -> None:
        self.members, self.top, self.when, self.out = iter(members), top, when, out
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
            self.out.write(self.header(one, b"5", 0o755))
        return None

    def header(self, one: _Blob, kind: bytes, mode: int, size: int = 0, link: bytes = b"") -> bytes:
        return _header(self.top + b"/" + one.path, kind, mode, size, self.when, link)

    def done(self) -> bool:
        """Whether all of it has come."""
        return self.one is None and not self.head and self.left < 0

    def take(self, data: bytes) -> None:
        """Go on with what came; raises ConnectionError for what cannot be a member."""
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
            raise ConnectionError(f"git cat-file says {self.head!a}")
        self.head, self.size = b"", int(words[2])
        self.link = b"" if self.one.mode == _LINKED else None
        if self.size > (_LINK if self.link is not None else _LARGEST):
            raise ConnectionError(f"{self.one.path!a} has {self.size} bytes")
        if self.link is None:
            self.out.write(self.header(self.one, b"0", 0o755 if self.one.mode == "100755" else 0o644, self.size))
        self.left = self.size + 1
        return view[len(line) + 1 :]

    def end(self) -> None:
        """End a member."""
        if self.one is not None and self.link is not None:
            self.out.write(self.header(self.one, b"2", 0o777, link=self.link))
        else:
            self.out.write(bytes(-self.size % _BLOCK))
        self.left = -1
        self.one = self.next()


def _header(path: bytes, kind: bytes, mode: int, size: int, when: int, link: bytes) -> bytes:
    """The header of a member as POSIX has it (ustar); what is too long for it stands in an extended one before."""
    long = [(name, value) for name, value in ((b"path", path), (b"linkpath", link)) if len(value) > 100]
    extended = b"".join(_record(name, value) for name, value in long)
    blocks = b""
    if extended:
        blocks = _header(b"pax", b"x", 0o644, len(extended), when, b"") + extended + bytes(-len(extended) % _BLOCK)
    fields = [
        path[:100].ljust(100, b"\0"),
        *(b"%07o\0" % number for number in (mode, 0, 0)),
        *(b"%011o\0" % number for number in (size, when)),
        b" " * 8,
        kind,
        link[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"0000000\x00" * 2,
        bytes(167),
    ]
    block = b"".join(fields)
    return blocks + block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(name: bytes, value: bytes) -> bytes:
    """One record of an extended header, which begins with its own length.

    >>> _record(b"path", b"a" * 91)[:8], len(_record(b"path", b"a" * 91))
    (b'100 path', 100)
    """
    rest = len(name) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, name, value)
