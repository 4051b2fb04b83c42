"""The user's ~/.netrc: users and passwords by host, as curl, wget and git have them."""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.trust import Trust
from xsrc.unix import trust

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def logins(env: Mapping[str, str], believed: Trust, say: Callable[[str], None]) -> Callable[[str], bytes]:
    """A function that returns the user and the password for a host, with a colon between them, or b"".

    It reads the file once, when it is first asked. A file that somebody else could have written, or that is no netrc
    file, has no effect, and is reported.
    """

    @cache
    def known() -> netrc.netrc | None:
        path = Path(env.get("HOME") or "/nonexistent") / ".netrc"
        try:
            with trust.opened("your", Path(os.path.realpath(path)), believed, _READ) as descriptor:
                return netrc.netrc(f"/proc/self/fd/{descriptor}")
        except HostError as error:
            say(f"{error.message}: its passwords are not used")
        except netrc.NetrcParseError as error:  # its text may have a password
            say(f"{path}: line {error.lineno} is not understood: its passwords are not used")
        except UnicodeDecodeError:
            say(f"{path} is not UTF-8: its passwords are not used")
        except OSError:  # there is none for this user
            pass
        return None

    def login(host: str) -> bytes:
        found = known()
        entry = found.authenticators(host) if found is not None else None
        return f"{entry[0]}:{entry[2] or ''}".encode() if entry is not None and entry[0] else b""

    return login
