"""Groups dropped or gained: setgroups in a user namespace (CVE-2014-8989), setgid, setuid of any id."""

import os

from lib import INSIDE, again, verdict, works  # type: ignore[import-not-found]

if INSIDE:
    before = (sorted(os.getgroups()), os.getresuid(), os.getresgid())
    ways = [
        name
        for name, way in {
            "setgroups": lambda: os.setgroups([]),
            "root's group": lambda: os.setgroups([0]),
            "setgid": lambda: os.setgid(0),
            "setuid": lambda: os.setuid(0),
            "setreuid": lambda: os.setreuid(0, 0),
        }.items()
        if works(way)
    ]
    print(ways if before != (sorted(os.getgroups()), os.getresuid(), os.getresgid()) else [])
else:
    said, fake = again(), again(options=("-0",))
    verdict(said == "[]" and fake == "[]", f"{said} {fake}")
