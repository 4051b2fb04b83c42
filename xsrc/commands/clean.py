"""`xsrc clean`: removes remains of builds, never a sealed destdir or a distfile; or a whole masterdir."""

from __future__ import annotations

import sys
from pathlib import Path

from plumbum import cli

from xsrc.build.disk import conditions
from xsrc.commands.verb import SOME_NAMES, Common, WithPlan
from xsrc.commands.words import names_in_tree
from xsrc.core.errors import UsageError
from xsrc.core.layout import Masterdir
from xsrc.core.session import Session
from xsrc.farm.acts.raze import raze, refuse_no_masterdir
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load
from xsrc.unix.lock import locked
from xsrc.unix.trees import remove_tree


class Clean(WithPlan):
    """Remove the work directories of packages; no name: of all that nobody is building now"""

    takes = SOME_NAMES
    example = "clean -n  # lists what would go"

    masterdir = cli.SwitchAttr(["-m"], str, argname="DIR", help="the masterdir to work in")
    whole = cli.Flag(["--masterdir"], help="remove the whole masterdir, once you have said yes")
    force = cli.Flag(["-f", "--force"], requires=["--masterdir"], help="without a question")
    keep_distfiles = cli.Flag(["--keep-distfiles"], requires=["--masterdir"], help="all but its distfiles")

    def __init__(self, executable: str) -> None:
        super().__init__(executable)
        # plumbum would still print the switch of all commands, whose two names are taken here
        self._switches_by_func.pop(vars(Common)["masterdir"], None)

    def go(self, session: Session) -> int:
        if self.whole:
            return self.raze(session)
        if not session.masterdir.builddir.is_dir():
            return 0
        for work, paths in leftovers(session.masterdir, self.names(session)).items():
            if self.plan_only:
                for path in paths:
                    session.ui.output(str(path))
                continue
            lock = session.masterdir.builddir / f".{work}.lock"
            with locked(lock, "xsrc clean", session.ui.note, wait=False) as waited:
                if waited is None:
                    session.ui.note(f"{work}: is being built, left alone")
                    continue
                for path in paths:
                    remove_tree(path)
                session.ui.note(f"{work}: removed")
        return 0

    def raze(self, session: Session) -> int:
        """Remove the whole masterdir. Raises UsageError if nobody agrees to that, and what `raze` raises."""
        root = session.masterdir.root
        if self.given:
            hint = f"xsrc clean -m {self.given[0]} --masterdir, if you mean that one"
            raise UsageError(f"clean --masterdir takes no names: it removes {root}", hint=hint)
        if not root.is_dir():
            session.ui.note(f"there is no masterdir at {root}")
            return 0
        refuse_no_masterdir(session.masterdir, session.tree)
        but = f", but not {session.masterdir.srcdistdir.name}/" if self.keep_distfiles else ""
        if self.plan_only:
            session.ui.output(f"{root}{but}")
            return 0
        if not self.force:
            what = f"this removes {root} and everything in it{but}"
            if not session.host.terminal:
                raise UsageError(what, hint="--force, if that is what you want")
            session.ui.note(f"{what}; write yes to go on")
            if sys.stdin.readline().strip() != "yes":
                raise UsageError("nothing was removed", hint="yes is the word")
        raze(session, keep_distfiles=self.keep_distfiles)
        session.ui.note(f"{root}: removed{but}")
        return 0

    def names(self, session: Session) -> tuple[str, ...]:
        """The work directories of the named packages; none means all. Raises UsageError and TemplateError."""
        if not self.given and session.here() is None:
            return ()
        names = names_in_tree(session, self.given, "clean")
        return tuple(package_of(session, load(session.tree, name), {}).pkgver.work for name in names)


def leftovers(masterdir: Masterdir, only: tuple[str, ...]) -> dict[str, list[Path]]:
    """Work directories, with the unfinished destdirs in them, by `NAME-VERSION`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(masterdir.builddir.iterdir()):
        if path.is_dir():
            found.setdefault(path.name.removesuffix(conditions.SUFFIX), []).extend(conditions.places(path))
    return {work: paths for work, paths in found.items() if not only or work in only}
