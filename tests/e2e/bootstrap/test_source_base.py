"""A base from source: three stages, each on the one before, cut off and gone on with, and what is built on it.

The real set takes an hour to build. Here a static busybox is the whole of it: stage 1 compiles it with a cross compiler
of two lines, the later stages have nothing but what stage 1 made.
"""

from __future__ import annotations

import json
import plistlib
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.land import Land
from tests.e2e.kit.many import history
from tests.e2e.kit.people import Result
from tests.e2e.kit.server import Server
from tests.e2e.kit.site import Site
from xsrc.core.arch import Arch
from xsrc.unix import machine

TARGET = Arch.named(f"{machine.arch().machine}-musl")
APPLETS = """ash basename cat chmod cmp cp cut dirname echo env expr false find grep gunzip head id install ln ls mkdir
mktemp mv printf pwd readlink rm rmdir sed sort tail tar test touch tr true uname wc xargs"""
BUSYBOX = f"""
name = "busybox"
version = "1.35.0"
revision = 1
short_desc = "Small tools"
license = "GPL-2.0-only"
homepage = "https://busybox.net/"
build_style = "gnu-makefile"
bootstrap = 1
make_check = "no tests here"

[[distfiles]]
url = ["{{DEBIAN_SITE}}/main/b/busybox/busybox_{{version}}.orig.tar.bz2"]
sha256 = "faeeb244c35a348a334f4a59e44626ee870fb07b6884d68c10ae8bc19f83a694"

[[when]]
if = {{ cross = true }}
makedepends = ["headers"]

[[when]]
if = {{ stage = [2, 3] }}
phases = {{ do_configure = ":", do_build = "cp /usr/bin/busybox ." }}

[phases]
do_configure = '''
# what is for the result stands where its compiler looks, and not among the builder's own
grep -qx '#define ANSWER 42' "/usr/$HOST_TRIPLET/usr/include/answer.h"
! [ -e /usr/include/answer.h ]
[ "$CC" = "$HOST_TRIPLET-gcc" ]
make allnoconfig >/dev/null
for word in static long_opts feature_seamless_gz feature_tar_gnu_extensions feature_find_type feature_find_exec \\
	feature_find_exec_plus feature_find_delete feature_find_depth feature_find_not feature_find_paren \\
	feature_find_path feature_find_perm feature_find_empty feature_find_mindepth feature_find_links \\
	feature_find_maxdepth feature_sort_big ash_test ash_echo ash_printf ash_cmdcmd sh_is_ash \\
	{" ".join(APPLETS.split())}; do
	word=$(echo "$word" | tr a-z A-Z)
	sed -i "s/^# CONFIG_$word is not set/CONFIG_$word=y/" .config
done
yes '' | make oldconfig >/dev/null
'''
do_build = '''
unset CFLAGS LDFLAGS
make -j"$MAKEJOBS" CC="$CC" HOSTCC=gcc SKIP_STRIP=y busybox
'''
do_install = '''
mkdir -p "$DESTDIR/usr/bin"
cp busybox "$DESTDIR/usr/bin/busybox"
for name in sh {" ".join(APPLETS.split())}; do ln -s busybox "$DESTDIR/usr/bin/$name"; done
'''
"""


@pytest.fixture(scope="module")
def source(land: Land, server: Server) -> Site:
    """A tree whose base set is busybox, headers, and a grep that takes the place of busybox's."""
    if machine.debian_site() is None:
        pytest.skip("no mirror of Debian is known on this machine, and so no source of busybox")
    site = Site(land, server, land.folder("source"))
    site.template("busybox", BUSYBOX)
    compiler = f"usr/bin/{TARGET.triplet}-gcc"
    site.script(
        "cross-gcc",
        f"mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/{TARGET.triplet}/usr/include; "
        f"printf '#!/bin/sh\\nexec gcc \"$@\"\\n' >$DESTDIR/{compiler}; chmod 755 $DESTDIR/{compiler}\n",
        top=f'bootstrap = 0\narchs = ["{machine.arch().name}"]',
        tables='[install]\nkeep = ["empty"]\n',
    )
    header = "mkdir -p $DESTDIR/usr/include; echo '#define ANSWER 42' >$DESTDIR/usr/include/answer.h\n"
    site.script("headers", header, top="bootstrap = 1")
    better = "mkdir -p $DESTDIR/usr/bin; printf '#!/bin/sh\\nexec busybox tac \"$@\"\\n' >$DESTDIR/usr/bin/tail\n"
    offers = "ln -s busybox $DESTDIR/usr/bin/yes\n"
    site.script("better", better + offers, top=f"bootstrap = 2\n{OFFERS}")
    # a bootstrap tests nothing, and builds nothing for tests
    site.script("tester", do_build="exit 1\n")
    site.script("plain", top='bootstrap = 2\ncheckdepends = ["tester"]')
    site.script("changing", 'mkdir -p $DESTDIR/usr; echo "$stage" >$DESTDIR/usr/stage\n', tables=CHANGING)
    return site


OFFERS = """alternatives = [
	{ group = "back", link = "/usr/bin/backwards", target = "/usr/bin/tail", priority = 1 },
	{ group = "false", link = "/bin/false", target = "/usr/bin/yes", priority = 1 },
]"""
CHANGING = """
[[when]]
if = { stage = 2 }
env = { stage = "two" }

[[when]]
if = { stage = 3 }
env = { stage = "three" }

"""


