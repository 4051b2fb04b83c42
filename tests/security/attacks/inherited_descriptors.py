"""Descriptors of the host's / passed on: openat, fchdir, /proc/self/fd (CVE-2024-21626)."""

import os
import subprocess

from lib import INSIDE, WORLD, again, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    ways = [n for n in range(3, 1024) if works(os.listdir, f"/proc/self/fd/{n}/") or works(os.fchdir, n)]
    ways += [n for n in range(3, 1024) if works(os.fstat, n)]
    print(ways)
else:
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    copies = [top, *(os.dup(top) for _ in range(20))]
    said = again(pass_fds=copies)
    alone = [WORLD["chroot"], "--", "/", "/bin/sh", "-c", "ls /proc/self/fd/"]
    done = subprocess.run(alone, pass_fds=copies, capture_output=True, text=True, check=False)
    verdict(said == "[]" and done.returncode == 125, said)
