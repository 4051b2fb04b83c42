"""A hard link to a setuid program of root's in a root of the user's own, entered by both programs."""

import subprocess

from lib import ROOT, WORLD, Path, enter, error, verdict  # type: ignore[import-not-found]

if not WORLD["setuid"]:
    error("needs root to make the link")
top = Path(WORLD["setuid"])
answers = [enter("/mnt/suid", options=("-r", str(top), "mnt")).stdout]
for where, program in ((str(top), "/suid"), (str(ROOT), "/suid")):
    words = [WORLD["chroot"], "--", where, program]
    answers.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
risk = [answer for answer in answers if '"euid": 0' in answer or '"became": 1' in answer]
verdict(not risk, f"{risk or answers[0].strip()}")
