"""What users of every package manager have: autoremove, remove, purge, hold, paths left out, what was never tested.

Each test is named after what used to go wrong, with the public report of the like where there is one.
"""

from __future__ import annotations

import fcntl
import json
import signal

from tests.e2e.build.test_shell import on_a_terminal
from tests.e2e.farm.test_needs import F, library, program, says, stowed
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site

CONF = "mkdir -p $DESTDIR/etc/app; echo {text} >$DESTDIR/etc/app/app.conf\n"


def conf(site: Site, version: str, text: str) -> None:
    site.script("app", CONF.format(text=text), version=version, top='conf_files = ["/etc/app/app.conf"]')


def listed(site: Site) -> dict[str, dict[str, object]]:
    return {row["pkgver"]: row for row in json.loads(site.xsrc("list", "--json").ok().out)}


def all_of(result: Result) -> str:
    return result.out + result.err


# ---- autoremove


def test_what_came_for_another_package_stays_for_ever(site: Site) -> None:
    """github.com/void-linux/xbps: xbps-remove -o; apt-get autoremove."""
    library(site, "1.0")
    program(site, "app")
    site.script("extra")
    site.script("tool", top='depends = ["extra"]')
    site.build("app", "tool")
    assert stowed(site) == ["app-1.0_1", "extra-1.0_1", "lib-1.0_1", "tool-1.0_1"]
    site.xsrc("autoremove").ok("everything that is stowed was asked for, or is needed")
    site.xsrc("unstow", "app").ok("nothing needs lib any more: xsrc autoremove")
    before = site.farm()
    assert site.xsrc("autoremove", "-n").ok().out.splitlines()[0] == "- lib-1.0_1"
    assert site.farm() == before, "-n changes nothing"
    site.xsrc("autoremove").ok("lib-1.0_1: unstowed")
    assert stowed(site) == ["extra-1.0_1", "tool-1.0_1"]
    assert "autoremove: -lib-1.0_1" in site.xsrc("history").ok().out
    site.xsrc("rollback").ok()
    assert "lib-1.0_1" in stowed(site)
    site.xsrc("autoremove", "tool").ended(2, "autoremove takes no names", "hint: xsrc autoremove [FLAG…]")
    site.xsrc("verify").ok()


def test_what_satisfies_a_virtual_name_is_taken_away(site: Site) -> None:
    site.script("mta", top='provides = ["smtp=1.0"]')
    site.script("guard", tables="[stow]\nprotect = true\n")
    site.script("smtp")
    site.script("app", top='depends = ["smtp>=1"]')
    site.script("loose", top='depends = ["mta", "guard", "held"]')
    site.script("held")
    site.build("--no-stow", "app", "loose")
    site.xsrc("stow", "loose").ok()
    site.xsrc("stow", "app").ok()
    site.xsrc("hold", "held").ok()
    site.xsrc("unstow", "loose").ok()
    site.xsrc("autoremove").ok()
    assert stowed(site) == ["app-1.0_1", "guard-1.0_1", "held-1.0_1", "mta-1.0_1"]


# ---- remove


def test_one_build_cannot_be_removed(site: Site) -> None:
    """github.com/void-linux/void-packages/issues/9301: a version that was taken back came again."""
    for version in ("1.9", "2.0"):
        site.script("foo", version=version)
        site.build("foo")
    site.xsrc("remove", "foo").ended(2, "foo: which one? There is 1.9_1, 2.0_1", "hint: xsrc remove foo@1.9_1")
    site.xsrc("remove", "foo@2.0").ended(5, "remove foo-2.0_1: refused", "it is stowed", "hint: xsrc unstow foo")
    site.xsrc("stow", "foo@1.9").ok()
    before = site.farm()
    site.xsrc("remove", "foo@2.0").ended(5, "generation 2 of the root needs it", "hint: --force")
    said = site.xsrc("remove", "-n", "--force", "foo@2.0").ok().out
    assert said == "- foo-2.0_1\n- generation 2\n"
    assert site.farm() == before
    site.xsrc("remove", "--force", "foo@2.0").ok("foo-2.0_1: removed", "generation 2: forgotten")
    assert list(listed(site)) == ["foo-1.9_1"]
    assert not site.destdir("foo-2.0_1").exists()
    assert not (site.masterdir / "var/db/xsrc/logs/foo-2.0_1").exists()
    site.xsrc("rollback", "2").ended(2, "there is no generation 2")
    site.xsrc("unstow", "foo").ok()
    site.xsrc("stow", "foo").ok("foo-1.9_1: stowed")
    site.xsrc("verify").ok()


