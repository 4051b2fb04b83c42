"""An abstract socket of the host's, and one between two builds (CVE-2024-27297)."""

import os
import socket
import subprocess
import sys

from lib import INSIDE, again, argv, verdict, works  # type: ignore[import-not-found]

NAME = "\0xsrc-attack"
if INSIDE:
    with socket.socket(socket.AF_UNIX) as s:
        if sys.argv[2:] == ["serve"]:
            s.bind(NAME)
            s.listen()
            print("ready", flush=True)
            s.accept()
        print(works(s.connect, NAME))
else:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(NAME)
        server.listen()
        host = again("call")
    words = argv("/usr/bin/python3", "-s", "-S", "/kit/attacks/abstract_socket.py", "inside", "serve")
    first = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    between = again("call")
    first.terminate()
    first.wait()
    verdict((host, between) == ("False", "False") and os.getpid() > 0, f"host {host}, other build {between}")
