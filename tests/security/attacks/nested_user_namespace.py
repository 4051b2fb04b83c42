"""A user namespace inside a sandbox, and with it all capabilities: unshare, clone, clone3, setns, old chroot tricks."""

import ctypes
import os

from lib import INSIDE, Path, again, call, libc, verdict, works  # type: ignore[import-not-found]


def forked(function: object) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if function() >= 0 else 1)  # type: ignore[operator]
    return os.waitpid(child, 0)[1] == 0


if INSIDE:
    Path("/tmp/jail").mkdir()
    clone = 56 if os.uname().machine == "x86_64" else 220
    arguments = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17)
    tries = {
        "unshare": lambda: libc.unshare(0x10000000),
        "unshare all": lambda: libc.unshare(0x7E020000),
        "unshare mount": lambda: libc.unshare(0x20000),
        "clone": lambda: call(clone, 0x10000000 | 17, 0, 0, 0, 0),
        "clone3": lambda: call(435, ctypes.byref(arguments), ctypes.c_size_t(64)),
        "chroot": lambda: libc.chroot(b"/tmp/jail"),
        "pivot_root": lambda: call(155, "/tmp/jail", "/tmp/jail"),
        "mount": lambda: libc.mount(b"x", b"/tmp/jail", b"tmpfs", 0, None),
        "move_mount": lambda: call(429, -100, "/tmp", -100, "/mnt", 0),
        "open_tree": lambda: call(428, -100, "/", 1 | 0x8000),
    }
    print([name for name, way in tries.items() if forked(way)])
else:
    said = again()
    verdict(said == "[]" and works(os.getcwd), said)
