"""Holds what the files of a built package ask for against what its template declares.

Reported is what no declared package gives though a file asks for it, and what is declared though nothing can be seen
to use it. Nothing is said where use leaves no trace: of tools, of headers, of static archives, of data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xsrc.model.arch import Dep
from xsrc.model.manifest import Entry, Kind
from xsrc.model.need import Need, Needs, Want
from xsrc.model.pkgver import Pattern

UNDECLARED, UNUSED = "undeclared-dependency", "unused-dependency"
"""Names under which `[lint] ignore` gives the reason why a finding is none."""

_BASE_PROGRAMS = frozenset(("awk", "bc", "cat", "cc", "ed", "env", "false", "make", "sed", "sh", "test", "true"))
_BASE_LIBRARIES = re.compile(
    r"(?:ld-linux.*|ld-musl-.*|ld64|libc\.musl-.*|linux-vdso|libc|libm|libmvec|libdl|libpthread|librt|libresolv|libutil|"
    r"libnsl|libanl|libcrypt|libthread_db|libnss_\w+|libBrokenLocale|libc_malloc_debug|libgcc_s|libstdc\+\+|libatomic|"
    r"libgomp|libitm|libquadmath|libgfortran|libssp|lib[alt]san|libubsan|libhwasan)\.so(?:\.\d+)*"
)
"""What every base gives: the C library, and what the compiler brings along."""
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
"""Folders that packages share without a thought of each other."""


@dataclass(frozen=True)
class Offer:
    """What one built package gives to others."""

    name: str
    sonames: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    """Names of what stands where commands are looked up."""
    paths: frozenset[str] = frozenset()
    """Other files that may be run."""
    modules: frozenset[str] = frozenset()
    """Of pkg-config."""
    python: frozenset[str] = frozenset()
    perl: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    """Where files of others can only be meant for it."""
    static: bool = False
    """Whether it has an archive without a library beside it: who uses that has it inside."""
    empty: bool = False
    """Whether it only gathers others."""
    virtual: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Names of what it needs at run time."""

    def gives(self, want: Want, name: str) -> bool:
        """Whether it has what a file asks for."""
        match want:
            case Want.SONAME:
                return name in self.sonames
            case Want.PROGRAM:
                command = _COMMANDS.fullmatch(name.lstrip("/"))
                return (command[1] if command else name) in self.programs or name.lstrip("/") in self.paths
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
) -> Offer:
    """What a package gives, by its manifest, the sonames that it provides, and its property list."""
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
    )


