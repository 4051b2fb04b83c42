"""Takes builds from caches in place of building: each is checked against its template as a build of here is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import NamedTuple

from xsrc.build.acts.builder import is_sealed
from xsrc.build.acts.finish import DraftPart, finish, props_of
from xsrc.build.disk import work
from xsrc.build.disk.work import WorkState
from xsrc.build.job import Job
from xsrc.build.request import BuildRequest
from xsrc.build.root import Layers
from xsrc.build.steps import BuildPlan, Step
from xsrc.build.taken import without_taken
from xsrc.core.errors import ArchiveError, BuildFailed, ChecksumError, FetchFailed
from xsrc.core.phase import Phase
from xsrc.core.session import Session
from xsrc.repo.acts.caches import Caches, Offered, brought
from xsrc.repo.disk.unpack import unpack
from xsrc.repo.sealed import SealedLists
from xsrc.sources.disk.distdir import OpenFile
from xsrc.store.digest import outcome
from xsrc.store.disk import scan as scanning
from xsrc.store.disk.scan import Scan
from xsrc.store.manifest import Entry, Manifest, Props
from xsrc.unix.lock import locked
from xsrc.unix.trees import make_folder, remove_tree

_LATEST = 253402300799
"""The last second of the year 9999."""
_SHOWN = 10
"""Lines of a refusal that are shown."""


def fetch_builds(session: Session, request: BuildRequest, plan: BuildPlan) -> bool:
    """Take what caches have of a plan; return whether anything came.

    Raises HostError, TemplateError, UsageError and ConflictError as a build does.
    """
    caches, came = Caches(session), list[str]()

    def take(step: Step) -> bool:
        if not _fetched(session, caches, step.job):
            return False
        came.append(step.name)
        return True

    without_taken(plan, request, take)
    return bool(came)


def _fetched(session: Session, caches: Caches, job: Job) -> bool:
    """Whether a build is there now: from the first cache whose build is what it says."""
    pkgver, ui = job.package.pkgver, session.ui
    for offered in caches.look(job.key, job.package.outputs):
        place = session.masterdir.work(pkgver)
        with locked(session.masterdir.work_lock(pkgver), f"xsrc build {pkgver.name}", ui.note):
            if is_sealed(session, job):
                ui.note(f"{pkgver}: built meanwhile")
                return True
            try:
                with brought(offered, session.masterdir.builddir) as archives:
                    try:
                        work.renew(place)
                        _take(session, job, offered, archives)
                    finally:
                        remove_tree(place.path)
            except (FetchFailed, ChecksumError, ArchiveError, BuildFailed) as error:
                ui.warn(f"{pkgver}: not taken from the cache {offered.site.shown}: {error.message}")
                for line in error.detail[:_SHOWN]:
                    ui.warn(f"{pkgver}: {line.strip()}")
            except OSError as error:
                ui.warn(f"{pkgver}: not taken from the cache {offered.site.shown}: {error.strerror}: {error.filename}")
            else:
                ui.note(f"{pkgver}: fetched from {offered.words}")
                return True
    return False


class _Arrived(NamedTuple):
    """One package of a fetched build, unpacked, and what was found of it."""

    lists: SealedLists
    draft: DraftPart


def _take(session: Session, job: Job, offered: Offered, archives: Iterable[OpenFile]) -> None:
    """Unpack the packages of a build into its work directory, check them, and end as a build does.

    Raises ArchiveError for what is not a build of this key; BuildFailed, TemplateError and OSError as a build does.
    """
    package, place, limits = job.package, session.masterdir.work(job.package.pkgver), session.settings.limits
    subs = {part.name: part for part in package.subpackages}
    arrived = []
    for piece, archive in zip(offered.trace.pieces, archives, strict=True):
        name, what = piece.pkgver.name, str(piece.pkgver)
        folder = place.part(name) if name in subs else place.destdir
        make_folder(folder)
        lists = unpack(archive, piece.tree, folder, limits)
        found = scanning.scan(folder, limits, what, package.open_modes, leaks=scanning.LEAKS in package.excused)
        if _numbered(found.manifest) != _numbered(lists.manifest):
            raise _unlike(what, "it does not unpack to what its list of files says")
        found = replace(found, manifest=lists.manifest)
        arrived.append(_Arrived(lists, DraftPart(found, piece.pkgver, folder, subs.get(name))))
    epoch = _epoch(arrived[0].lists.props)
    done = () if arrived[0].lists.props.untested else (Phase.CHECK,)
    state = WorkState(job.key, done, epoch=epoch)
    whole = _together(one.draft.scan for one in arrived)
    drafts = []
    for lists, draft in arrived:
        part = replace(draft, scan=whole.of(lists.manifest.entries))
        _check(session, job, state, part, lists.props)
        drafts.append((part, lists.props))
    drafts.sort(key=lambda pair: pair[0].pkgver == package.pkgver)  # the package itself comes last
    finish(session, drafts, state)


def _check(session: Session, job: Job, state: WorkState, part: DraftPart, stated: Props) -> None:
    """Refuse records that a build of this job could not have made of these files.

    The cache alone states what it was built with: its needs, and the libraries that they gave it. Raises ArchiveError.
    """
    what, found = str(part.pkgver), part.scan
    bare = props_of(session, job, state, Layers(), part)
    expected = replace(
        bare,
        run_depends=stated.run_depends,
        shlib_requires=stated.shlib_requires,
        links=stated.links,
        saw=stated.saw,
        commit=stated.commit,
    )
    needs = (stated.run_depends, stated.shlib_requires, found.provides)
    result = outcome(found.manifest.entries, found.elves, expected.rules.table(), *needs)
    expected = replace(expected, outcome=result)
    differing = [one.name for one in fields(Props) if getattr(expected, one.name) != getattr(stated, one.name)]
    if differing:
        raise _unlike(what, f"its record differs from that of a build here: {', '.join(differing)}")
    if less := {*bare.run_depends} - {*stated.run_depends}:
        raise _unlike(what, f"its record lacks a need of the template: {min(less)}")
    if more := {*stated.shlib_requires} - {*found.requires}:
        raise _unlike(what, f"its record names a library that no file needs: {min(more)}")


def _unlike(what: str, why: str) -> ArchiveError:
    return ArchiveError(f"{what}: {why}", hint="look at the cache before you trust it")


def _epoch(props: Props) -> int:
    """The time of a build. Raises ArchiveError for none."""
    epoch = props.build.get("source-date-epoch")
    if type(epoch) is not int or not 0 <= epoch <= _LATEST:
        raise _unlike(str(props.pkgver), "its record has no SOURCE_DATE_EPOCH")
    return epoch


def _numbered(manifest: Manifest) -> list[Entry]:
    """The entries with the inodes by order; the parts of a build have the numbers of the whole."""
    numbers: dict[int, int] = {}
    return [e._replace(inode=e.inode and numbers.setdefault(e.inode, len(numbers) + 1)) for e in manifest.entries]


def _together(scans: Iterable[Scan]) -> Scan:
    """The packages of one build as they were before it was divided."""
    parts = tuple(scans)
    return Scan(
        Manifest.of(entry for part in parts for entry in part.manifest.entries),
        requires=(),
        provides=(),
        placed=tuple(path for part in parts for path in part.placed),
        elves={path: one for part in parts for path, one in part.elves.items()},
        searched=tuple(path for part in parts for path in part.searched),
    )
