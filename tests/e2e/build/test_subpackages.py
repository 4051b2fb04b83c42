"""Subpackages: parts of what one build installs, each a package of its own to who needs, stows or looks at it."""

from __future__ import annotations

import json
import plistlib
from typing import Any

from tests.e2e.build.test_depends import LIBRARY, PROGRAM
from tests.e2e.kit.site import Site

EVERYTHING = LIBRARY.replace("NUMBER", "${number}") + (
    "mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/share/doc/xa; printf '#!/bin/sh\\necho tool\\n' >$DESTDIR/usr/bin/xa\n"
    "chmod 755 $DESTDIR/usr/bin/xa; echo ${prose} >$DESTDIR/usr/share/doc/xa/README\n"
)
PARTS = """
[subpackages.xa-devel]
short_desc = "Library of tests - development files"
preset = "devel"
[subpackages.libxa]
preset = "libs"
[subpackages.xa-doc]
files = ["usr/share/doc"]
"""


def library(site: Site, *, parts: str = PARTS, number: int = 1, prose: str = "read") -> None:
    site.script("xa", f"number={number} prose={prose}\n{EVERYTHING}", tables=parts)


def props(site: Site, pkgver: str) -> dict[str, Any]:
    found: dict[str, Any] = plistlib.loads((site.destdir(pkgver) / "props.plist").read_bytes())
    return found


def files(site: Site, name: str) -> set[str]:
    return {line.partition(" ")[0] for line in site.xsrc("files", name).ok().out.splitlines()}


def test_one_build_makes_several_packages(site: Site) -> None:
    library(site)
    result = site.build("xa").ok("xa-1.0_1: built")
    assert all(f"{name}-1.0_1: stowed" in result.err for name in ("xa", "xa-devel", "libxa", "xa-doc"))
    assert files(site, "xa") == {"/usr/bin/xa"}
    assert files(site, "xa-devel") == {"/usr/include/xa.h", "/usr/lib/libxa.so"}
    assert files(site, "libxa") == {"/usr/lib/libxa.so.1"}
    assert files(site, "xa-doc") == {"/usr/share/doc/xa/README"}
    assert not (site.destdir("xa-1.0_1") / "usr/include").exists()
    assert str((site.masterdir / "usr/include/xa.h").readlink()) == "../../pkg-destdir/xa-devel-1.0_1/usr/include/xa.h"
    devel = props(site, "xa-devel-1.0_1")
    assert (devel["source"], devel["short_desc"]) == ("xa-1.0_1", "Library of tests - development files")
    assert devel["run_depends"] == ["libxa>=1.0"]  # its link leads there
    assert site.xsrc("owner", "/usr/lib/libxa.so.1").ok().out == "/usr/lib/libxa.so.1: libxa-1.0_1\n"
    listed = json.loads(site.xsrc("list", "--json").ok().out)
    assert {row["pkgver"] for row in listed} == {f"{n}-1.0_1" for n in ("xa", "xa-devel", "libxa", "xa-doc")}
    shown = json.loads(site.xsrc("show", "--json", "xa-devel").ok().out)["xa-devel"]
    assert shown == {
        "pkgver": "xa-devel-1.0_1",
        "source": "xa",
        "short_desc": "Library of tests - development files",
        "preset": "devel",
    }
    site.xsrc("unstow", "xa-doc").ok()
    assert not (site.masterdir / "usr/share/doc/xa").exists()
    site.xsrc("verify").ok()
    site.build("xa").ok("up to date", "xa-doc-1.0_1: stowed")


def test_build_root_holds_what_is_declared_alone(site: Site) -> None:
    library(site)
    look = "cd /usr; for f in bin/xa include/xa.h lib/libxa.so.1 share/doc/xa; do [ ! -e $f ] || echo $f; done\n"
    site.script("prog", PROGRAM.replace("NAME", "prog"), top='makedepends = ["xa-devel"]', do_build=look)
    result = site.build("prog").ok("xa-1.0_1: built", "prog-1.0_1: stowed", "libxa-1.0_1: stowed")
    assert "xa-devel-1.0_1: stowed" not in result.err
    assert site.log("build", "prog-1.0_1") == "include/xa.h\nlib/libxa.so.1\n"
    assert site.xsrc("chroot", "prog").ok().out == "1\n"
    assert "build xa-1.0_1" not in site.xsrc("build", "-n", "prog").ok().out
    site.build("xa-doc").ok("xa-doc-1.0_1: stowed")
    assert "stow  xa-devel-1.0_1\n" in site.xsrc("build", "-n", "xa-devel").ok().out
    assert "prog-1.0_1\n" in site.xsrc("deps", "--reverse", "xa").ok().out


def test_who_sees_nothing_of_a_change_is_not_built_again(site: Site) -> None:
    library(site)
    site.script("prog", PROGRAM.replace("NAME", "prog"), top='makedepends = ["xa-devel"]')
    site.script("reads", "cp -r /usr/share/doc/xa $DESTDIR\n", top='makedepends = ["xa-doc"]')
    site.build("--no-stow", "prog", "reads")
    library(site, prose="other")
    site.build("prog", "reads").ok("xa-1.0_1: built", "prog-1.0_1: up to date", "reads-1.0_1: built")
    # cut in another way: the files of libxa and xa-devel are what they were
    library(
        site, prose="other", parts=PARTS.replace('files = ["usr/share/doc"]', 'files = ["usr/share/doc", "usr/bin"]')
    )
    planned = site.xsrc("build", "-n", "prog").ok().out
    assert "build xa-1.0_1: changed: subpackages.xa-doc.files" in planned
    result = site.build("prog", "xa").ok("xa-1.0_1: built", "prog-1.0_1: up to date")
    assert files(site, "xa-doc") == {"/usr/share/doc/xa/README", "/usr/bin/xa"}
    assert site.land.run(site.masterdir / "usr/bin/xa").ok().out == "tool\n", result.err