@dataclass(frozen=True)
class Made:
    """The base, made in two goes: the first was killed in stage 2."""

    site: Site
    left: tuple[str, ...]
    """What stage 2 had built when it was killed."""
    result: Result

    @property
    def base(self) -> Path:
        return self.site.masterdir / "pkg-base" / f"source-{TARGET.name}"

    def stage(self, number: int) -> Path:
        return self.site.masterdir / f"pkg-base/.source/{number}/masterdir"


@pytest.fixture(scope="module")
def made(source: Site) -> Made:
    stage = source.masterdir / "pkg-base/.source/2/masterdir"
    with people.ended(source.start("bootstrap", "--from", "source", "-j1")) as running:
        there = stage / "pkg-destdir/busybox-1.35.0_1"
        look.until(lambda: there.is_dir() or running.process.poll() is not None, "stage 2")
        running.signal(signal.SIGKILL)
        running.wait().ended(-signal.SIGKILL)
    left = tuple(sorted(path.name for path in (stage / "pkg-destdir").glob("[!.]*")))
    return Made(source, left, source.xsrc("bootstrap", "--from", "source", "changing"))


def test_what_would_be_built_is_told_first(source: Site) -> None:
    said = source.xsrc("bootstrap", "--from", "source", "-n", "changing").ok().out.splitlines()
    later = "better busybox headers plain changing"
    assert said == ["stage 1: busybox headers", f"stage 2: {later}", f"stage 3: {later}"]


def test_what_was_killed_goes_on_where_it_was(made: Made) -> None:
    made.result.ok("stage 1: 2 packages on host", "stage 3: ", "xsrc build --base source NAME builds on it")
    assert "busybox-1.35.0_1" in made.left
    run = history(made.stage(2))
    assert run.jobs.keys() >= {"changing"} and "busybox" not in run.of("built")


def test_the_cross_compiler_is_for_this_machine_and_the_stages_are_for_the_other(made: Made) -> None:
    def arch(stage: int, name: str) -> object:
        (folder,) = (made.stage(stage) / "pkg-destdir").glob(f"{name}-*")
        return plistlib.loads((folder / "props.plist").read_bytes())["architecture"]

    assert arch(1, "cross-gcc") == machine.arch().name
    assert {arch(n, "busybox") for n in (1, 2, 3)} == {TARGET.name}
    assert not list((made.stage(2) / "pkg-destdir").glob("cross-*"))


def test_stages_are_compared_and_what_differs_is_named(made: Made) -> None:
    said = made.result.out.splitlines()
    assert said[0] == "changing-1.0_1: stage 2 and stage 3 differ in 1 path"
    assert said[-1] == "stage 2 and stage 3: 4 of 5 packages are the same, bit for bit"


def test_the_base_is_sealed_and_listed_and_later_stages_come_first(made: Made) -> None:
    (record,) = json.loads(made.site.xsrc("bootstrap", "--list", "--json").ok().out)
    assert (record["name"], record["arch"]) == (made.base.name, TARGET.name)
    assert set(record["packages"]) == {"busybox", "headers", "better", "plain"}
    assert (made.base / "usr/bin/sh").readlink() == Path("busybox")
    assert (made.base / "usr/bin/tail").read_text().startswith("#!/bin/sh")
    assert not (made.base / "usr/stage").exists()
    for path in (made.base, made.base / "usr/bin", made.base / "usr/bin/busybox"):
        assert not path.stat().st_mode & 0o222, path


def test_the_base_has_the_links_of_alternatives(made: Made) -> None:
    assert (made.base / "usr/bin/backwards").readlink() == Path("tail")
    assert (made.base / "usr/bin/false").readlink() == Path("yes"), "a later stage comes first"


def test_packages_are_built_on_it_for_its_machine_type(made: Made) -> None:
    site = made.site
    site.script("greeting", tables='[[when]]\nif = { libc = "musl" }\nenv = { WORD = "musl" }\n\n', do_build=GREETS)
    site.xsrc("build", "--base", "source", "greeting").ok("greeting-1.0_1: stowed")
    props = plistlib.loads((site.destdir("greeting-1.0_1") / "props.plist").read_bytes())
    assert (props["architecture"], props["build"]["base"]) == (TARGET.name, made.base.name)
    assert site.xsrc("--base", "source", "chroot", "sh", "-c", "cat /usr/share/greeting").ok().out == "greeting 1.0\n"


GREETS = """[ "$WORD" = musl ]
! [ -e /usr/bin/gcc ]
[ "$(readlink /usr/bin/sh)" = busybox ]
"""


def test_it_is_there_already_and_can_be_taken_along(made: Made) -> None:
    made.site.xsrc("bootstrap", "--from", "source").ok("there already")
    file = made.site.root / "base.tar.zst"
    other = made.site.root / "other"
    made.site.xsrc("--base", "source", "bootstrap", "--export", file).ok()
    made.site.xsrc("-m", other, "bootstrap", "--import", file).ok(made.base.name)
    assert look.tree(other / "pkg-base" / made.base.name) == look.tree(made.base)


def test_a_tree_without_a_base_set_says_so(site: Site) -> None:
    site.script("alone")
    site.xsrc("bootstrap", "--from", "source").ended(2, "no template of this tree says bootstrap = 1")
