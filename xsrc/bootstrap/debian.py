"""A base from the packages of a Debian release: questions to apt, places of files, links.

No maintainer script runs. A build needs only one of their effects: the links of update-alternatives(1). xsrc reads
these from the text of the scripts.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote

from xsrc.core.layout import MERGED

PACKAGES = ("?essential", "build-essential")
"""The packages of a base, beside their dependencies; apt-patterns(7)."""

MACHINES: Mapping[str, str] = MappingProxyType(
    {
        "x86_64": "amd64",
        "i686": "i386",
        "aarch64": "arm64",
        "armv7l": "armhf",
        "riscv64": "riscv64",
        "ppc64le": "ppc64el",
        "ppc64": "ppc64",
        "s390x": "s390x",
        "loongarch64": "loong64",
    }
)
"""Debian's names of the machine types that it has, all with glibc."""

_LEFT_OUT = ("info", "lintian", "locale", "man")
_WISH = re.compile(r"debian(?::(?P<suite>[a-z][a-z0-9.]*)(?:/(?P<arch>[a-z0-9]+))?)?")


@dataclass(frozen=True)
class Wish:
    """`debian[:suite[/arch]]`, with missing parts filled in."""

    suite: str
    arch: str

    @property
    def name(self) -> str:
        """The name of the base if the suite is a release's own name, not `stable`."""
        return f"debian-{self.suite}-{self.arch}"


def wish(text: str, suite: str, arch: str) -> Wish:
    """The wish that `text` names. Raises ValueError for a bad one."""
    found = _WISH.fullmatch(text)
    if found is None:
        raise ValueError(f"want debian[:suite[/arch]], got {text!r}")
    return Wish(found["suite"] or suite, found["arch"] or arch)


def sources(site: str, suite: str, keyring: str) -> str:
    """sources.list(5) in its deb822 form: one suite, and the keys that must have signed its Release."""
    return f"Types: deb\nURIs: {site}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"


def configuration(folder: str, arch: str) -> str:
    """apt.conf(5): a state of its own below `folder`, nothing unsigned, no hook and no preference of the machine.

    Proxies and the like stay as the machine has them.
    """
    values = {
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "APT::Default-Release": "",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::ForceHash": "SHA256",
        "Acquire::GzipIndexes": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": f"{folder}/base.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::trusted": "/dev/null",
        "Dir::Etc::trustedparts": "/dev/null",
        "Dir::Log": f"{folder}/log",
        "Dir::State": f"{folder}/state",
        "Dir::State::status": f"{folder}/status",
        "Dpkg::Use-Pty": "false",
    }
    cleared = ("APT::Architectures", "APT::Update", "APT::NeverAutoRemove", "Acquire::IndexTargets::deb::Contents-deb")
    lines = [f"#clear {name};" for name in cleared]
    return "\n".join((*lines, *(f'{name} "{value}";' for name, value in values.items()), ""))


@dataclass(frozen=True)
class Deb:
    """One package file as the signed lists describe it."""

    url: str
    file: str
    """`NAME_VERSION_ARCH.deb`."""
    size: int
    """Bytes."""
    sha256: str

    @property
    def name(self) -> str:
        return self.file.partition("_")[0]

    @property
    def version(self) -> str:
        return unquote(self.file.split("_")[1])


def debs(said: str) -> tuple[Deb, ...]:
    """The packages of `apt-get install --print-uris`, by name. Raises ValueError for a line without sha256."""
    found = []
    for line in said.splitlines():
        if not line.startswith("'"):
            continue
        words = re.fullmatch(
            r"'(\S+)' ([a-z0-9][a-z0-9.+-]*_[A-Za-z0-9.+%~-]+_[a-z0-9-]+\.deb) (\d+) SHA256:([0-9a-f]{64})",
            line.strip(),
        )
        if words is None:
            raise ValueError(f"apt-get names a package without its sha256: {line}")
        found.append(Deb(words[1], words[2], int(words[3]), words[4]))
    return tuple(sorted(found, key=lambda deb: deb.name))


def release(text: str) -> tuple[str, str]:
    """Code name and number of the release in a Release file; without a number, the name twice."""
    fields: dict[str, str] = dict(re.findall(r"^(Codename|Version): *([A-Za-z0-9.]+)$", text, re.MULTILINE))
    name = fields.get("Codename", "")
    return name, fields.get("Version", name)