def test_stowed_packages_of_one_build_change_together(site: Site) -> None:
    """A path goes from one to the other, with another content: neither stands in the other's way."""
    library(site)
    site.build("xa")
    moved = PARTS.replace('files = ["usr/share/doc"]', 'files = ["usr/bin"]')
    library(site, prose="new", parts=moved)
    site.build("xa")
    assert files(site, "xa") == {"/usr/share/doc/xa/README"}
    assert (site.masterdir / "usr/share/doc/xa/README").read_text() == "new\n"
    site.xsrc("verify").ok()
    site.xsrc("rollback", "1").ok()
    assert (site.masterdir / "usr/share/doc/xa/README").read_text() == "read\n"
    assert site.xsrc("owner", "/usr/bin/xa").ok().out == "/usr/bin/xa: xa-1.0_1\n"


def test_glob_that_is_left_nothing_is_an_error(site: Site) -> None:
    library(site, parts='[subpackages.xa-data]\nfiles = ["usr/share/xa", "?usr/share/none"]\n' + PARTS)
    refused = site.xsrc("build", "xa").ended(3, 'subpackages.xa-data.files[0]: "usr/share/xa": it matches nothing')
    assert "templates/xa/template.toml:" in refused.err and "files[1]" not in refused.err
    assert not site.destdir("xa-1.0_1").exists() and not site.destdir("xa-data-1.0_1").exists()
    library(site, parts=PARTS + '[subpackages.xa-more]\nfiles = ["usr/share/doc/xa/README"]\n')
    site.xsrc("build", "xa").ended(3, "subpackages.xa-more.files[0]", "xa-doc has taken all that it matches")
    library(site, parts=PARTS + '[subpackages.xa]\nfiles = ["usr/bin"]\n')
    site.xsrc("build", "xa").ended(3, "subpackages.xa: want another name than that of the package")
    library(site)
    site.script("xa-doc")
    site.xsrc("build", "xa").ended(3, "subpackages.xa-doc: there is a template of that name")


def test_what_was_cut_off_between_two_packages_is_made_again(site: Site) -> None:
    """A sealed part of another build than the package itself is none of its."""
    library(site)
    site.build("--no-stow", "xa")
    kept = site.root / "kept"
    site.land.run("cp", "-a", site.destdir("xa-1.0_1"), kept).ok()
    library(site, prose="other")
    site.build("--no-stow", "xa")
    # as if it had been killed before the package itself came into its place
    database = site.masterdir / "var/db/xsrc/farm.sqlite"
    main = site.destdir("xa-1.0_1")
    change = f"chmod -R u+w {main} && rm -r {main} && chmod u+w {kept} && mv {kept} {main} && rm {database}"
    site.land.run("sh", "-c", change).ok()
    site.xsrc("verify", "--repair").ok()
    library(site)
    site.build("xa").ok("xa-1.0_1: built (xa-devel-1.0_1 is of another build)")
    assert (site.masterdir / "usr/share/doc/xa/README").read_text() == "read\n"
    assert not list((site.masterdir / "pkg-destdir").glob(".*"))


def test_lost_subpackage_is_built_again(site: Site) -> None:
    library(site)
    site.build("--no-stow", "xa")
    lost = site.destdir("xa-doc-1.0_1")
    site.land.run("sh", "-c", f"chmod -R u+w {lost}; rm -r {lost}").ok()
    site.build("xa-doc").ok("xa-1.0_1: built (xa-doc-1.0_1 is not there)", "xa-doc-1.0_1: stowed")


def test_hard_links_and_modes_across_packages(site: Site) -> None:
    script = """cd $DESTDIR; mkdir -p usr/bin usr/libexec usr/share/closed; echo x >usr/bin/a; chmod 4711 usr/bin/a
for n in bin/b libexec/c libexec/d; do ln usr/bin/a usr/$n; done; : >usr/share/closed/f; chmod 551 usr/share/closed
"""
    parts = '[subpackages.h-progs]\nfiles = ["usr/bin"]\n[subpackages.h-data]\nfiles = ["usr/share/closed/f"]\n'
    site.script("h", script, tables=parts)
    site.build("h")
    main, progs, data = (site.destdir(f"{name}-1.0_1") for name in ("h", "h-progs", "h-data"))
    assert (main / "usr/libexec/c").samefile(main / "usr/libexec/d")
    assert not (main / "usr/libexec/c").samefile(progs / "usr/bin/a")
    modes = {
        f["path"]: f["mode"] for f in json.loads(site.xsrc("files", "--json", "h-progs").ok().out)["h-progs-1.0_1"]
    }
    assert modes["/usr/bin/a"] == modes["/usr/bin/b"] == "4711"
    assert (data / "usr/share/closed").stat().st_mode & 0o777 == 0o551 and not (main / "usr/share").exists()
