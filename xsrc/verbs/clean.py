"""`xsrc clean`: removes what builds left behind; never a sealed destdir, never a distfile."""

from __future__ import annotations

from plumbum import cli

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
        if self.given or context.here():
            names = context.names(self.given, "clean")
            works = [context.package(load(context.tree, name), {}).pkgver.work for name in names]
        else:
            works = sorted(path.name for path in context.masterdir.builddir.iterdir() if path.is_dir())
        for work in works:
            path = context.masterdir.builddir / work
            if not path.is_dir():
                continue
            if self.plan_only:
                context.ui.output(str(path))
                continue
            with locked(path.with_name(f".{work}.lock"), "xsrc clean", context.ui.note, wait=False) as waited:
                if waited is None:
                    context.ui.note(f"{work}: is being built, left alone")
                    continue
                context.remove(path)
                context.ui.note(f"{work}: removed")
        return 0
