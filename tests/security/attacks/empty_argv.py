"""execve with no arguments at all (CVE-2021-4034) and an environment for the loader (CVE-2023-4911)."""

import ctypes
import os

from lib import WORLD, enter, libc, verdict  # type: ignore[import-not-found]

for program in (WORLD["mount"], WORLD["chroot"]):
    child = os.fork()
    if child == 0:
        env = (ctypes.c_char_p * 3)(
            b"GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A", b"LD_PRELOAD=/tmp/x.so", None
        )
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        libc.execve(program.encode(), (ctypes.c_char_p * 1)(None), env)
        os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 125:
        verdict(False, f"{program}: {code}")
tunables = {"GLIBC_TUNABLES": "glibc.malloc.mxfast=glibc.malloc.mxfast=" + "A" * 4096, "LD_PRELOAD": "/tmp/x.so"}
done = enter("/usr/bin/env", env=tunables)
verdict(done.stdout == "", "no environment came through")
