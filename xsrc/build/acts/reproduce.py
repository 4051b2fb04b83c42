"""`xsrc build --check-reproducible`: builds a built package again, in other conditions, and compares.

The second build is never sealed; the farm, the first build and what is stowed are only read.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from xsrc.build.acts.builder import Builder
from xsrc.build.disk import conditions
from xsrc.build.job import Job
from xsrc.build.request import BuildOptions
from xsrc.build.split import split, together
from xsrc.core.errors import BuildFailed, HostError
from xsrc.core.layout import Masterdir, WorkDir
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.masterdir import open_farm
from xsrc.sandbox.acts.helpers import helpers_of
from xsrc.sandbox.disk import enter
from xsrc.sandbox.disk.cgroup import Group
from xsrc.sandbox.sandbox import Bind
from xsrc.sources.disk.distdir import path_of
from xsrc.store.compare import Difference, Differs, compare
from xsrc.store.disk import scan
from xsrc.store.disk.shelf import read_build
from xsrc.store.manifest import PROPS, Kind, Manifest, Props
from xsrc.unix.lock import locked
from xsrc.unix.process import LimitReached, Watch, adopt_orphans
from xsrc.unix.trees import remove_tree

RULE = "reproducible"
"""The key of `[lint] ignore` for the reason why a package is not reproducible."""
_UNPACKED = 64
"""Disk space to require for a build, as a multiple of its distfiles."""
_LEAST = 512 << 20
_SHOWN = 50
"""Lines of differences, and of what diffoscope says of one file, that are shown."""
_LOOKED_AT = 3
_LARGEST = 16 << 20
"""How many files diffoscope looks into, and bytes that each may have."""
_PATIENCE = Watch(seconds=300, size=1 << 20)


@dataclass(frozen=True)
class _Second(Masterdir):
    """The masterdir for a second build: the same built packages, but its own places to write."""

    folder: Path
    """The folder below pkg-builddir/ for logs and the kept parts of the second build."""
    place: Path
    """Where its work directory is."""

    def work(self, pkgver: PkgVer) -> WorkDir:
        return WorkDir(self.place / conditions.WORK)

    def logs(self, pkgver: PkgVer) -> Path:
        return self.folder / "logs"


class _Again(Builder):
    """A second build, which ends with a look at what it installed."""

    found = Manifest(())

    def extract(self, phase: Phase, log: IO[bytes]) -> None:
        super().extract(phase, log)
        conditions.reorder(self.work.wrksrc)

    def become_caller(self, group: Group | None) -> None:
        super().become_caller(group)
        conditions.other_caller()

    def record(self) -> None:
        limits, leaks = self.session.settings.limits, scan.LEAKS in self.package.excused
        found = scan.scan(self.work.destdir, limits, str(self.pkgver), self.package.open_modes, leaks=leaks)
        parts, _ = split(self.package, found.manifest.entries, found.elves)
        self.found = together(parts[pkgver.name] for pkgver in self.package.outputs)


def reproduce(
    session: Session,
    jobs: Iterable[Job],
    planned: Mapping[str, PkgVer],
    options: Mapping[str, tuple[str, ...]],
    makejobs: Mapping[str, int],
) -> int:
    """Build each of `jobs`, which are all built, again; report whether the result is the same; return the exit code.

    `makejobs` says how many jobs the first builds had, if known. If a second build fails, report it and go on with the
    next. Raises HostError, and the FetchFailed, ChecksumError or ArchiveError of a second build.
    """
    adopt_orphans()
    passed = []
    for job in jobs:
        other = max(2, session.host.cpus) if makejobs.get(job.name) == 1 else 1
        wish = BuildOptions(
            planned, force=True, keep=True, check=False, options=options.get(job.name, ()), makejobs=other
        )
        passed.append(_check(session, job, wish))
    return 0 if all(passed) else 1


def _check(session: Session, job: Job, wish: BuildOptions) -> bool:
    """Whether a package passes: the results are the same, or its template says why not."""
    pkgver = job.package.pkgver
    folder = session.masterdir.builddir / f"{pkgver.work}{conditions.SUFFIX}"
    first = _folder(session, pkgver)
    with locked(session.masterdir.work_lock(pkgver), "xsrc build --check-reproducible", session.ui.note):
        try:
            props, manifest = _first(session, job)
        except (OSError, ValueError) as error:
            raise HostError(f"{pkgver} is not built: {error}", hint=f"xsrc build {pkgver.name}") from error
        if not job.package.meta and (left := conditions.same_minute(first / PROPS)):
            session.ui.note(f"{pkgver}: built in this minute; waiting {left:.0f} s for another one")
            time.sleep(left)
        passed = False
        session.ui.note(f"{pkgver}: built once more, to compare")
        try:
            again = _build(session, job, wish, folder)
            passed = _say(session, again, props, manifest)
        except BuildFailed as error:
            session.ui.error(BuildFailed(f"second build: {error.message}", detail=error.detail).render())
        finally:
            conditions.end_place(folder)
        if passed:
            remove_tree(folder)
        return passed


def _folder(session: Session, pkgver: PkgVer) -> Path:
    """Where the latest build of a package is. Raises HostError."""
    with open_farm(session) as farm:
        return session.masterdir.destdirs / farm.folder(pkgver)


def _first(session: Session, job: Job) -> tuple[Props, Manifest]:
    """The record of the first build, and the paths of all its packages."""
    found = [read_build(_folder(session, pkgver)) for pkgver in job.package.outputs]
    return found[-1][0], together(manifest.entries for _, manifest, _ in found)


def _build(session: Session, job: Job, wish: BuildOptions, folder: Path) -> _Again:
    """Build a package in conditions as different as they can be here."""
    archives = (path_of(distfile, session.srcdistdir) for distfile in job.package.distfiles)
    need = max(_LEAST, _UNPACKED * sum(path.stat().st_size for path in archives if path.exists()))
    other = _in_other_mode(session)
    place = conditions.make_place(folder, need)
    try:
        return _attempt(other, job, wish, _Second(session.masterdir.root, folder, place))
    except (HostError, BuildFailed, OSError) as error:
        usual = place == folder and other is session
        if usual or not (isinstance(error, HostError) or conditions.is_full(place)):
            raise
        session.ui.note(f"{job.package.pkgver}: built again in its usual place and mode, for: {error}")
    place = conditions.make_place(folder, sys.maxsize)
    return _attempt(session, job, wish, _Second(session.masterdir.root, folder, place))


def _attempt(session: Session, job: Job, wish: BuildOptions, masterdir: _Second) -> _Again:
    again = _Again(replace(session, masterdir=masterdir), job, wish)
    with conditions.other_user():
        again.go()
    return again


def _in_other_mode(session: Session) -> Session:
    """The session in the other mode of isolation, if that works and the user chose none."""
    if not session.host.env.get("XSRC_ISOLATION"):
        mode = "caps" if helpers_of(session).userns else "userns"
        other = replace(session, host=replace(session.host, env={**session.host.env, "XSRC_ISOLATION": mode}))
        with contextlib.suppress(HostError):
            helpers_of(other)
            return other
    return session


def _conditions(session: Session, again: _Again, props: Props) -> str:
    """The different conditions, in words."""
    other, package = again.session, again.package
    assert isinstance(other.masterdir, _Second)
    elsewhere = other.masterdir.place != other.masterdir.folder
    anew = [name for name, saw in props.saw.items() if again.state.saw.get(name, saw).exact != saw.exact]
    words = {
        "path": True,
        "file system": elsewhere,
        "order of entries": True,
        "time": True,
        f"MAKEJOBS {again.wish.makejobs}": package.parallel and "MAKEJOBS" not in package.env,
        f"1 of {session.host.cpus} processors": session.host.cpus > 1,
        f"by {helpers_of(other).mode}": helpers_of(other) != helpers_of(session),
        "umask": True,
        "locale and variables": True,
        "set-group-id": True,
        "limits": True,
        f"needs that were built anew since: {' '.join(anew)}": bool(anew),
    }
    return ", ".join(word for word, varied in words.items() if varied)


def _say(session: Session, again: _Again, props: Props, manifest: Manifest) -> bool:
    """Report the result; return whether the package passes."""
    pkgver, output = again.pkgver, session.ui.output
    first = _folder(session, pkgver)
    reason = again.package.template.raw.get("lint", {}).get("ignore", {}).get(RULE)
    differences = compare(manifest, again.found)
    paths = len({difference.path for difference in differences})
    files = sum(entry.kind is Kind.FILE for entry in manifest.entries)
    if not differences:
        output(f"{pkgver}: reproducible ({counted(files, 'file')}; different: {_conditions(session, again, props)})")
        if reason:
            output(f"  but its template says that it is not, for: {reason}")
            output(f"  where it holds, remove {RULE} from [lint] ignore")
        return True
    if reason:
        output(f"{pkgver}: not reproducible: {reason} ({paths} of {counted(len(manifest.entries), 'path')} differ)")
        return True
    output(f"{pkgver}: not reproducible: {paths} of {counted(len(manifest.entries), 'path')} differ")
    for difference in differences[:_SHOWN]:
        output(f"  {difference}")
    if len(differences) > _SHOWN:
        output(f"  … and {len(differences) - _SHOWN} more")
    for line in _explained(again, first, differences):
        output(f"  | {line}")
    output(f"  different: {_conditions(session, again, props)}")
    output(f"  first:  {first}")
    output(f"  second: {_kept(again)}")
    return False


def _kept(again: _Again) -> Path:
    """Where to keep the second build: on the masterdir's own file system, which survives a reboot."""
    assert isinstance(again.session.masterdir, _Second)
    kept = again.session.masterdir.folder / "destdir"
    shutil.copytree(again.work.destdir, kept, symlinks=True)
    return kept


