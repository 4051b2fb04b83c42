"""The system calls that change anything: their numbers, where each says what it changes, and the kernel's filter."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

FD, AT, PATH = "fd", "at", "path"
_DIR0 = (AT, 0, 1)
_PATH0 = (PATH, 0, 0)


@dataclass(frozen=True)
class Call:
    """One system call."""

    name: str
    places: tuple[tuple[str, int, int], ...]
    """What it works on: (FD, argument, 0), (PATH, argument, 0), or (AT, argument of the directory, of the name)."""
    allocates: bool = False
    """Whether a full disk refuses it; of opening, only where nothing is opened yet, and of renaming, a new name."""
    when: tuple[tuple[str, int, int], ...] = ()
    """(test, argument, bits) that must all hold for the kernel to ask: `any`, `none` or `is` of these bits."""


def _fd(name: str, *, allocates: bool = False) -> Call:
    return Call(name, ((FD, 0, 0),), allocates)


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FICLONE = 0x40049409
_PROT_WRITE, _MAP_SHARED, _MAP_ANONYMOUS = 2, 1, 0x20

CALLS: Mapping[str, Call] = {
    call.name: call
    for call in (
        Call("open", (_PATH0,), True, (("any", 1, _WRITING),)),
        Call("creat", (_PATH0,), True),
        Call("openat", (_DIR0,), True, (("any", 2, _WRITING),)),
        Call("openat2", (_DIR0,), True),
        *(_fd(name, allocates=True) for name in ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile")),
        Call("copy_file_range", ((FD, 2, 0),), True),
        Call("splice", ((FD, 2, 0),), True),
        Call("ioctl", ((FD, 0, 0),), True, (("is", 1, _FICLONE),)),
        Call(
            "mmap",
            ((FD, 4, 0),),
            False,
            (("any", 2, _PROT_WRITE), ("none", 3, _MAP_ANONYMOUS), ("any", 3, _MAP_SHARED)),
        ),
        Call("mkdir", (_PATH0,), True),
        Call("mkdirat", (_DIR0,), True),
        Call("mknod", (_PATH0,), True),
        Call("mknodat", (_DIR0,), True),
        Call("symlink", ((PATH, 1, 0),), True),
        Call("symlinkat", ((AT, 1, 2),), True),
        Call("link", ((PATH, 1, 0),), True),
        Call("linkat", ((AT, 2, 3),), True),
        Call("rename", ((PATH, 1, 0), _PATH0), True),
        Call("renameat", ((AT, 2, 3), _DIR0), True),
        Call("renameat2", ((AT, 2, 3), _DIR0), True),
        Call("unlink", (_PATH0,)),
        Call("unlinkat", (_DIR0,)),
        Call("rmdir", (_PATH0,)),
        Call("chmod", (_PATH0,)),
        _fd("fchmod"),
        Call("fchmodat", (_DIR0,)),
        Call("fchmodat2", (_DIR0,)),
        Call("chown", (_PATH0,)),
        Call("lchown", (_PATH0,)),
        _fd("fchown"),
        Call("fchownat", (_DIR0,)),
        Call("utime", (_PATH0,)),
        Call("utimes", (_PATH0,)),
        Call("utimensat", (_DIR0,)),
        Call("truncate", (_PATH0,)),
        _fd("ftruncate"),
        _fd("fallocate", allocates=True),
        _fd("fsync"),
        _fd("fdatasync"),
        _fd("sync_file_range"),
        Call("setxattr", (_PATH0,), True),
        Call("lsetxattr", (_PATH0,), True),
        _fd("fsetxattr", allocates=True),
        Call("removexattr", (_PATH0,)),
        Call("lremovexattr", (_PATH0,)),
        _fd("fremovexattr"),
    )
}

_X86_64 = """write 1 open 2 mmap 9 ioctl 16 pwrite64 18 writev 20 sendfile 40 fsync 74 fdatasync 75 truncate 76
ftruncate 77 rename 82 mkdir 83 rmdir 84 creat 85 link 86 unlink 87 symlink 88 chmod 90 fchmod 91 chown 92 fchown 93
lchown 94 utime 132 mknod 133 setxattr 188 lsetxattr 189 fsetxattr 190 removexattr 197 lremovexattr 198
fremovexattr 199 utimes 235 openat 257 mkdirat 258 mknodat 259 fchownat 260 unlinkat 263 renameat 264 linkat 265
symlinkat 266 fchmodat 268 splice 275 sync_file_range 277 utimensat 280 fallocate 285 pwritev 296 renameat2 316
copy_file_range 326 pwritev2 328 openat2 437 fchmodat2 452"""
_AARCH64 = """setxattr 5 lsetxattr 6 fsetxattr 7 removexattr 14 lremovexattr 15 fremovexattr 16 ioctl 29 mknodat 33
mkdirat 34 unlinkat 35 symlinkat 36 linkat 37 renameat 38 truncate 45 ftruncate 46 fallocate 47 fchmod 52 fchmodat 53
fchownat 54 fchown 55 openat 56 write 64 writev 66 pwrite64 68 pwritev 70 sendfile 71 splice 76 fsync 82 fdatasync 83
sync_file_range 84 utimensat 88 mmap 222 renameat2 276 copy_file_range 285 pwritev2 287 openat2 437 fchmodat2 452"""


@dataclass(frozen=True)
class Machine:
    """What the kernel of one kind of machine calls things."""

    audit: int
    seccomp: int
    numbers: Mapping[int, Call]


def _machine(audit: int, seccomp: int, table: str) -> Machine:
    words = table.split()
    return Machine(audit, seccomp, {int(n): CALLS[name] for name, n in zip(words[::2], words[1::2], strict=True)})


MACHINES = {
    "x86_64": _machine(0xC000003E, 317, _X86_64),
    "aarch64": _machine(0xC00000B7, 277, _AARCH64),
}
HERE = MACHINES.get(platform.machine())

# ---- the filter: seccomp(2), linux/bpf_common.h, linux/seccomp.h

_LOAD, _EQUAL, _ANY, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000


def _step(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def program(machine: Machine) -> bytes:
    """The filter as the kernel reads it: ask about the calls of the table, let everything else pass."""
    allow, ask = _step(_RETURN, 0, 0, _ALLOW), _step(_RETURN, 0, 0, _ASK)
    steps = [_step(_LOAD, 0, 0, 4), _step(_EQUAL, 1, 0, machine.audit), allow, _step(_LOAD, 0, 0, 0)]
    for number, call in machine.numbers.items():
        body: list[bytes] = []
        for position, (test, argument, bits) in enumerate(call.when):
            # two steps for each condition still to come, and the question itself, stand before `allow`
            away = 2 * (len(call.when) - position - 1) + 1
            body.append(_step(_LOAD, 0, 0, 16 + 8 * argument))
            yes, no = (away, 0) if test == "none" else (0, away)
            body.append(_step(_EQUAL if test == "is" else _ANY, yes, no, bits))
        body += [ask, allow]
        steps += [_step(_EQUAL, 0, len(body), number), *body]
    return b"".join([*steps, allow])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8


def listen(machine: Machine) -> int:
    """Put this process and its children under the filter; gives the descriptor at which the questions are heard."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    text = program(machine)
    given = _Program(len(text) // 8, ctypes.c_char_p(text))
    libc.syscall.restype = ctypes.c_long
    found = libc.syscall(machine.seccomp, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(given))
    if found < 0:
        raise OSError(ctypes.get_errno(), "seccomp user notification")
    return int(found)
