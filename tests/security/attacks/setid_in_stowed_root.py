"""A set-id program left in a root that others can reach, where there is no 0700 work area around it."""

import os

from lib import INSIDE, PLACE, Path, again, call, folder, verdict  # type: ignore[import-not-found]

WAYS = {"chmod": lambda path: os.chmod(path, 0o6755), "new": lambda path: os.open(f"{path}.new", os.O_CREAT, 0o4755)}
WAYS |= {"node": lambda path: os.mknod(f"{path}.node", 0o104755)}
if INSIDE:
    Path("/mnt/evil").write_text("#!/bin/sh\n")
    for way in WAYS.values():
        try:
            way("/mnt/evil")
        except OSError:
            continue
    call(452, -100, "/mnt/evil", 0o4755, 0)
    os.system("cp /usr/bin/id /mnt/id; chmod 4755 /mnt/id; install -m 2755 /usr/bin/id /mnt/installed; true")
    print("tried")
else:
    shown = folder("shown")
    said = again(options=("-S", "-w", str(shown), "mnt"))
    left = [path.name for path in shown.iterdir() if path.lstat().st_mode & 0o6000]
    verdict(said.endswith("tried") and not left and (PLACE / "shown/evil").exists(), f"{said} {left}")