def test_what_no_generation_needs_is_removed_without_force(site: Site) -> None:
    site.script("foo")
    site.build("--no-stow", "foo")
    site.xsrc("remove", "bar").ended(2, "bar is not built")
    site.xsrc("remove", "foo@3").ended(2, "foo@3: of foo there is 1.0_1", "hint: xsrc remove foo@VERSION")
    site.xsrc("remove", "foo@1.0", "bar").ended(2, "remove takes only NAME[@VERSION], got 'bar'")
    site.xsrc("remove", "foo@1.0").ok("foo-1.0_1: removed")
    assert listed(site) == {}
    site.build("foo")
    assert stowed(site) == ["foo-1.0_1"]


# ---- purge


def test_conf_files_of_packages_that_are_gone_stay_for_ever(site: Site) -> None:
    """dpkg --purge; github.com/void-linux/xbps/issues/30."""
    conf(site, "1.0", "one")
    site.script("other", CONF.format(text="two").replace("app", "other"), top='conf_files = ["/etc/other/other.conf"]')
    site.build("app", "other")
    file, other = site.masterdir / "etc/app/app.conf", site.masterdir / "etc/other/other.conf"
    for each in (file, other):
        each.write_text("mine\n")
        each.with_name(each.name + ".new").write_text("merged by halves\n")
    (site.masterdir / "etc/other/notes").write_text("kept\n")
    site.land.own(site.masterdir / "etc")
    site.xsrc("purge", "app").ended(5, "app is stowed", "hint: xsrc unstow app")
    site.xsrc("unstow", "app", "other").ok()
    assert site.xsrc("purge", "-n").ok().out == "app  /etc/app/app.conf\nother  /etc/other/other.conf\n"
    site.xsrc("purge", "ap").ended(2, "ap left no conf files behind", "did you mean app?")
    before = site.farm()
    said = site.xsrc("purge", "-n", "app").ok().out
    assert "- etc/app/app.conf (copy)" in said
    assert "- etc/app/app.conf.new (the package's own" in said
    assert site.farm() == before
    result = site.xsrc("purge", "app", "other").ok(
        "/etc/app/app.conf: deleted", "app, other: 4 files deleted, 2 forgotten"
    )
    assert "purge app other" in site.xsrc("history").ok().out
    assert not file.parent.exists(), all_of(result)
    assert sorted(path.name for path in other.parent.iterdir()) == ["notes"]
    assert not list((site.masterdir / "var/db/xsrc/made").iterdir()), "nothing of the user stays behind"
    site.xsrc("purge", "app").ended(2, "app left no conf files behind", "hint: xsrc purge -n lists")
    site.build("app")
    assert file.read_text() == "one\n"
    site.xsrc("verify").ok()


def test_a_conf_file_that_another_package_has_now_is_not_purged(site: Site) -> None:
    conf(site, "1.0", "one")
    site.build("app")
    (site.masterdir / "etc/app/app.conf").write_text("mine\n")
    site.xsrc("unstow", "app").ok()
    site.script("fork", CONF.format(text="fork"), top='conf_files = ["/etc/app/app.conf"]')
    site.build("fork")
    site.xsrc("purge", "app").ended(2, "app left no conf files behind")
    assert (site.masterdir / "etc/app/app.conf").read_text() == "mine\n"
    site.xsrc("unstow", "fork").ok()
    site.xsrc("purge", "fork").ok("/etc/app/app.conf: deleted")
    assert not (site.masterdir / "etc/app").exists()


def test_what_cannot_be_put_back_is_not_purged(site: Site) -> None:
    conf(site, "1.0", "one")
    site.build("app")
    file = site.masterdir / "etc/app/app.conf"
    file.write_text("mine\n")
    site.xsrc("unstow", "app").ok()
    file.unlink()
    file.mkdir()
    site.land.own(file)
    before = site.farm()
    site.xsrc("purge", "app").ended(5, "purge app: refused", "/etc/app/app.conf: app: a dir is in its place")
    assert site.farm() == before
    file.rmdir()
    site.xsrc("purge", "app").ok("app: 0 files deleted, 1 forgotten")


