"""The root exchanged with a link to another tree while it is looked at."""

from lib import PLACE, ROOT, enter, folder, race, write  # type: ignore[import-not-found]

write(ROOT / "mark", "right")
other = folder("elsewhere")
for name in ("usr", "lib", "bin", "kit", "proc", "sys", "dev", "tmp", "work"):
    (other / name).mkdir()
evil = PLACE / "evil"
evil.symlink_to(other)


def once() -> str:
    done = enter("/usr/bin/cat", "/mark")
    return "refused" if done.returncode == 125 else "won" if done.stdout == "right" else f"another root: {done}"


race(ROOT, evil, once)
