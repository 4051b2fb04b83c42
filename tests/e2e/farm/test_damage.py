"""Damaged records, locks, odd places to start from: a clear word, and the next build succeeds."""

from __future__ import annotations

import contextlib

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.site import Site

GARBAGE = {"empty": b"", "text": b"no database, no state\n" * 200, "binary": bytes(range(256)) * 20}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_damaged_state_of_a_work_directory(site: Site, data: bytes) -> None:
    """It is not believed: the build begins anew."""
    site.hello()
    site.build("--to", "configure", "hello")
    state = site.work() / "state.toml"
    state.write_bytes(data)
    result = site.build("-v", "hello").ok("stowed")
    assert "hello-1.0_1: extract" in result.lines


def test_state_with_odd_values(site: Site) -> None:
    site.hello()
    site.build("--to", "configure", "hello")
    state = site.work() / "state.toml"
    text = state.read_text()
    for old, new in (('"configure"', "7"), ("epoch = ", 'epoch = "x" #'), ('"configure"', '"nonsense"')):
        state.write_text(text.replace(old, new))
        site.land.own(state)
        result = site.xsrc("build", "--to", "build", "hello")
        assert result.code in (0, 1) and "Traceback" not in result.err, str(result)
        site.xsrc("clean").ok()
        site.build("--to", "configure", "hello")
    site.build("hello")


@pytest.mark.parametrize("name", ["text", "binary"])
def test_damaged_database(site: Site, name: str) -> None:
    site.hello()
    site.build("hello")
    database = site.masterdir / "var/db/xsrc/farm.sqlite"
    good = database.read_bytes()
    database.write_bytes(GARBAGE[name])
    for words in (("build", "hello"), ("list",), ("unstow", "hello"), ("owner", "/usr/bin/hello")):
        site.xsrc(*words).ended(4, f"the farm's database {database}", "hint: ")
    database.write_bytes(good)
    site.build("hello").ok("up to date")


def test_lost_database_is_found_again(site: Site) -> None:
    """As the hint says: what is in pkg-destdir is taken over without being built again."""
    site.hello()
    site.build("hello")
    (site.masterdir / "var/db/xsrc/farm.sqlite").unlink()
    site.xsrc("build", "hello").ended(4, "farm.sqlite is lost", "hint: xsrc verify --repair")
    site.xsrc("verify", "--repair").ok()
    result = site.build("-v", "hello")
    assert "hello-1.0_1: configure" not in result.lines
    assert "* hello-1.0_1" in site.xsrc("list").ok().out
    site.xsrc("unstow", "hello").ok()
    assert not (site.masterdir / "usr/bin/hello").is_symlink()


def test_database_cut_in_the_middle(site: Site) -> None:
    site.script("many", "mkdir -p $DESTDIR/usr; cd $DESTDIR/usr; for i in $(seq 3000); do : >f$i; done\n")
    site.build("--no-stow", "many")
    database = site.masterdir / "var/db/xsrc/farm.sqlite"
    database.write_bytes(database.read_bytes()[: 1 << 16])
    for words in (("files", "many"), ("stow", "many")):
        result = site.xsrc(*words)
        assert result.code == 4 and "Traceback" not in result.err, str(result)


def test_destdir_that_was_removed_by_hand(site: Site) -> None:
    site.hello()
    site.build("hello")
    destdir = site.destdir()
    site.land.run("sh", "-c", f"chmod -R u+w {destdir}; rm -r {destdir}").ok()
    site.xsrc("list").ok()
    site.build("hello").ok("hello-1.0_1: built")
    assert site.land.run(site.masterdir / "bin/hello").ok().out == "hello 1.0\n"