@dataclass(frozen=True)
class Checked:
    """One built package that is looked at."""

    name: str
    needs: Needs
    files: frozenset[str]
    declared: Mapping[Dep, tuple[Pattern, ...]]
    """By its template as it stands now."""
    run_depends: tuple[str, ...] = ()
    """Patterns: the declared ones when it was built, and the packages whose libraries were found to be needed."""
    meta: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing that its template should say, or should not."""

    rule: str
    text: str
    path: str = ""
    needs: str = ""
    provider: str = ""
    key: str = ""
    """The key of the template that is meant."""
    more: tuple[str, ...] = field(default=(), compare=False)


def undeclared(one: Checked, offers: Mapping[str, Offer], templates: Collection[str]) -> Iterator[Finding]:
    """What a file asks for and no declared package gives; `templates` are the names of the tree, for a guess."""
    known = {key: _provided(one, offers, key) for key in (Dep.LIB, Dep.RUN)}
    own = {path.rpartition("/")[2].partition(".so")[0] for path in one.files if ".so" in path}
    own |= {part.removesuffix(".py") for path in one.files for part in path.split("/")}
    has_perl = any(offer.gives(Want.PROGRAM, "perl") for offer in offers.values())
    wanted: dict[tuple[str, str, str], list[Need]] = {}
    for need in one.needs.needs:
        key = Dep.LIB if need.want is Want.SONAME else Dep.RUN
        givers = sorted(offer.name for offer in offers.values() if offer.gives(need.want, need.name))
        if _of_base(need) or not known[key].isdisjoint(givers) or _by_itself(need, own):
            continue
        guess = (*givers, *(name for name in _guesses(need) if name in templates))
        if guess and guess[0] in known[key]:
            continue  # built before it gave that, or not built
        if not guess and need.want is Want.PERL and not has_perl:
            continue  # which modules come with a perl is known by one that is built
        provider = guess[0] if guess else ""
        wanted.setdefault((key.value, provider, provider or need.name), []).append(need)
    for (where, provider, _), needs in wanted.items():
        yield _undeclared(where, provider, needs)


def _undeclared(key: str, provider: str, needs: list[Need]) -> Finding:
    first = needs[0]
    others = sum(need.files for need in needs) - 1
    place = f"/{first.path}" + (f" (and {others} more)" if others else "")
    names = ", ".join(dict.fromkeys(f"{need.name}" for need in needs[:4])) + (", …" if len(needs) > 4 else "")
    advice = f"declare {provider} in {key}" if provider else "neither a built package nor a template's name gives it"
    return Finding(
        UNDECLARED,
        f"{place}: needs {names} ({first.want}): {advice}",
        f"/{first.path}",
        first.name,
        provider,
        key,
        tuple(f"{need.want} {need.name}" for need in needs),
    )


def suspects(one: Checked, offers: Mapping[str, Offer]) -> dict[str, tuple[Dep, frozenset[str]]]:
    """Declared packages that no file asks for, with the names by which a file may use them all the same.

    Not among them is what can be used without a trace: tools, and libraries where something may be linked statically.
    """
    found: dict[str, tuple[Dep, frozenset[str]]] = {}
    mine = offers.get(one.name)
    inside = one.needs.static or bool(mine and mine.static)
    for kind in (Dep.LIB, Dep.RUN):
        for pattern in () if one.meta else one.declared.get(kind, ()):
            other = offers.get(pattern.name)
            if other is None or other.empty or _used(one, other, mine):
                continue
            if kind is Dep.RUN and other.seen:
                found[other.name] = (kind, other.seen)
            elif kind is Dep.LIB and other.sonames and not other.static and not inside:
                found.setdefault(other.name, (kind, other.seen))
    return found


def unused(name: str, kind: Dep, gives: Iterable[str]) -> Finding:
    """That nothing uses what `name` gives."""
    some = sorted(gives)
    names = ", ".join(some[:3]) + (", …" if len(some) > 3 else "")
    text = f"{kind.value}: nothing of {name} is asked for or named by a file ({names}): leave it out"
    return Finding(UNUSED, text, provider=name, key=kind.value)


def _used(one: Checked, other: Offer, mine: Offer | None) -> bool:
    """Whether a file asks for something of `other`, or stands where only that looks."""
    if any(other.gives(need.want, need.name) for need in one.needs.needs):
        return True
    return mine is not None and not mine.folders.isdisjoint(other.folders)


def _provided(one: Checked, offers: Mapping[str, Offer], key: Dep) -> set[str]:
    """Names of the packages that it declares, itself among them; for one that only gathers others, these too."""
    known = {one.name}
    queue = [*map(Pattern.parse, one.run_depends), *one.declared.get(Dep.RUN, ()), *one.declared.get(key, ())]
    while queue:
        pattern = queue.pop()
        names = {pattern.name} | {
            name for name, other in offers.items() if any(map(pattern.satisfied_by, other.virtual))
        }
        for name in names - known:
            known.add(name)
            if name in offers and offers[name].empty:
                queue += map(Pattern.parse, offers[name].needs)
    return known


def _of_base(need: Need) -> bool:
    """Whether every base gives it, or no package ever can."""
    match need.want:
        case Want.SONAME:
            return _BASE_LIBRARIES.fullmatch(need.name) is not None
        case Want.PERL:
            return _ELSEWHERE.fullmatch(need.name) is not None
        case Want.PROGRAM:
            command = _COMMANDS.fullmatch(need.name.lstrip("/"))
            return (command[1] if command else need.name) in _BASE_PROGRAMS
    return False


def _by_itself(need: Need, own: Collection[str]) -> bool:
    """Whether a package finds it among its own files: a library without a soname, a module beside a script."""
    if need.want is Want.SONAME:
        return need.name.partition(".so")[0] in own
    return need.want is Want.PYTHON and need.name in own


def _guesses(need: Need) -> Iterator[str]:
    """Names that a package that gives it may have."""
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
