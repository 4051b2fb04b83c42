"""R39, R41: a setuid or setgid file of a build is never where another user can run it.

Not while a build or a trigger runs, not after it failed or was killed, and not in what it leaves.
"""

from __future__ import annotations

import os
import signal
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.people import User
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import package
from tests.security.kit.host import mode, stranger

__all__ = ["mode", "stranger"]

PLANT = "mkdir -p $DESTDIR/usr/bin; cp /usr/bin/id $DESTDIR/usr/bin/suid; chmod 6755 $DESTDIR/usr/bin/suid\n"
OPEN = "chmod 0777 $DESTDIR $DESTDIR/usr $DESTDIR/usr/bin\n"
WAIT = 'while ! [ -e "$WRKSRC/go" ]; do sleep 0.05; done\n'


def set_id(top: Path) -> list[Path]:
    """Every set-id file below a folder, seen by root; the layer of the base has no file, and is made meanwhile."""
    walked = look.walk(top, lambda path: path == "pkg-base")
    files = [(top / path, status.st_mode) for path, status in walked if stat.S_ISREG(status.st_mode)]
    return [path for path, bits in files if bits & 0o6000]


def harmless(site: Site, stranger: User, *, some: bool) -> None:
    """Assert that E reaches no set-id file, and that there is `some` such file at all, or none."""
    found = set_id(site.masterdir)
    assert bool(found) is some, found
    for path in found:
        done = site.land.run("sh", "-c", 'exec "$1"', "sh", path, user=stranger)
        assert done.code in (126, 127) and not done.out, f"{path}: {done}"
        assert site.land.run("sh", "-c", 'echo x >"${1%/*}/planted"', "sh", path, user=stranger).code != 0
    seen = site.land.run("find", site.masterdir, "-perm", "/6000", "-type", "f", user=stranger)
    assert seen.out == ""


def installs(site: Site, more: str, **keys: Any) -> None:
    site.script("evil", PLANT + OPEN + more, **keys)


def test_while_it_installs_and_after_a_kill(site_in_mode: Site, stranger: User) -> None:
    site = site_in_mode
    installs(site, WAIT)
    with people.ended(site.start("build", "evil")) as running:
        look.until(lambda: site.masterdir.is_dir() and set_id(site.masterdir), "a set-id file is there")
        harmless(site, stranger, some=True)
        for pid in sorted({running.process.pid, *look.processes(str(site.masterdir))}):
            site.land.run("kill", "-9", str(pid))
        running.wait()
    look.gone(str(site.masterdir))
    harmless(site, stranger, some=True)
    installs(site, "")
    site.build("evil").ok("evil-1.0_1: stowed")
    harmless(site, stranger, some=False)


def test_after_a_failed_install(site_in_mode: Site, stranger: User) -> None:
    """A FIFO is refused only when the phase is over; `xsrc shell` leaves one more there."""
    site = site_in_mode
    installs(site, "mkfifo $DESTDIR/usr/fifo\n")
    site.xsrc("build", "evil").ended(1, "/usr/fifo")
    harmless(site, stranger, some=True)
    site.xsrc("shell", "evil", "sh", "-c", "cp /usr/bin/id $DESTDIR/usr/more; chmod 4755 $DESTDIR/usr/more").ok()
    assert len(set_id(site.masterdir)) == 2
    harmless(site, stranger, some=True)
    site.xsrc("clean").ok()
    harmless(site, stranger, some=False)


def test_after_a_shell_at_the_install_phase(site_in_mode: Site, stranger: User) -> None:
    site = site_in_mode
    installs(site, "")
    site.xsrc("shell", "--phase", "install", "evil", "sh", "-c", PLANT + OPEN).ok()
    harmless(site, stranger, some=True)


def test_after_a_success_with_keep(site_in_mode: Site, stranger: User) -> None:
    """What was sealed has no such bit, its manifest says that it had; what is kept is closed."""
    site = site_in_mode
    installs(site, "", do_build="cp /usr/bin/id kept; chmod 6755 kept\n")
    site.build("-K", "evil")
    assert [path.name for path in set_id(site.masterdir)] == ["kept"]
    harmless(site, stranger, some=True)
    assert b"6755" in (site.destdir("evil-1.0_1") / "files.plist").read_bytes()
    assert stat.S_IMODE((site.destdir("evil-1.0_1") / "usr/bin/suid").stat().st_mode) == 0o555


