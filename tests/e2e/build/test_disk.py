"""Masterdirs on odd file systems: full, read-only, nosuid, noexec. Root mounts them for P."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.kit import look, pack
from tests.e2e.kit.land import Land
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site

Mount = Callable[..., Path]
FILL = "head -c 64m /dev/zero >{where}/ballast\n"


@pytest.fixture
def mount(as_root: Land) -> Iterator[Mount]:
    """Makes a tmpfs of P's with some options at a folder; it is gone after the test."""
    made: list[Path] = []

    def tool(*words: str | Path) -> None:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this root may not mount: {done.stderr.strip()}")

    def mounted(path: Path, options: str = "size=64m", *, again: bool = False) -> Path:
        user = as_root.user
        if again:
            tool("mount", "-o", f"remount,{options}", path)
            return path
        path.mkdir(exist_ok=True)
        tool("mount", "-t", "tmpfs", "-o", f"uid={user.uid},gid={user.gid},mode=0755,{options}", "tmpfs", path)
        made.append(path)
        return path

    yield mounted
    for path in made:
        subprocess.run(["umount", "-l", str(path)], check=False)


def prepared(site: Site, mount: Mount, options: str) -> dict[str, object]:
    """A masterdir on a small tmpfs, with one package stowed; gives the farm as it is then."""
    mount(site.masterdir, options)
    site.script("small")
    site.build("small")
    return site.farm()


def recovers(site: Site, before: dict[str, object], mount: Mount) -> None:
    """The farm is as it was, what is stowed still works, and with more room the next build succeeds."""
    assert site.farm() == before
    assert (site.masterdir / "usr/share/small").read_text() == "small 1.0\n"
    site.xsrc("clean").ok()
    mount(site.masterdir, "size=256m", again=True)
    site.build("hello").ok("hello-1.0_1: stowed")


def test_disk_full_while_fetching(site: Site, mount: Mount) -> None:
    before = prepared(site, mount, "size=4m")
    big = [*pack.hello(), Member("hello-1.0/big", bytes(8 << 20))]
    site.template("hello", pack.template(tables=site.dist("hello-1.0", big, "tar")))
    site.xsrc("build", "hello").ended(4, "No space left on device", "hint: make room")
    assert all(name.startswith(".") for name in site.distfiles())
    recovers(site, before, mount)


def test_disk_full_while_extracting(site: Site, mount: Mount) -> None:
    before = prepared(site, mount, "size=4m")
    big = [*pack.hello(), Member("hello-1.0/big", bytes(32 << 20))]
    site.template("hello", pack.template(tables=site.dist("hello-1.0", big, "tar.xz")))
    site.xsrc("build", "hello").ended(4, "No space left on device", "hint: make room")
    recovers(site, before, mount)


@pytest.mark.parametrize("phase", ["patch", "configure", "build", "check", "install"])
def test_disk_full_in_a_phase(site: Site, mount: Mount, phase: str) -> None:
    before = prepared(site, mount, "size=4m")
    where = "$DESTDIR" if phase == "install" else "."
    site.hello(tables=f"[phases]\npost_{phase} = '''\n{FILL.format(where=where)}'''\n")
    site.xsrc("build", "hello").ended(4, "No space left on device", "hint: make room")
    site.hello()
    recovers(site, before, mount)


def test_disk_full_while_a_phase_speaks(site: Site, mount: Mount) -> None:
    """The log itself finds no room."""
    before = prepared(site, mount, "size=4m")
    site.hello(tables="[phases]\npost_build = 'yes | head -c 32m'\n")
    site.xsrc("build", "hello").ended(4, "No space left on device", "hint: make room")
    site.hello()
    recovers(site, before, mount)


def test_disk_full_while_sealing(site: Site, mount: Mount) -> None:
    """Room for the destdir, none for the property lists."""
    before = prepared(site, mount, "size=8m")
    site.hello(tables="[phases]\npost_install = 'head -c 64m /dev/zero >ballast 2>/dev/null || :'\n")
    site.xsrc("build", "hello").ended(4, "No space left on device", "hint: make room")
    site.hello()
    recovers(site, before, mount)


