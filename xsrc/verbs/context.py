"""What every verb is given, read once: the machine, the tree, the settings, the masterdir."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsrc.effects import machine, tree, trust
from xsrc.effects.configuration import own_settings, read_settings
from xsrc.effects.lock import locked_folder
from xsrc.effects.privilege import become_builder, builder
from xsrc.effects.tree import load
from xsrc.errors import HostError, UsageError
from xsrc.model.arch import Arch, Dep, Machine
from xsrc.model.base import HOST, Base
from xsrc.model.layout import Masterdir, Tree
from xsrc.model.package import Distfile, Package
from xsrc.model.pkgver import Pattern
from xsrc.model.schema import nearest
from xsrc.model.settings import Settings
from xsrc.model.template import Template
from xsrc.model.trust import Trust
from xsrc.plan.resolve import resolve
from xsrc.styles.expand import Style, parse_styles
from xsrc.ui import Ui

# what only some verbs ask for is imported by what gives it: each such module costs every other verb's start 1 to 3 ms
if TYPE_CHECKING:
    from xsrc.effects.enter import Helpers
    from xsrc.effects.index import Index
    from xsrc.effects.store import Farm
    from xsrc.model.sandbox import Sandbox

FEW = 24
"""Templates that are read in the time in which the index is."""


@dataclass(frozen=True)
class Host:
    """What is asked of the system once, when the command starts."""

    env: Mapping[str, str]
    uid: int
    cpus: int
    cwd: Path
    now: str
    """The time, in UTC."""
    argv: tuple[str, ...]
    """The words of the command line."""
    terminal: bool
    """Whether standard input and output are a terminal."""
    live: bool
    """Whether standard error can show a line that changes."""


@dataclass(frozen=True)
class Flags:
    """The flags that every verb takes."""

    masterdir: str | None = None
    verbose: bool = False
    base: str | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of a base that is built from source."""

    number: int
    base: Base
    """What it builds on."""
    arch: Arch
    """What it builds for."""


