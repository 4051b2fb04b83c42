"""A tree as large as a distribution's: the packages of Void with their versions and needs, in templates of ours.

As a program: voidtree.py FOLDER makes the tree there and says what it is like.
"""

from __future__ import annotations

import lzma
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from xsrc.core.dep import BUILD, Dep
from xsrc.core.pkgver import NAME, VERSION, Pattern, PkgVer
from xsrc.tree.graph import Node, groups

FACTS = Path(__file__).resolve().parent.parent / "data/void/graph.tsv.xz"
KINDS = ("hostmakedepends", "makedepends", "depends", "checkdepends")
"""The kinds of needs, in the order of the columns."""
RUN = Dep.RUN.value
STYLES = {"gnu-configure": "gnu-configure", "configure": "gnu-configure", "cmake": "cmake", "meson": "meson"}
"""Which build style of ours stands for one of Void's; all others are gnu-makefile with scripts of their own."""

_LICENSES = ("MIT", "GPL-2.0-or-later", "BSD-3-Clause", "Apache-2.0 OR MIT", "LGPL-2.1-or-later AND Zlib")
_SITES = ("{GNU_SITE}", "https://downloads.example.org", "https://github.com/example", "{SOURCEFORGE_SITE}")
_WORDS = [
    "fast",
    "small",
    "library",
    "parser",
    "tool",
    "viewer",
    "protocol",
    "archive",
    "console",
    "network",
    "language",
    "filter",
    "daemon",
    "index",
]
_FLAGS = {"gnu-configure": "--enable-{}", "cmake": "-DWITH_{}=ON", "meson": "-D{}=enabled", "gnu-makefile": "WITH_{}=1"}


@dataclass(frozen=True)
class Source:
    """One source package as Void has it; its needs are names of source packages, perhaps with a bound."""

    pkgver: PkgVer
    style: str
    wants: Mapping[str, tuple[str, ...]]
    """By kind."""
    subpackages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.pkgver.name

    def texts(self, *kinds: str) -> Iterator[str]:
        """What it needs, of the given kinds."""
        return (text for kind in kinds for text in self.wants[kind])

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names of that, as the graph asks a package."""
        return tuple(dict.fromkeys(_name(text) for text in self.texts(*(kind.value for kind in kinds))))


@dataclass(frozen=True)
class Void:
    """All packages by name, and what could not be taken over, counted."""

    sources: Mapping[str, Source]
    left_out: Mapping[str, int]

    @cached_property
    def cycles(self) -> tuple[frozenset[str], ...]:
        """The sets of packages each of which needs, to be built, the others built before: the larger first."""
        found = (frozenset(node.name for node in knot if not node.usable) for knot in _knots(self.sources))
        return tuple(sorted(found, key=lambda names: (-len(names), sorted(names))))

    def ordered(self) -> Void:
        """The same without the needs that close a cycle; those of checks go first. `left_out` tells how many."""
        sources, cut = dict(self.sources), 0
        kinds: tuple[str, ...] = ("checkdepends",)
        while knots := _knots(sources):
            for knot in knots:
                lost = {
                    name: {text for text in sources[name].texts(*kinds) if Node(_name(text), True) in knot}
                    for name, usable in sorted(knot)
                    if not usable
                }
                # of checks all; then those of the package that loses least
                least = min((name for name in lost if lost[name]), key=lambda name: len(lost[name]), default="")
                for name in lost if kinds == ("checkdepends",) else [least]:
                    wants = sources[name].wants
                    kept = {kind: tuple(text for text in wants[kind] if text not in lost[name]) for kind in kinds}
                    cut += sum(len(wants[kind]) - len(kept[kind]) for kind in kinds)
                    sources[name] = replace(sources[name], wants={**wants, **kept})
            kinds = tuple(kind.value for kind in BUILD)
        return Void(sources, {**self.left_out, "closes a cycle": cut})


def read_void(file: Path | None = None) -> Void:
    """Void's packages from the table of facts; raises ValueError for a name or version that ours cannot be."""
    file = file or Path(os.environ.get("XSRC_VOID_GRAPH", FACTS))
    text = lzma.decompress(file.read_bytes()).decode() if file.suffix == ".xz" else file.read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    if refused := [row[0] for row in rows if not (re.fullmatch(NAME, row[0]) and re.fullmatch(VERSION, row[1]))]:
        raise ValueError(f"no names or versions of ours: {', '.join(refused)}")
    # a metapackage of Void may have revision 0
    pkgvers = {row[0]: PkgVer(row[0], row[1], max(1, int(row[2]))) for row in rows}
    owner = {sub: row[0] for row in rows for sub in row[8].split()} | {name: name for name in pkgvers}
    left: Counter[str] = Counter()
    sources = {}
    for row in rows:
        needs = {}
        for kind, column in zip(KINDS, row[4:8], strict=True):
            found = dict.fromkeys(_taken(row[0], word, owner, pkgvers, left) for word in column.split())
            needs[kind] = tuple(text for text in found if text)
        sources[row[0]] = Source(pkgvers[row[0]], STYLES.get(row[3], "gnu-makefile"), needs, tuple(row[8].split()))
    return Void(sources, left)


def _taken(
    package: str, word: str, owner: Mapping[str, str], pkgvers: Mapping[str, PkgVer], left: Counter[str]
) -> str | None:
    """One need as ours: the source package in place of a subpackage; None where there is no such thing."""
    if word.startswith("virtual?"):
        left["virtual name"] += 1
        return None
    # the first of two bounds; NAME-VERSION_REVISION is exactly that one
    found = re.match(r"(.+?)([<>=]+[^<>=]+)", word) or re.fullmatch(r"(.+)-([^-]*_[0-9]+)", word)
    name, bound = (word, "") if word in owner or found is None else found.groups()
    if name not in owner:
        left["unknown name"] += 1
        return None
    source = owner[name]
    if source == package:
        left["itself"] += 1
        return None
    pattern = Pattern.parse(source + (f"={bound}" if bound[:1].isdigit() else bound))
    if not pattern.matches(pkgvers[source]):
        left["bound that the tree does not meet"] += 1
        return source
    return str(pattern)