def _explained(again: _Again, first: Path, differences: Iterable[Difference]) -> Iterator[str]:
    """The output of diffoscope for the first files whose content differs, if the build root has it.

    It runs in the build root, because it reads files of a build with some dozens of programs.
    """
    trees = {"first": first, "second": again.work.destdir}
    paths = [difference.path for difference in differences if difference.what is Differs.CONTENT]
    # what went to a subpackage is not in the first tree
    both = (path for path in paths if (trees["first"] / path).exists())
    small = [path for path in both if all((tree / path).lstat().st_size <= _LARGEST for tree in trees.values())]
    for inside in trees:
        (again.work.root / inside).mkdir(exist_ok=True)
    again.lay(Phase.INSTALL)
    sandbox = again.sandbox(Phase.INSTALL)
    mounts = (*sandbox.mounts, *(Bind(tree, inside) for inside, tree in trees.items()))
    script = 'command -v diffoscope >/dev/null || exit 0; exec diffoscope --text - "$1" "$2"'
    for path in small[:_LOOKED_AT]:
        said: list[bytes] = []
        argv = ("/bin/sh", "-c", script, "sh", *(f"/{inside}/{path}" for inside in trees))
        with contextlib.suppress(LimitReached):
            looked = replace(sandbox, mounts=mounts, directory="/")
            enter.run(helpers_of(again.session), looked, argv, said.append, watch=_PATIENCE)
        lines = b"".join(said).decode(errors="replace").splitlines()
        yield from lines[:_SHOWN]
        if len(lines) > _SHOWN:
            yield f"… and {counted(len(lines) - _SHOWN, 'line')} more"
