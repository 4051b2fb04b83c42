"""The plan knows the disk: links, files, missing and closed directories in the way, and the user's word below /etc."""

from __future__ import annotations

import pytest

from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import package, put, scan


def sh(site: Site, script: str) -> None:
    """Something that P does in the masterdir."""
    site.land.run("sh", "-ec", script, cwd=site.masterdir).ok()


def found(site: Site, code: int = 0) -> list[str]:
    """What verify finds, a line each, blanks made one."""
    return [" ".join(line.split()) for line in site.xsrc("verify", "--quick").ended(code).out.splitlines()]


def two(site: Site) -> None:
    """A stowed package a, and b with a file in a directory of a's, built and not stowed."""
    package(site, "a", {"usr/share/doc/a/x": "a"})
    package(site, "b", {"usr/share/doc/b/x": "b"})
    site.build("a")
    site.build("--no-stow", "b")


# https://github.com/archlinuxfr/yaourt/issues/136, https://github.com/qboileau/rstow/issues/12,
# https://github.com/aspiers/stow/issues/101: once every command that changes the farm failed from then on.
@pytest.mark.parametrize("where", ["usr/share/doc", "usr/share"])
def test_a_shared_directory_that_became_a_link(site: Site, where: str) -> None:
    two(site)
    sh(site, f'mkdir ../big; mv {where} ../big/moved; ln -s "$PWD/../big/moved" {where}')
    before = scan(site)
    for words in (("stow", "-n", "b"), ("stow", "b")):
        result = site.xsrc(*words).ended(5, f"/{where}", "a link is in the way of a directory", "nothing was changed")
        assert f"rm {site.masterdir / where} && xsrc restow" in result.err
    assert scan(site) == before
    site.xsrc("list").ok()
    site.xsrc("gc").ok()
    site.xsrc("unstow", "a").ok()
    sh(site, f"rm {where}")
    site.xsrc("stow", "a", "b").ok()
    site.xsrc("verify", "--repair").ok("no problems")
    assert (site.masterdir / "usr/share/doc/b/x").read_text() == "b\n"


# https://github.com/aspiers/stow/issues/134: once a plan was printed, and carrying it out failed.
def test_a_shared_directory_that_was_removed_is_made_again(site: Site) -> None:
    two(site)
    sh(site, "rm -r usr/share/doc")
    site.xsrc("stow", "b").ok()
    assert (site.masterdir / "usr/share/doc/b/x").read_text() == "b\n"
    site.xsrc("restow").ok()
    assert found(site) == []
    sh(site, "rm -r usr/src")
    site.xsrc("verify", "--repair").ok("no problems")


def test_a_shared_directory_that_nobody_can_enter(site: Site) -> None:
    two(site)
    for mode, why in (("000", "cannot be read: Permission denied"), ("500", "cannot be written to: Permission denied")):
        sh(site, f"chmod {mode} usr/share/doc")
        for words in (("stow", "-n", "b"), ("stow", "b")):
            result = site.xsrc(*words).ended(5, f"/usr/share/doc: a-1.0_1: {why}")
            assert f"hint: chmod u+rwx {site.masterdir / 'usr/share/doc'}" in result.err
        sh(site, "chmod 755 usr/share/doc")
    site.xsrc("stow", "b").ok()


# https://github.com/uutils/coreutils/issues/7995: once the farm was stuck until `ulimit -n` was raised.
def test_a_tree_that_is_too_deep_for_links(site: Site) -> None:
    deep = "i=0; cd $DESTDIR; mkdir usr; cd usr; while [ $i -lt 1100 ]; do mkdir d; cd -P d; i=$((i+1)); done; : >f\n"
    site.script("deep", deep)
    site.xsrc("build", "deep").ended(5, "no link has more than 4095")
    site.script("s")
    site.build("s")
    sh(site, "chmod -R u+w pkg-destdir; rm -rf pkg-destdir pkg-builddir")  # which tests cannot remove


