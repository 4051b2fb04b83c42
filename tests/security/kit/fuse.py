"""A file system of a user's, by FUSE: fuse.py POINT UID GID, run by root, who alone may open /dev/fuse
on many machines.

It shows one folder with a file "mark" and a folder "renamed", and gives to whoever asks the attributes that overlayfs
believes: a redirect to /secret, for one. Prints "ready" and serves until it is killed. Only the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys

NODES = {1: ("", stat.S_IFDIR | 0o755), 2: ("mark", stat.S_IFREG | 0o644), 3: ("renamed", stat.S_IFDIR | 0o755)}
MARK = b"served\n"
XATTRS = {
    3: {"trusted.overlay.redirect": b"/secret", "trusted.overlay.opaque": b"n", "user.overlay.redirect": b"/secret"},
    2: {"trusted.overlay.metacopy": b"", "trusted.overlay.redirect": b"/secret/file"},
}


class Server:
    """Answers the kernel's questions, one by one (include/uapi/linux/fuse.h)."""

    def __init__(self, channel: int, uid: int, gid: int) -> None:
        self.channel, self.uid, self.gid = channel, uid, gid

    def attributes(self, node: int) -> bytes:
        size = len(MARK) if node == 2 else 0
        words = (NODES[node][1], 1, self.uid, self.gid, 0, 4096, 0)
        return struct.pack("<6Q3I7I", node, size, 1, 0, 0, 0, 0, 0, 0, *words)

    def answer(self, opcode: int, node: int, body: bytes) -> bytes | int:
        """The answer to one question, or the number of an error."""
        if opcode == 26:  # INIT
            return struct.pack("<4IHH2IHHI7I", 7, 31, 65536, 0, 16, 12, 65536, 1, 32, 0, *[0] * 8)
        if opcode == 1:  # LOOKUP
            for number, (name, _) in NODES.items():
                if node == 1 and body.rstrip(b"\0") == name.encode():
                    return struct.pack("<5Q2I", number, 0, 0, 0, 0, 0, 0)[:40] + self.attributes(number)
            return errno.ENOENT
        if opcode == 3:  # GETATTR
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
        if opcode in (14, 27):  # OPEN, OPENDIR
            return struct.pack("<QII", 0, 0, 0)
        if opcode == 28:  # READDIR
            _, offset, _ = struct.unpack_from("<QQI", body)
            found = b""
            for at, number in enumerate((2, 3) if node == 1 else (), 1):
                if at > offset:
                    named = NODES[number][0].encode()
                    row = struct.pack("<QQII", number, at, len(named), NODES[number][1] >> 12) + named
                    found += row + b"\0" * (-len(row) % 8)
            return found
        if opcode == 15:  # READ
            return MARK if struct.unpack_from("<QQ", body)[1] == 0 else b""
        if opcode == 22:  # GETXATTR
            size, name = struct.unpack_from("<I", body)[0], body[8:].rstrip(b"\0").decode()
            value = XATTRS.get(node, {}).get(name)
            if value is None:
                return errno.ENODATA
            return value if size else struct.pack("<II", len(value), 0)
        if opcode == 17:  # STATFS
            return struct.pack("<5Q4I6I", 1, 1, 1, 1, 1, 4096, 255, 4096, 0, *[0] * 6)
        return b"" if opcode in (18, 25, 29) else errno.ENOSYS  # RELEASE, FLUSH, RELEASEDIR

    def serve(self) -> None:
        """Until the file system is unmounted."""
        while True:
            question = os.read(self.channel, 1 << 18)
            _, opcode, unique, node = struct.unpack_from("<IIQQ", question)
            if opcode in (2, 42):  # FORGET
                continue
            answer = self.answer(opcode, node, question[40:])
            error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
            os.write(self.channel, struct.pack("<IiQ", 16 + len(data), error, unique) + data)


def main(point: str, uid: str, gid: str) -> None:
    """Mount and serve. With uid 0 the server is root's, and all may use it."""
    libc = ctypes.CDLL(None, use_errno=True)
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id={uid},group_id={gid}" + ",allow_other" * (uid == "0")
    if libc.mount(b"x", os.fsencode(point), b"fuse", 6, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount: {options}")
    print("ready", flush=True)
    Server(channel, int(sys.argv[4]), int(sys.argv[5])).serve()


if __name__ == "__main__":
    main(*sys.argv[1:4])