def test_a_subpackage_and_a_build_that_takes_the_place_of_another(site_in_mode: Site, stranger: User) -> None:
    """Also where the sealed tree before it has to change places with the new one."""
    site = site_in_mode
    part = '[subpackages.part]\nshort_desc = "Part"\nfiles = ["usr/bin"]\n'
    for text in ("one", "two"):
        installs(site, f"mkdir -p $DESTDIR/usr/share; echo {text} >$DESTDIR/usr/share/evil\n", tables=part)
        site.build("evil").ok("evil-1.0_1: built")
        harmless(site, stranger, some=False)
        assert (site.masterdir / "usr/share/evil").read_text() == f"{text}\n"
    assert {b.name for b in (site.masterdir / "pkg-destdir").iterdir()} >= {"evil-1.0_1", "part-1.0_1"}
    site.xsrc("unstow", "evil", "part").ok()
    site.build("--no-stow", "-f", "evil")
    all_sealed(site)


def all_sealed(site: Site) -> None:
    """Assert that no destdir has a bit of more than to read and to run, those that are kept aside included."""
    for folder in (site.masterdir / "pkg-destdir").iterdir():
        bits = {stat.S_IMODE(status.st_mode) for path, status in look.walk(folder) if not stat.S_ISLNK(status.st_mode)}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o555 and not {bit for bit in bits if bit & ~0o555}, folder


def test_a_build_that_cannot_be_stowed_is_kept_aside_sealed(site_in_mode: Site, stranger: User) -> None:
    """A rebuild that conflicts with what is stowed cannot take its place."""
    site = site_in_mode
    package(site, "other", {"usr/share/taken": "x"})
    site.build("other")
    installs(site, "")
    site.build("evil")
    installs(site, "mkdir -p $DESTDIR/usr/share; echo y >$DESTDIR/usr/share/taken\n")
    site.xsrc("build", "evil").ended(5, "/usr/share/taken")
    harmless(site, stranger, some=False)
    assert list((site.masterdir / "pkg-destdir").glob(".evil-*"))
    all_sealed(site)


def test_what_a_trigger_makes(site_in_mode: Site, stranger: User) -> None:
    """While it runs, after it was killed, and where its files are kept."""
    site = site_in_mode
    script = "#!/bin/sh\nout=${1#--targetdir=}\ncp /usr/bin/id $out/gschemas.compiled\n"
    script += "chmod 6755 $out/gschemas.compiled\nchmod 0777 $OUT $out\n"
    script += "while ! [ -e $OUT/go ]; do sleep 0.05; done"
    files = {"usr/bin/glib-compile-schemas": script, "usr/share/glib-2.0/schemas/my.tool.xml": "<tool/>"}
    package(site, "tool", files)
    site.build("--no-stow", "tool")
    out = site.masterdir / "var/db/xsrc/triggers/out"
    with people.ended(site.start("stow", "tool")) as running:
        look.until(lambda: any(out.rglob("gschemas.compiled")), "the trigger made it")
        harmless(site, stranger, some=False)
        running.signal(signal.SIGKILL)  # its helper ends with it
        running.wait()
    look.gone(str(site.masterdir))
    harmless(site, stranger, some=False)
    with people.ended(site.start("stow", "tool")) as running:
        look.until(lambda: look.processes(str(out)) and any(out.rglob("gschemas.compiled")), "it runs again")
        site.land.run("touch", out / "go").ok()
        running.wait().ok()
    harmless(site, stranger, some=False)
    made = list((site.masterdir / "var/db/xsrc/made").iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o644]
    placed = site.masterdir / "usr/share/glib-2.0/schemas/gschemas.compiled"
    assert stat.S_IMODE(placed.stat().st_mode) == 0o644
    assert placed.read_bytes() == Path("/usr/bin/id").read_bytes()
    assert not out.parent.exists()


def acl(uid: int) -> bytes:
    """An ACL that lets one more user read, write and run (acl(5))."""
    rows = [(1, 7, 0xFFFFFFFF), (2, 7, uid), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def test_no_acl_and_no_attribute_stays(site: Site, stranger: User) -> None:
    tree = site.land.folder("sealed")
    folder, file, locked = tree / "usr", tree / "usr/file", tree / "usr/locked"
    folder.mkdir()
    for path in (file, locked):
        path.write_text("x")
    try:
        for path in (tree, folder, file, locked):
            os.setxattr(path, "user.note", b"x")
            os.setxattr(path, "system.posix_acl_access", acl(stranger.uid))
        for path in (tree, folder):
            os.setxattr(path, "system.posix_acl_default", acl(stranger.uid))
    except OSError as error:
        pytest.skip(f"{tree}: {error.strerror}: the file system keeps no such attributes")
    locked.chmod(0o6400)
    tree.chmod(0o7777)
    site.land.own(tree)
    as_p = f"import pathlib\nfrom xsrc.store.disk import seal\nseal.seal(pathlib.Path({str(tree)!r}), 1)"
    site.land.run(site.land.python, "-c", as_p, cwd=site.land.clone).ok()
    for path, bits in ((tree, 0o755), (folder, 0o555), (file, 0o555 & 0o474), (locked, 0o400)):
        assert os.listxattr(path) == [], path
        assert stat.S_IMODE(path.stat().st_mode) | 0o111 == bits | 0o111, path
