"""Caches and indexes of the stowed root: made by triggers, owned, used, and gone with what they were made of."""

from __future__ import annotations

import json
import os

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, package, scan

CACHE = "etc/ld.so.cache"
LIBRARY = """
.PHONY: all check install
all: libgreet.so.1
libgreet.so.1: greet.c
	$(CC) -shared -fPIC -Wl,-soname,libgreet.so.1 -o $@ greet.c
check:
	echo checked
install: all
	mkdir -p $(DESTDIR)/usr/lib $(DESTDIR)/usr/include
	cp libgreet.so.1 $(DESTDIR)/usr/lib/libgreet.so.1
	ln -s libgreet.so.1 $(DESTDIR)/usr/lib/libgreet.so
	cp greet.h $(DESTDIR)/usr/include/greet.h
"""


def library(site: Site) -> None:
    """greet, a library, and user, a program of another package that needs it."""
    files = {"Makefile": LIBRARY, "greet.h": "int greet(void);\n", "greet.c": "int greet(void) { return 42; }\n"}
    dist = site.dist("greet", [pack.Member(f"greet-1.0/{name}", text.encode()) for name, text in files.items()])
    site.template("greet", pack.template("greet", style="gnu-makefile", tables=dist))
    make = "all: user\nuser: user.c\n\t$(CC) -o $@ user.c -lgreet\ncheck:\n\techo checked\ninstall: all\n"
    make += "\tmkdir -p $(DESTDIR)/usr/bin\n\tcp user $(DESTDIR)/usr/bin/user\n"
    program = '#include <greet.h>\n#include <stdio.h>\nint main(void) { return printf("%d\\n", greet()) < 0; }\n'
    members = [pack.Member("user-1.0/Makefile", make.encode()), pack.Member("user-1.0/user.c", program.encode())]
    dist = site.dist("user", members)
    site.template("user", pack.template("user", style="gnu-makefile", top='makedepends = ["greet"]', tables=dist))


def test_the_loaders_cache(site_in_mode: Site) -> None:
    """Made in the sandbox, owned, used by a program of another package, gone with the library, the same again."""
    site = site_in_mode
    library(site)
    site.xsrc("chroot", "true").ok()
    fresh = scan(site)
    site.build("user").ok("greet-1.0_1: stowed")
    cache = site.masterdir / CACHE
    first = cache.read_bytes()
    assert b"libgreet.so.1" in first
    assert site.xsrc("chroot", "user").ok().out == "42\n"
    assert "libgreet.so.1 (libc6" in site.xsrc("chroot", "ldconfig", "-p").ok().out
    assert "ldconfig" in site.xsrc("owner", f"/{CACHE}").ok().out
    site.xsrc("verify").ok("no problems")
    cache.unlink()
    assert f"missing  /{CACHE}: triggers" in site.xsrc("verify", "--quick").ended(1).out
    site.xsrc("verify", "--repair").ok()
    assert cache.read_bytes() == first
    site.xsrc("unstow", "user", "greet").ok()
    assert scan(site) == fresh
    site.xsrc("stow", "user", "greet").ok()
    assert cache.read_bytes() == first, "bit for bit the same"


SCHEMAS = "usr/share/glib-2.0/schemas"


def tool(site: Site, text: str) -> None:
    """A package with a program of the name that a trigger looks for, and a file that fires it."""
    script = f"#!/bin/sh\nout=${{1#--targetdir=}}\n{text}"
    package(site, "tool", {"usr/bin/glib-compile-schemas": script, f"{SCHEMAS}/my.tool.xml": "<tool/>"})


COMPILE = 'cat /usr/share/glib-2.0/schemas/my.* >"$out/gschemas.compiled"'


def test_a_trigger_runs_once_for_a_change_of_several_packages(site: Site) -> None:
    tool(site, COMPILE + '; date +%s%N >>"$out/gschemas.compiled"')
    for name in "abc":
        package(site, name, {f"{SCHEMAS}/my.{name}.xml": f"<{name}/>"})
    site.build("-j2", "--no-stow", "tool", "a", "b", "c")
    assert site.xsrc("stow", "-n", "tool", "a", "b", "c").ok().out.splitlines()[-1] == "  ! trigger glib-schemas"
    site.xsrc("stow", "tool", "a", "b", "c").ok()
    compiled = site.masterdir / SCHEMAS / "gschemas.compiled"
    *names, first = compiled.read_text().splitlines()
    assert names == ["<a/>", "<b/>", "<c/>", "<tool/>"]
    assert len(history(site)) == 1, "what it made is part of the change"
    package(site, "other", {"usr/share/other": "x"})
    site.build("other")
    assert compiled.read_text().splitlines()[-1] == first, "nothing of this is its business"
    site.xsrc("unstow", "b", "c").ok()
    *names, second = compiled.read_text().splitlines()
    assert second != first and names == ["<a/>", "<tool/>"]
    site.xsrc("rollback", "1").ok()
    assert compiled.read_text().splitlines()[:-1] == ["<a/>", "<b/>", "<c/>", "<tool/>"]
    site.xsrc("rollback", "0").ok()
    assert not compiled.exists()


