"""A process of the caller's, whose /proc folder is the caller's own, as a layer, a root or a source: out by its root."""

import os

from lib import PLACE, WORLD, Path, enter, folder, subprocess, verdict, write  # type: ignore[import-not-found]

own, ways = folder("own"), []
write(PLACE / "outside", "outside")
process = subprocess.Popen(["sleep", "60"])
try:
    for path in (f"/proc/{process.pid}", f"/proc/{os.getpid()}", f"/proc/{process.pid}/root", "/proc/self"):
        for layers in ((path,), (path, str(own)), (str(own), path)):
            done = enter("/usr/bin/cat", f"/srv/root{PLACE}/outside", options=("-o", "srv", *layers, "-"))
            ways += [f"layers {layers}"] if done.returncode != 125 or "outside" in done.stdout else []
        done = enter("/usr/bin/cat", f"/mnt/root{PLACE}/outside", options=("-r", path, "mnt"))
        ways += [f"source {path}"] if done.returncode != 125 else []
        argv = [WORLD["mount"], WORLD["flag"], "--", path, f"/root{PLACE}/outside"]
        ways += [f"root {path}"] if subprocess.run(argv, capture_output=True).returncode != 125 else []
finally:
    process.kill()
verdict(not ways and Path(PLACE / "outside").exists(), f"ways: {ways}")