def test_no_room_for_links_while_stowing(site: Site, mount: Mount) -> None:
    """Half of the links are made, the next finds no inode: all are taken back."""
    mount(site.masterdir, "size=64m,nr_inodes=6000")  # the layer of the base has 2,600 names
    site.script("small")
    site.script("hello", "mkdir -p $DESTDIR/usr/many; cd $DESTDIR/usr/many; for i in $(seq 600); do : >$i; done\n")
    site.build("small")
    site.build("--no-stow", "hello")
    before = site.farm()
    free = int(site.land.run("stat", "-f", "-c", "%d", site.masterdir).ok().out)
    used = int(site.land.run("stat", "-f", "-c", "%c", site.masterdir).ok().out) - free
    mount(site.masterdir, f"size=64m,nr_inodes={used + 300}", again=True)
    site.xsrc("stow", "hello").ended(4, "No space left on device", "what was begun is undone")
    assert site.farm() == before
    mount(site.masterdir, "size=64m,nr_inodes=9000", again=True)
    site.xsrc("stow", "hello").ok("hello-1.0_1: stowed")
    assert len(list((site.masterdir / "usr/many").iterdir())) == 600


def test_no_room_for_a_masterdir(site: Site, mount: Mount) -> None:
    mount(site.masterdir, "size=64m,nr_inodes=20")
    site.script("s")
    site.xsrc("build", "s").ended(4, "No space left on device")
    mount(site.masterdir, "size=64m,nr_inodes=6000", again=True)
    site.build("s").ok("s-1.0_1: stowed")


def test_masterdir_on_a_nosuid_mount(site_in_mode: Site, mount: Mount) -> None:
    """Nothing there needs setuid or capabilities of its own."""
    site = site_in_mode
    mount(site.masterdir, "size=64m,nosuid,nodev")
    site.hello()
    site.build("hello")
    assert site.xsrc("chroot", "hello").ok().out == "hello 1.0\n"


def test_masterdir_on_a_noexec_mount(site: Site, mount: Mount) -> None:
    mount(site.masterdir, "size=64m,noexec")
    site.hello()
    site.xsrc("build", "hello").ended(
        4, f"{site.masterdir} is on a mount with noexec", "hint: ", "-m DIR", "XSRC_MASTERDIR"
    )
    assert not site.destdir().exists()
    assert "noexec" in site.xsrc("doctor").ended(4).out
    mount(site.masterdir, "size=64m,exec", again=True)
    site.build("hello")


def test_masterdir_on_a_read_only_mount(site: Site, mount: Mount) -> None:
    before = prepared(site, mount, "size=64m")
    site.hello()
    mount(site.masterdir, "ro", again=True)
    for words in (("build", "hello"), ("unstow", "small"), ("restow",), ("build", "-f", "small")):
        site.xsrc(*words).ended(4, "Read-only file system")
    # what only looks still works, and so does what there is nothing to do for
    assert "* small-1.0_1" in site.xsrc("list").ok().out
    assert site.xsrc("owner", "/usr/share/small").ok().out
    site.xsrc("build", "small").ok("up to date")
    assert site.farm() == before
    mount(site.masterdir, "rw", again=True)
    site.build("hello")


def test_tree_on_a_read_only_mount_with_the_masterdir_elsewhere(site: Site, mount: Mount) -> None:
    site.hello()
    place = mount(site.root.parent / f"{site.root.name}-ro", "size=16m")
    subprocess.run(["cp", "-a", f"{site.root}/.", str(place)], check=True)
    mount(place, "ro", again=True)
    other = site.land.folder("other")
    site.xsrc("build", "-m", other / "m", "hello", cwd=place).ok("hello-1.0_1: stowed")
    site.xsrc("build", "hello", cwd=place).ended(4, "masterdir", "Read-only file system", "hint: ")


def test_mounts_are_gone_after_a_build(site_in_mode: Site, mount: Mount) -> None:
    """A masterdir that is a mount of its own can be unmounted as soon as its build is over."""
    site = site_in_mode
    mount(site.masterdir, "size=64m")
    site.hello()
    site.build("hello")
    assert {pid: lines for pid, lines in look.mounts_with(str(site.masterdir)).items() if len(lines) > 1} == {}
    subprocess.run(["umount", str(site.masterdir)], check=True)
