"""A setuid program that a build leaves in the work area, run by another user. Step 1 is P's, step 2 is E's."""

import os
import shutil
import subprocess
import sys

from lib import INSIDE, PLACE, WORLD, Path, again, error, verdict  # type: ignore[import-not-found]

if INSIDE:
    shutil.copyfile("/kit/ids", "/mnt/evil")
    os.chmod("/mnt/evil", 0o6755)
    print("left")
elif sys.argv[2] == "1":
    work = Path(WORLD["workdir"])  # as xsrc makes it
    if again(options=("-w", str(work / "wrksrc"), "mnt")) != "left":
        error("the build could not leave it")
    verdict((work / "wrksrc/evil").stat().st_mode & 0o4000 != 0, "left")
else:
    evil = Path(WORLD["workdir"], "wrksrc/evil")
    try:
        done = subprocess.run([evil], capture_output=True, text=True, check=False)
        verdict(False, done.stdout)
    except PermissionError:
        verdict(PLACE.exists(), "cannot even be seen")
