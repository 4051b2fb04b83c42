"""Devices: made, opened through what is bound, found in the archive's work area."""

import os
import stat

from lib import INSIDE, Path, again, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    ways = []
    for kind, major, minor in (
        (stat.S_IFBLK, 8, 0),
        (stat.S_IFBLK, 254, 0),
        (stat.S_IFCHR, 1, 1),
        (stat.S_IFCHR, 1, 3),
    ):
        for folder in ("/tmp", "/work", "/dev/shm", "/dev"):
            path = f"{folder}/n{kind}{major}{minor}"
            ways += (
                [path] if works(os.mknod, path, kind | 0o666, os.makedev(major, minor)) and Path(path).exists() else []
            )
    for path in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/console", "/dev/fuse", "/dev/kvm"):
        ways += [path] if works(os.open, path, os.O_RDONLY) else []
    print(ways)
else:
    said = again()
    fake = again(options=("-0",))
    verdict(said == "[]" and fake == "[]", f"{said} {fake}")