# https://github.com/archlinuxfr/yaourt/issues/136, https://github.com/wazuh/wazuh-packages/issues/1713: once no upgrade
# and no restow could pass a data directory that its user had moved to another disk.
def test_a_data_directory_that_its_user_moved(site: Site) -> None:
    top = 'make_dirs = ["/var/lib/db", "/var/lib/db/sub"]'
    package(site, "p", {"usr/share/p": "p"}, top=top)
    site.build("p")
    sh(site, 'mkdir ../big; mv var/lib/db ../big/db; ln -s "$PWD/../big/db" var/lib/db')
    assert found(site) == []
    package(site, "p", {"usr/share/p": "p"}, top=top, version="1.1")
    site.build("p")
    site.xsrc("restow", "p").ok()
    site.xsrc("verify", "--repair").ok("no problems")
    site.xsrc("unstow", "p").ok()
    assert (site.masterdir / "var/lib/db").is_symlink()
    package(site, "p", {"var/lib/db/x": "p"}, version="1.2")
    site.xsrc("build", "p").ended(5, "/var/lib/db", "a link is in the way of a directory")


# https://github.com/voidlinux/xbps/issues/288: once a new version threw the user's mode away.
def test_a_mode_that_a_user_gave_a_conf_file(site: Site) -> None:
    package(site, "p", {"etc/p.conf": "one"})
    site.build("p")
    sh(site, "chmod 600 etc/p.conf")
    assert found(site) == ["changed /etc/p.conf: p-1.0_1: its mode, to 0600"]
    package(site, "p", {"etc/p.conf": "two"}, version="1.1")
    site.build("p")
    conf = site.masterdir / "etc/p.conf"
    assert (conf.read_text(), conf.stat().st_mode & 0o777) == ("two\n", 0o600)
    site.xsrc("rollback", "1").ok()
    assert (conf.read_text(), conf.stat().st_mode & 0o777) == ("one\n", 0o600)


# https://lists.archlinux.org/pipermail/pacman-dev/2015-February/019889.html: once a new mode of a directory never came.
def test_a_new_mode_of_a_directory_arrives(site: Site) -> None:
    place = site.masterdir / "var/lib/sec"

    def mode() -> int:
        return place.stat().st_mode & 0o7777

    for revision, want in ((1, 0o755), (2, 0o700), (3, 0o750)):
        site.script(
            "sec", f"cd $DESTDIR; mkdir -p var/lib/sec; : >var/lib/sec/x; chmod {want:o} var/lib/sec", revision=revision
        )
        site.build("sec")
        assert mode() == want
    sh(site, "chmod 711 var/lib/sec")
    assert found(site, 1) == ["mode /var/lib/sec: sec-1.0_3: is 0711, is to be 0750"]
    site.xsrc("verify", "--repair").ok("its mode was 0711", "no problems")
    assert mode() == 0o750
    site.xsrc("rollback", "2").ok()
    assert mode() == 0o700


def test_two_packages_that_wish_different_modes_of_a_directory(site: Site) -> None:
    for name, mode in (("a", "700"), ("b", "750"), ("c", "755")):
        site.script(name, f"cd $DESTDIR; mkdir -p var/lib/sec; : >var/lib/sec/{name}; chmod {mode} var/lib/sec")
    site.build("c", "a")
    assert (site.masterdir / "var/lib/sec").stat().st_mode & 0o777 == 0o700
    site.xsrc("build", "b").ended(5, "/var/lib/sec: b-1.0_1 and a-1.0_1", "mode 0750", "0700", "xsrc unstow a")
    site.script("d", top='makedepends = ["a", "b"]')
    site.xsrc("build", "--no-stow", "d").ended(5, "do not fit into one build root", "/var/lib/sec")
    site.xsrc("unstow", "a").ok()
    assert (site.masterdir / "var/lib/sec").stat().st_mode & 0o777 == 0o755, "c has a file in it"


