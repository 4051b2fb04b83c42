"""Another program in the place of xsrc-chroot: beside a copy, in the path, in the root, as the cell's /x."""

import os
import shutil

from lib import ROOT, WORLD, Path, enter, folder, verdict, write  # type: ignore[import-not-found]

evil = folder("evil")
mine = Path(WORLD["kit"], "ids")
for name in ("xsrc-chroot", "x"):
    shutil.copy(mine, evil / name)
    shutil.copy(mine, ROOT / name)
os.chdir(evil)
said = [enter("/usr/bin/true", env={"PATH": f"{evil}:/usr/bin"}, cwd=evil).stdout]
copy = shutil.copy(WORLD["mount"], evil) if WORLD["mode"] == "plain" else None
if copy:  # a caller's own copies run the caller's own neighbour: with the caller's rights in the caller's namespace
    WORLD["mount"] = copy
    done = enter("/usr/bin/true")
    said += ["RISK"] if '"euid": 0' in done.stdout and '"became": 1' in done.stdout and os.getuid() == 0 else []
write(evil / "done", "")
verdict(not any(said), str(said))
