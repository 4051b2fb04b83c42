"""Compares the needs of the files of built packages with the packages that their template declares.

It reports needs that no declared package satisfies, and declared packages without a visible use. It reports nothing
about uses that leave no trace: of tools, of headers, of static archives, of data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from xsrc.core.dep import Dep
from xsrc.core.pkgver import Pattern
from xsrc.core.spans import KeyPath
from xsrc.store.manifest import Entry, Kind
from xsrc.store.needs import Need, Needs, Want

UNDECLARED, UNUSED = "undeclared", "unused"
"""What codes of findings begin with; a `-` and the name of the other package follow."""

_BASE_PROGRAMS = frozenset(("awk", "bc", "cat", "cc", "ed", "env", "false", "make", "sed", "sh", "test", "true"))
_BASE_LIBRARIES = re.compile(
    r"(?:ld-linux.*|ld-musl-.*|ld64|libc\.musl-.*|linux-vdso|libc|libm|libmvec|libdl|libpthread|librt|libresolv|libutil|"
    r"libnsl|libanl|libcrypt|libthread_db|libnss_\w+|libBrokenLocale|libc_malloc_debug|libgcc_s|libstdc\+\+|libatomic|"
    r"libgomp|libitm|libquadmath|libgfortran|libssp|lib[alt]san|libubsan|libhwasan)\.so(?:\.\d+)*"
)
"""Libraries of every base: the C library, and those of the compiler."""
_ELSEWHERE = re.compile(r"(?:VMS|Mac|MacOS|MacPerl|OS2|Win32\w*)(?:::.*)?")
"""Perl modules of other systems."""
_COMMANDS = re.compile(r"(?:usr/)?s?bin/([^/]+)")
_PC = re.compile(r"usr/(?:lib|lib64|share)/pkgconfig/(.+)\.pc")
_PYTHON = re.compile(
    r"usr/lib(?:64)?/python3[^/]*/(?:(?:site|dist)-packages/|lib-dynload/)?(\w+)(?:/|[^/]*\.(?:py|so)$)"
)
_SHARED_FOLDERS = re.compile(
    r"usr/(?:lib|lib64|libexec|share)/(?:pkgconfig|cmake|aclocal|man|info|doc|gtk-doc|help|locale|licenses|icons|"
    r"applications|bash-completion|zsh|fish|vala|gir-1\.0|girepository-1\.0|mime|metainfo|debug)(?:/|$)"
)
"""Folders that unrelated packages share."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Offer:
    """The offer of one built package to others."""

    name: str
    sonames: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    """Names of programs in the search path."""
    paths: frozenset[str] = frozenset()
    """Other executable files."""
    modules: frozenset[str] = frozenset()
    """Of pkg-config."""
    python: frozenset[str] = frozenset()
    perl: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    """Folders in which files of others can only be for this package."""
    static: bool = False
    """Whether it has an archive without a library beside it: its users contain its code."""
    empty: bool = False
    """Whether it only gathers others."""
    virtual: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Patterns of what it needs at run time."""
    source: str = ""
    """The build that it came from: equal for all packages of one template."""

    def gives(self, want: Want, name: str) -> bool:
        """Whether it satisfies a need of a file."""
        match want:
            case Want.SONAME:
                return name in self.sonames
            case Want.PROGRAM:
                return _command(name) in self.programs or name.lstrip("/") in self.paths
            case Want.PC:
                return name in self.modules
            case Want.PYTHON:
                return name in self.python
            case Want.PERL:
                return name in self.perl

    @property
    def seen(self) -> frozenset[str]:
        """Names by which the files of others may use it."""
        return self.sonames | self.programs | self.python | self.perl


def offer(
    name: str,
    entries: Iterable[Entry],
    sonames: Iterable[str] = (),
    virtual: Iterable[str] = (),
    needs: Iterable[str] = (),
    source: str = "",
) -> Offer:
    """The offer of a package, by its manifest, its sonames, and its property list."""
    found: dict[str, set[str]] = {
        kind: set() for kind in ("program", "path", "pc", "python", "perl", "folder", "so", "a")
    }
    empty = True
    for entry in entries:
        path, base = entry.path, entry.path.rpartition("/")[2]
        if entry.kind is Kind.DIR:
            if path.count("/") >= 2 and path.startswith("usr/") and not _SHARED_FOLDERS.match(path):
                found["folder"] |= set() if path.startswith("usr/include/") else {path}
            continue
        empty = False
        if hit := _COMMANDS.fullmatch(path):
            found["program"].add(hit[1])
        elif entry.kind is Kind.LINK or entry.mode & 0o111:
            found["path"].add(path)
        if hit := _PC.fullmatch(path):
            found["pc"].add(hit[1])
        elif hit := _PYTHON.match(path):
            found["python"].add(hit[1])
        elif base.endswith(".pm"):
            parts = path.removesuffix(".pm").split("/")
            # where modules begin is known to perl alone; a name in more than six parts is nobody's
            found["perl"] |= {"::".join(parts[-count:]) for count in range(1, min(7, len(parts)))}
        elif ".so" in base:
            found["so"].add(base.partition(".so")[0])
        elif base.endswith(".a"):
            found["a"].add(base.removesuffix(".a"))
    return Offer(
        name=name,
        sonames=frozenset(sonames),
        programs=frozenset(found["program"]),
        paths=frozenset(found["path"]),
        modules=frozenset(found["pc"]),
        python=frozenset(found["python"]),
        perl=frozenset(found["perl"]),
        folders=frozenset(found["folder"]),
        static=bool(found["a"] - found["so"]),
        empty=empty,
        virtual=tuple(virtual),
        needs=tuple(needs),
        source=source,
    )


Offers = Mapping[str, Offer]
"""The offers of all built packages, by name."""


@dataclass(frozen=True)
class Part:
    """The package of a template, or one of its subpackages, as it was built."""

    name: str
    needs: Needs
    files: frozenset[str]
    depends: tuple[Pattern, ...] = ()
    """The dependencies in the present template."""
    key: KeyPath = (Dep.RUN.value,)
    """The key of the template that declares them."""


@dataclass(frozen=True)
class Declared:
    """All packages of one template, the package itself first."""

    parts: tuple[Part, ...]
    makedepends: tuple[Pattern, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts)


@dataclass(frozen=True)
class Suspect:
    """A declared package that no file needs."""

    name: str
    key: KeyPath
    words: frozenset[str]
    """Names by which a file may still use it."""
    parts: tuple[Part, ...]
    """The packages whose files are searched."""


@dataclass(frozen=True)
class NeedFinding:
    """One thing that a template should declare, or should not."""

    code: str
    """The key of `[lint] ignore` for the reason why this is no problem."""
    key: KeyPath
    """The key of the template."""
    message: str
    hint: str
    provider: str = ""
    """The other package; "" if unknown."""
    path: str = ""
    """The first file that asks."""
    needs: tuple[str, ...] = ()
    """All needs."""


def undeclared(one: Declared, offers: Offers, templates: Collection[str]) -> Iterator[NeedFinding]:
    """The needs of files that no declared package satisfies; `templates` are names of the tree, for guesses."""
    files = [path for part in one.parts for path in part.files]
    own = {path.rpartition("/")[2].partition(".so")[0] for path in files if ".so" in path}
    own |= {word.removesuffix(".py") for path in files for word in path.split("/")}
    has_perl = any(offer.gives(Want.PROGRAM, "perl") for offer in offers.values())
    linked = one.names | _meant(one.makedepends, offers)
    for part in one.parts:
        declared = _meant(part.depends, offers)
        known = {Dep.LIB: linked | declared, Dep.RUN: {part.name} | declared | set(_loaded(part, offers))}
        wanted: dict[tuple[Dep, str, str], list[Need]] = {}
        for need in part.needs.needs:
            dep = Dep.LIB if need.want is Want.SONAME else Dep.RUN
            givers = sorted(offer.name for offer in offers.values() if offer.gives(need.want, need.name))
            if _of_base(need) or not known[dep].isdisjoint(givers) or _by_itself(need, own):
                continue
            guess = (*givers, *(name for name in _guesses(need) if name in templates))
            if guess and guess[0] in known[dep]:
                continue  # built before it gave that, or not built
            if not guess and need.want is Want.PERL and not has_perl:
                continue  # which modules come with a perl is known by one that is built
            provider = guess[0] if guess else ""
            wanted.setdefault((dep, provider, provider or need.name), []).append(need)
        for (dep, provider, _), needs in wanted.items():
            yield _undeclared((dep.value,) if dep is Dep.LIB else part.key, provider, needs, offers)


def _undeclared(key: KeyPath, provider: str, needs: list[Need], offers: Offers) -> NeedFinding:
    first = needs[0]
    others = max(need.files for need in needs) - 1
    who = f"/{first.path} " + (f"and {others} more need" if others else "needs")
    more = [need.name for need in needs[1:4]]
    if len(needs) > 4:
        more.append("…")
    code, where = f"{UNDECLARED}-{provider or _command(first.name)}", _dotted(key)
    if provider:
        gives = provider in offers and offers[provider].gives(first.want, first.name)
        giver = f"{provider} {'gives' if gives else 'may give'} it, and is not declared"
        hint = f'add "{provider}" to {where}'
        if first.want is not Want.SONAME:
            hint += f"; or say why it may be without: {_reason(code)}"
    else:
        giver = "it came from the base" if first.want is Want.SONAME else "no built package gives it"
        hint = f"add what gives it to {where}, or build without it; or say why it may be: {_reason(code)}"
    message = f"{where}: {who} {', '.join([f'{first.name} ({first.want})', *more])}: {giver}"
    return NeedFinding(code, key, message, hint, provider, f"/{first.path}", tuple(f"{n.want} {n.name}" for n in needs))


def suspects(one: Declared, offers: Offers) -> Iterator[Suspect]:
    """Declared packages that no file needs.

    They do not include packages whose use leaves no trace: tools, and libraries that may be linked statically.
    """
    inside = any(part.needs.static or _static(part, offers) for part in one.parts)
    for pattern in () if inside else one.makedepends:
        group = _group(pattern.name, offers)
        if any(other.sonames for other in group) and not any(other.static for other in group):
            yield from _suspect(one, pattern, (Dep.LIB.value,), group, one.parts, offers)
    for part in one.parts:
        for pattern in part.depends if part.files else ():
            yield from _suspect(one, pattern, part.key, _group(pattern.name, offers), (part,), offers)


def _suspect(
    one: Declared, pattern: Pattern, key: KeyPath, group: list[Offer], parts: tuple[Part, ...], offers: Offers
) -> Iterator[Suspect]:
    words = frozenset(word for other in group for word in other.seen)
    if pattern.name in one.names or not words or any(other.empty for other in group):
        return
    if not any(_used(part, other, offers.get(part.name)) for part in parts for other in group):
        yield Suspect(pattern.name, key, words, parts)


def unused(suspect: Suspect) -> NeedFinding:
    """The finding that nothing uses a package."""
    name, where = suspect.name, _dotted(suspect.key)
    some = sorted(suspect.words)
    names = ", ".join(some[:3]) + (", …" if len(some) > 3 else "")
    code = f"{UNUSED}-{name}"
    message = f"{where}: no file uses or names {name}" + (f" ({names})" if some != [name] else "")
    return NeedFinding(code, suspect.key, message, f"take it out, or say why it stays: {_reason(code)}", name)


def _used(part: Part, other: Offer, mine: Offer | None) -> bool:
    """Whether a file needs something of `other`, or is in a folder that only `other` reads."""
    if any(other.gives(need.want, need.name) for need in part.needs.needs):
        return True
    return mine is not None and not mine.folders.isdisjoint(other.folders)


def _static(part: Part, offers: Offers) -> bool:
    return part.name in offers and offers[part.name].static


def _loaded(part: Part, offers: Offers) -> Iterator[str]:
    """The packages that are needed for their libraries without a declaration."""
    for need in part.needs.needs:
        if need.want is Want.SONAME:
            yield from (offer.name for offer in offers.values() if need.name in offer.sonames)


def _meant(patterns: Iterable[Pattern], offers: Offers) -> set[str]:
    """Names of the packages that these patterns declare."""
    known: set[str] = set()
    for pattern in patterns:
        known |= {pattern.name, *(offer.name for offer in _group(pattern.name, offers))}
        for name, other in offers.items():
            if any(map(pattern.satisfied_by, other.virtual)):
                known.add(name)
    return known


def _group(name: str, offers: Offers) -> list[Offer]:
    """A built package with the packages that it gathers, and those of the same build that it needs."""
    found: dict[str, Offer] = {}
    queue = [name]
    while queue:
        other = offers.get(queue.pop())
        if other is None or other.name in found:
            continue
        found[other.name] = other
        for need in map(Pattern.parse, other.needs):
            beside = offers.get(need.name)
            if other.empty or (beside is not None and other.source and beside.source == other.source):
                queue.append(need.name)
    return list(found.values())


def _command(name: str) -> str:
    """The name of a program in the search path, for a name or a path."""
    hit = _COMMANDS.fullmatch(name.lstrip("/"))
    return hit[1] if hit else name


def _of_base(need: Need) -> bool:
    """Whether every base satisfies this need, or no package ever can."""
    match need.want:
        case Want.SONAME:
            return _BASE_LIBRARIES.fullmatch(need.name) is not None
        case Want.PERL:
            return _ELSEWHERE.fullmatch(need.name) is not None
        case Want.PROGRAM:
            return _command(need.name) in _BASE_PROGRAMS
    return False


def _by_itself(need: Need, own: Collection[str]) -> bool:
    """Whether a package's own files satisfy this need: a library without a soname, a module beside a script."""
    if need.want is Want.SONAME:
        return need.name.partition(".so")[0] in own
    return need.want is Want.PYTHON and need.name in own


