"""Builders of the values that tests start from, and a disk in memory that carries out the farm's operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from xsrc.build.job import Ground, Job, jobs
from xsrc.build.styles.expand import parse_styles
from xsrc.core.arch import Arch, Machine
from xsrc.core.base import Base
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.settings import Settings
from xsrc.farm.place import SKELETON as SKEL
from xsrc.farm.place import Act, Class, Conf, FileType, Found, Member, Op, Placed, Records, merge_lines
from xsrc.farm.resume import looked_at, turned
from xsrc.farm.stow import StowPlan, StowRequest, affected, plan_stow, turning, watched
from xsrc.store.manifest import Entry, Kind, Manifest
from xsrc.store.rules import Rules
from xsrc.tree.package import Package
from xsrc.tree.resolve import resolve
from xsrc.tree.template import Template, parse
from xsrc.unix import program

X86_64 = Arch.named("x86_64")
MUSL = Arch.named("x86_64-musl")
CROSS = Machine(MUSL, X86_64, 1)
"""For musl, built on a machine with glibc."""
SHA = "0123456789abcdef" * 4
MASTERDIR = Masterdir(Path("/m"))
HOST = Base(
    "host",
    X86_64,
    {"usr": (Path("/usr"),)},
    {"etc/alternatives": Path("/etc/alternatives")},
    {"LIBRARY_PATH": "/usr/lib"},
    identity={"cc": "gcc-12 1000"},
)

MINIMUM: Mapping[str, Any] = {
    "name": "dash",
    "version": "0.5.12",
    "revision": 1,
    "short_desc": "Small shell",
    "license": "MIT",
    "homepage": "https://example.org/",
    "build_style": "gnu-makefile",
}


def toml(value: object) -> str:
    """A value as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = {'"': '\\"', "\\": "\\\\"}
            quoted = "".join(escaped.get(c, f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in value)
            return f'"{quoted}"'
        case list() | tuple():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return str(value)


def document(table: Mapping[str, Any]) -> str:
    """A table as a TOML text, one line a key."""
    return "".join(f"{key} = {toml(value)}\n" for key, value in table.items())


def text_of(**keys: Any) -> str:
    """The text of a right template with `keys` set; None takes a key away."""
    return document({key: value for key, value in {**MINIMUM, **keys}.items() if value is not None})


def a_template(name: str = "dash", *, patches: Iterable[str] = (), files: Iterable[str] = (), **keys: Any) -> Template:
    """A template of a name, with `keys` set; patches and files/ are all of one checksum."""
    text = text_of(**{"name": name, **keys})
    return parse(name, text, f"templates/{name}/template.toml", dict.fromkeys(patches, SHA), dict.fromkeys(files, SHA))


def a_package(
    name: str = "dash",
    *,
    wanted: Iterable[str] = (),
    patches: Iterable[str] = (),
    arch: Arch | Machine = X86_64,
    **keys: Any,
) -> Package:
    """The package of a template with `keys` set and the options of `wanted` chosen."""
    return resolve(a_template(name, patches=patches, **keys), arch, wanted)


def packages(**tables: Mapping[str, Any]) -> dict[str, Package]:
    """Packages by name, each from a few keys: `packages(a={"makedepends": ["b"]}, b={})`."""
    return {name: a_package(name, **keys) for name, keys in tables.items()}


def a_job(**keys: Any) -> Job:
    """How a package that needs nothing is built on this base."""
    package = a_package(**keys)
    world = Ground(parse_styles(style_texts(), style_programs()), tidy_text(), Settings(), HOST, X86_64)
    return jobs({package.name: package}, [package.name], world)[package.name]


def style_texts() -> dict[str, str]:
    """The build styles that xsrc comes with."""
    folder = resources.files("xsrc.build.styles")
    return {file.name.removesuffix(".toml"): file.read_text() for file in folder.iterdir() if ".toml" in file.name}


def style_programs() -> dict[str, str]:
    """The programs that they run in a build root."""
    folder = resources.files("xsrc.build.styles") / "programs"
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def tidy_text() -> str:
    """The script that ends an install phase."""
    return program.tidy_text()


# ---- farm


def a_file(path: str, content: str = "x", mode: int = 0o644) -> Entry:
    """A file; its content stands for its checksum."""
    return Entry(path, Kind.FILE, mode, len(content), content)


def a_link(path: str, target: str) -> Entry:
    """A link that a package ships."""
    return Entry(path, Kind.LINK, 0o777, target=target)


def with_parents(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries and every directory above them, in order."""
    found = {entry.path: entry for entry in entries}
    for path in tuple(found):
        while path := path.rpartition("/")[0]:
            found.setdefault(path, Entry(path, Kind.DIR))
    return Manifest.of(found.values()).entries


def a_member(pkgver: str, *entries: Entry | str, **rules: Any) -> Member:
    """A built package; a plain string is a file of that path with its name as content."""
    files = [a_file(entry, f"{pkgver}:{entry}") if isinstance(entry, str) else entry for entry in entries]
    return Member(PkgVer.parse(pkgver), with_parents(files), Rules(**rules))


SKELETON: Mapping[str, Entry] = {
    entry.path: entry
    for entry in (
        *(Entry(path, Kind.DIR) for path in ("etc", "pkg-destdir", "usr", "usr/bin", "usr/lib", "usr/share", "var")),
        a_link("bin", "usr/bin"),
        a_file("etc/passwd", "root"),
    )
}


FOLDER = Found(FileType.DIR, mode=0o755)


@dataclass
class Disk:
    """A root in memory: what stands at each path, and what is stowed."""

    nodes: dict[str, Found] = field(default_factory=dict)
    stowed: dict[str, Member] = field(default_factory=dict)
    conf: dict[str, Conf] = field(default_factory=dict)
    aside: dict[str, Placed] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls) -> Disk:
        """A new masterdir."""
        return cls({path: found_of(entry) for path, entry in SKELETON.items()})

    def copy(self) -> Disk:
        """An equal disk of its own."""
        return deepcopy(self)

    def survey(self, paths: Iterable[str]) -> dict[str, Found]:
        """What stands at `paths`, as effects would see it: nothing is looked up through a link."""
        found = {path: self.nodes[path] for path in paths if path in self.nodes and self._reached(path)}
        for path, there in found.items():
            if there.kind is FileType.LINK and path.startswith("var/"):
                found[path] = there._replace(folder=there.text.endswith("/"))
        return found

    def look_again(self, ops: Iterable[Op]) -> dict[str, Found]:
        """What a command looks at before it goes on with operations that were cut off."""
        planned = tuple(ops)
        inside = tuple(f"{folder}/" for folder in turned(planned))
        return self.survey({*looked_at(planned), *(path for path in self.nodes if path.startswith(inside))})

    @property
    def modes(self) -> dict[str, int]:
        """The modes of files that stand there."""
        return {path: found.mode for path, found in self.nodes.items() if found.kind is FileType.FILE and found.mode}

    def _reached(self, path: str) -> bool:
        while path := path.rpartition("/")[0]:
            if self.nodes.get(path, Found(FileType.OTHER)).kind is not FileType.DIR:
                return False
        return True

    def apply(self, ops: Iterable[Op]) -> None:
        """Carry out operations as effects/links does; an operation that could not be done is an AssertionError."""
        for op in ops:
            path = op.placed.path
            if not self._reached(path):
                assert op.act in (Act.REMOVE, Act.RMDIR), f"{op.act} {path}: its directory is not there"
                continue
            match op.act:
                case Act.MKDIR:
                    wanted = FOLDER._replace(mode=op.placed.mode)
                    found = self.nodes.setdefault(path, wanted)
                    assert found.kind is FileType.DIR, f"mkdir {path}: something else"
                    if op.before is not None:
                        self.nodes[path] = wanted
                case Act.PUT:
                    if op.before is not None and op.before.how is Class.THEIRS:
                        self.nodes.setdefault(path + ".orig", self.nodes.get(path, Found(FileType.OTHER)))
                    if op.placed.how is not Class.THEIRS:
                        self._put(path, op.placed)
                    elif path + ".orig" in self.nodes:
                        self.nodes[path] = self.nodes.pop(path + ".orig")
                case Act.MERGE:
                    old = self.nodes[path].text if path in self.nodes else ""
                    new = merge_lines(old, op.before.text if op.before else "", op.placed.text)
                    self.nodes[path] = Found(FileType.FILE, new)
                    if not new:
                        del self.nodes[path]
                case Act.BRING:
                    pass
                case Act.REMOVE:
                    assert self.nodes.get(path, Found(FileType.OTHER)).kind is not FileType.DIR, (
                        f"unlink {path}: a directory"
                    )
                    self.nodes.pop(path, None)
                case Act.RMDIR:
                    below = any(other.startswith(path + "/") for other in self.nodes)
                    if not below and self.nodes.get(path, Found(FileType.OTHER)).kind is FileType.DIR:
                        del self.nodes[path]

    def _put(self, path: str, placed: Placed) -> None:
        assert self.nodes.get(path, Found(FileType.OTHER)).kind is not FileType.DIR, f"rename onto {path}: a directory"
        self.nodes[path] = (
            Found(FileType.LINK, placed.text) if placed.linked else Found(FileType.FILE, placed.text, mode=placed.mode)
        )

    def plan(
        self,
        add: Iterable[Member] = (),
        drop: Iterable[str] = (),
        *,
        repair: bool = False,
        revive: bool = False,
        adopt: bool = False,
        choices: Mapping[str, str] | None = None,
    ) -> StowPlan:
        """The plan of a change, with everything that the verbs gather for it; an added name is an upgrade."""
        adding = tuple(add)
        names = {*drop, *(member.name for member in adding if member.name in self.stowed)}
        dropping = tuple(self.stowed[name] for name in sorted(names))
        out = {*names, *(member.name for member in adding)}
        staying = [member for name, member in self.stowed.items() if name not in out]
        records = Records(self.conf, self.aside, self.choices)
        ruled = tuple(replace(m, entries=()) for m in staying if m.rules.public)
        request = StowRequest(adding, dropping, ruled, choices, repair, revive, adopt)
        paths = affected(request, records)
        others = [replace(m, entries=tuple(e for e in m.entries if e.path in paths)) for m in staying]
        skeleton = tuple(entry for path, entry in SKELETON.items() if path in paths)
        others.append(Member(PkgVer(SKEL, "0", 1), skeleton))
        request = replace(request, others=tuple(others))
        every, _ = watched(paths, (*adding, *dropping, *others), records, adopt=adopt)
        disk = self.survey(every)
        for folder in turning(request):
            disk |= self.survey(path for path in self.nodes if path.startswith(f"{folder}/"))
        return plan_stow(request, disk, records)

    def do(self, plan: StowPlan) -> StowPlan:
        """Carry out a plan, which must be free of conflicts, and remember what is to be remembered."""
        assert not plan.conflicts, [str(conflict) for conflict in plan.conflicts]
        self.apply(plan.ops)
        for path, conf in plan.conf.items():
            self.conf.pop(path, None)
            self.conf |= {path: conf} if conf else {}
        for path, placed in plan.aside.items():
            self.aside.pop(path, None)
            self.aside |= {path: placed} if placed else {}
        return plan

    def stow(self, *members: Member, adopt: bool = False) -> StowPlan:
        """Stow packages together; the plan must be free of conflicts."""
        plan = self.do(self.plan(members, adopt=adopt))
        self.stowed |= {member.name: member for member in members}
        return plan

    def unstow(self, *names: str) -> StowPlan:
        """Take packages out together."""
        plan = self.do(self.plan((), names))
        for name in names:
            del self.stowed[name]
        return plan

    def choose(self, **choices: str) -> StowPlan:
        """Choose providers of alternatives."""
        plan = self.do(self.plan(choices=choices))
        self.choices = dict(choices)
        return plan

    def restow(self, *names: str, revive: bool = False) -> StowPlan:
        """The plan that puts the links of stowed packages right; not carried out."""
        return self.plan([self.stowed[name] for name in names], names, repair=True, revive=revive)


def found_of(entry: Entry) -> Found:
    """What an entry of the skeleton looks like on disk."""
    mode = 0 if entry.kind is Kind.LINK else entry.mode
    return Found(FileType(entry.kind.value), entry.target or entry.sha256, mode=mode)


def stranger(text: str = "theirs") -> Found:
    """A file that somebody else made."""
    return Found(FileType.FILE, text)


def changed(member: Member, **rules: Any) -> Member:
    """A member with other rules."""
    return Member(member.pkgver, member.entries, replace(member.rules, **rules))
