"""The names of the caller's keys, and what other users have, read from anywhere in /proc and /sys."""

from lib import INSIDE, X86, Path, again, call, error, verdict  # type: ignore[import-not-found]

NAME = "xsrc-listed-key"
if INSIDE:
    found = [str(path) for path in Path("/proc").glob("key*") if path.read_text()]
    for path in (*Path("/proc").glob("*"), *Path("/proc/self").glob("*"), *Path("/proc/1").glob("*")):
        try:
            if path.is_file() and path.name not in ("kmsg", "kcore") and NAME in path.read_text(errors="replace"):
                found.append(str(path))
        except OSError:
            continue
    print(found)
else:
    if call(248 if X86 else 217, "user", NAME, "secret", 6, -4) < 0:
        error("keys cannot be used on this machine")
    said = again()
    verdict(said == "[]", said)
