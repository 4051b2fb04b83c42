"""`xsrc build --check-reproducible`: builds what is built already once more, in other conditions, and compares.

The second build is never sealed; the farm, the first build and what is stowed are only read.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from xsrc.effects import destdir, enter, second
from xsrc.effects.builds import read_build
from xsrc.effects.cgroup import Group
from xsrc.effects.distdir import path_of
from xsrc.effects.enter import Helpers, find_helpers
from xsrc.effects.lock import locked
from xsrc.effects.proc import LimitReached, Watch, adopt_orphans
from xsrc.errors import BuildFailed, HostError
from xsrc.model.layout import Masterdir, WorkDir
from xsrc.model.manifest import PROPS, Kind, Manifest, Props
from xsrc.model.pkgver import PkgVer
from xsrc.model.sandbox import Bind
from xsrc.plan.compare import Difference, Differs, compare
from xsrc.plan.jobs import Job
from xsrc.plan.phases import Phase
from xsrc.plan.split import split, together
from xsrc.verbs.context import Context
from xsrc.verbs.job import Builder, Wish

RULE = "reproducible"
"""The name under which `[lint] ignore` gives the reason why a package is not."""
_UNPACKED = 64
"""How many times its distfiles a build may take on the disk; more is not asked for."""
_LEAST = 512 << 20
_SHOWN = 50
"""Lines of differences, and of what diffoscope says of one file, that are shown."""
_LOOKED_AT = 3
_LARGEST = 16 << 20
"""How many files diffoscope looks into, and bytes that each may have."""
_PATIENCE = Watch(seconds=300, size=1 << 20)


@dataclass(frozen=True)
class _Second(Masterdir):
    """The masterdir as a second build sees it: what is built is the same, what it writes to is its own."""

    folder: Path
    """Below pkg-builddir/: logs, and what is kept of the second build."""
    place: Path
    """Where its work directory is."""

    def work(self, pkgver: PkgVer) -> WorkDir:
        return WorkDir(self.place / second.WORK)

    def logs(self, pkgver: PkgVer) -> Path:
        return self.folder / "logs"


class _Again(Builder):
    """A second build, which ends with a look at what it installed."""

    found = Manifest(())

    def extract(self, phase: Phase, log: IO[bytes]) -> None:
        super().extract(phase, log)
        second.reorder(self.work.wrksrc)

    def before(self, group: Group | None) -> Callable[[], None]:
        join = super().before(group)

        def become() -> None:
            if join:
                join()
            second.other_caller()

        return become

    def record(self) -> None:
        found = destdir.scan(self.work.destdir, self.context.settings.limits, str(self.pkgver), self.package.open_modes)
        parts, _ = split(self.package, found.manifest.entries, found.elves)
        self.found = together(parts[pkgver.name] for pkgver in self.package.outputs)


def reproduce(
    context: Context,
    jobs: Iterable[Job],
    planned: Mapping[str, PkgVer],
    options: Mapping[str, tuple[str, ...]],
    makejobs: Mapping[str, int],
) -> int:
    """Build each of `jobs`, which are all built, once more, and say whether the same came out; gives the exit code.

    `makejobs` says how many jobs the first builds had, where that is known. Raises HostError, or the FetchFailed,
    ChecksumError or ArchiveError of a second build; that one fails in itself is said, and the next one begins.
    """
    adopt_orphans()
    passed = []
    for job in jobs:
        other = max(2, context.host.cpus) if makejobs.get(job.name) == 1 else 1
        wish = Wish(planned, force=True, keep=True, check=False, options=options.get(job.name, ()), makejobs=other)
        passed.append(_check(context, job, wish))
    return 0 if all(passed) else 1


def _check(context: Context, job: Job, wish: Wish) -> bool:
    """Whether a package passes: the same came out, or its template says why not."""
    pkgver = job.package.pkgver
    folder = context.masterdir.builddir / f"{pkgver.work}{second.SUFFIX}"
    first = context.masterdir.destdir(pkgver)
    with locked(context.masterdir.work_lock(pkgver), "xsrc build --check-reproducible", context.ui.note):
        try:
            props, manifest = _first(context, job)
        except (OSError, ValueError) as error:
            raise HostError(f"{pkgver} is not built: {error}", hint=f"xsrc build {pkgver.name}") from error
        if not job.package.meta and (left := second.same_minute(first / PROPS)):
            context.ui.note(f"{pkgver}: built in this minute; waiting {left:.0f} s for another one")
            time.sleep(left)
        passed = False
        context.ui.note(f"{pkgver}: built once more, to compare")
        try:
            again = _build(context, job, wish, folder)
            passed = _say(context, again, props, manifest)
        except BuildFailed as error:
            context.ui.error(BuildFailed(f"second build: {error.message}", detail=error.detail).render())
        finally:
            second.end_place(folder)
        if passed:
            context.remove(folder)
        return passed


def _first(context: Context, job: Job) -> tuple[Props, Manifest]:
    """What is known of the first build, and the paths of all packages that it made."""
    found = [read_build(context.masterdir.destdir(pkgver)) for pkgver in job.package.outputs]
    return found[-1][0], together(manifest.entries for _, manifest, _ in found)


def _build(context: Context, job: Job, wish: Wish, folder: Path) -> _Again:
    """Build a package in conditions as different as they can be here."""
    archives = (path_of(distfile, context.srcdistdir) for distfile in job.package.distfiles)
    need = max(_LEAST, _UNPACKED * sum(path.stat().st_size for path in archives if path.exists()))
    other = _other_mode(context)
    place = second.make_place(folder, need)
    try:
        return _attempt(context, job, wish, _Second(context.masterdir.root, folder, place), other)
    except (HostError, BuildFailed, OSError) as error:
        usual = place == folder and other == context.helpers
        if usual or not (isinstance(error, HostError) or second.is_full(place)):
            raise
        context.ui.note(f"{job.package.pkgver}: built again in its usual place and mode, for: {error}")
    place = second.make_place(folder, sys.maxsize)
    return _attempt(context, job, wish, _Second(context.masterdir.root, folder, place), context.helpers)


def _attempt(context: Context, job: Job, wish: Wish, masterdir: _Second, helpers: Helpers) -> _Again:
    other = copy.copy(context)
    other.masterdir, other.helpers = masterdir, helpers
    again = _Again(other, job, wish)
    again.go()
    return again


def _other_mode(context: Context) -> Helpers:
    """The helpers in the mode that is not used otherwise, where they can be and the user has not asked for one."""
    if not context.host.env.get("XSRC_ISOLATION"):
        with contextlib.suppress(HostError):
            mode = "caps" if context.helpers.userns else "userns"
            return find_helpers({**context.host.env, "XSRC_ISOLATION": mode})
    return context.helpers


def _conditions(context: Context, again: _Again, props: Props) -> str:
    """What was different."""
    other, package = again.context, again.package
    assert isinstance(other.masterdir, _Second)
    elsewhere = other.masterdir.place != other.masterdir.folder
    anew = [name for name, saw in props.saw.items() if again.state.saw.get(name, saw).exact != saw.exact]
    words = {
        "path": True,
        "file system": elsewhere,
        "order of entries": True,
        "time": True,
        f"MAKEJOBS {again.wish.makejobs}": package.parallel and "MAKEJOBS" not in package.env,
        f"1 of {context.host.cpus} processors": context.host.cpus > 1,
        f"by {other.helpers.mode}": other.helpers != context.helpers,
        "umask": True,
        "limits": True,
        f"needs that were built anew since: {' '.join(anew)}": bool(anew),
    }
    return ", ".join(word for word, varied in words.items() if varied)


def _say(context: Context, again: _Again, props: Props, manifest: Manifest) -> bool:
    """Say what came of it; gives whether the package passes."""
    pkgver, output = again.pkgver, context.ui.output
    first = context.masterdir.destdir(pkgver)
    reason = again.package.template.raw.get("lint", {}).get("ignore", {}).get(RULE)
    differences = compare(manifest, again.found)
    paths = len({difference.path for difference in differences})
    files = sum(entry.kind is Kind.FILE for entry in manifest.entries)
    if not differences:
        output(f"{pkgver}: reproducible ({files} files; different: {_conditions(context, again, props)})")
        if reason:
            output(f"  but its template says that it is not, for: {reason}")
            output(f"  where it holds, remove {RULE} from [lint] ignore")
        return True
    if reason:
        output(f"{pkgver}: not reproducible: {reason} ({paths} of {len(manifest.entries)} paths differ)")
        return True
    output(f"{pkgver}: not reproducible: {paths} of {len(manifest.entries)} paths differ")
    for difference in differences[:_SHOWN]:
        output(f"  {difference}")
    if len(differences) > _SHOWN:
        output(f"  … and {len(differences) - _SHOWN} more")
    for line in _explained(again, first, differences):
        output(f"  | {line}")
    output(f"  different: {_conditions(context, again, props)}")
    output(f"  first:  {first}")
    output(f"  second: {_kept(again)}")
    return False


def _kept(again: _Again) -> Path:
    """Where the second build is kept: on the masterdir's own file system, which stays when the machine is off."""
    assert isinstance(again.context.masterdir, _Second)
    kept = again.context.masterdir.folder / "destdir"
    shutil.copytree(again.work.destdir, kept, symlinks=True)
    return kept


