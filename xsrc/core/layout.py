"""The layout of a tree, a masterdir, a work directory and a build root."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from xsrc.core.paths import component
from xsrc.core.pkgver import PkgVer

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32")
"""The folders at the top of a root that are links into usr where /usr is merged."""


def merged_path(path: str) -> str:
    """An absolute path as a root with merged /usr has it.

    >>> merged_path("/bin/sh"), merged_path("/usr/bin/sh")
    ('/usr/bin/sh', '/usr/bin/sh')
    """
    top = path.split("/")[1]
    return f"/usr{path}" if top in MERGED else path


INSIDE_TEMPLATE = "pkg-template"
"""Where a build root shows scripts, patches and files of its template."""


@dataclass(frozen=True)
class Tree:
    """A ports tree: the folder that holds templates/."""

    root: Path

    @cached_property
    def templates(self) -> Path:
        return self.root / "templates"

    @property
    def settings(self) -> Path:
        """Settings that the whole tree shares."""
        return self.root / ".xsrc.toml"

    def template(self, name: str) -> Path:
        return self.templates / name / "template.toml"


@dataclass(frozen=True)
class WorkDir:
    """The work directory of one package, 0700; only `wrksrc` and `destdir` are ever seen by its build.

    Files of a build may be setuid until it is sealed. They are all in here, where no other user can reach them.
    """

    path: Path

    @property
    def state(self) -> Path:
        """Key, options and last phase."""
        return self.path / "state.toml"

    @property
    def root(self) -> Path:
        """The top layer of the build root: skeleton, mount points, scripts."""
        return self.path / "root"

    @property
    def wrksrc(self) -> Path:
        return self.path / "wrksrc"

    @property
    def destdir(self) -> Path:
        """Where a destdir grows until it is sealed and renamed to its final place."""
        return self.path / "destdir"

    def part(self, name: str) -> Path:
        """Where the tree of a subpackage is until it is sealed."""
        return self.path / f"destdir:{name}"


DESTDIRS = "pkg-destdir"
"""The folder of the sealed destdirs, below the root."""
BUILDDIR = "pkg-builddir"
"""The folder of the work directories, below the root."""


@dataclass(frozen=True)
class Masterdir:
    """A masterdir: the stowed root and the folders beside it."""

    root: Path

    tops: ClassVar[tuple[str, ...]] = (
        "pkg-srcdistdir",
        BUILDDIR,
        DESTDIRS,
        "pkg-binpkgs",
        "pkg-base",
        "var",
    )
    """The directories at its top that xsrc reads and writes itself."""

    @property
    def srcdistdir(self) -> Path:
        return self.root / "pkg-srcdistdir"

    @property
    def builddir(self) -> Path:
        return self.root / BUILDDIR

    @property
    def destdirs(self) -> Path:
        return self.root / DESTDIRS

    @property
    def binpkgs(self) -> Path:
        return self.root / "pkg-binpkgs"

    @property
    def bases(self) -> Path:
        """Finished bases, each in a folder of its own."""
        return self.root / "pkg-base"

    @property
    def hidden(self) -> tuple[Path, ...]:
        """Places that programs in the stowed root never see, because later commands believe their content."""
        return self.srcdistdir, self.builddir, self.binpkgs, self.bases, self.db

    @property
    def db(self) -> Path:
        return self.root / "var/db/xsrc"

    @property
    def farm(self) -> Path:
        """The database of built and stowed packages."""
        return self.db / "farm.sqlite"

    @property
    def farm_lock(self) -> Path:
        return self.db / "farm.lock"

    @property
    def held(self) -> Path:
        """The names of packages that keep their builds, for the day when the database is lost."""
        return self.db / "held"

    @property
    def made(self) -> Path:
        """What triggers made, by checksum."""
        return self.db / "made"

    @property
    def triggers(self) -> Path:
        """A folder, 0700, in which a trigger makes its files."""
        return self.db / "triggers"

    @property
    def nothing(self) -> Path:
        """An empty directory, mounted over what is hidden."""
        return self.db / "nothing"

    def generation(self, number: int) -> Path:
        """The record of one generation of the stowed root."""
        return self.db / "generations" / f"{number}.toml"

    def kept(self, pkgver: str, build: str) -> Path:
        """Where a build of a pkgver is kept while another one is in its place. Raises Unsound for a bad name."""
        return self.destdirs / component(kept_name(pkgver, build))

    def work(self, pkgver: PkgVer) -> WorkDir:
        return WorkDir(self.builddir / pkgver.work)

    def work_lock(self, pkgver: PkgVer) -> Path:
        return self.builddir / f".{pkgver.work}.lock"

    def destdir(self, pkgver: PkgVer) -> Path:
        return self.destdirs / str(pkgver)

    def package_lock(self, pkgver: PkgVer) -> Path:
        """Held by whoever writes the binary package of a pkgver."""
        return self.builddir / f".{pkgver}.pkg.lock"

    @property
    def all_logs(self) -> Path:
        return self.db / "logs"

    def logs(self, pkgver: PkgVer) -> Path:
        """The newest log of each phase, and a folder for each run."""
        return self.all_logs / str(pkgver)

    def log(self, pkgver: PkgVer, phase: str) -> Path:
        return self.logs(pkgver) / f"{phase}.log"


def kept_name(pkgver: str, build: str) -> str:
    """The name of the folder of a build that is kept aside."""
    return f".{pkgver}.{build}"


def inside_wrksrc(pkgver: PkgVer) -> str:
    """Where a build root shows the work directory's wrksrc."""
    return f"/{BUILDDIR}/{pkgver.work}"


def inside_destdir(pkgver: PkgVer) -> str:
    """Where a build root shows the destdir."""
    return f"/{DESTDIRS}/{pkgver}"
