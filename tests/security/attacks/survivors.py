"""A build that will not end: its own session, every signal ignored, the helper killed at random moments."""

import os
import random
import signal
import subprocess
import time

from lib import WORLD, Path, argv, until, verdict  # type: ignore[import-not-found]

token = f"xsrc-attack-{os.getpid()}"
words = argv("/usr/bin/python3", "-I", "-S", "/kit/life.py", "stubborn", token)

begun = time.monotonic()
with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
    assert first.stdout is not None
    first.stdout.readline()
    start = time.monotonic() - begun  # until "ready", on this machine, now
    first.kill()

for _ in until(float(WORLD["seconds"]), least=60):
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.random() * start)
    process.send_signal(random.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)))
    process.wait()
time.sleep(1)
left = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if token.encode() in Path("/proc", pid, "cmdline").read_bytes().split(b"\0"):
            left.append(int(pid))
    except OSError:
        pass
for found in left:
    os.kill(found, signal.SIGKILL)
verdict(not left, f"left alive: {left}")
