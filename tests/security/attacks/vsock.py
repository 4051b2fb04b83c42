"""The hypervisor, its services and other builds by AF_VSOCK, whose ports no network namespace keeps apart."""

import socket

from lib import INSIDE, again, call, verdict, works  # type: ignore[import-not-found]

VSOCK, ANY, PORT = 40, 0xFFFFFFFF, 47111
if INSIDE:
    found = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        if works(socket.socket, VSOCK, kind):
            found += [f"socket {kind}"]
    if call(425, 8, 0) >= 0:  # IORING_OP_SOCKET makes one too
        found += ["io_uring"]
    print(found)
else:
    try:
        server = socket.socket(VSOCK, socket.SOCK_STREAM)
        server.bind((ANY, PORT))
    except OSError:
        pass  # this kernel has none; inside there is to be none either
    said = again()
    verdict(said == "[]", said)