# https://github.com/voidlinux/xbps/issues/97, https://github.com/void-linux/xbps/issues/448: once it was
# reported for ever.
@pytest.mark.parametrize("words", [("verify", "--repair"), ("restow",)])
def test_a_new_one_that_its_user_merged_is_forgotten(site: Site, words: tuple[str, ...]) -> None:
    package(site, "p", {"etc/p.conf": "one"})
    site.build("p")
    put(site, "etc/p.conf", "mine")
    package(site, "p", {"etc/p.conf": "two"}, version="1.1")
    site.build("p")
    sh(site, "mv etc/p.conf.new etc/p.conf")
    assert found(site) == []
    site.xsrc(*words).ok()
    package(site, "p", {"etc/p.conf": "three"}, version="1.2")
    site.build("p")
    assert (site.masterdir / "etc/p.conf").read_text() == "three\n", "it is the package's own again"


def test_a_package_that_ships_what_looks_like_a_new_one(site: Site) -> None:
    """Once the upgrade was refused for p.conf.new, which is p's own."""
    for version, text in (("1.0", "one"), ("1.1", "two")):
        package(site, "p", {"etc/p.conf": text, "etc/p.conf.new": "sample"}, version=version)
        site.build("p")
        put(site, "etc/p.conf", "mine")
    etc = site.masterdir / "etc"
    assert ((etc / "p.conf").read_text(), (etc / "p.conf.new").read_text()) == ("mine\n", "sample\n")


# https://github.com/voidlinux/xbps/issues/276, https://github.com/gentoo/gentoo/pull/20050: once no upgrade could
# pass it, and the repair that was advised set it back without a word.
def test_a_link_below_etc_that_its_user_pointed_elsewhere(site: Site) -> None:
    def zone(version: str, name: str) -> None:
        package(site, "tz", {"etc/localtime": f"-> ../usr/share/zoneinfo/{name}"}, version=version)

    zone("1.0", "UTC")
    site.build("tz")
    sh(site, "ln -sfn ../usr/share/zoneinfo/Berlin etc/localtime")
    link, new = (site.masterdir / f"etc/localtime{end}" for end in ("", ".new"))
    assert found(site) == ["changed /etc/localtime: tz-1.0_1: by its user"]
    zone("1.1", "UTC")
    site.build("tz")
    for words in (("restow", "tz"), ("restow",), ("verify", "--repair")):
        site.xsrc(*words).ok()
        assert str(link.readlink()) == "../usr/share/zoneinfo/Berlin"
    zone("1.2", "Etc/UTC")
    site.build("tz").ok("/etc/localtime: changed by you, kept")
    assert str(new.readlink()) == "../usr/share/zoneinfo/Etc/UTC"
    site.xsrc("unstow", "tz").ok()
    assert str(link.readlink()) == "../usr/share/zoneinfo/Berlin" and not new.is_symlink()


# https://github.com/void-linux/xbps/issues/342, https://github.com/void-linux/xbps/issues/604: once no upgrade
# passed it.
@pytest.mark.parametrize("after", ["-> other", "no conf file"])
def test_an_edited_conf_file_that_becomes_something_else(site: Site, after: str) -> None:
    conf = 'conf_files = ["/usr/share/p.conf"]'
    path = "etc/p.conf" if after.startswith("->") else "usr/share/p.conf"
    package(site, "p", {path: "one"}, top=conf if "usr" in path else "")
    site.build("p")
    put(site, path, "mine")
    package(site, "p", {path: after}, version="1.1")
    site.build("p").ok(f"/{path}: changed by you, kept")
    assert (site.masterdir / path).read_text() == "mine\n"
    assert (site.masterdir / f"{path}.new").is_symlink()
    assert found(site) == [f"changed /{path}: p-1.1_1: by its user"]
    site.xsrc("restow", "p").ok()
    site.xsrc("verify", "--repair").ok("no problems")
    assert (site.masterdir / path).read_text() == "mine\n"


