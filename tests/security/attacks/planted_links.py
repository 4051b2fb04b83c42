"""Links that a build plants for the steps that xsrc takes on the host: scan, seal, delete."""

import os
import sys
from pathlib import Path

from lib import PLACE, WORLD, folder, verdict, write  # type: ignore[import-not-found]

from xsrc.store.disk import seal
from xsrc.unix import trees

sys.path.insert(0, WORLD["tree"])
from xsrc.store.disk import scan

victim = folder("victim")
write(victim / "file", "kept", 0o666)
write(victim / "inner/file", "kept", 0o4755)
before = [(str(path), path.stat().st_mode, path.stat().st_mtime_ns) for path in sorted(victim.rglob("*"))]
top = folder("dest")
(top / "usr").symlink_to(victim)
(top / "etc").symlink_to("../victim")
(top / "up").symlink_to("../" * 30)
folder("dest/deep/er")
(top / "deep/er/file").symlink_to(victim / "file")
(top / "deep/er/self").symlink_to("self")
os.chmod(top / "deep/er", 0)
scan.scan(top)
seal.seal(top, 1_000_000_000)
trees.close(top)
trees.remove_tree(top)
after = [(str(path), path.stat().st_mode, path.stat().st_mtime_ns) for path in sorted(victim.rglob("*"))]
verdict(
    before == after and not top.exists() and Path(PLACE, "victim/file").read_text() == "kept",
    f"{len(after)} things kept",
)
