"""Keys of a template that take effect at the end: directories that stay empty, what may not be given away, stages."""

from __future__ import annotations

import plistlib
import stat

from tests.e2e.kit.site import Site

DIRECTORIES = """make_dirs = [
  "/var/lib/d 2750 www www", "/var/spool/d", { path = "/var/a b", mode = "0700", owner = "root:root" },
]
"""


def test_directories_are_there_though_they_are_empty(site: Site) -> None:
    parts = '[subpackages.d-spool]\nfiles = ["var/spool"]\n'
    site.script("d", top=DIRECTORIES, tables=parts)
    site.build("d")
    var = site.masterdir / "var"
    modes = {name: stat.S_IMODE((var / name).stat().st_mode) for name in ("lib/d", "spool/d", "a b")}
    assert modes == {"lib/d": 0o2750, "spool/d": 0o755, "a b": 0o700}
    rules = plistlib.loads((site.destdir("d-1.0_1") / "props.plist").read_bytes())["rules"]
    assert rules["make_dirs"] == [
        {"path": "/var/lib/d", "mode": "2750", "owner": "www:www"},
        {"path": "/var/a b", "mode": "0700", "owner": "root:root"},
    ]
    assert site.xsrc("owner", "/var/spool/d").ok().out == "/var/spool/d: d-spool-1.0_1\n"
    site.land.run("touch", var / "lib/d/mine").ok()
    site.xsrc("verify").ok()
    site.xsrc("unstow", "d", "d-spool").ok()
    assert (var / "lib/d/mine").exists() and not (var / "a b").exists() and not (var / "spool/d").exists()
    site.template("d", (site.root / "templates/d/template.toml").read_text().replace("/var/spool/d", "/var/../d"))
    site.xsrc("show", "d").ended(3, "make_dirs[1]: want an absolute path")


def test_what_is_not_to_be_given_away_is_said(site: Site) -> None:
    site.script("r", top='restricted = "firmware without a licence"')
    site.build("r").ok("r-1.0_1: restricted: what is built of it is not to be given away: firmware without a licence")
    assert site.xsrc("show", "r", "restricted").ok().out == "firmware without a licence\n"
    assert "restricted" not in site.build("r").err


def test_stage_of_the_base_set_is_a_word(site: Site) -> None:
    site.script("a", top="bootstrap = 1")
    site.script("b", top='bootstrap = 2\nmakedepends = ["a"]')
    site.script("c")
    assert site.xsrc("graph", "bootstrap:2").ok().out == "a-1.0_1\nb-1.0_1\n"
    assert site.xsrc("graph", "bootstrap:1").ok().out == "a-1.0_1\n"
    site.xsrc("graph", "bootstrap:None").ended(2, "want the number of a stage")
    site.xsrc("graph", "bootstrap:7").ok("bootstrap:7 matches no package: nothing to do")


def test_name_that_is_only_provided_is_a_need_like_any_other(site: Site) -> None:
    site.script("b-awk", "mkdir -p $DESTDIR/usr/bin; cp /bin/true $DESTDIR/usr/bin/awk-b\n", top='provides = ["awk=2"]')
    site.script("uses", do_build="awk-b\n", top='hostmakedepends = ["awk"]\ndepends = ["awk>=1"]')
    site.build("uses").ok("b-awk-1.0_1: built", "b-awk-1.0_1: stowed")
    assert site.xsrc("graph", "uses").ok().out == "b-awk-1.0_1\nuses-1.0_1\n"
    site.build("uses").ok("up to date and stowed")
    site.script("uses", top='depends = ["awk>=3"]')
    site.xsrc("build", "uses").ended(3, "depends: want awk>=3, the tree has b-awk-1.0_1")
    site.script("uses", top='depends = ["awkward"]')
    site.xsrc("build", "uses").ended(3, "depends: no template 'awkward'")
