"""Out through /proc/PID/root of any process in sight, which would ignore every read-only mount."""

import os
import sys

from lib import INSIDE, PLACE, Path, again, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    ways = []
    for pid in ("1", "self", "thread-self", str(os.getppid()), *sys.argv[2:4]):
        for path in ("root", "cwd", "root/../../../../../.."):
            target = f"/proc/{pid}/{path}{sys.argv[4]}"
            if works(os.listdir, target) or works(Path(target, "out").touch):
                ways.append(target)
    print(ways)
else:
    said = again(str(os.getpid()), str(os.getppid()), str(PLACE))
    verdict(said == "[]" and not (PLACE / "out").exists(), f"ways out: {said}")
