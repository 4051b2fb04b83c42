"""A key that cannot be read, used all the same: AF_ALG takes the key of an HMAC by its number (Linux 6.2)."""

import socket

from lib import INSIDE, X86, again, call, verdict  # type: ignore[import-not-found]

ALG, BY_SERIAL = 279, 7
if INSIDE:
    found = []
    serial = int(__import__("sys").argv[2])
    for kind, name in (("hash", "hmac(sha256)"), ("skcipher", "cbc(aes)")):
        try:
            with socket.socket(38, socket.SOCK_SEQPACKET) as s:
                found += ["socket"]
                s.bind((kind, name))
                s.setsockopt(ALG, BY_SERIAL, serial)
                found += ["key"]
        except OSError:
            continue
    print(found)
else:
    said = again(str(max(call(248 if X86 else 217, "user", "xsrc-oracle", "secret", 6, -4), 0)))
    verdict(said == "[]", said)
