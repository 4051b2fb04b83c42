"""A masterdir with a handful of packages that nobody built, and somebody's own files among theirs."""

from __future__ import annotations

import io
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import xsrc
from tests.faults.inject import Decide, Outcome, Run, nothing
from tests.faults.state import LAYERS, State, duplicate, look, paths
from xsrc.base.acts.choose import chosen_arch
from xsrc.commands.start import begin
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Flags, Host, Session
from xsrc.farm.acts.masterdir import make_masterdir, open_farm
from xsrc.store.disk import scan, seal
from xsrc.store.disk.shelf import build_of
from xsrc.store.manifest import FILES, PROPS, Manifest, Props
from xsrc.store.rules import Rules
from xsrc.unix import trees
from xsrc.unix.trees import remove_tree
from xsrc.unix.ui import PlainUi

TREE = Path(__file__).resolve().parents[2]
LONG = "n" * 250
EPOCH = 1_600_000_000

Command = tuple[str, ...] | Callable[["World"], int]
"""The words of a command line, or a function that is called in place of one."""


@dataclass(frozen=True)
class Package:
    """What a destdir is made of."""

    pkgver: str
    files: Mapping[str, str]
    """Contents by path; a path that ends with a slash is a directory with that mode."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic links, verbatim."""
    hard: Mapping[str, str] = field(default_factory=dict)
    """Hard links within the package."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """What it asks of the root, as `Rules.of` reads it."""
    needs: tuple[str, ...] = ()
    """What it needs at run time."""


def _alpha(version: str, **files: str) -> Package:
    return Package(
        f"alpha-{version}_1",
        {
            "usr/bin/alpha": f"#!/bin/sh\necho {version}\n",
            "usr/lib/alpha/lib.so.1": f"library {version}",
            "usr/lib/alpha/nested/deep/data": "same in all versions",
            f"usr/lib/alpha/nested/v{version}/only": version,
            "usr/lib/alpha/private/": "0750",
            "usr/lib/alpha/private/key": version,
            f"usr/share/alpha/{LONG}": version,
            "usr/share/common/shared": "owned by two",
            "etc/alpha.conf": f"setting = {version}\n",
            "etc/alpha.d/more": f"more = {version}\n",
            "var/lib/alpha/state": f"state {version}",
            **files,
        },
        {"usr/lib/alpha/lib.so": "lib.so.1", f"usr/bin/alpha-{version}": "alpha"},
        rules={
            "conf_files": ("/etc/alpha.conf", "/etc/alpha.d/more"),
            "hardlink": ("usr/bin/*",),
            "copy": ("var/lib/alpha/*",),
        },
    )


ALPHA1 = _alpha("1.0", **{"usr/share/alpha/NEWS": "old"})
ALPHA2 = _alpha("2.0", **{"usr/share/alpha/new/page": "new", "etc/alpha.d/added": "added = 2\n"})
BETA = Package(
    "beta-1.0_1",
    {"usr/bin/beta": "#!/bin/sh\n", "usr/share/common/shared": "owned by two", "etc/beta.conf": "beta\n"},
    rules={"conf_files": ("/etc/beta.conf",)},
    needs=("alpha>=1.0",),
)
GAMMA = Package(
    "gamma-1.0_1",
    {"usr/share/alpha/plugin": "into a directory of alpha's", "usr/libexec/gamma/one": "#!/bin/sh\n"},
    hard={"usr/libexec/gamma/two": "usr/libexec/gamma/one"},
    rules={"hardlink": ("usr/libexec/*",)},
)
ONE = Package("one-1.0_1", {"usr/share/one": "stowed before all others"})
ZERO = Package("zero-1.0_1", {"usr/share/zero": "never stowed"})
"""For a command that takes the farm's lock, mends what was cut off, and changes nothing else."""
RECOVER = ("stow", "-n", "zero")

STRANGERS = {
    "usr/share/alpha/mine": "in a directory that packages use too",
    "usr/share/common/mine": "and in another",
    "home/notes": "of somebody",
    "usr/bin/script": "made by hand",
}
"""Files that no package owns."""


def load_everything() -> None:
    """Import all of xsrc: after the fork, and as another user, nothing need be read."""
    for module in pkgutil.walk_packages(xsrc.__path__, "xsrc."):
        import_module(module.name)


