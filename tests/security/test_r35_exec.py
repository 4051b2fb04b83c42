"""R35, R36: what is executed between the two programs, and that no_new_privs comes before everything."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.security.kit import builds
from tests.security.kit.box import Box, file, folder, give, run_as
from tests.security.kit.people import ENV

STARTUP = {
    *("execve", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlinkat", "readlink"),
    *("getrandom", "brk", "mprotect", "mmap", "munmap", "uname", "fstat"),
    "poll",  # of musl, where AT_SECURE is set: are 0-2 open
}
EVIL = "#!/bin/sh\necho evil\n"


def evil_folder(box: Box) -> str:
    made = box.folder("evil")
    for name in ("xsrc-chroot", "x", "xsrc-mount"):
        file(made / name, box.person, EVIL, 0o755)
    return str(made)


def test_r35_path_and_working_directory(box: Box) -> None:
    evil = evil_folder(box)
    done = box.run("/kit/ids", cwd=evil, env={**ENV, "PATH": f"{evil}:{ENV['PATH']}"})
    assert "evil" not in done.out
    assert done.json["uid"] == box.person.uid


def test_r35_root_with_an_x(box: Box) -> None:
    """The cell's /x is ours, whatever stands in the root under that name."""
    for name in ("x", "r"):  # static: it would run in the cell too
        give(builds.put(box.stage.kit / "ids", box.root / name, 0o755), box.person)
    done = box.run("/usr/bin/cat", "/proc/self/status")
    assert "euid" not in done.out
    assert "NoNewPrivs:\t1" in done.out


@pytest.mark.usefixtures("root_only")
def test_r35_layer_over_the_helper(box: Box) -> None:
    """The installed path shows something else inside: a layer of the caller's lies over it."""
    evil, inside = evil_folder(box), str(box.helper.folder.relative_to("/usr"))
    above = box.folder("over")
    for part in inside.split("/"):
        above = folder(above / part, box.person)
    for name in ("xsrc-chroot", "xsrc-mount"):
        shutil.copyfile(f"{evil}/{name}", above / name)
        (above / name).chmod(0o755)
        give(above / name, box.person)
    options = ("-o", "usr", box.place / "over", "/usr", "-", "-r", evil, "mnt")
    done = box.run("/usr/bin/cat", f"/usr/{inside}/xsrc-chroot", "/proc/self/status", options=options)
    assert done.out.startswith(EVIL), f"the layer is there: {done}"
    assert "NoNewPrivs:\t1" in done.out, "and was not what ran"


def test_r35_neighbour_of_a_plain_copy(box: Box) -> None:
    """Plain: the neighbour in the helper's own directory; with capabilities: only the compiled-in path of root's."""
    copies = box.folder("copies")
    builds.put(box.stage.out / "xsrc-mount", copies / "xsrc-mount", 0o755)
    file(copies / "xsrc-chroot", box.person, EVIL, 0o755)
    argv = box.argv("/kit/ids")
    done = run_as(box.person, [copies / "xsrc-mount", "-u", *argv[2:]])
    # with our own rights only, and /bin/sh is not there to run it
    assert done.out == ""
    if box.helper.mode == "caps":
        assert box.run("/kit/ids").json["uid"] == box.person.uid


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("fault", ["owner", "group-writable", "world-writable", "missing", "link"])
def test_r35_installed_chroot_must_be_roots(box: Box, fault: str) -> None:
    """With capabilities a broken installation is refused; the helper's neighbour is restored afterwards."""
    installed = box.helper.chroot
    kept = installed.with_name("kept")
    installed.rename(kept)
    try:
        if fault == "link":
            installed.symlink_to(kept)
        elif fault != "missing":
            mode = {"owner": 0o755, "group-writable": 0o775, "world-writable": 0o757}[fault]
            builds.put(kept, installed, mode, (box.person.uid, 0) if fault == "owner" else (0, 0))
        done = box.run("/kit/ids")
        if box.helper.mode == "caps" or fault in ("missing", "link"):
            done.refused("helper")
        else:
            assert done.json["uid"] == box.person.uid
    finally:
        installed.unlink(missing_ok=True)
        kept.rename(installed)


@pytest.mark.parametrize("words", [[], ["-x"], ["--", "/", "/bin/sh"]])
def test_r36_no_new_privs_is_the_first_call(box: Box, words: list[str]) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    log = box.file("trace")
    run_as(box.person, ["strace", "-o", log, box.helper.chroot, *words])
    calls = [call for line in log.read_text().splitlines() if (call := re.match(r"(\w+)\((.*)", line))]
    own = next(call for call in calls if call[1] not in STARTUP)
    assert own[0].startswith("prctl(PR_SET_NO_NEW_PRIVS, 1"), own[0]


FORGED = {
    "etc/passwd": "root::0:0::/:/bin/sh\nme::{uid}:{gid}::/:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root::1::::::\n",
    "etc/pam.d/su": "".join(f"{kind} sufficient pam_permit.so\n" for kind in ("auth", "account", "session")),
    "etc/nsswitch.conf": "passwd: files\nshadow: files\n",
}


def forge(box: Box) -> None:
    """A root in which su asks nobody: the user's own passwd, shadow and PAM over the host's /usr."""
    folder(box.root / "etc/pam.d", box.person)
    for path, text in FORGED.items():
        file(box.root / path, box.person, text.format(uid=box.person.uid, gid=box.person.gid))


def test_r36_forged_su(box: Box) -> None:
    if not shutil.which("su", path="/usr/bin:/bin"):
        pytest.skip("su is not installed")
    forge(box)
    for program in ("/usr/bin/su", "/bin/su"):
        for options in ((), ("-0",)):
            done = box.run(program, "-c", "id -u; id -u > /work/uid", options=options)
            assert "0\n" not in done.out.splitlines(keepends=True), str(done)
            assert not (box.work / "uid").exists() or (box.work / "uid").read_text() != "0\n"


@pytest.mark.usefixtures("root_only")
def test_r36_hard_link_to_a_setuid_program(box: Box) -> None:
    """protected_hardlinks=0: a setuid program of root's in the caller's root; xsrc-chroot by itself, without nosuid."""
    top = folder(box.stage.libexec / "linked", box.person)
    try:
        builds.put(box.stage.kit / "ids", top / "suid", 0o4755)
        done = run_as(box.person, [box.helper.chroot, "--", top, "/suid"])
        if box.helper.mode == "plain":
            done.refused("chroot")
        else:
            assert done.json == {**done.json, "uid": box.person.uid, "euid": box.person.uid, "became": 0}
        shown = box.run("/mnt/suid", options=("-r", top, "mnt")).json
        assert (shown["euid"], shown["became"]) == (box.person.uid, 0)
    finally:
        shutil.rmtree(top)
