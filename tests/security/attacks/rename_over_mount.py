"""What the administrator covered inside a folder of the caller's, shown by a layer that changes its name meanwhile."""

from lib import PLACE, enter, folder, race  # type: ignore[import-not-found]

layer, other = PLACE / "covered", folder("decoy")
folder("decoy/inner")


def once() -> str:
    done = enter("/usr/bin/ls", "/srv/inner", options=("-o", "srv", str(layer), str(folder("below")), "-"))
    if done.returncode == 125:
        return "refused"
    return "won" if done.returncode == 0 and not done.stdout else f"shows {done.stdout} {done.stderr}"


race(layer, other, once)
