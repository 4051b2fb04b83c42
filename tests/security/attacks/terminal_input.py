"""Keystrokes pushed into the caller's terminal: TIOCSTI, with bit 32 set, TIOCLINUX, the terminal stolen."""

import array
import ctypes
import fcntl
import os
import pty
import sys
import termios

from lib import INSIDE, X86, argv, call, error, verdict  # type: ignore[import-not-found]

if INSIDE:
    ioctl, one = 16 if X86 else 29, ctypes.create_string_buffer(b"#")
    for request in (0x5412, 0x5412 | 1 << 32, 0x541C, 0x541C | 1 << 32):
        for fd in (0, 1, 2):
            call(ioctl, fd, request, one)
    call(ioctl, 0, 0x540E, 1)
    call(ioctl, 0, 0x5412, one)
    print("tried")
    sys.exit(0)
child, main = pty.fork()
if child == 0:
    slave = termios.tcgetattr(0)
    slave[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, slave)
    words = argv("/usr/bin/python3", "-s", "-S", "/kit/attacks/terminal_input.py", "inside")
    code = os.spawnv(os.P_WAIT, words[0], words)
    waiting = array.array("i", [0])
    fcntl.ioctl(0, termios.FIONREAD, waiting)
    print(f"code {code} waiting {waiting[0]}", flush=True)
    os._exit(0)
said = b""
try:
    while data := os.read(main, 4096):
        said += data
except OSError:
    pass
os.waitpid(child, 0)
if b"tried" not in said or b"code 0" not in said:
    error(said.decode())
verdict(b"waiting 0" in said, said.decode().strip().replace("\r\n", " "))