def _explained(again: _Again, first: Path, differences: Iterable[Difference]) -> Iterator[str]:
    """What diffoscope says of the first files whose content differs, where the build root has it.

    It runs in the build root, for what it reads with some dozens of programs is what a build made.
    """
    trees = {"first": first, "second": again.work.destdir}
    paths = [difference.path for difference in differences if difference.what is Differs.CONTENT]
    # what went to a subpackage is not in the first tree
    both = (path for path in paths if (trees["first"] / path).exists())
    small = [path for path in both if all((tree / path).lstat().st_size <= _LARGEST for tree in trees.values())]
    for inside in trees:
        (again.work.root / inside).mkdir(exist_ok=True)
    sandbox = again.sandbox(Phase.INSTALL)
    mounts = (*sandbox.mounts, *(Bind(tree, inside) for inside, tree in trees.items()))
    script = 'command -v diffoscope >/dev/null || exit 0; exec diffoscope --text - "$1" "$2"'
    for path in small[:_LOOKED_AT]:
        said: list[bytes] = []
        argv = ("/bin/sh", "-c", script, "sh", *(f"/{inside}/{path}" for inside in trees))
        with contextlib.suppress(LimitReached):
            looked = replace(sandbox, mounts=mounts, directory="/")
            enter.run(again.context.helpers, looked, argv, said.append, watch=_PATIENCE)
        lines = b"".join(said).decode(errors="replace").splitlines()
        yield from lines[:_SHOWN]
        if len(lines) > _SHOWN:
            yield f"… and {len(lines) - _SHOWN} lines more"
