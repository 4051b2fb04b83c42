"""`xsrc deps`: what a package needs, in build order or as a tree; what needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plumbum import cli

from xsrc.model.arch import Dep
from xsrc.model.package import Package
from xsrc.plan.graph import dependents, order
from xsrc.verbs.context import Context
from xsrc.verbs.options import options_by_name, split_options
from xsrc.verbs.verb import Verb


class Deps(Verb):
    """Print all that packages need, in build order; --tree: why; --reverse: what needs them"""

    json = cli.Flag(["--json"], help="print JSON")
    tree = cli.Flag(["--tree"], help="as a tree, with the key that says so")
    reverse = cli.Flag(["--reverse"], excludes=["--tree"], help="what needs them, directly, among all templates")
    options = cli.SwitchAttr(["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off")

    def go(self, context: Context) -> int:
        asked = context.homes(context.names(self.given, "deps"))
        words = tuple(word for text in self.options for word in split_options(text))
        if self.reverse:
            return self.show_reverse(context, asked)
        packages = context.read_closure(asked, options_by_name(asked, words))
        ordered = order(asked, packages)  # spells a cycle out before a tree would loop
        if self.json:
            table = {
                name: {kind.value: [str(p) for p in packages[name].depends[kind]] for kind in Dep} for name in ordered
            }
            context.ui.json(table)
        elif self.tree:
            for name in asked:
                for line in tree_lines(name, packages):
                    context.ui.output(line)
        else:
            for name in ordered:
                if name not in asked:
                    context.ui.output(str(packages[name].pkgver))
        return 0

    def show_reverse(self, context: Context, asked: tuple[str, ...]) -> int:
        """Print what needs the packages of `asked`, of all that the tree has."""
        from xsrc.verbs.leaves import leaves  # only this looks at the whole tree

        with context.index:
            found = leaves(context)
            known = {name: found[name] for name in (*asked, *found)}
        table = {name: dependents(name, known) for name in asked}
        if self.json:
            context.ui.json(table)
        else:
            for others in table.values():
                for other in others:
                    context.ui.output(str(known[other].pkgver))
        return 0


def tree_lines(name: str, packages: Mapping[str, Package]) -> Iterator[str]:
    """A package and all that it needs, indented; what was shown before is not unfolded again."""
    seen: set[str] = set()

    def below(current: str, indent: str) -> Iterator[str]:
        seen.add(current)
        children = [(kind, need) for kind in Dep for need in packages[current].needs(kind)]
        for number, (kind, need) in enumerate(children):
            last = number == len(children) - 1
            again = " …" if need in seen and any(packages[need].needs(k) for k in Dep) else ""
            yield f"{indent}{'└─ ' if last else '├─ '}{packages[need].pkgver} ({kind.value}){again}"
            if need not in seen:
                yield from below(need, indent + ("   " if last else "│  "))

    yield str(packages[name].pkgver)
    yield from below(name, "")
