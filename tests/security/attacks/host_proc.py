"""The host's /proc in a sandbox: by a bind, by a layer, below a source."""

from lib import ROOT, Path, enter, os, verdict  # type: ignore[import-not-found]

here = str(os.getpid())
for option in (
    ("-r", "/proc", "mnt"),
    ("-w", "/proc", "mnt"),
    ("-r", f"/proc/{here}", "mnt"),
    ("-r", f"/proc/{here}/root", "mnt"),
    ("-r", f"/proc/{here}/cwd", "mnt"),
    ("-r", "/", "mnt"),
    ("-o", "mnt", "/proc", "/usr", "-"),
    ("-o", "mnt", f"/proc/{here}/cwd", "-"),
    ("-r", "/dev", "mnt"),
    ("-r", "/sys", "mnt"),
):
    done = enter("/usr/bin/ls", "/mnt", options=option)
    if done.returncode != 125:
        verdict(False, f"{option}: {done.stdout[:200]}")
done = enter("/usr/bin/cat", "/proc/sys/kernel/random/boot_id", "/proc/1/comm")
verdict(Path(ROOT, "proc").is_dir() and "xsrc-mount" in done.stdout, done.stdout.strip())
