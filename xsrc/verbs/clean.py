"""`xsrc clean`: removes what builds left behind; never a sealed destdir, never a distfile."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from xsrc.effects import second
from xsrc.effects.lock import locked
from xsrc.effects.tree import load
from xsrc.verbs.context import Context
from xsrc.verbs.verb import Verb


class Clean(Verb):
    """Remove the work directories of packages; no name: of all that nobody is building now"""

    plan_only = cli.Flag(["-n", "--plan"], help="print what would be removed, and stop")

    def go(self, context: Context) -> int:
        if not context.masterdir.builddir.is_dir():
            return 0
        for work, paths in leftovers(context, self.names(context)).items():
            if self.plan_only:
                for path in paths:
                    context.ui.output(str(path))
                continue
            lock = context.masterdir.builddir / f".{work}.lock"
            with locked(lock, "xsrc clean", context.ui.note, wait=False) as waited:
                if waited is None:
                    context.ui.note(f"{work}: is being built, left alone")
                    continue
                for path in paths:
                    context.remove(path)
                context.ui.note(f"{work}: removed")
        return 0

    def names(self, context: Context) -> tuple[str, ...]:
        """The work directories that are meant: of the named packages, or none for all."""
        if not self.given and context.here() is None:
            return ()
        names = context.names(self.given, "clean")
        return tuple(context.package(load(context.tree, name), {}).pkgver.work for name in names)


def leftovers(context: Context, only: tuple[str, ...]) -> dict[str, list[Path]]:
    """Work directories, with the unfinished destdirs in them, by `NAME-VERSION`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(context.masterdir.builddir.iterdir()):
        if path.is_dir():
            found.setdefault(path.name.removesuffix(second.SUFFIX), []).extend(second.places(path))
    return {work: paths for work, paths in found.items() if not only or work in only}
