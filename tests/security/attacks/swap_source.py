"""The source exchanged with a link to /etc."""

from lib import PLACE, enter, folder, race, write  # type: ignore[import-not-found]

source = folder("shown")
write(source / "mark", "right")
evil = PLACE / "evil"
evil.symlink_to("/etc")


def once() -> str:
    done = enter("/usr/bin/ls", "/mnt", options=("-r", str(source), "mnt"))
    return "refused" if done.returncode == 125 else "won" if done.stdout == "mark\n" else f"shows {done.stdout}"


race(source, evil, once)