def place(path: str) -> str | None:
    """The place of a package's path in a base, None if it is left out: /usr is merged, prose is left out.

    >>> place("bin/dash"), place("usr/share/man/man1/dash.1.gz"), place("lib")
    ('usr/bin/dash', None, None)
    """
    parts = path.split("/")
    if parts[0] in MERGED:
        if len(parts) == 1:  # a directory, or the link that it became
            return None
        parts.insert(0, "usr")
    if parts[:2] == ["usr", "share"] and len(parts) > 2:
        if parts[2] in _LEFT_OUT:
            return None
        if parts[2] == "doc" and parts[-1] != "copyright":  # what may be done with it is said there
            return None
    return "/".join(parts)


def relative(path: str, target: str) -> str:
    """The text of a link at `path` that leads within the base where `target` leads in a separate root.

    >>> relative("usr/bin/awk", "/etc/alternatives/awk"), relative("usr/lib/x/libz.so", "/lib/x/libz.so.1")
    ('../../etc/alternatives/awk', 'libz.so.1')
    """
    if not target.startswith("/"):
        return target
    parts = [part for part in target.split("/") if part]
    if parts and parts[0] in MERGED:
        parts.insert(0, "usr")
    return posixpath.relpath("/" + "/".join(parts), posixpath.dirname("/" + path))


@dataclass(frozen=True, order=True)
class DebianAlternative:
    """One choice for a name, with the links that go with it."""

    name: str
    priority: int
    target: str
    link: str
    slaves: tuple[tuple[str, str, str], ...] = ()
    """Link, name and target of each."""


_COMPUTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"xz-utils": ("unlzma", "lzcat", "lzcmp", "lzdiff", "lzegrep", "lzfgrep", "lzgrep", "lzless", "lzmore")}
)
"""Links whose names a package's script computes: `lzcat` to `xzcat`."""


def alternatives(package: str, script: str) -> tuple[DebianAlternative, ...]:
    """The arguments of `update-alternatives --install` in a postinst, as far as they are plain text."""
    found = []
    for line in script.replace("\\\n", " ").splitlines():
        head, program, rest = line.partition("update-alternatives ")
        if program and not head.lstrip().startswith("#"):
            found += list(_alternative(package, list(_words(rest))))
    return tuple(found)


def _words(text: str) -> Iterator[str]:
    """The words of a command up to the first that is not plain text."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        for word in lexer:
            if re.fullmatch(r"[\w./+:~%@=,-]+", word) is None:
                return
            yield word
    except ValueError:  # a quote that ends on another line
        return


def _alternative(package: str, words: list[str]) -> Iterator[DebianAlternative]:
    slaves = []
    while "--slave" in words:
        at = words.index("--slave")
        if len(words) > at + 3:
            slaves.append((words[at + 1], words[at + 2], words[at + 3]))
        del words[at : at + 4]
    if "--install" in words[:-4]:
        link, name, target, priority = words[words.index("--install") + 1 :][:4]
        if not priority.isdigit():
            return
        for program in _COMPUTED.get(package, ()):
            own = program.replace("lzma", "xz").replace("lz", "xz", 1)
            slaves.append((f"/usr/bin/{program}", program, f"/usr/bin/{own}"))
        yield DebianAlternative(name, int(priority), target, link, tuple(slaves))


def links(found: Iterable[DebianAlternative], present: Iterable[str]) -> dict[str, str]:
    """The links of update-alternatives: for each name the best choice that is `present` in the base.

    Return path and text of each. A link is at the name's own place; it leads to etc/alternatives, and on from there.
    """
    there = set(present)
    best: dict[str, DebianAlternative] = {}
    for choice in sorted(found):
        if place(choice.target.lstrip("/")) in there:
            best[choice.name] = choice
    made = {}
    for choice in best.values():
        for link, name, target in ((choice.link, choice.name, choice.target), *choice.slaves):
            at, to = place(link.lstrip("/")), place(target.lstrip("/"))
            plain = "/" not in name and ".." not in link.split("/")
            if plain and at is not None and to in there and at not in there:
                middle = f"etc/alternatives/{name}"
                made[at] = relative(at, f"/{middle}")
                made[middle] = relative(middle, f"/{to}")
    return made
