"""A daemon's unix socket and FIFO, which a read-only bind does not stop: in the home, /tmp, /run, the masterdir."""

import os
import socket
import subprocess

from lib import WORLD, Path, error, verdict  # type: ignore[import-not-found]

words = WORLD["xsrc"]
if not words:
    error("no plan of xsrc's")
home = Path(WORLD["home"])
walk = Path(WORLD["kit"], "life.py").read_text()
with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
    one.bind(str(home / "agent.sock"))
    other.bind(str(home / "masterdir/agent.sock"))
    os.mkfifo(home / "masterdir/fifo")
    done = subprocess.run([*words, "-c", walk, "walk"], capture_output=True, text=True, check=False, timeout=60)
if done.returncode:
    error(done.stderr)
verdict('"special": []' in done.stdout, done.stdout.strip())
