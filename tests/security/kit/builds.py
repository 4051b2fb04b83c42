"""Builds of the helpers: as they are installed, with a hole (weaken.h), with sanitizers; and capabilities of files."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
SECURITY = TREE / "tests/security"
HELPERS = TREE / "helpers"

NET_ADMIN, NET_RAW, SYS_CHROOT, SYS_ADMIN = 12, 13, 18, 21
MOUNT_CAPS = (SYS_ADMIN, NET_ADMIN)
CHROOT_CAPS = (SYS_CHROOT,)
PROGRAMS = {"xsrc-mount": MOUNT_CAPS, "xsrc-chroot": CHROOT_CAPS}
SOURCES = tuple(sorted(path.name for path in HELPERS.glob("*.c")))

SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"


@dataclass(frozen=True)
class Build:
    """How the helpers are compiled: "" as installed, "weak:NAME" with a hole, "asan" with sanitizers."""

    kind: str

    def flags(self, program: str) -> list[str]:
        name, _, hole = self.kind.partition(":")
        if name == "weak":
            # the source knows no holes: they are laid between it and the kernel, and only here
            loose = ["LINK=-static -no-pie"] if hole == "PIE" else []
            hole_flags = f"-include {SECURITY}/weaken/weaken.h -DWEAKEN_{hole} -w -O0"
            return [*loose, f"EXTRA_CFLAGS={hole_flags} -DWEAKEN_PROGRAM='\"{program}\"'"]
        if name == "asan":
            # xsrc-chroot runs in the cell, where there is no loader: it must be static, which ASan cannot be
            kind = SANITIZE if program == "xsrc-mount" else "-fsanitize=undefined -fsanitize-undefined-trap-on-error"
            link = "LINK=" if program == "xsrc-mount" else "LINK=-static"
            return ["CC=gcc", link, f"EXTRA_CFLAGS={kind}", "CFLAGS=-O1 -g"]
        return []


def make(out: Path, libexec: Path, build: Build) -> None:
    """Compile both programs into `out`."""
    for program in PROGRAMS:
        words = ["make", "-s", "-C", str(HELPERS), f"OUT={out}", f"LIBEXECDIR={libexec}", *build.flags(program)]
        done = subprocess.run([*words, f"{out}/{program}"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stderr}"


def compile_c(source: Path, target: Path, *flags: str) -> None:
    """Compile one small static program of the tests."""
    words = ["cc", "-O1", "-Wall", "-Wextra", "-static", "-o", str(target), str(source), *flags]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def set_caps(path: Path, caps: tuple[int, ...]) -> None:
    """setcap caps=ep, as the kernel stores it (struct vfs_cap_data, revision 2)."""
    bits = sum(1 << cap for cap in caps)
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, bits & 0xFFFFFFFF, 0, bits >> 32, 0))


def put(source: Path, target: Path, mode: int, owner: tuple[int, int] = (0, 0), caps: tuple[int, ...] = ()) -> Path:
    """Copy a program, with owner, mode and capabilities."""
    shutil.copyfile(source, target)
    if os.geteuid() == 0:
        os.chown(target, *owner)
    target.chmod(mode)
    if caps:
        set_caps(target, caps)
    return target