def test_a_trigger_that_fails_is_told_and_the_stow_stands(site: Site) -> None:
    tool(site, "echo it is broken >&2; exit 7")
    site.build("tool").ok("trigger glib-schemas failed with exit code 7: it is broken", "tool-1.0_1: stowed")
    assert (site.masterdir / "usr/bin/glib-compile-schemas").is_symlink()
    assert not (site.masterdir / SCHEMAS / "gschemas.compiled").exists()
    site.xsrc("verify").ok("no problems")
    # one that works makes it; what it made stays while the next one fails
    tool(site, COMPILE)
    site.build("tool")
    tool(site, "exit 1")
    site.build("tool").ok("failed with exit code 1")
    assert (site.masterdir / SCHEMAS / "gschemas.compiled").read_text() == "<tool/>\n"
    assert json.loads(site.xsrc("verify", "--json").ok().out) == []


def test_what_a_trigger_makes_meets_a_package(site: Site) -> None:
    """Nothing of it is put there, and the user is told."""
    tool(site, COMPILE)
    package(site, "owner", {f"{SCHEMAS}/gschemas.compiled": "shipped"})
    site.build("--no-stow", "owner")
    site.xsrc("stow", "owner").ok()
    site.build("tool").ok("gschemas.compiled", "owner-1.0_1", "nothing that triggers made was put there")
    assert (site.masterdir / SCHEMAS / "gschemas.compiled").read_text() == "shipped\n"
    site.xsrc("verify").ok("no problems")


def test_a_trigger_cannot_write_into_the_root(site: Site) -> None:
    tool(site, 'echo bad >/usr/share/bad; echo bad >"$(readlink -f /usr/share/glib-2.0/schemas/my.tool.xml)"; exit 3')
    site.build("tool").ok("failed with exit code 3")
    assert not (site.masterdir / "usr/share/bad").exists()
    assert (site.destdir("tool-1.0_1") / SCHEMAS / "my.tool.xml").read_text() == "<tool/>\n"


def test_a_trigger_makes_what_it_declares_and_nothing_else(site_in_mode: Site) -> None:
    """Not a file elsewhere, not another file in its own place, and no link; the rest of what it makes is taken."""
    site = site_in_mode
    more = '; mkdir -p "$OUT/root"; echo evil >"$OUT/root/.profile"; echo x >"$out/when"; ln -s /etc "$out/link"'
    tool(site, COMPILE + more)
    said = site.build("tool").ok("tool-1.0_1: stowed").err
    for path in ("root/.profile", f"{SCHEMAS}/when", f"{SCHEMAS}/link"):
        words = f"trigger glib-schemas: /{path}: left out, for it declares to make files {SCHEMAS}/gschemas.compiled"
        assert words in said
        assert not os.path.lexists(site.masterdir / path)
    assert (site.masterdir / SCHEMAS / "gschemas.compiled").read_text() == "<tool/>\n"
    site.xsrc("verify").ok("no problems")


def test_a_trigger_with_a_directory_of_its_own(site: Site) -> None:
    script = '#!/bin/sh\nmkdir "$1/deep"; echo made >"$1/deep/x"'
    package(site, "tool", {"usr/bin/update-mime-database": script, "usr/share/mime/packages/my.xml": "<tool/>"})
    site.xsrc("chroot", "true").ok()
    fresh = scan(site)
    site.build("tool")
    assert (site.masterdir / "usr/share/mime/deep/x").read_text() == "made\n"
    site.xsrc("verify").ok("no problems")
    site.xsrc("unstow", "tool").ok()
    assert scan(site) == fresh


def test_the_directory_of_what_a_trigger_made_goes_too(site: Site) -> None:
    tool(site, COMPILE)
    site.xsrc("chroot", "true").ok()
    fresh = scan(site)
    site.build("tool")
    site.xsrc("unstow", "tool").ok()
    assert scan(site) == fresh
