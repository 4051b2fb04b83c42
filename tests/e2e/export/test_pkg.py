"""`xsrc pkg` and `xsrc whence`: packages of real builds, held against the description of their format."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.e2e.kit import xbps
from tests.e2e.kit.site import Site

RICH = """
mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/lib $DESTDIR/etc $DESTDIR/usr/include $DESTDIR/usr/share/rich
echo '#!/bin/sh' >$DESTDIR/usr/bin/rich; chmod 755 $DESTDIR/usr/bin/rich
ln $DESTDIR/usr/bin/rich $DESTDIR/usr/bin/zwin
ln -s rich $DESTDIR/usr/bin/link
echo conf >$DESTDIR/etc/rich.conf
echo secret >$DESTDIR/usr/share/rich/secret
: >$DESTDIR/usr/share/rich/empty
: >"$DESTDIR/usr/share/rich/ü & <$(printf %0120d 7)>"
echo '#define RICH' >$DESTDIR/usr/include/rich.h
"""
TOP = """
conf_files = ["/etc/rich.conf"]
depends = ["lib>=0.5", "plain"]
provides = ["wealth", "money=2.0"]
conflicts = ["poor"]
shells = ["/usr/bin/rich"]
make_dirs = ["/var/lib/rich 0750 _rich _rich"]
system_accounts = [{ name = "_rich", home = "/var/lib/rich", groups = ["_money"] }]
alternatives = [{ group = "wealth", link = "/bin/wealth", target = "/usr/bin/rich" }]
"""
TABLES = """
[install]
keep = ["empty"]
[install.modes]
"usr/bin/rich" = "4755 root:_rich"
"usr/share/rich/secret" = "0640 root:_rich cap_net_raw=ep"
[subpackages.rich-devel]
short_desc = "Headers"
preset = "devel"
"""


def rich(site: Site) -> None:
    site.script("lib")
    site.script("plain")
    site.script("rich", RICH, top=TOP, tables=TABLES)
    site.build("rich")


def test_a_package_says_all_that_its_template_said(site: Site) -> None:
    rich(site)
    said = site.xsrc("pkg", "rich").ok().out.split()
    folder = site.masterdir / "pkg-binpkgs"
    arch = said[0].split(".")[-2]
    assert said == [str(folder / f"{name}-1.0_1.{arch}.xbps") for name in ("rich-devel", "rich")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(Path(path).name for path in said)
    devel, package = (xbps.read(Path(path)) for path in said)
    props = package.props
    assert props["run_depends"] == ["lib>=0.5", "plain>=0"]
    assert props["provides"] == ["wealth-1.0_1", "money-2.0_1"]
    assert props["conflicts"] == ["poor>=0"]
    assert props["conf_files"] == ["/etc/rich.conf"]
    assert props["alternatives"] == {"wealth": ["/usr/bin/wealth:/usr/bin/rich"]}
    assert re.fullmatch("[0-9a-f]{64}", props["build-key"])
    assert (props["build-base"], props["sourcepkg"]) == ("host", "rich-1.0_1")
    assert devel.props["sourcepkg"] == "rich-1.0_1"
    assert devel.props["short_desc"] == "Headers"
    assert list(devel.members) == ["/usr/include/rich.h"]
    members = package.members
    assert members["/usr/bin/zwin"].islnk()
    assert members["/usr/bin/link"].linkname == "rich"
    # an owner that is not root gets set-id bits after the file is his, and not before
    assert (members["/usr/bin/rich"].mode, package.entry("/usr/bin/rich")["mode"]) == (0o755, "4755")
    install = package.scripts["INSTALL"].decode()
    assert re.search(r"^account _rich [0-9]+ _rich /var/lib/rich /usr/sbin/nologin$", install, re.M)
    assert re.search(r"^member _money [0-9]+ _rich$", install, re.M)
    assert "folder ./var/lib/rich 0750 _rich _rich\n" in install
    assert "give ./usr/bin/rich 4755 root _rich\n" in install
    assert "give ./usr/share/rich/secret 0640 root _rich cap_net_raw=ep\n" in install
    assert "add etc/shells /usr/bin/rich\n" in install
    assert "shell /usr/bin/rich\n" in package.scripts["REMOVE"].decode()
    assert not devel.scripts
    former = {path: Path(path).read_bytes() for path in said}
    for path in said:
        Path(path).unlink()
    site.build("-f", "rich")
    assert site.xsrc("pkg", "rich").ok().out.split() == said
    assert {path: Path(path).read_bytes() for path in said} == former


def test_a_setting_packs_every_build_and_a_plan_writes_nothing(site: Site) -> None:
    site.script("lib")
    site.script("top", top='depends = ["lib"]')
    site.xsrc("pkg", "top").ended(2, "top is not built", "hint: xsrc build top")
    site.build("lib")
    assert site.xsrc("pkg", "-n", "lib").ok().out.endswith(".xbps\n")
    assert not list((site.masterdir / "pkg-binpkgs").iterdir())
    site.settings("pkg = true\n")
    site.build("-f", "top")
    found = sorted(path.name.rpartition("-")[0] for path in (site.masterdir / "pkg-binpkgs").iterdir())
    assert found == ["top"]
    site.script("lib", revision=2)
    site.build("lib")
    assert len(list((site.masterdir / "pkg-binpkgs").glob("lib-1.0_2.*.xbps"))) == 1


def test_whence_answers_from_a_stowed_file_and_from_a_package(site: Site) -> None:
    rich(site)

    def git(*words: str) -> str:
        own = ("-c", "user.name=P", "-c", "user.email=p@example.org")
        return site.land.run("git", *own, "-C", site.root, *words).ok().out.strip()

    git("init", "-q")
    git("add", "templates")
    git("commit", "-q", "-m", "templates")
    commit = git("rev-parse", "HEAD")
    site.build("-f", "rich")
    rows = json.loads(site.xsrc("whence", "--json", "/usr/include/rich.h").ok().out)
    key = rows[0]["key"]
    assert rows == [
        {
            "path": "/usr/include/rich.h",
            "pkgver": "rich-devel-1.0_1",
            "template": "rich",
            "commit": commit,
            "key": key,
            "base": "host",
        }
    ]
    devel, package = site.xsrc("pkg", "rich").ok().out.split()
    (again,) = json.loads(site.xsrc("whence", "--json", devel).ok().out)
    assert again == {**rows[0], "path": devel}
    assert xbps.read(Path(package)).props["source-revisions"] == f"rich:{commit}"
    lines = site.xsrc("whence", site.masterdir / "bin/rich").ok().out.splitlines()
    assert lines[:3] == ["/usr/bin/rich: rich-1.0_1", "  template  rich", f"  commit    {commit}"]
    # a template that nobody committed is no commit's; the build and its package are the same
    former = Path(package).read_bytes()
    template = site.root / "templates/rich/template.toml"
    site.write("templates/rich/template.toml", template.read_text() + "# a word\n")
    site.build("-f", "rich").ok()
    (row,) = json.loads(site.xsrc("whence", "--json", "/usr/bin/rich").ok().out)
    assert row["commit"] == f"{commit}+"
    assert row["key"] == key
    assert Path(package).read_bytes() == former
    site.xsrc("whence", "/usr/none").ended(1, "/usr/none: no stowed package has it")
    site.write("bad.xbps", subprocess.run(["zstd"], input=b"x" * 2000, capture_output=True, check=True).stdout)
    site.xsrc("whence", "bad.xbps").ended(1, "bad.xbps: no package of xbps")


def test_a_damaged_destdir_and_a_path_beside_usr_are_refused(site: Site) -> None:
    site.script("lib")
    site.build("lib")
    (package,) = site.xsrc("pkg", "lib").ok().out.split()
    former = Path(package).read_bytes()
    victim = site.destdir("lib-1.0_1") / "usr/share/lib"
    site.land.run("sh", "-c", 'chmod u+w "$1"; echo "lib 1.1" >"$1"', "sh", victim).ok()
    site.xsrc("pkg", "lib").ended(1, "lib-1.0_1: /usr/share/lib is not the file that was built", "xsrc build -f lib")
    assert Path(package).read_bytes() == former
    assert [path.name for path in (site.masterdir / "pkg-binpkgs").iterdir()] == [Path(package).name]
    site.xsrc("pkg", "nothing").ended(2, "nothing is not built")
    site.xsrc("pkg").ended(2, "pkg: which package?")


def test_what_a_program_takes_from_its_base_is_a_package_too(site: Site) -> None:
    site.hello()
    site.build("hello")
    libraries, hello = (xbps.read(Path(path)) for path in site.xsrc("pkg", "hello").ok().out.split())
    assert hello.props["run_depends"] == ["base-libs-host>=0"]
    assert set(hello.props["shlib-requires"]) <= set(libraries.props["shlib-provides"])
    assert libraries.props["pkgname"] == "base-libs-host"
    assert len(site.xsrc("pkg", "hello").ok().out.split()) == 1


def test_packages_become_a_repository(site: Site) -> None:
    site.script("lib")
    site.script("top", top='depends = ["lib"]')
    site.build("top")
    site.xsrc("pkg", "top").ok()
    site.xsrc("repo", "index").ok("top-1.0_1: added")
    (line,) = site.xsrc("repo", "check").ended(1).out.splitlines()
    assert line == "top-1.0_1: needs lib>=0, and no package of the index is that"
    site.xsrc("pkg", "lib").ok()
    site.xsrc("repo", "index", site.masterdir / "pkg-binpkgs").ok("lib-1.0_1: added")
    assert site.xsrc("repo", "check").ok().out == ""
    site.script("lib", "mkdir -p $DESTDIR/usr; echo other >$DESTDIR/usr/lib-file\n")
    site.build("lib")
    site.xsrc("pkg", "lib").ok()
    site.xsrc("repo", "index").ended(5, "nothing was changed", "raise the revision of its template")
    site.xsrc("repo", "indx").ended(2, "did you mean index?")
    site.xsrc("repo", "sign").ended(2, "with which key?")
