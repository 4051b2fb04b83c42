"""`xsrc verify`: holds the stowed root and its destdirs against what was built; mends what can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plumbum import cli

from xsrc.effects import builds, links
from xsrc.effects.skeleton import skeleton
from xsrc.effects.store import Farm
from xsrc.errors import HostError, XsrcError
from xsrc.model.farm import Change, Class, made_member, skeleton_member
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import Request
from xsrc.plan.verify import LEFT_OUT, Finding, Trouble, compare_destdir, compare_root, expected
from xsrc.verbs.context import Context
from xsrc.verbs.farming import carry_out, farm_locked
from xsrc.verbs.planning import change_of, plan_change, refuse_conflicts
from xsrc.verbs.rebuild import rebuild_database
from xsrc.verbs.stowing import How, finish
from xsrc.verbs.triggers import known_triggers, with_triggers
from xsrc.verbs.verb import Verb


class Verify(Verb):
    """Compare the stowed root and what is built with the records; exit code 1 when something is to be mended"""

    quick = cli.Flag(["--quick"], help="leave the contents of destdirs unread")
    repair = cli.Flag(["--repair"], help="make links again, and the database from destdirs and links where it is lost")
    json = cli.Flag(["--json"], help="print JSON")

    def go(self, context: Context) -> int:
        if self.repair:
            self.mend(context)
        if not context.exists:
            context.ui.note(f"there is no masterdir at {context.masterdir.root} yet")
            return 0
        with context.farm_to_read() as farm:
            farm.check()
            found = list(verify(context, farm, hashed=not self.quick))
        if self.json:
            rows = [{"path": "/" + f.path, "trouble": f.trouble.value, "owner": f.owner, "text": f.text} for f in found]
            context.ui.json(rows)
        else:
            for finding in found:
                context.ui.output(str(finding))
        grave = [finding for finding in found if finding.trouble.grave]
        for owner in sorted({f.owner for f in grave if f.trouble.in_destdir}):
            context.ui.note(f"hint: only another build mends a destdir: xsrc build -f {PkgVer.parse(owner).name}")
        if any(not finding.trouble.in_destdir for finding in grave) and not self.repair:
            context.ui.note("hint: xsrc verify --repair")
        context.ui.note(f"{len(grave)} to be mended, {len(found) - len(grave)} to be known")
        return 1 if grave else 0

    def mend(self, context: Context) -> None:
        """Make the database anew where it is lost, then all links, copies and caches."""
        if (why := unusable(context)) is not None:
            rebuild_database(context, why)
        with farm_locked(context, "verify") as farm:
            names = tuple(farm.stowed())
            members = tuple(m for v, _ in farm.stowed().values() if (m := farm.member(v)))
            made = made_member(farm.made())
            found = tuple(verify_root(context, farm))
            open_directories(context, found)
            # equal to what was linked and yet another file: only what follows another build is linked again
            drifted = frozenset(f.owner for f in found if f.trouble is Trouble.DRIFT)
            request = Request((*members, made), (*members, made), repair=True, rebuilt=drifted)
            plan = plan_change(context, farm, request)
            refuse_conflicts(plan, "verify --repair", adopt=False)
            fire = tuple(known_triggers())
            change = change_of(plan, "verify --repair", Change(fire=fire))
            if plan.ops:
                finish(context, farm, change, plan, How())
            else:
                more, change = with_triggers(context, farm, change)
                if more:
                    carry_out(context, farm, change)
            context.ui.note(f"{len(names)} packages: {len(plan.ops)} paths mended")


def open_directories(context: Context, found: Iterable[Finding]) -> None:
    """Let the farm into its directories again, the upper ones first."""
    for finding in found:
        if finding.trouble is Trouble.MODE:
            try:
                links.open_directory(context.masterdir.root, finding.path)
            except OSError as error:
                folder = context.masterdir.root / finding.path
                raise HostError(f"{folder}: {error.strerror}", hint="it is yours to open: chmod u+rwx") from error


def unusable(context: Context) -> str | None:
    """Why the database cannot be used, or None."""
    if not context.masterdir.destdirs.is_dir():
        return None
    if not context.exists:
        return "it is not there"
    try:
        with context.farm_to_read() as farm:
            farm.check()
            farm.stowed()
            farm.begun()
    except HostError as error:
        return error.message
    return None


def verify(context: Context, farm: Farm, *, hashed: bool) -> Iterator[Finding]:
    """Everything that is not as it should be, the root first."""
    yield from verify_root(context, farm)
    for text, _ in sorted(farm.built().items()):
        yield from verify_destdir(context, farm, text, hashed=hashed)


def verify_root(context: Context, farm: Farm) -> Iterator[Finding]:
    """What of the stowed root is not as it should be."""
    root = context.masterdir.root
    stowed = [v for v, _ in farm.stowed().values()]
    members = [*(m for v in stowed if (m := farm.member(v))), made_member(farm.made())]
    members.append(skeleton_member(skeleton(context.tree).values()))
    records = farm.records()
    places = expected(members, records)
    contents = frozenset(p.path for p in places.values() if p.how in (Class.COPY, Class.MADE, Class.HARD))
    binds = frozenset(context.base.binds)
    disk = links.scan(root, (LEFT_OUT | binds) - {"var"}, contents)
    # in places of the user only what packages have there is looked at
    disk |= links.survey(root, (path for path in places if path not in disk), contents)
    wanted = {p.text.rpartition("../")[2] for p in places.values() if p.how is Class.LINK}
    wanted |= {p.source for p in places.values() if p.how is Class.HARD}
    sources = {path: found.inode for path, found in links.survey(root, wanted, frozenset()).items()}
    yield from (f for f in compare_root(members, records, disk, sources) if not _of_user(f))


def _of_user(finding: Finding) -> bool:
    """Whether it is a stranger's file in a place for such files."""
    return finding.trouble is Trouble.ALIEN and finding.path.partition("/")[0] in LEFT_OUT


def verify_destdir(context: Context, farm: Farm, pkgver: str, *, hashed: bool) -> Iterator[Finding]:
    """What of one sealed destdir is not as it was built."""
    folder = context.masterdir.destdirs / pkgver
    if not folder.is_dir():
        yield Finding(f"pkg-destdir/{pkgver}", Trouble.GONE, pkgver, "all of it")
        return
    try:
        there = builds.entries(folder, hashed=hashed)
    except (XsrcError, OSError) as error:
        yield Finding(f"pkg-destdir/{pkgver}", Trouble.WRITTEN, pkgver, str(error))
        return
    yield from compare_destdir(pkgver, farm.entries(PkgVer.parse(pkgver)), there)
