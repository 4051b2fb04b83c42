"""The numbers of system accounts: the same on every machine, because they follow from the names."""

from __future__ import annotations

import hashlib

FIRST, COUNT = 10_000, 50_000
"""Numbers of accounts: above those of people and of the system, below those of services that come and go."""


def number_of(name: str) -> int:
    """The uid, and gid, of an account, unless another account has it.

    >>> number_of("nginx") == number_of("nginx"), 10_000 <= number_of("nginx") < 60_000
    (True, True)
    """
    return FIRST + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % COUNT
