"""What root hid below a mount, peeled out: by a bind, a layer, a root, a writable bind."""

from lib import PLACE, WORLD, enter, error, verdict  # type: ignore[import-not-found]

if not WORLD["covered"]:
    error("needs root to lay a mount over something")
covered = str(PLACE / "covered")
for options, path in (
    (("-r", covered, "mnt"), "/mnt/inner/secret"),
    (("-w", covered, "mnt"), "/mnt/inner/secret"),
    (("-r", f"{covered}/inner", "mnt"), "/mnt/secret"),
    (("-o", "srv", covered, str(PLACE), "-"), "/srv/inner/secret"),
    (("-o", "srv", covered, "-"), "/srv/inner/secret"),
    (("-o", "srv", f"{covered}/inner", "/usr", "-"), "/srv/secret"),
    (("-o", ".", str(PLACE / "covered"), str(WORLD["root"]), "-"), "/inner/secret"),
):
    done = enter("/usr/bin/cat", path, options=options)
    if "hidden" in done.stdout:
        verdict(False, f"{options}: {done.stdout}")
verdict(True, "seven ways showed nothing")
