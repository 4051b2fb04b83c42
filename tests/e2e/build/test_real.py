"""Real packages that need each other, and a tiny project for each build style that needs its own programs."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import Dash
from tests.e2e.kit import pack, unpack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site

MAIN = b'#include <stdio.h>\nint main(void) { return puts("built") < 0; }\n'
CMAKE = b"""cmake_minimum_required(VERSION 3.16)
project(tiny C)
enable_testing()
add_executable(tiny main.c)
add_test(NAME runs COMMAND tiny)
install(TARGETS tiny)
"""
MESON = b"""project('tiny', 'c')
tiny = executable('tiny', 'main.c', install: true)
test('runs', tiny)
"""


def test_file_builds_zlib_first_and_uses_it(dash: Dash) -> None:
    """In the masterdir that has dash already."""
    result = dash.xsrc("build", "file").ok()
    lines = result.lines
    done = [line.partition("-")[0] for line in lines if ": built (" in line]
    assert done == ["zlib", "file"]
    said = dash.xsrc("chroot", "file", "--version").ok().out
    assert said.startswith("file-5.") and "magic file from /" in said
    assert "ELF 64-bit" in dash.xsrc("chroot", "file", "-L", "/usr/bin/file").ok().out
    used = dash.xsrc("chroot", "ldd", "/usr/bin/file").ok().out
    assert "libz.so.1 => /usr/lib/libz.so.1" in used and "libmagic.so.1 => /usr/lib/libmagic.so.1" in used
    assert json.loads(dash.xsrc("owner", "--json", "/usr/lib/libz.so.1").ok().out)[0]["pkgver"].startswith("zlib-")
    dash.xsrc("build", "file").ok("up to date and stowed")


@pytest.mark.parametrize(
    ("style", "file", "text"),
    [("cmake", "CMakeLists.txt", CMAKE), ("meson", "meson.build", MESON)],
    ids=["cmake", "meson"],
)
def test_build_style_with_programs_of_its_own(site: Site, style: str, file: str, text: bytes) -> None:
    unpack.tools(site, "tools", style, "ninja-build")
    dist = site.dist("tiny", [Member(f"tiny-1/{file}", text), Member("tiny-1/main.c", MAIN)])
    site.template("tiny", pack.template("tiny", style=style, top='hostmakedepends = ["tools"]', tables=dist))
    site.build("tiny")
    assert site.land.run(site.masterdir / "bin/tiny").ok().out == "built\n"
    assert "100% tests passed" in site.log("check", "tiny-1.0_1") or "Ok:" in site.log("check", "tiny-1.0_1")


def test_build_style_says_which_program_is_missing(site: Site) -> None:
    site.template(
        "x", pack.template("x", top='make_check = false\nmake_cmd = "xsrc-no-such-make"', style="gnu-makefile")
    )
    site.xsrc("build", "x").ended(1, "xsrc-no-such-make")


def test_gnu_makefile_style_gives_prefix_and_destdir(site: Site) -> None:
    text = b"all:\n\techo made with $(PREFIX) >x\n"
    text += b"install:\n\tmkdir -p $(DESTDIR)$(PREFIX)/share\n\tcp x $(DESTDIR)$(PREFIX)/share/\n"
    site.template(
        "plain",
        pack.template(
            "plain",
            style="gnu-makefile",
            top="make_check = false",
            tables=site.dist("plain", [Member("p/Makefile", text)]),
        ),
    )
    site.build("plain")
    assert (site.masterdir / "usr/share/x").read_text() == "made with /usr\n"


def test_style_keys_reach_its_commands(site: Site) -> None:
    makefile = "all wanted:\n\t@echo target $@ A=$(A)\ncheck try:\n\t@echo target $@ C=$(C)\n"
    makefile += "install put:\n\t@echo target $@ B=$(B); mkdir $(DESTDIR)/usr; :>$(DESTDIR)/usr/x\n"
    top = """configure_args = ["--with-x=a b"]
make_build_target = "wanted"
make_build_args = ["A=1 2"]
make_check_target = "try"
make_check_args = ["C=3"]
make_install_target = "put"
make_install_args = ["B=4"]
"""
    site.hello(top=top, Makefile=makefile)
    site.build("hello")
    assert site.log("configure").endswith("--with-x=a b\n")
    assert site.log("build") == "target wanted A=1 2\n"
    assert site.log("check") == "target try C=3\n"
    assert "target put B=4\n" in site.log("install")
