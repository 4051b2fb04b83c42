"""A root in which su trusts everybody, over the host's /usr with its setuid su (isolation.md 1c)."""

from lib import ROOT, enter, error, os, verdict, write  # type: ignore[import-not-found]

ids = f"me::{os.getuid()}:{os.getgid()}::/:/bin/sh"
write(ROOT / "etc/passwd", f"root::0:0::/:/bin/sh\n{ids}\n")
write(ROOT / "etc/group", "root:x:0:\n")
write(ROOT / "etc/shadow", "root::1::::::\n")
write(ROOT / "etc/pam.d/su", "".join(f"{kind} sufficient pam_permit.so\n" for kind in ("auth", "account", "session")))
if not os.path.exists("/usr/bin/su"):
    error("no su here")
for option in ((), ("-0",), ("-W",)):
    done = enter("/usr/bin/su", "-c", "id -u", options=option)
    if "0" in done.stdout.split():
        verdict(False, f"su gave uid 0: {option}")
verdict(True, done.stderr.strip())
