"""A layer exchanged with a link to a directory that may be none."""

from lib import PLACE, enter, folder, race, write  # type: ignore[import-not-found]

layer, other = folder("layer"), folder("other")
write(layer / "mark", "right")
evil = PLACE / "evil"
evil.symlink_to(folder("elsewhere"))


def once() -> str:
    done = enter("/usr/bin/ls", "/srv", options=("-o", "srv", str(layer), str(other), "-"))
    return "refused" if done.returncode == 125 else "won" if done.stdout == "mark\n" else f"shows {done.stdout}"


race(layer, evil, once)