def _knots(sources: Mapping[str, Source]) -> list[set[Node]]:
    """Sets of builds, and of what must be usable for them, none of which can be done before the others."""
    found = (set(group) for group in groups(sources, sources) if len(group) > 1)
    return [knot for knot in found if any(not node.usable for node in knot)]


def _name(text: str) -> str:
    return re.split("[<>=]", text, maxsplit=1)[0]


def write_void(folder: Path, void: Void) -> None:
    """Make a tree of all packages in an empty folder, the same in every run."""
    (folder / "masterdir-skel").mkdir()
    for source in void.sources.values():
        chance = random.Random(str(source.pkgver))
        place = folder / "templates" / source.name
        place.mkdir(parents=True)
        (place / "template.toml").write_text("\n".join(_template(source, chance)) + "\n")
        for number in range(chance.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 3))):
            (place / "patches").mkdir(exist_ok=True)
            hunk = f"--- a/part{number}.c\n+++ b/part{number}.c\n@@ -1 +1 @@\n-old\n+{chance.random()}\n"
            (place / f"patches/{number:02d}-fix.patch").write_text(hunk)
        if chance.random() < 0.07:
            (place / "files").mkdir()
            (place / f"files/{source.name}.conf").write_text(f"seed = {chance.random()}\n")


def _template(source: Source, chance: random.Random) -> Iterator[str]:
    name, words = source.name, chance.sample(_WORDS, 4)
    yield f"# {name} follows its upstream's own advice for packagers\n" if chance.random() < 0.3 else ""
    yield f'name = "{name}"\nversion = "{source.pkgver.version}"\nrevision = {source.pkgver.revision}'
    yield f'short_desc = "{" ".join(words).capitalize()}"'
    yield f'maintainer = "{name.capitalize()} Keeper <{name}@example.org>"'
    yield f'license = "{chance.choice(_LICENSES)}"\nhomepage = "https://www.example.org/{name}/"'
    if chance.random() < 0.4:
        yield f'changelog = "https://www.example.org/{name}/NEWS"'
    yield f'build_style = "{source.style}"'
    for kind, needs in source.wants.items():
        if needs:
            row = ", ".join(f'"{need}"' for need in needs)
            yield f"{kind} = [{row}]" if len(row) < 100 else f"{kind} = [\n  " + row.replace(", ", ",\n  ") + ",\n]"
    if chance.random() < 0.6:
        flags = (_FLAGS[source.style].format(word) for word in chance.sample(_WORDS, chance.randrange(1, 7)))
        key = "make_build_args" if source.style == "gnu-makefile" else "configure_args"
        yield f"{key} = [" + "".join(f'\n  "{flag}",' for flag in flags) + "\n]"
    for part in range(chance.choice((1, 1, 1, 1, 1, 2, 3))):
        suffix = f"-data{part}" if part else ""
        urls = "".join(f'\n  "{at}/{name}/{name}{suffix}-{{version}}.tar.xz",' for at in chance.sample(_SITES, 2))
        yield f'\n[[distfiles]]\nurl = [{urls}\n]\nsha256 = "{chance.getrandbits(256):064x}"'
    for word in chance.sample(words, chance.choice((0, 0, 0, 1, 2))):
        yield f'\n[options.{word}]\ndesc = "Support for {word} files"\ndefault = {chance.choice(("true", "false"))}'
        yield f'configure = {{ on = ["--with-{word}"], off = ["--without-{word}"] }}'
    if chance.random() < 0.2:
        yield '\n[[when]]\nif = { libc = "musl" }\nenv = { LDFLAGS = "-lfts" }'
    if chance.random() < 0.2:
        yield f'\n[env]\nCFLAGS = "-O2 -DSTATIC={chance.randrange(99)}"'
    if chance.random() < 0.3:
        yield f"\n[phases]\npost_install = '''\nrm -f \"$DESTDIR\"/usr/share/{name}/*.bak\nln -s {name} x{name}\n'''"
    yield f'\n[install]\nlicense = ["{chance.choice(("COPYING", "LICENSE", "LICENSE.md"))}"]'
    for sub in source.subpackages:
        preset = next((word for word in ("devel", "libs", "doc") if sub.endswith(word)), "progs")
        yield f'\n[subpackages."{sub}"]\npreset = "{preset}"\nshort_desc = "{words[0].capitalize()} of {name}"'
    if chance.random() < 0.5:
        yield f'\n[update]\npattern = "{name}-([0-9.]+)\\\\.tar"'


def main(folder: Path) -> None:
    """Make the tree, and print what was left out and what cannot be ordered."""
    void = read_void()
    folder.mkdir(parents=True, exist_ok=True)
    write_void(folder, void)
    edges = Counter({kind: sum(len(source.wants[kind]) for source in void.sources.values()) for kind in KINDS})
    print(f"{len(void.sources)} templates;", ", ".join(f"{number} {kind}" for kind, number in edges.items()))
    print("left out:", ", ".join(f"{number} of {why}" for why, number in void.left_out.items()))
    print(f"{len(void.cycles)} cycles among builds, of {', '.join(str(len(knot)) for knot in void.cycles)} packages")
    for knot in void.cycles:
        names = sorted(knot)
        print("  " + " ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else ""))
    print("without cycles:", void.ordered().left_out["closes a cycle"], "needs less")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
