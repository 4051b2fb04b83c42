"""The caller's own services on localhost and every address of the host's."""

import socket

from lib import INSIDE, again, sys, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    found = []
    for address in ("127.0.0.1", sys.argv[2]):
        with socket.socket() as s:
            s.settimeout(1)
            found += [address] if works(s.connect, (address, int(sys.argv[3]))) else []
    print(found)
else:
    with socket.socket() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        server.bind(("0.0.0.0", 0))
        server.listen()
        works(probe.connect, ("192.0.2.1", 9))
        said = again(probe.getsockname()[0], str(server.getsockname()[1]))
    verdict(said == "[]", said)
