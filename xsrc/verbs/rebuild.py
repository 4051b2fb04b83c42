"""Makes the farm's database again from what is on disk: destdirs, links, and the record of the last generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.effects import generations, links
from xsrc.effects.builds import read_build
from xsrc.effects.lock import locked
from xsrc.effects.store import Farm, opened
from xsrc.model.farm import NEW, Change, Class, Conf, Member
from xsrc.model.generation import Generation
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import stands
from xsrc.verbs.context import Context


def rebuild_database(context: Context, why: str) -> None:
    """Put a new database in the place of one that is lost or damaged, which is kept beside it."""
    masterdir = context.masterdir
    context.ui.note(f"making the database anew: {why}")
    masterdir.db.mkdir(parents=True, exist_ok=True)
    with locked(masterdir.farm_lock, "xsrc verify --repair", context.ui.note):
        new = masterdir.farm.with_suffix(".new")
        new.unlink(missing_ok=True)
        with opened(new, new=True) as farm:
            fill(context, farm)
        if masterdir.farm.exists():
            masterdir.farm.rename(masterdir.farm.with_suffix(".damaged"))
        masterdir.farm.with_name(masterdir.farm.name + "-journal").unlink(missing_ok=True)
        new.rename(masterdir.farm)


def fill(context: Context, farm: Farm) -> None:
    """Record every sealed destdir, and as stowed what links say is stowed."""
    masterdir = context.masterdir
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
    stowed = stowed_by_links(context, farm, last)
    former = last.packages if last else {}
    marks = {str(v): former[name].asked if name in former else True for name, v in stowed.items()}
    choices = dict(last.choices) if last else {}
    conf = conf_beside(context, farm, stowed.values())
    change = Change("verify --repair", context.host.now, add=marks, choices=choices, conf=conf)
    farm.finish(change, numbers[-1] if numbers else 0)
    context.ui.note(f"{count} builds found, {len(stowed)} packages stowed")


def conf_beside(context: Context, farm: Farm, stowed: Iterable[PkgVer]) -> dict[str, Conf]:
    """The files that their users changed, where the package's own stands beside; what they began from is not known."""
    members = [member for pkgver in stowed if (member := farm.member(pkgver))]
    # a name of more than 251 bytes leaves no room for .new
    own = {
        p.path: p
        for member in members
        for p in member.places.values()
        if p.how is Class.COPY and len(p.path.rpartition("/")[2].encode()) <= 251
    }
    beside = {path: p._replace(path=path + NEW) for path, p in own.items()}
    paths = frozenset((*own, *(p.path for p in beside.values())))
    disk = links.survey(context.masterdir.root, paths, paths)
    return {
        path: Conf("", beside[path])
        for path, placed in own.items()
        if path in disk and not stands(placed, disk[path])
        if path + NEW in disk and stands(beside[path], disk[path + NEW])
    }


def stowed_by_links(context: Context, farm: Farm, last: Generation | None) -> dict[str, PkgVer]:
    """Which version of which package the root's links lead into; of what has none, the last generation knows."""
    former: Mapping[str, PkgVer] = {name: one.pkgver for name, one in last.packages.items()} if last else {}
    found: dict[str, tuple[int, bool, PkgVer]] = {}
    for text in farm.built():
        pkgver = PkgVer.parse(text)
        member = farm.member(pkgver)
        score = _standing(context, member) if member else 0
        known = former.get(pkgver.name) == pkgver
        if score > 0 or (score == -1 and known):
            found[pkgver.name] = max(found.get(pkgver.name, (0, False, pkgver)), (score, known, pkgver), key=_better)
    return {name: pkgver for name, (_, _, pkgver) in sorted(found.items())}


def _better(one: tuple[int, bool, PkgVer]) -> tuple[int, bool]:
    return one[0], one[1]


def _standing(context: Context, member: Member) -> int:
    """How many of a package's own links stand; -1 where it has none that could."""
    own = {path: placed for path, placed in member.places.items() if placed.how is Class.LINK}
    hard = {path: p for path, p in member.places.items() if p.how is Class.HARD}
    if not own and not hard:
        return -1
    disk = links.survey(context.masterdir.root, (*own, *hard), frozenset(hard))
    return sum(path in disk and stands(placed, disk[path]) for path, placed in (*own.items(), *hard.items()))
