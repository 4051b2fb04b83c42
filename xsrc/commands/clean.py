"""`xsrc clean`: removes remains of builds; never a sealed destdir, never a distfile."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from xsrc.build.disk import conditions
from xsrc.commands.verb import Verb
from xsrc.core.layout import Masterdir
from xsrc.core.session import Session
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load
from xsrc.unix.lock import locked
from xsrc.unix.trees import remove_tree


class Clean(Verb):
    """Remove the work directories of packages; no name: of all that nobody is building now"""

    plan_only = cli.Flag(["-n", "--plan"], help="print what would be removed, and stop")

    def go(self, session: Session) -> int:
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

    def names(self, session: Session) -> tuple[str, ...]:
        """The work directories of the named packages; none means all. Raises UsageError and TemplateError."""
        if not self.given and session.here() is None:
            return ()
        names = session.names(self.given, "clean")
        return tuple(package_of(session, load(session.tree, name), {}).pkgver.work for name in names)


def leftovers(masterdir: Masterdir, only: tuple[str, ...]) -> dict[str, list[Path]]:
    """Work directories, with the unfinished destdirs in them, by `NAME-VERSION`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(masterdir.builddir.iterdir()):
        if path.is_dir():
            found.setdefault(path.name.removesuffix(conditions.SUFFIX), []).extend(conditions.places(path))
    return {work: paths for work, paths in found.items() if not only or work in only}