def test_a_purge_that_fails_puts_everything_back(site: Site) -> None:
    conf(site, "1.0", "one")
    site.script("other", CONF.format(text="two").replace("app", "other"), top='conf_files = ["/etc/other/other.conf"]')
    site.build("app", "other")
    file, other = site.masterdir / "etc/app/app.conf", site.masterdir / "etc/other/other.conf"
    for each in (file, other):
        each.write_text("mine\n")
        each.chmod(0o600)
    site.xsrc("unstow", "app", "other").ok()
    other.parent.chmod(0o555)
    site.xsrc("purge", "app", "other").ended(4, "what was begun is undone")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("mine\n", 0o600)
    assert "app  /etc/app/app.conf" in site.xsrc("purge", "-n").ok().out
    other.parent.chmod(0o755)
    site.xsrc("purge", "app", "other").ok()
    assert not file.exists() and not other.exists()


# ---- hold


def test_an_update_cannot_be_held_back(site: Site) -> None:
    """xbps-pkgdb -m hold; apt-mark hold."""
    library(site, "1.0")
    program(site, "app")
    site.build("app")
    site.xsrc("hold", "lib", "nothing").ended(2, "nothing is not stowed")
    site.xsrc("hold", "lib").ok("lib-1.0_1: held")
    assert site.xsrc("hold").ok().out == "lib-1.0_1\n"
    assert json.loads(site.xsrc("hold", "--json").ok().out) == [{"name": "lib", "pkgver": "lib-1.0_1"}]
    assert listed(site)["lib-1.0_1"]["held"] is True
    library(site, "1.1", code=F % 2)
    before = site.farm()
    site.xsrc("build", "lib").ended(5, "build lib: refused", "lib is held", "hint: xsrc hold --release lib")
    assert site.farm() == before
    site.build("li*").ok("lib-1.1_1: not stowed: lib is held")
    assert "lib-1.0_1" in stowed(site)
    site.xsrc("stow", "lib@1.1").ended(5, "stow lib-1.1_1: refused", "lib is held", "hint: xsrc hold --release lib")
    site.xsrc("stow", "lib@1.0").ok("lib-1.0_1: already stowed")
    site.xsrc("unstow", "lib", "app").ended(5, "lib is held", "hint: xsrc hold --release lib")
    program(site, "app", version="1.1")
    site.build("app")
    assert stowed(site) == ["app-1.1_1", "lib-1.0_1"]
    assert says(site, "app") == "1"
    site.xsrc("hold", "--release", "app").ended(2, "app: not held", "hint: xsrc hold")
    site.xsrc("hold", "--release", "lib").ok("lib-1.0_1: released")
    site.xsrc("stow", "lib").ok("lib-1.1_1: stowed in place of lib-1.0_1")
    assert says(site, "app") == "2"
    site.xsrc("hold", "lib").ok()
    site.xsrc("rollback").ended(5, "lib is held", "hint: xsrc hold --release lib")
    site.xsrc("verify").ok()


def test_a_held_library_stands_in_the_way_and_says_so(site: Site) -> None:
    library(site, "1.0")
    site.build("lib")
    site.xsrc("hold", "lib").ok()
    library(site, "2.0", soname=2, code=F % 2)
    program(site, "app")
    site.xsrc("build", "app").ended(5, "needs libf.so.2", "lib is held: it keeps its build", "xsrc hold --release lib")
    assert stowed(site) == ["lib-1.0_1"]