def test_masterdir_that_is_something_else(site: Site) -> None:
    site.script("s")
    file = site.write("file", "x")
    result = site.xsrc("build", "-m", file, "s")
    assert result.code == 4 and "Traceback" not in result.err, str(result)
    site.write("full/thing", "x")
    site.xsrc("build", "-m", "full", "s").ended(4, "is no masterdir, and not empty", "hint: ")
    assert sorted(path.name for path in (site.root / "full").iterdir()) == ["thing"]
    site.build("-m", "new/deep/masterdir", "s")


def test_masterdir_that_was_begun_and_not_finished(site: Site) -> None:
    """Killed while the skeleton was copied: the next command completes it."""
    site.script("s")
    site.masterdir.mkdir()
    (site.masterdir / "pkg-destdir").mkdir()
    (site.masterdir / "usr").mkdir()
    site.land.own(site.masterdir)
    site.build("s").ok("stowed")
    assert (site.masterdir / "var/db/xsrc/farm.sqlite").exists()


def test_masterdir_with_blanks_and_a_link_in_its_path(site: Site) -> None:
    site.hello()
    place = site.land.folder("a b 'c'")
    link = site.root / "link"
    link.symlink_to(place)
    site.build("-m", str(link / "m d"), "hello").ok("stowed")
    assert site.land.run(place / "m d/bin/hello").ok().out == "hello 1.0\n"
    assert site.xsrc("-m", link / "m d", "chroot", "hello").ok().out == "hello 1.0\n"
    assert site.xsrc("-m", link / "m d", "owner", str(link / "m d/usr/bin/hello")).ok().out.endswith("hello-1.0_1\n")


@pytest.mark.parametrize("name", ["chroot", "shell", "build"])
def test_masterdir_that_is_named_as_a_command(site: Site, name: str) -> None:
    site.hello()
    site.build("hello").ok()
    link = site.root / name
    link.symlink_to(site.masterdir)
    site.xsrc("-m", name, "list", cwd=site.root).ok()
    site.xsrc("-m", name, "chroot", "hello", cwd=site.root).ok()


@pytest.mark.parametrize("words", [("-vm", "chroot"), ("-vmchroot",), ("--masterdir=chroot", "-v")])
def test_masterdir_after_joined_switches(site: Site, words: tuple[str, ...]) -> None:
    site.hello()
    (site.root / "chroot").symlink_to(site.masterdir)
    site.xsrc(*words, "build", "hello", cwd=site.root).ok("stowed")
    assert site.xsrc(*words, "chroot", "hello", cwd=site.root).ok().out.endswith("hello 1.0\n")


def test_tree_reached_through_a_link(site: Site) -> None:
    """The shell's PWD names it as the user does."""
    site.hello()
    link = site.land.folder("links") / "tree"
    link.symlink_to(site.root)
    site.build("hello", cwd=link, env={"PWD": str(link)}).ok("stowed")
    assert site.xsrc("chroot", "hello", cwd=link, env={"PWD": str(link)}).ok().out == "hello 1.0\n"
    here = link / "templates/hello"
    site.xsrc("build", cwd=here, env={"PWD": str(here)}).ok("up to date")
    words = ("owner", "masterdir/usr/bin/hello")
    assert site.xsrc(*words, cwd=link, env={"PWD": str(link)}).ok().out == "/usr/bin/hello: hello-1.0_1\n"


def test_deleted_working_directory(site: Site) -> None:
    words = f"mkdir gone && cd gone && rmdir ../gone && {site.land.python} -P -m xsrc list"
    result = site.land.run("sh", "-c", words, cwd=site.root)
    assert result.code in (0, 2, 4) and "Traceback" not in result.err, str(result)
    assert result.code == 0 or "hint: " in result.err


def test_no_home(site: Site) -> None:
    site.script("s")
    site.build("s", env={"HOME": "/nonexistent"})


def test_standard_streams_closed(site: Site) -> None:
    site.script("s")
    words = f"{site.land.python} -P -m xsrc build s <&- >&- 2>&-"
    site.land.run("sh", "-c", words, cwd=site.root).ok()
    assert (site.masterdir / "usr/share/s").is_symlink()


