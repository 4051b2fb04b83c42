"""ptrace, /proc/PID/mem and pidfd_getfd(2) of outer and pid 1, from inside and outside, from the first moment on."""

import os
import subprocess

from lib import INSIDE, WORLD, again, argv, call, verdict, works  # type: ignore[import-not-found]

PTRACE = 101 if os.uname().machine == "x86_64" else 117


def opened(path: str, flags: int) -> None:
    os.close(os.open(path, flags))


def ways(pid: int) -> list[str]:
    found = ["seize"] if call(PTRACE, 0x4206, pid, 0, 0) >= 0 else []
    found += ["mem"] if works(opened, f"/proc/{pid}/mem", os.O_RDWR) else []
    found += ["environ"] if works(opened, f"/proc/{pid}/environ", os.O_RDONLY) else []
    fd = call(434, pid, 0)
    for number in range(8) if fd >= 0 else ():
        if (got := call(438, fd, number, 0)) >= 0:
            found.append(f"fd {number}")
            os.close(got)
    if fd >= 0:
        os.close(fd)
    return found


if INSIDE:
    print([way for pid in (1, os.getppid()) for way in ways(pid)])
else:
    found = again()
    seen = set()
    for _ in range(30):
        process = subprocess.Popen(argv("/usr/bin/true"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            seen.update(ways(process.pid))
    # plain: it has what the caller has; with capabilities it must never be open
    verdict(found == "[]" and (WORLD["mode"] == "plain" or not seen), f"inside {found} outside {sorted(seen)}")