def _guesses(need: Need) -> Iterator[str]:
    """Possible names of a package that satisfies this need."""
    name = need.name.rpartition("/")[2]
    match need.want:
        case Want.SONAME:
            stem = name.partition(".so")[0]
            bare = stem.removeprefix("lib")
            yield from (stem, bare, f"{bare}lib", stem.rstrip("0123456789.-"), bare.rstrip("0123456789.-"))
        case Want.PROGRAM:
            stem = name.rstrip("0123456789.")
            yield from (name, stem, f"{stem}3")
        case Want.PC:
            stem = name.rstrip("0123456789.-+")
            yield from (name, f"lib{name}", name.removeprefix("lib"), stem, f"lib{stem}")
        case Want.PYTHON:
            low = name.lower()
            yield from (f"python3-{low}", f"python3-{low.replace('_', '-')}", f"python-{low}")
        case Want.PERL:
            parts = name.split("::")
            yield from ("perl-" + "-".join(parts[:count]) for count in range(len(parts), 0, -1))


def _dotted(key: KeyPath) -> str:
    return ".".join(map(str, key))


def _reason(code: str) -> str:
    """The line of a template with the reason for an exception."""
    key = code if _BARE.fullmatch(code) else f'"{code}"'
    return f'[lint] ignore = {{ {key} = "…" }}'
