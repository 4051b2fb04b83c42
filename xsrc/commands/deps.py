"""`xsrc deps`: the needs of a package, in build order or as a tree; and its dependents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plumbum import cli

from xsrc.commands.verb import NAMES, WithBase, WithJson, WithOptions
from xsrc.commands.words import names_in_tree
from xsrc.core.dep import Dep
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of, read_closure
from xsrc.tree.graph import dependents, order
from xsrc.tree.options import options_by_name
from xsrc.tree.package import Package


class Deps(WithJson, WithOptions, WithBase):
    """Print all that packages need, in build order"""

    takes = NAMES
    example = "deps --tree file"

    tree = cli.Flag(["--tree"], help="as a tree, with the kind of each dependency")
    reverse = cli.Flag(["--reverse"], excludes=["--tree"], help="what needs them, directly, among all templates")

    def go(self, session: Session) -> int:
        asked = homes_of(session.tree, names_in_tree(session, self.given, "deps"))
        words = self.words
        if self.reverse:
            return self.show_reverse(session, asked)
        packages = read_closure(session, asked, options_by_name(asked, words)).packages
        ordered = order(asked, packages)  # spells a cycle out before a tree would loop
        if self.json:
            table = {
                name: {kind.value: [str(p) for p in packages[name].depends[kind]] for kind in Dep} for name in ordered
            }
            session.ui.json(table)
        elif self.tree:
            for name in asked:
                for line in tree_lines(name, packages):
                    session.ui.output(line)
        else:
            needs = [name for name in ordered if name not in asked]
            for name in needs:
                session.ui.output(str(packages[name].pkgver))
            if not needs:
                session.ui.note(f"{', '.join(asked)}: no needs")
        return 0

    def show_reverse(self, session: Session, asked: tuple[str, ...]) -> int:
        """Print all packages of the tree that need those of `asked`. Raises HostError and TemplateError."""
        from xsrc.build.acts.outlines import outlines_with  # only this looks at the whole tree

        known = outlines_with(session, asked)
        table = {name: dependents(name, known) for name in asked}
        if self.json:
            session.ui.json(table)
        else:
            if not any(table.values()):
                session.ui.note(f"nothing needs {', '.join(asked)}")
            for others in table.values():
                for other in others:
                    session.ui.output(str(known[other].pkgver))
        return 0


def tree_lines(name: str, packages: Mapping[str, Package]) -> Iterator[str]:
    """A package and everything that it needs, indented; a package shown before is not unfolded again."""
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
