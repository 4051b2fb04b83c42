"""Memory of the kernel's, filled by empty files, links and folders in a /tmp that they do not fill."""

import os

from lib import INSIDE, again, verdict  # type: ignore[import-not-found]

if INSIDE:
    made = 0
    for place in ("/tmp", "/dev/shm"):
        for number in range(20000):
            try:
                os.symlink("x" * 60, f"{place}/l{number}")
                os.mkdir(f"{place}/d{number}")
                os.mknod(f"{place}/f{number}")
            except OSError:
                break
            made += 3
    print(made)
else:
    said = again()  # with 16 MiB each
    verdict(int(said) <= 2 * 16 * 256, f"{said} inodes in 32 MiB")
