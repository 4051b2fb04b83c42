"""The helper's own file through /proc/1/exe, where the caller owns it (CVE-2019-5736)."""

import os
import shutil

from lib import INSIDE, WORLD, Path, again, call, folder, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    ways = []
    for exe in ("/proc/1/exe", f"/proc/{os.getppid()}/exe"):
        ways += [exe] if works(os.chmod, exe, 0o6777) or works(os.open, exe, os.O_RDONLY) else []
        ways += [exe] if works(os.open, exe, os.O_WRONLY) or works(os.setxattr, exe, "user.evil", b"x") else []
        ways += [exe] if call(265, -100, exe, -100, "/work/linked", 0x400) == 0 else []
    print(ways)
else:
    if WORLD["mode"] == "plain":  # the caller's own copies
        mine = folder("mine")
        for name in ("mount", "chroot"):
            WORLD[name] = shutil.copy(WORLD[name], mine)
    before = [Path(WORLD[name]).stat().st_mode for name in ("mount", "chroot")]
    said = again()
    after = [Path(WORLD[name]).stat().st_mode for name in ("mount", "chroot")]
    verdict(said == "[]" and before == after, said)
