"""Compares the stowed root and the destdirs with the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xsrc.base.acts.choose import chosen_base
from xsrc.core.errors import HostError, XsrcError
from xsrc.core.layout import DESTDIRS, Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import farm_to_read, is_lost, is_made
from xsrc.farm.candidate import unmet
from xsrc.farm.disk import links
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.survey import scan, survey
from xsrc.farm.place import LEFT_OUT, Class, made_member, skeleton_member
from xsrc.farm.verify import Damage, Finding, compare_destdir, compare_root, expected
from xsrc.sandbox.disk.skeleton import skeleton
from xsrc.store.disk import shelf
from xsrc.store.disk.seal import seal_again


def open_directories(masterdir: Masterdir, found: Iterable[Finding]) -> None:
    """Open directories to the farm again, the upper ones first. Raises HostError for one that it cannot open."""
    for finding in found:
        if finding.trouble is Damage.MODE:
            try:
                links.open_directory(masterdir.root, finding.path)
            except OSError as error:
                folder = masterdir.root / finding.path
                raise HostError(f"{folder}: {error.strerror}", hint="it is yours to open: chmod u+rwx") from error


def close_destdirs(masterdir: Masterdir, farm: Farm) -> int:
    """Close what was opened in sealed destdirs; return how many modes were mended. Raises HostError if it cannot."""
    count = 0
    for pkgver in farm.in_place():
        folder = masterdir.destdir(pkgver)
        try:
            count += seal_again(folder, farm.entries(pkgver, farm.build(pkgver)))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError(f"{folder}: {error.strerror}", hint=f"xsrc build -f {pkgver.name}") from error
    return count


def unusable(masterdir: Masterdir) -> str | None:
    """Why the database cannot be used, or None."""
    if is_lost(masterdir):
        return "it is not there"
    if not is_made(masterdir):
        return None
    try:
        with farm_to_read(masterdir) as farm:
            farm.check()
            farm.stowed()
            farm.begun()
    except HostError as error:
        return error.message
    return None


def verify(session: Session, farm: Farm, *, hashed: bool) -> Iterator[Finding]:
    """All findings, the root first. Raises TemplateError, HostError and UsageError as `verify_root` does."""
    yield from verify_root(session, farm)
    yield from verify_needs(farm)
    for pkgver in farm.in_place():
        yield from verify_destdir(session.masterdir, farm, pkgver, hashed=hashed)


def verify_root(session: Session, farm: Farm) -> Iterator[Finding]:
    """The findings of the stowed root.

    Raises TemplateError for a bad skeleton, HostError and UsageError as `chosen_base` does, and OSError.
    Raises ConflictError as `chosen_base` does.
    """
    root = session.masterdir.root
    stowed = [v for v, _ in farm.stowed().values()]
    members = [*(m for v in stowed if (m := farm.member(v))), made_member(farm.made())]
    members.append(skeleton_member(skeleton(session.tree).values()))
    records = farm.records()
    places = expected(members, records)
    contents = frozenset(p.path for p in places.values() if p.how in (Class.COPY, Class.MADE, Class.HARD))
    binds = frozenset(chosen_base(session, use=False).binds)
    disk = scan(root, (LEFT_OUT | binds) - {"var"}, contents)
    # in places of the user only what packages have there is looked at
    disk = survey(root, (path for path in places if path not in disk), contents) | disk
    wanted = {p.text.rpartition("../")[2] for p in places.values() if p.how is Class.LINK}
    wanted |= {p.source for p in places.values() if p.how is Class.HARD}
    sources = {path: found.inode for path, found in survey(root, wanted, frozenset()).items()}
    yield from (f for f in compare_root(members, records, disk, sources) if not _of_user(f))


def verify_needs(farm: Farm) -> Iterator[Finding]:
    """The needs of stowed packages that no stowed package satisfies."""
    known = KnownBuilds(farm)
    for lack in unmet(known, known.stowed()):
        owner = str(lack.by.pkgver)
        yield Finding(lack.path or f"{DESTDIRS}/{owner}", Damage.UNMET, owner, lack.words())


def _of_user(finding: Finding) -> bool:
    """Whether it is a stranger's file in a place for such files."""
    return finding.trouble is Damage.ALIEN and finding.path.partition("/")[0] in LEFT_OUT


def verify_destdir(masterdir: Masterdir, farm: Farm, pkgver: PkgVer, *, hashed: bool) -> Iterator[Finding]:
    """The findings of one sealed destdir that is in its place."""
    text, folder = str(pkgver), masterdir.destdir(pkgver)
    if not folder.is_dir():
        yield Finding(f"{DESTDIRS}/{text}", Damage.GONE, text, "all of it")
        return
    try:
        there = shelf.entries(folder, hashed=hashed)
    except (XsrcError, OSError) as error:
        yield Finding(f"{DESTDIRS}/{text}", Damage.WRITTEN, text, str(error))
        return
    yield from compare_destdir(text, farm.entries(pkgver, farm.build(pkgver)), there)