def test_umask_of_the_user_does_not_matter(site: Site) -> None:
    site.script("s", "mkdir -p $DESTDIR/usr/share; : >$DESTDIR/usr/share/s\n")
    words = f"umask 077; exec {site.land.python} -P -m xsrc build s"
    site.land.run("sh", "-c", words, cwd=site.root).ok()
    modes = {path: what for path, what in look.tree(site.destdir("s-1.0_1")).items() if "plist" not in path}
    assert {what.split()[1] for what in modes.values()} == {"0555", "0444"}


SLOW = "until [ -e go ]; do sleep 0.1; done\n"


def test_two_builds_of_one_package(site: Site) -> None:
    """The second waits, says for whom, and finds that it is done."""
    site.script("slow", do_build=SLOW)
    with people.ended(site.start("build", "slow")) as first:
        look.until(lambda: (site.work("slow-1.0") / "wrksrc").is_dir(), "the first is under way")
        look.until(lambda: look.processes(str(site.work("slow-1.0"))), "it builds")
        with people.ended(site.start("build", "slow")) as second:
            said = b""
            assert second.process.stderr is not None
            while b"waiting for" not in said:
                said += second.process.stderr.readline()
            assert f"waiting for process {first.process.pid} (xsrc build slow)" in said.decode()
            site.land.run("touch", site.work("slow-1.0") / "wrksrc/go").ok()
            said_by_both = first.wait().ok().err + second.wait().ok().err
            assert "slow-1.0_1: stowed" in said_by_both, "whichever comes first to it"
    assert (site.masterdir / "usr/share/slow").is_symlink()


def test_lock_of_a_killed_build_is_free(site: Site) -> None:
    site.script("slow", do_build=SLOW)
    with people.ended(site.start("build", "slow")) as first:
        look.until(lambda: look.processes(str(site.work("slow-1.0"))), "it builds")
        first.kill()
    site.script("slow")
    assert "waiting" not in site.build("slow").err


def all_at_once(site: Site, names: tuple[str, ...]) -> None:
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(people.ended(site.start("build", name))) for name in names]
        for each in running:
            each.wait().ok("stowed")
    assert {path.name for path in (site.masterdir / "usr/share").iterdir()} == set(names)


def test_builds_of_several_packages_at_once(site: Site) -> None:
    """They do not wait for each other but where the farm changes, and for what they all need."""
    names = ("one", "two", "three")
    site.script("base")
    for name in names:
        site.script(name, top='makedepends = ["base"]')
    site.xsrc("chroot", "true").ok()
    all_at_once(site, names)
    built = {path.name for path in (site.masterdir / "pkg-destdir").iterdir()}
    assert built == {f"{name}-1.0_1" for name in ("base", *names)}


def test_first_builds_at_once_in_a_masterdir_that_is_not_there_yet(site: Site) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        site.script(name)
    all_at_once(site, names)
    users = [line.split(":")[0] for line in (site.masterdir / "etc/passwd").read_text().splitlines()]
    assert len(users) == len(set(users))


def test_stow_while_the_farm_is_locked_waits(site: Site) -> None:
    site.script("s")
    site.build("--no-stow", "s")
    lock = site.masterdir / "var/db/xsrc/farm.lock"
    with people.ended(
        people.start(site.land.user, ("flock", lock, "sh", "-c", "echo held; read x"), cwd=site.root, stdin=-1)
    ) as holder:
        assert holder.process.stdout is not None and holder.process.stdin is not None
        assert holder.process.stdout.readline() == b"held\n"
        with people.ended(site.start("stow", "s")) as waiting:
            assert waiting.process.stderr is not None
            assert b"waiting for" in waiting.process.stderr.readline()
            holder.process.stdin.write(b"\n")
            holder.process.stdin.flush()
            waiting.wait().ok()
    assert (site.masterdir / "usr/share/s").is_symlink()
