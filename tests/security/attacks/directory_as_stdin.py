"""A directory as descriptor 0, 1 or 2: /proc/self/fd/0/home."""

import os
import subprocess
from typing import Any

from lib import argv, verdict  # type: ignore[import-not-found]

top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
for name in ("stdin", "stdout", "stderr"):
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL) | {name: top}
    code = subprocess.call(argv("/usr/bin/ls", "/proc/self/fd/0/"), **streams)
    if code != 125:
        verdict(False, f"{name}: {code}")
verdict(True, "refused three times")
