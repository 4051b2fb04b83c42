"""The looks of `xsrc doctor` at what cannot be broken here: other kernels, AppArmor, containers; they read text."""

from __future__ import annotations

from pathlib import Path

import pytest

from xsrc.sandbox.checks import Trouble, apparmor, kernel, overlays
from xsrc.sandbox.disk import checks
from xsrc.unix.mounts import mounts


@pytest.mark.parametrize(
    "release", ["5.10.0-28-amd64", "4.19.0-26-amd64", "5.11.22", "3.10.0-1160.el7.x86_64", "5.4.0-150-generic"]
)
def test_kernels_that_are_too_old(release: str) -> None:
    assert kernel(release) == Trouble(release, "boot Linux 5.12 or newer")


@pytest.mark.parametrize(
    "release", ["5.12.0", "5.12-rc1", "6.1.0-18-amd64", "6.18.44+rt", "10.0", "6.6.87.2-WSL2", "7"]
)
def test_kernels_that_will_do(release: str) -> None:
    assert kernel(release) is None


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("user.max_user_namespaces", "0", "15000"),
        ("user.max_net_namespaces", "0", "1"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ],
)
def test_switches_that_forbid_namespaces(tmp_path: Path, name: str, bad: str, good: str) -> None:
    file = tmp_path / name.replace(".", "/")
    file.parent.mkdir()
    assert list(checks.switches(tmp_path)) == [], "a kernel without the switch"
    file.write_text(f"{bad}\n")
    ((found, value, trouble),) = checks.switches(tmp_path)
    assert (found, value) == (name, bad)
    assert trouble is not None
    command, comment = trouble.mend.split("  # ")
    assert comment == "as root"
    set_to = command.removeprefix(f"sysctl {name}=")
    file.write_text(f"{set_to}\n")
    assert list(checks.switches(tmp_path)) == [(name, set_to, None)], "what it tells to do mends it"
    file.write_text(f"{good}\n")
    assert list(checks.switches(tmp_path)) == [(name, good, None)]


def test_profiles_of_apparmor() -> None:
    found = apparmor("docker-default (enforce)\n")
    assert found is not None
    assert found.found == "AppArmor profile docker-default is enforced: it may deny mounts and namespaces"
    assert "aa-complain docker-default" in found.mend and "apparmor=unconfined" in found.mend
    strange = apparmor("/usr/bin/my shell (enforce)\0")
    assert strange is not None and "aa-complain '/usr/bin/my shell'" in strange.mend
    for label in ("unconfined\n", "mine (complain)\n", "", "user_u:user_r:user_t:s0"):
        assert apparmor(label) is None


def test_kernels_without_overlays() -> None:
    assert overlays("nodev\tproc\nnodev\toverlay\n\text4\n") is None
    found = overlays("nodev\tproc\n\text4\nnodev\toverlayish\n")
    assert found is not None and found.mend == "modprobe overlay  # as root"


ROOT = "21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
PROC = "22 21 0:21 / /proc rw,nosuid,nodev,noexec shared:2 - proc proc rw\n"
DOCKER = (
    "23 22 0:21 /bus /proc/bus ro,nosuid - proc proc rw\n"
    "24 22 0:50 / /proc/acpi ro - tmpfs tmpfs ro\n"
    "25 22 0:51 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw,size=65536k\n"
)
BINFMT = "26 22 0:40 / /proc/sys/fs/binfmt_misc rw shared:9 - binfmt_misc binfmt_misc rw\n"


def test_proc_of_a_container() -> None:
    found = checks.masked_proc(mounts(ROOT + PROC + DOCKER))
    assert found is not None
    assert found.found.startswith("/proc/acpi, /proc/bus, /proc/kcore is mounted over")
    assert found.mend.startswith("umount /proc/kcore /proc/bus /proc/acpi  # as root")
    assert "systempaths=unconfined" in found.mend


@pytest.mark.parametrize(
    "more",
    [
        PROC,
        PROC + BINFMT,
        PROC + DOCKER + "27 21 0:21 / /mnt/proc rw - proc proc rw\n",
    ],
    ids=["bare", "what is mounted on a directory that is always empty", "another one that is whole"],
)
def test_proc_that_is_whole(more: str) -> None:
    assert checks.masked_proc(mounts(ROOT + more)) is None


def test_no_proc_at_all() -> None:
    found = checks.masked_proc(mounts(ROOT + "23 22 0:21 /bus /proc/bus ro - proc proc rw\n"))
    assert found is not None and found.found == "no /proc is mounted"


def test_what_is_nearest(tmp_path: Path) -> None:
    assert checks.nearest(tmp_path / "a/b") == tmp_path
    (tmp_path / "a").mkdir()
    assert checks.nearest(tmp_path / "a/b") == tmp_path / "a"