def test_a_rebuilt_held_package_stays_aside(site: Site) -> None:
    site.script("foo", "mkdir -p $DESTDIR/usr; echo one >$DESTDIR/usr/foo\n")
    site.build("foo")
    site.xsrc("hold", "foo").ok()
    site.script("foo", "mkdir -p $DESTDIR/usr; echo two >$DESTDIR/usr/foo\n")
    site.build("--no-stow", "foo")
    assert (site.masterdir / "usr/foo").read_text() == "one\n"
    site.script("bar", top='depends = ["foo"]')
    site.build("bar")
    assert (site.masterdir / "usr/foo").read_text() == "one\n"
    (site.masterdir / "var/db/xsrc/farm.sqlite").unlink()
    site.xsrc("verify", "--repair").ok("making the database anew")
    assert site.xsrc("hold").ok().out == "foo-1.0_1\n", "the hold outlives the database"
    site.xsrc("hold", "--release", "foo").ok()
    site.build("foo")
    assert (site.masterdir / "usr/foo").read_text() == "two\n"


# ---- paths left out

SPEAKING = """mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/share/locale/de $DESTDIR/usr/share/doc/{name} $DESTDIR/etc
echo hallo >$DESTDIR/usr/share/locale/de/{name}.mo
echo read >$DESTDIR/usr/share/doc/{name}/README
echo set >$DESTDIR/etc/{name}.conf
echo run >$DESTDIR/usr/bin/{name}
"""


def test_locales_cannot_be_left_out(site: Site) -> None:
    """localepurge; github.com/void-linux/xbps: noextract in xbps.d(5)."""
    for name in ("one", "two"):
        site.script(name, SPEAKING.format(name=name), top=f'conf_files = ["/etc/{name}.conf"]')
    site.build("one")
    root = site.masterdir
    site.settings('nostow = ["usr/share/locale/**", "/usr/share/doc", "etc/*.conf"]\n')
    site.build("two")
    for path in ("usr/share/locale/de", "usr/share/doc"):
        assert sorted(each.name.split(".")[0] for each in (root / path).iterdir()) == ["one"], (
            "the next stow honours it"
        )
    assert not (root / "etc/two.conf").exists()
    assert (root / "usr/bin/two").exists()
    result = site.xsrc("verify").ok("1 package was stowed with another nostow: xsrc restow")
    assert "two" not in result.out
    assert (
        "/usr/share/doc/two/README: two-1.0_1 (not stowed)" in site.xsrc("owner", "/usr/share/doc/two/README").ok().out
    )
    said = site.xsrc("restow", "-n").ok().out
    assert "- usr/share/locale/de/one.mo" in said
    site.xsrc("restow").ok()
    assert not (root / "usr/share/locale/de").exists()
    assert not (root / "usr/share/doc").exists()
    assert not (root / "etc/one.conf").exists()
    assert "nostow" not in all_of(site.xsrc("verify").ok())
    site.xsrc("restow").ok("0 paths mended")
    (root / "var/db/xsrc/farm.sqlite").unlink()
    site.xsrc("verify", "--repair").ok("making the database anew")
    assert not (root / "usr/share/doc").exists()
    site.settings("nostow = []\n")
    site.xsrc("restow", "one").ok()
    assert (root / "usr/share/doc/one/README").read_text() == "read\n"
    assert not (root / "usr/share/doc/two").exists()
    assert (root / "etc/one.conf").read_text() == "set\n"
    site.xsrc("unstow", "one", "two").ok()
    site.xsrc("verify").ok()


def test_paths_that_are_left_out_do_not_conflict(site: Site) -> None:
    site.write(".xsrc.toml", 'nostow = ["usr/share/doc/**"]\n')
    for name in ("one", "two"):
        site.script(
            name,
            f"mkdir -p $DESTDIR/usr/share/doc $DESTDIR/usr/bin; echo {name} | tee $DESTDIR/usr/share/doc/x"
            f" >$DESTDIR/usr/bin/{name}\n",
        )
    site.build("one", "two")
    assert stowed(site) == ["one-1.0_1", "two-1.0_1"]
    site.xsrc("verify").ok()
    site.settings('nostow = ["../x"]\n')
    site.xsrc("list").ended(3, "nostow[0]: want a path or glob below the root")


def test_an_alternative_leads_to_what_is_left_out(site: Site) -> None:
    offer = 'alternatives = [{ group = "vi", link = "/usr/bin/vi", target = "/usr/share/vim/vim", priority = 1 }]'
    site.script("vim", "mkdir -p $DESTDIR/usr/share/vim; echo x >$DESTDIR/usr/share/vim/vim\n", top=offer)
    site.build("vim")
    assert (site.masterdir / "usr/bin/vi").exists()
    site.settings('nostow = ["usr/share/vim"]\n')
    site.xsrc("restow").ok()
    assert not (site.masterdir / "usr/bin/vi").is_symlink()
    site.xsrc("verify").ok()


