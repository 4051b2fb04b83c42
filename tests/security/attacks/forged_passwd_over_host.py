"""A forged passwd and PAM set-up bound over the host's own, by every way to name it."""

from lib import PLACE, ROOT, Path, enter, folder, verdict, write  # type: ignore[import-not-found]

forged = folder("forged")
write(forged / "passwd", "root::0:0::/:/bin/sh\n")
write(forged / "pam.d/su", "auth sufficient pam_permit.so\n")
up = "../" * 20
(PLACE / "to-etc").symlink_to("/etc")
(ROOT / "host").symlink_to("/")
(ROOT / "hostetc").symlink_to("/etc")
before = Path("/etc/passwd").read_bytes()
for target in ("/etc/passwd", f"{up}etc/passwd", "host/etc/passwd", "hostetc/passwd", "proc/1/root/etc/passwd"):
    done = enter("/usr/bin/su", "-c", "id -u", options=("-r", str(forged / "passwd"), target))
    if done.returncode != 125 or Path("/etc/passwd").read_bytes() != before:
        verdict(False, f"{target}: {done}")
for root in (Path("/"), Path("//"), PLACE / "to-etc", Path("/proc/self/root"), Path("/etc"), Path("/usr")):
    done = enter("/usr/bin/su", "-c", "id -u", options=("-r", str(forged / "passwd"), "etc/passwd"), root=root)
    if done.returncode != 125:
        verdict(False, f"{root}: {done}")
verdict(True, "every way was refused")
