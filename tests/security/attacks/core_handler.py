"""A crash handed to the host's handler of core files, which is root's on many machines: all but a limit of 1 does."""

import resource

from lib import INSIDE, X86, Path, again, call, verdict  # type: ignore[import-not-found]

if INSIDE:
    for limit in ((0, 0), (0, 1), (-1, -1)):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, limit)
        except (OSError, ValueError):
            continue
    call(302 if X86 else 261, 0, 4, b"\0" * 16, 0)
    line = next(line for line in Path("/proc/self/limits").read_text().splitlines() if "core file" in line)
    print(line.split()[4:6])
else:
    said = again()
    verdict(said == "['1', '1']", said)
