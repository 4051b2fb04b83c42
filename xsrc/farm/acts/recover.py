"""Makes the farm's database again from the disk: destdirs, links, and the record of the last generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.disk import generations
from xsrc.farm.disk.database import Farm, opened
from xsrc.farm.disk.held import read_held
from xsrc.farm.disk.survey import survey
from xsrc.farm.generation import Generation
from xsrc.farm.place import NEW, Change, Class, Conf, Member, name_of
from xsrc.farm.wishes import stands
from xsrc.store.disk.shelf import read_build
from xsrc.unix.lock import locked


def rebuild_database(session: Session, why: str) -> None:
    """Replace a lost or damaged database by a new one, and keep a damaged one beside it.

    Raises HostError if the lock or the new database cannot be made, and OSError.
    """
    masterdir = session.masterdir
    session.ui.note(f"making the database anew: {why}")
    masterdir.db.mkdir(parents=True, exist_ok=True)
    with locked(masterdir.farm_lock, "xsrc verify --repair", session.ui.note):
        new = masterdir.farm.with_suffix(".new")
        new.unlink(missing_ok=True)
        with opened(new, new=True) as farm:
            fill(session, farm)
        if masterdir.farm.exists():
            masterdir.farm.rename(masterdir.farm.with_suffix(".damaged"))
        masterdir.farm.with_name(masterdir.farm.name + "-journal").unlink(missing_ok=True)
        new.rename(masterdir.farm)


def fill(session: Session, farm: Farm) -> None:
    """Record every sealed destdir, and the packages that are stowed by their links. Raises OSError."""
    masterdir = session.masterdir
    count = 0
    for folder in sorted(masterdir.destdirs.iterdir()):
        try:
            props, manifest, build = read_build(folder)
        except (OSError, ValueError):
            continue
        aside = folder.name.startswith(".")
        if folder.name == str(props.pkgver):
            farm.record(props, manifest, build=build)
        elif aside and folder == masterdir.kept(str(props.pkgver), build):
            farm.record_aside(props, manifest, build)
        else:
            continue
        count += 1
    numbers = generations.numbers(masterdir)
    last = next((g for n in reversed(numbers) if (g := generations.read(masterdir, n))), None)
    stowed = stowed_by_links(session.masterdir, farm, last)
    former = last.packages if last else {}
    marks = {str(v): former[name].asked if name in former else True for name, v in stowed.items()}
    choices = dict(last.choices) if last else {}
    conf = conf_beside(session.masterdir, farm, stowed.values())
    nostow = dict.fromkeys(stowed, session.settings.nostow)
    base = Change("verify --repair", session.host.now, add=marks, choices=choices, conf=conf, nostow=nostow)
    farm.finish(base, numbers[-1] if numbers else 0)
    farm.hold(read_held(masterdir) & stowed.keys())
    session.ui.note(f"{counted(count, 'build')} found, {counted(len(stowed), 'package')} stowed")


def conf_beside(masterdir: Masterdir, farm: Farm, stowed: Iterable[PkgVer]) -> dict[str, Conf]:
    """Files that users changed and that have the package's own beside them; their original content is unknown.

    Raises OSError.
    """
    members = [member for pkgver in stowed if (member := farm.member(pkgver))]
    # a name of more than 251 bytes leaves no room for .new
    own = {
        p.path: p
        for member in members
        for p in member.places.values()
        if p.kept and len(p.path.rpartition("/")[2].encode()) <= 251
    }
    beside = {path: p._replace(path=path + NEW) for path, p in own.items()}
    paths = frozenset((*own, *(p.path for p in beside.values())))
    disk = survey(masterdir.root, paths, paths)
    return {
        path: Conf("", beside[path], name_of(placed.owner))
        for path, placed in own.items()
        if path in disk and not stands(placed, disk[path])
        if path + NEW in disk and stands(beside[path], disk[path + NEW])
    }


def stowed_by_links(masterdir: Masterdir, farm: Farm, last: Generation | None) -> dict[str, PkgVer]:
    """The version of each package that links of the root lead into; without links, that of the last generation.

    Raises OSError.
    """
    former: Mapping[str, PkgVer] = {name: one.pkgver for name, one in last.packages.items()} if last else {}
    found: dict[str, tuple[int, bool, PkgVer]] = {}
    for pkgver in farm.in_place():
        member = farm.member(pkgver)
        score = _standing(masterdir, member) if member else 0
        known = former.get(pkgver.name) == pkgver
        if score > 0 or (score == -1 and known):
            found[pkgver.name] = max(found.get(pkgver.name, (0, False, pkgver)), (score, known, pkgver), key=_better)
    return {name: pkgver for name, (_, _, pkgver) in sorted(found.items())}


def _better(one: tuple[int, bool, PkgVer]) -> tuple[int, bool]:
    return one[0], one[1]


def _standing(masterdir: Masterdir, member: Member) -> int:
    """How many of a package's own links exist in the root; -1 if it has no links."""
    own = {path: placed for path, placed in member.places.items() if placed.how is Class.LINK}
    hard = {path: p for path, p in member.places.items() if p.how is Class.HARD}
    if not own and not hard:
        return -1
    disk = survey(masterdir.root, (*own, *hard), frozenset(hard))
    return sum(path in disk and stands(placed, disk[path]) for path, placed in (*own.items(), *hard.items()))