@dataclass
class Context:
    """The world of one command, or of one stage of a bootstrap."""

    host: Host
    flags: Flags
    ui: Ui
    tree: Tree
    settings: Settings
    masterdir: Masterdir
    believed: Trust
    """Who may have written what this command uses."""
    stage: Stage | None = None

    @classmethod
    def read(cls, host: Host, flags: Flags, ui: Ui) -> Context:
        """Find the tree, read the settings; as root, become the build user.

        Raises HostError for whatever somebody else could have written, and other XsrcErrors.
        """
        own = own_settings(host.env, Trust.of(host.uid), ui.warn)
        safe = trust.safe_directories(own.safe, host.env)
        uids = (host.uid,) if host.uid else (0, builder().pw_uid)
        believed = Trust.of(*uids, safe=safe)
        found = tree.find_tree(host.cwd, believed)
        mine = Settings().over(str(own.path), own.text)
        chosen = flags.masterdir or host.env.get("XSRC_MASTERDIR") or mine.masterdir
        root = (host.cwd / Path(chosen).expanduser()) if chosen else found.root / "masterdir"
        masterdir = Masterdir(Path(root).resolve())
        if host.uid == 0:
            shared = (Path(path) for path in (mine.srcdistdir, mine.basedir) if path)
            become_builder((found.root, tree.PROGRAM), (masterdir.root, *shared))
        settings = read_settings(own, found, believed, ui.warn)
        context = cls(host, flags, ui, found, settings, masterdir, believed)
        context.check_masterdir()
        return context

    def check_masterdir(self) -> None:
        """Refuse a masterdir, its records, bases and distfiles if somebody else could write them. Raises HostError."""
        root = self.masterdir.root
        trust.check_new("the masterdir", root, self.believed)
        if root.is_dir():
            trust.check_below("the masterdir's", root, self.masterdir.tops, self.believed)
            with contextlib.suppress(FileNotFoundError):
                trust.check("the records of the masterdir", self.masterdir.db, self.believed)
        if self.settings.basedir:
            trust.check_new("basedir", self.bases, self.believed)
        if self.settings.srcdistdir:
            trust.check_shared("srcdistdir", self.srcdistdir, self.believed)

    @cached_property
    def arch(self) -> Arch:
        """What packages are built for: what the base is for, or this machine where it is not there yet."""
        if self.stage is not None:
            return self.stage.arch
        with contextlib.suppress(HostError, UsageError):  # whoever needs the base is told
            return self.base.arch
        return machine.arch()

    @property
    def bases(self) -> Path:
        """Where finished bases are."""
        return Path(self.settings.basedir) if self.settings.basedir else self.masterdir.bases

    @cached_property
    def base(self) -> Base:
        """The base that was chosen: by flag, by XSRC_BASE or in the settings. Raises HostError, UsageError."""
        if self.stage is not None:
            return self.stage.base
        here = machine.arch()
        wish = self.flags.base or self.host.env.get("XSRC_BASE") or self.settings.base
        if wish == HOST:
            return machine.host_base(here)
        from xsrc.effects import bases

        record = bases.choose(wish, self.bases)
        if record.machine != here.machine:
            raise HostError(f"{record.name} is a base for {record.arch}, this machine is {here.name}")
        folder = self.bases / record.name
        bases.hold(folder)
        return machine.base_at(folder, record.name, Arch.named(record.arch), {"tree": record.digest})

    @cached_property
    def styles(self) -> dict[str, Style]:
        return parse_styles(tree.style_texts(), tree.style_programs())

    @cached_property
    def index(self) -> Index:
        """What was read of the tree; kept with the masterdir, in the user's cache where that is not to be written."""
        from xsrc.effects.index import Index

        tree = hashlib.sha256(bytes(self.tree.root)).hexdigest()[:16]
        if self.exists and os.access(self.masterdir.db, os.W_OK):
            return Index.open(self.tree, self.masterdir.db / "index" / tree)
        home = Path(self.host.env.get("HOME", "/nonexistent"))
        cache = Path(self.host.env.get("XDG_CACHE_HOME") or home / ".cache") / "xsrc" / tree
        with contextlib.suppress(PermissionError):  # then nothing is kept
            trust.check_new("the cache", cache, self.believed)
        return Index.open(self.tree, cache)

    @cached_property
    def helpers(self) -> Helpers:
        """The helpers; what keeps them from the better mode is said once."""
        from xsrc.effects.enter import find_helpers

        helpers = find_helpers(self.host.env)
        if helpers.note:
            self.ui.note(f"note: using a user namespace: {helpers.note}")
        return helpers

    @cached_property
    def cgroups(self) -> Path | None:
        """Where cgroups for phases are made, if anywhere; what is built in them needs no rlimits."""
        from xsrc.effects.cgroup import settle

        return settle()

    def sites_of(self, distfile: Distfile) -> Mapping[str, str]:
        """The sites in force for one distfile: PyPI's is looked up where it is asked for and nobody has set it."""
        sites = self.settings.sites
        if "PYPI_SITE" in sites or not any("{PYPI_SITE}" in url for url in distfile.url):
            return sites
        site = machine.pypi_site()
        return {**sites, "PYPI_SITE": site} if site else sites

    @property
    def srcdistdir(self) -> Path:
        return Path(self.settings.srcdistdir) if self.settings.srcdistdir else self.masterdir.srcdistdir

    @property
    def jobs(self) -> int:
        return self.settings.jobs or self.host.cpus

    @property
    def command(self) -> str:
        """The command line after `xsrc`, as a shell would read it."""
        return shlex.join(self.host.argv)

    def override(self, **settings: object) -> None:
        """Settings that the command line gives; those that are None are not given."""
        given: Any = {name: value for name, value in settings.items() if value is not None}
        self.settings = replace(self.settings, **given)

    @property
    def exists(self) -> bool:
        """Whether there is a masterdir yet."""
        return self.masterdir.farm.exists()

    def make_masterdir(self) -> None:
        """Make the masterdir from the skeleton where it is not yet. Raises HostError."""
        root = self.masterdir.root
        if self.exists:
            return
        try:
            root.mkdir(mode=0o755, parents=True, exist_ok=True)
            trust.check("the masterdir", root, self.believed)  # another user may have made it meanwhile
            with locked_folder(root):
                if not self.exists:  # another process may have made it meanwhile
                    self._fill_masterdir()
        except OSError as error:
            raise HostError(
                f"cannot make the masterdir {root}: {error.strerror}: {error.filename}",
                hint="choose a place of your own with -m DIR or XSRC_MASTERDIR",
            ) from error

    def stowed_root(
        self, env: Mapping[str, str], directory: str, *, writable: bool = False, out: Path | None = None
    ) -> Sandbox:
        """The sandbox of what is stowed now; makes the masterdir and missing mount points.

        With `writable`, programs inside can write where the root is the user's; else only to /tmp and `out`.
        Raises HostError.
        """
        from xsrc.plan.root import modules, stowed_root

        self.make_masterdir()
        root = self.masterdir.root
        try:
            for place in (*(root / inside for inside in self.base.binds), self.masterdir.nothing):
                place.mkdir(parents=True, exist_ok=True)
            present = frozenset(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            raise HostError(
                f"{error.filename}: want a directory to mount on: {error.strerror}", hint=f"ls -ld {error.filename}"
            ) from error
        alone = modules(str(path.relative_to(root)) for path in root.glob("usr/lib/*/encodings"))
        given = (self.masterdir, self.base, env, self.settings.tmp_mib, directory, alone, present)
        return stowed_root(*given, writable=writable, out=out)

    def _fill_masterdir(self) -> None:
        from xsrc.effects.skeleton import copy_skeleton
        from xsrc.effects.store import opened
        from xsrc.effects.work import add_user, user_name

        root = self.masterdir.root
        if any(root.iterdir()) and not (root / "pkg-destdir").is_dir():
            raise HostError(f"{root} is no masterdir, and not empty", hint="choose an empty or a new folder with -m")
        copy_skeleton(self.tree, root)
        add_user(root / "etc", user_name(), "/root")
        self.masterdir.db.mkdir(parents=True, exist_ok=True)
        # last, for it is what tells that there is a masterdir; under another name until it is whole
        new = self.masterdir.farm.with_suffix(".new")
        with opened(new, new=True):
            pass
        new.rename(self.masterdir.farm)

    @contextlib.contextmanager
    def farm(self) -> Iterator[Farm]:
        """The open database of the farm; the masterdir is made where it is missing."""
        from xsrc.effects.store import opened

        self.make_masterdir()
        with opened(self.masterdir.farm) as farm:
            yield farm

    @contextlib.contextmanager
    def farm_to_read(self) -> Iterator[Farm]:
        """The open database for a look only: an empty one where there is no masterdir yet.

        It is opened for writing where that can be done: SQLite itself may have to finish what was cut off.
        """
        from xsrc.effects.store import opened

        path = self.masterdir.farm
        read = self.exists and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        with opened(path if self.exists else Path(":memory:"), read=read, new=not self.exists) as farm:
            yield farm

    def here(self) -> str | None:
        """The name of the template whose folder this command was given in."""
        with contextlib.suppress(ValueError):
            parts = self.host.cwd.relative_to(self.tree.templates).parts
            return parts[0] if parts else None
        return None

    def names(self, given: Iterable[str], verb: str) -> tuple[str, ...]:
        """The names that were given, or the one of the folder; raises UsageError where there is neither."""
        names = tuple(dict.fromkeys(name.removesuffix("/").removeprefix("templates/") for name in given))
        if not names and (here := self.here()):
            names = (here,)
        if not names:
            raise UsageError(f"{verb}: which package?", hint=f"xsrc {verb} NAME, or change into templates/NAME")
        return names

    def homes(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names of the packages that make those of `names`, each once: of a subpackage, the one that it is of."""
        made = (name if self.tree.template(name).is_file() else load(self.tree, name).name for name in names)
        return tuple(dict.fromkeys(made))

    def wanted(self, name: str, options: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The options asked for one package: of the settings, then of the command line."""
        return (*self.settings.options.get(name, ()), *options.get(name, ()))

    def package(self, template: Template, options: Mapping[str, tuple[str, ...]], *, native: bool = False) -> Package:
        """What a template describes here; with `native`, for the machine that builds."""
        made = self.machine.build if native else self.machine.arch
        stage = 0 if native and self.machine.cross else self.machine.stage
        return resolve(template, Machine(made, self.machine.build, stage), self.wanted(template.name, options))

    @property
    def machine(self) -> Machine:
        """What packages are built for and on, but for the tools of a cross build, which are for where they run."""
        if self.stage is None:
            return Machine(self.arch, self.arch)
        return Machine(self.arch, self.stage.base.arch, self.stage.number)

    def read_closure(
        self, names: Iterable[str], options: Mapping[str, tuple[str, ...]] | None = None
    ) -> dict[str, Package]:
        """The packages of `names` and of everything that they need, to build and to run."""
        packages: dict[str, Package] = {}
        homes: dict[str, str] = {}
        queue: list[tuple[Pattern, Template | None, str, bool]] = [(Pattern(name), None, "", False) for name in names]
        for pattern, wanted_by, kind, native in queue:
            name = pattern.name
            if homes.get(name, name) not in packages:
                read = partial(load, self.tree) if len(packages) < FEW else self.index.template
                template = read(name, wanted_by, kind)
                homes |= {} if template.name == name else {name: template.name}
                if template.name not in packages:
                    package = packages[template.name] = self.package(template, options or {}, native=native)
                    for dep in Dep:
                        inner = native or (dep in (Dep.TOOL, Dep.CHECK) and self.machine.cross)
                        queue += [(need, template, dep.value, inner) for need in package.depends[dep]]
                    run = (n for part in package.subpackages for n in part.depends)
                    queue += [(n, template, Dep.RUN.value, native) for n in run]
            package = packages[homes.get(name, name)]
            if wanted_by is not None and self.machine.cross and native == package.machine.cross:
                words = f"{kind}: {pattern} is wanted for {self.machine.build.name} and for {self.arch.name} at once"
                raise wanted_by.error(wanted_by.need(kind, name), words)
            has = next((pkgver for pkgver in package.outputs if pkgver.name == name), None)
            fits = pattern.matches(has) if has else any(map(pattern.satisfied_by, package.raw.get("provides", ())))
            if wanted_by is not None and not fits:
                words = f"{kind}: want {pattern}, the tree has {has or package.pkgver}"
                raise wanted_by.error(wanted_by.need(kind, name), words)
        if homes:
            packages = {name: replace(package, homes=homes) for name, package in packages.items()}
        if len(packages) > FEW:
            self.index.save()
        for name in options or {}:
            if name not in packages:
                raise UsageError(f"-o {name}.…: {name} is no part of this build", hint=nearest(name, packages))
        return packages

    def remove(self, path: Path) -> None:
        """Remove a tree of the masterdir."""
        from xsrc.effects.destdir import remove_tree

        remove_tree(path)
