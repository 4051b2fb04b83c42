"""Templates that look like real ones, as many as wanted, each unlike the others, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

_SYLLABLES = (
    "ka",
    "lib",
    "mo",
    "tre",
    "zu",
    "gnu",
    "par",
    "sec",
    "nim",
    "dro",
    "fil",
    "tex",
    "cur",
    "ops",
    "vel",
    "min",
    "dat",
    "ter",
    "sol",
    "quin",
)
_WORDS = (
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
)
_LICENSES = ("MIT", "GPL-2.0-or-later", "BSD-3-Clause", "Apache-2.0 OR MIT", "LGPL-2.1-or-later AND Zlib")
_STYLES = ("gnu-configure", "gnu-configure", "gnu-configure", "cmake", "meson", "gnu-makefile")
_SITES = ("{GNU_SITE}", "https://downloads.example.org", "https://github.com/example", "{SOURCEFORGE_SITE}")


def write_templates(folder: Path, number: int) -> None:
    """Make `number` templates below `folder`, each in a folder of its own."""
    chance = random.Random(20100)
    known: list[str] = []
    for index in range(number):
        name = "".join(chance.sample(_SYLLABLES, 2)) + f"{index}"
        place = folder / name
        place.mkdir(parents=True)
        (place / "template.toml").write_text("\n".join(_template(name, known, chance)) + "\n")
        if chance.random() < 0.2:
            (place / "patches").mkdir()
            (place / "patches/fix-build.patch").write_text(f"--- a/Makefile\n+++ b/Makefile\n{chance.random()}\n")
        known.append(name)


def _template(name: str, known: list[str], chance: random.Random) -> Iterator[str]:
    style = chance.choice(_STYLES)
    yield f"# {name} follows its upstream's own advice for packagers\n" if chance.random() < 0.3 else ""
    yield f'name = "{name}"'
    yield f'version = "{chance.randrange(9)}.{chance.randrange(40)}.{chance.randrange(20)}"'
    yield f"revision = {chance.randrange(1, 9)}"
    yield f'short_desc = "{" ".join(chance.sample(_WORDS, 4)).capitalize()}"'
    yield f'maintainer = "{name.capitalize()} Keeper <{name}@example.org>"'
    yield f'license = "{chance.choice(_LICENSES)}"'
    yield f'homepage = "https://www.example.org/{name}/"'
    if chance.random() < 0.4:
        yield f'changelog = "https://www.example.org/{name}/NEWS"'
    yield f'build_style = "{style}"'
    for kind, most in (("hostmakedepends", 4), ("makedepends", 8), ("depends", 3)):
        if wanted := chance.sample(known, min(len(known), chance.randrange(most + 1))):
            yield f"{kind} = [{', '.join(_pattern(other, chance) for other in wanted)}]"
    if style != "gnu-makefile" and chance.random() < 0.7:
        flag = {"gnu-configure": "--enable-{}", "cmake": "-DWITH_{}=ON", "meson": "-D{}=enabled"}[style]
        words = chance.sample(_WORDS, chance.randrange(1, 7))
        yield "configure_args = [" + "".join(f'\n  "{flag.format(word)}",' for word in words) + "\n]"
    if chance.random() < 0.3:
        yield f'make_build_args = ["V=1", "CC=cc -D{name.upper()}"]'
    yield from _distfiles(name, chance)
    yield from _options(known, chance)
    yield from _conditions(known, chance)
    yield from _tables(name, chance)


def _pattern(name: str, chance: random.Random) -> str:
    return f'"{name}>={chance.randrange(4)}.{chance.randrange(9)}"' if chance.random() < 0.3 else f'"{name}"'


def _distfiles(name: str, chance: random.Random) -> Iterator[str]:
    for part in range(chance.choice((1, 1, 1, 1, 2, 3))):
        suffix = f"-data{part}" if part else ""
        yield "\n[[distfiles]]\nurl = ["
        for site in chance.sample(_SITES, 2):
            yield f'  "{site}/{name}/{name}{suffix}-{{version}}.tar.xz",'
        yield f']\nsha256 = "{chance.getrandbits(256):064x}"'


def _options(known: list[str], chance: random.Random) -> Iterator[str]:
    for word in chance.sample(_WORDS, chance.choice((0, 0, 1, 2))):
        yield f'\n[options.{word}]\ndesc = "Support for {word} files"\ndefault = {chance.choice(("true", "false"))}'
        yield f'configure = {{ on = ["--with-{word}"], off = ["--without-{word}"] }}'
        if known:
            yield f'makedepends = ["{chance.choice(known)}"]'


def _conditions(known: list[str], chance: random.Random) -> Iterator[str]:
    if chance.random() < 0.2:
        yield '\n[[when]]\nif = { libc = "musl" }'
        yield f'makedepends = ["{chance.choice(known)}"]' if known else 'env = { LDFLAGS = "-lfts" }'


def _tables(name: str, chance: random.Random) -> Iterator[str]:
    if chance.random() < 0.3:
        yield f'\n[env]\nCFLAGS = "-O2 -D{name.upper()}_STATIC={chance.randrange(99)}"'
    if chance.random() < 0.3:
        yield f"\n[phases]\npost_install = '''\nrm -f \"$DESTDIR\"/usr/share/{name}/*.bak\nln -s {name} x{name}\n'''"
    yield f'\n[install]\nlicense = ["{chance.choice(("COPYING", "LICENSE", "LICENSE.md"))}"]'
    if chance.random() < 0.2:
        yield f'conf = ["{name}.conf"]'
    if chance.random() < 0.35:
        yield f'\n[subpackages.{name}-devel]\npreset = "devel"\nshort_desc = "Headers of {name}"'
        yield f'depends = ["{name}"]'
    if chance.random() < 0.5:
        yield f'\n[update]\npattern = "{name}-([0-9.]+)\\\\.tar"'