@dataclass(frozen=True)
class World:
    """A folder with a tree and a masterdir in it; everything in it belongs to who runs this."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> World:
        """A tree without templates, and no masterdir yet."""
        world = cls(folder)
        world.home.mkdir(parents=True)
        (world.tree / "templates").mkdir(parents=True)
        shutil.copytree(TREE / "masterdir-skel", world.tree / "masterdir-skel", symlinks=True)
        return world

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def masterdir(self) -> Path:
        return self.folder / "masterdir"

    @property
    def kept(self) -> Path:
        """The masterdir as `keep` found it."""
        return self.folder / "kept"

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8", "XSRC_ISOLATION": "userns"}

    def session(self) -> Session:
        """What a verb is given, for what no verb does: recording packages that nobody built."""
        host = Host(
            env=self.env,
            uid=os.getuid(),
            cpus=1,
            argv=(),
            cwd=self.tree,
            terminal=False,
            live=False,
            now="2020-02-02T02:02:02Z",
        )
        return begin(host, Flags(str(self.masterdir)), PlainUi(io.StringIO(), io.StringIO()))

    def unfinished(self, package: Package) -> tuple[Path, Props, Manifest]:
        """The destdir of a package as its install phase leaves it, and what a build would know of it."""
        session = self.session()
        make_masterdir(session)
        pkgver = PkgVer.parse(package.pkgver)
        folder = session.masterdir.work(pkgver).destdir
        remove_tree(folder)
        for path, text in package.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith("/"):
                target.mkdir()
                target.chmod(int(text, 8))
            else:
                target.write_text(text)
                target.chmod(0o755 if text.startswith("#!") else 0o644)
        for path, text in package.links.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(text)
        for path, other in package.hard.items():
            (folder / path).hardlink_to(folder / other)
        found = scan.scan(folder)
        key = f"{abs(hash(repr(package))):064x}"
        rules = Rules.of(package.rules)
        props = Props(
            pkgver, chosen_arch(session).name, key, size=found.manifest.size, run_depends=package.needs, rules=rules
        )
        return folder, props, found.manifest

    def record(self, *packages: Package) -> None:
        """Seal destdirs and note them, as the end of a build does."""
        session = self.session()
        for package in packages:
            folder, props, manifest = self.unfinished(package)
            (folder / FILES).write_bytes(manifest.render(props.rules.conf_files))
            (folder / PROPS).write_bytes(props.render())
            seal.seal(folder, EPOCH)
            build = build_of(folder)
            final = session.masterdir.destdir(props.pkgver)
            trees.replace_tree(folder, final)
            trees.close(final)
            with open_farm(session) as farm:
                farm.record(props, manifest, build=build)

    def write(self, path: str, text: str) -> None:
        """A file of somebody's own in the masterdir."""
        target = self.masterdir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)

    def keep(self) -> None:
        """Remember the masterdir as it is now."""
        remove_tree(self.kept)
        duplicate(self.masterdir, self.kept)

    def restore(self) -> None:
        """Bring the masterdir back that was kept; its layers stay."""
        layers, aside = self.masterdir / LAYERS, self.folder / LAYERS
        if layers.exists():
            layers.rename(aside)
        remove_tree(self.masterdir)
        duplicate(self.kept, self.masterdir)
        if aside.exists():
            aside.rename(layers)

    def paths(self) -> State:
        """The masterdir without its database."""
        return paths(self.masterdir)

    def look(self) -> State:
        """The masterdir in full."""
        return look(self.masterdir, self.folder / "look")

    def start(self, command: Command, decide: Decide | None = nothing) -> Run:
        """Start a command in a child of this process, with `decide` before every change below the masterdir."""
        return Run(lambda: self._main(command), self.masterdir, decide)

    def run(self, command: Command, decide: Decide | None = nothing) -> Outcome:
        """Run a command to its end."""
        return self.start(command, decide).end()

    def done(self, *words: str) -> Outcome:
        """Run a command that must succeed."""
        outcome = self.run(words, None)
        assert outcome.code == 0, f"{' '.join(words)}: {outcome.code}\n{outcome.said}"
        return outcome

    def _main(self, command: Command) -> int:
        """The whole program, as its launcher starts it."""
        from xsrc import __main__
        from xsrc.commands import main

        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(self.tree)
        if callable(command):
            function = command
            main.main = lambda argv, ui=None: function(self)
        sys.argv = ["xsrc", "-m", str(self.masterdir), *(() if callable(command) else command)]
        return __main__.main()