def test_a_link_that_its_user_replaced_becomes_a_conf_file(site: Site) -> None:
    package(site, "p", {"etc/p.conf": "-> other"})
    site.build("p")
    sh(site, "rm etc/p.conf; echo mine >etc/p.conf")
    package(site, "p", {"etc/p.conf": "two"}, version="1.1")
    site.build("p")
    etc = site.masterdir / "etc"
    assert ((etc / "p.conf").read_text(), (etc / "p.conf.new").read_text()) == ("mine\n", "two\n")


def test_an_edited_conf_file_that_becomes_a_directory(site: Site) -> None:
    package(site, "p", {"etc/p": "one"})
    site.build("p")
    put(site, "etc/p", "mine")
    package(site, "p", {"etc/p/x": "two"}, version="1.1")
    result = site.xsrc("build", "p").ended(5, "/etc/p", "a file is in the way of a directory")
    assert f"hint: mv {site.masterdir}/etc/p {site.masterdir}/etc/p.mine" in result.err
    sh(site, "mv etc/p etc/p.mine")
    site.build("p")
    assert (site.masterdir / "etc/p/x").read_text() == "two\n"


# https://github.com/bareos/bareos/issues/2365: once it came back at the next upgrade, without a word.
def test_a_conf_file_that_its_user_removed(site: Site) -> None:
    package(site, "p", {"etc/p.conf": "one", "usr/share/p": "p"})
    site.build("p")
    sh(site, "rm etc/p.conf")
    assert found(site) == ["changed /etc/p.conf: p-1.0_1: removed by its user"]
    package(site, "p", {"etc/p.conf": "two", "usr/share/p": "p"}, version="1.1")
    site.build("p").ok("/etc/p.conf: removed by you, left out; xsrc restow p puts it there again")
    site.xsrc("verify", "--repair").ok()
    site.xsrc("restow").ok()
    conf = site.masterdir / "etc/p.conf"
    assert not conf.exists()
    site.xsrc("restow", "p").ok()
    assert conf.read_text() == "two\n"


def test_a_package_with_a_file_that_the_skeleton_has(site: Site) -> None:
    """Once it could never be stowed: the skeleton's file is the default, as long as nobody changed it."""
    etc = site.masterdir / "etc"
    package(site, "iana", {"etc/services": "theirs", "etc/hosts": "theirs"})
    site.build("--no-stow", "iana")
    default, own = (etc / "services").read_text(), "theirs\n"
    put(site, "etc/hosts", "mine")
    site.xsrc("stow", "iana").ok("/etc/hosts: changed by you, kept; the package's own is etc/hosts.new")
    assert [(etc / name).read_text() for name in ("services", "hosts", "hosts.new")] == [own, "mine\n", own]
    site.xsrc("unstow", "iana").ok()
    assert ((etc / "services").read_text(), (etc / "hosts").read_text()) == (default, "mine\n")
    assert not (etc / "hosts.new").exists()


# https://github.com/aspiers/stow/issues/83, https://github.com/aspiers/stow/issues/11: once each command failed
# elsewhere.
def test_a_place_of_xsrc_that_became_a_link(site: Site) -> None:
    package(site, "a", {"usr/share/a": "a"})
    site.build("a")
    for number, place in enumerate(("pkg-destdir", "var/db")):
        sh(site, f'mv {place} ../moved{number}; ln -s "$PWD/../moved{number}" {place}')
        for words in (("verify",), ("stow", "a"), ("list",)):
            site.xsrc(*words).ended(4, f"{place}: want a directory, found a link", "hint: no link is followed there")
        sh(site, f"rm {place}; mv ../moved{number} {place}")


def test_a_rollback_goes_past_a_file_that_became_a_directory(site: Site) -> None:
    for version, path in (("1.0", "usr/share/x"), ("1.1", "usr/share/x/y"), ("1.2", "usr/share/x/y/z")):
        package(site, "p", {path: version}, version=version)
        site.build("p")
    for number, path in ((1, "x"), (3, "x/y/z"), (2, "x/y")):
        site.xsrc("rollback", str(number)).ok()
        assert (site.masterdir / "usr/share" / path).is_file()
    assert found(site) == []
