"""`xsrc check-deps`: what was built asks for what its template does not say, and the other way round."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kit.site import Site

LIBRARY = """
echo 'int {0}(void) {{ return 0; }}' >{0}.c
$CC -shared -fPIC -Wl,-soname,lib{0}.so.1 -o lib{0}.so.1 {0}.c
"""
INSTALL_LIBRARY = """
mkdir -p $DESTDIR/usr/lib
cp lib{0}.so.1 $DESTDIR/usr/lib; ln -s lib{0}.so.1 $DESTDIR/usr/lib/lib{0}.so
"""
PROGRAM = """
echo 'int q(void); int main(void) { return q(); }' >one.c
$CC -o one one.c -lq
"""
INSTALL_PROGRAM = """
cd $DESTDIR; mkdir -p usr/bin usr/lib/pkgconfig; cp $WRKSRC/one usr/bin
printf '#!/usr/bin/tool\\n' >usr/bin/script; printf '#!/usr/bin/nobody\\n' >usr/bin/ghost; chmod 755 usr/bin/*
printf 'Name: one\\nDescription: one\\nVersion: 1\\nRequires: far\\n' >usr/lib/pkgconfig/one.pc
"""
TOOL = "mkdir -p $DESTDIR/usr/bin; printf '#!/bin/sh\\n' >$DESTDIR/usr/bin/{0}; chmod 755 $DESTDIR/usr/bin/{0}\n"
PARTS = """
[subpackages.q-devel]
preset = "devel"
[subpackages.q-tools]
files = ["usr/bin"]
"""
FILE = "templates/one/template.toml"


def write_one(site: Site, top: str, tables: str = "") -> None:
    """The package that is looked at, with these dependencies."""
    site.script("one", INSTALL_PROGRAM, do_build=PROGRAM, top=top, tables=tables)


@pytest.fixture
def built(site: Site) -> Site:
    """One package that declares the wrong things, built with those it should have declared."""
    for name in ("q", "r"):
        site.script(name, INSTALL_LIBRARY.format(name), do_build=LIBRARY.format(name))
    for name in ("tool", "idle"):
        site.script(name, TOOL.format(name))
    write_one(site, 'hostmakedepends = ["q"]\nmakedepends = ["r"]\ndepends = ["idle"]')
    site.build("one", "tool")
    return site


def test_every_difference_is_told_at_its_place_and_gone_when_it_is_mended(built: Site) -> None:
    site = built
    result = site.xsrc("check-deps").ended(1)
    assert result.out == (
        f"""\
{FILE}:10:1: error: depends: /usr/bin/ghost needs /usr/bin/nobody (interpreter): no built package gives it
   10 | depends = ["idle"]
      | ^^^^^^^
  hint: add what gives it to depends, or build without it; \
or say why it may be: [lint] ignore = {{ undeclared-nobody = "…" }}
{FILE}:9:1: error: makedepends: /usr/bin/one needs libq.so.1 (library): q gives it, and is not declared
    9 | makedepends = ["r"]
      | ^^^^^^^^^^^
  hint: add "q" to makedepends
{FILE}:10:1: error: depends: /usr/bin/script needs /usr/bin/tool (interpreter): tool gives it, and is not declared
   10 | depends = ["idle"]
      | ^^^^^^^
  hint: add "tool" to depends; or say why it may be without: [lint] ignore = {{ undeclared-tool = "…" }}
{FILE}:10:1: error: depends: /usr/lib/pkgconfig/one.pc needs far (pkg-config module): no built package gives it
   10 | depends = ["idle"]
      | ^^^^^^^
  hint: add what gives it to depends, or build without it; \
or say why it may be: [lint] ignore = {{ undeclared-far = "…" }}
{FILE}:9:16: error: makedepends: no file uses or names r (libr.so.1)
    9 | makedepends = ["r"]
      |                ^^^
  hint: take it out, or say why it stays: [lint] ignore = {{ unused-r = "…" }}
{FILE}:10:12: error: depends: no file uses or names idle
   10 | depends = ["idle"]
      |            ^^^^^^
  hint: take it out, or say why it stays: [lint] ignore = {{ unused-idle = "…" }}
"""
    )
    rows = json.loads(site.xsrc("check-deps", "--json", "one").ended(1).out)
    assert [row["code"].partition("-")[0] for row in rows] == ["undeclared"] * 4 + ["unused"] * 2
    assert (rows[1]["place"], rows[1]["key"], rows[1]["provider"]) == (f"{FILE}:9:1", "makedepends", "q")
    assert (rows[1]["path"], rows[1]["needs"]) == ("/usr/bin/one", ["library libq.so.1"])

    # the template as it stands now counts, so mending it takes no build
    mended, reasons = 'makedepends = ["q"]\ndepends = ["tool"]', '[lint.ignore]\nundeclared-nobody = "a joke"\n'
    write_one(site, mended, reasons)
    (row,) = json.loads(site.xsrc("check-deps", "--json", "one").ended(1, "undeclared-nobody, for: a joke").out)
    assert row["code"] == "undeclared-far"
    write_one(site, mended, f'{reasons}undeclared-far = "another"\nunused-q = "stale"\n')
    result = site.xsrc("check-deps", cwd=site.root / "templates/one")
    assert result.ok("another", "remove unused-q from [lint] ignore").out == ""


def test_what_cannot_be_looked_at(site: Site) -> None:
    site.script("lib")
    assert site.xsrc("check-deps").ok("1 not built, so not looked at").out == ""
    site.xsrc("check-deps", "lib").ended(2, "lib is not built", "hint: xsrc build lib")
    site.xsrc("check-deps", "lip").ended(2, "no template 'lip'", "did you mean lib?")
    site.build("lib")
    site.script("lib", version="1.1")
    site.xsrc("check-deps", "lib").ok("lib-1.0_1 is what is built; its template is now lib-1.1_1")


def test_options_count_as_they_were_built(site: Site) -> None:
    site.script("r", INSTALL_LIBRARY.format("r"), do_build=LIBRARY.format("r"))
    text = site.hello(tables='[options.fancy]\ndesc = "Fancy"\nmakedepends = ["r"]\n').read_text()
    line = text[: text.index("makedepends")].count("\n") + 1
    site.build("-o", "fancy", "hello")
    (row,) = json.loads(site.xsrc("check-deps", "--json", "hello").ended(1).out)
    assert (row["code"], row["place"]) == ("unused-r", f"templates/hello/template.toml:{line}:16")


def test_subpackages_are_looked_at_with_their_template(site: Site) -> None:
    install = INSTALL_LIBRARY.format("q") + TOOL.format("ask").replace("/bin/sh", "/usr/bin/tool")
    text = site.script("q", install, do_build=LIBRARY.format("q"), tables=PARTS).read_text()
    site.script("tool", TOOL.format("tool"))
    write_one(site, 'makedepends = ["q-devel"]')
    site.build("one", "tool")
    (row,) = json.loads(site.xsrc("check-deps", "--json", "q").ended(1).out)
    line = text[: text.index("[subpackages.q-tools]")].count("\n") + 1
    assert (row["code"], row["key"]) == ("undeclared-tool", "subpackages.q-tools.depends")
    assert (row["path"], row["place"]) == ("/usr/bin/ask", f"templates/q/template.toml:{line}:14")
    found = [row["code"] for row in json.loads(site.xsrc("check-deps", "--json", "one").ended(1).out)]
    assert found == ["undeclared-nobody", "undeclared-tool", "undeclared-far"], "q is linked with, by way of q-devel"