# ---- what was never tested


def test_packages_without_tests_run_cannot_be_listed(site: Site) -> None:
    for name in ("tested", "untested"):
        site.script(name, do_check="echo fine\n")
    site.script("none")
    site.build("tested", "none")
    site.build("--no-check", "untested")
    assert [line.split()[1] for line in site.xsrc("list", "--untested").ok().out.splitlines()] == ["untested-1.0_1"]
    assert {pkgver: row["untested"] for pkgver, row in listed(site).items()} == {
        "none-1.0_1": False,
        "tested-1.0_1": False,
        "untested-1.0_1": True,
    }
    before = site.stowed_root()
    site.build("-f", "untested")
    assert site.xsrc("list", "--untested").ok().out == ""
    assert site.stowed_root() == before, "tests do not make another build of it"
    site.xsrc("verify").ok()


# ---- a whole masterdir


def test_a_masterdir_cannot_be_removed(site: Site) -> None:
    site.hello()
    site.build("hello")
    outside = site.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (site.masterdir / "home").mkdir(exist_ok=True)
    (site.masterdir / "home/link").symlink_to(outside)
    site.land.own(site.root / "outside")
    assert site.xsrc("clean", "--masterdir", "-n").ok().out == f"{site.masterdir}\n"
    site.xsrc("clean", "--masterdir").ended(2, f"this removes {site.masterdir} and everything in it", "--force")
    site.xsrc("clean", "--masterdir", "/srv/x").ended(2, "takes no names", "hint: xsrc clean -m /srv/x --masterdir")
    site.xsrc("clean", "--force").ended(2, "masterdir")
    with (site.masterdir / "var/db/xsrc/farm.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        site.xsrc("clean", "--masterdir", "--force").ended(5, "another command is at work in", "nothing was removed")
    code, screen = on_a_terminal(site, ("clean", "--masterdir"), b"y\r", b"yes to go on")
    assert code == 2, screen
    assert "nothing was removed" in screen
    assert stowed(site) == ["hello-1.0_1"]
    site.xsrc("clean", "--masterdir", "--force", "--keep-distfiles").ok(f"{site.masterdir}: removed")
    assert [path.name for path in site.masterdir.iterdir()] == ["pkg-srcdistdir"]
    assert site.distfiles()
    site.xsrc("clean", "--masterdir", "--force").ended(5, "is no masterdir")
    site.build("hello")
    code, screen = on_a_terminal(site, ("-m", str(site.masterdir), "clean", "--masterdir"), b"yes\r", b"yes to go on")
    assert code == 0, screen
    assert not site.masterdir.exists()
    assert (outside / "precious").read_text() == "x"
    site.xsrc("clean", "--masterdir", "--force").ok("there is no masterdir")
    site.build("hello")


def test_what_is_no_masterdir_is_not_removed(site: Site) -> None:
    folder = site.root / "folder"
    folder.mkdir()
    (folder / "file").write_text("x")
    site.land.own(folder)
    site.xsrc("clean", "-m", folder, "--masterdir", "--force").ended(5, f"{folder} is no masterdir")
    assert (folder / "file").exists()
    site.hello()
    site.build("hello")
    site.xsrc("clean", "-m", site.masterdir / "usr", "--masterdir", "--force").ended(5, "is no masterdir")
    assert stowed(site) == ["hello-1.0_1"]


def test_a_masterdir_in_use_is_not_removed(site: Site) -> None:
    site.script("slow", do_build="echo begun >/proc/self/fd/1; sleep 60\n")
    running = site.start("build", "slow")
    try:
        for _ in range(200):
            if (site.masterdir / "var/db/xsrc/logs/slow-1.0_1/build.log").exists():
                break
            site.xsrc("list")
        site.xsrc("clean", "--masterdir", "--force").ended(5, "is being built now; nothing was removed")
    finally:
        running.signal(signal.SIGINT)
        running.wait()
    site.xsrc("clean", "--masterdir", "--force").ok()
