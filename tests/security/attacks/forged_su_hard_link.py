"""A hard link to a setuid program of root's in a root of the user's own, entered by both programs."""

import subprocess

from lib import ROOT, WORLD, enter, error, verdict  # type: ignore[import-not-found]

if not WORLD["setuid"]:
    error("needs root to make the link")
top = WORLD["setuid"]
answers = [enter("/mnt/suid", options=("-r", top, "mnt"))]
for where in (top, str(ROOT)):
    words = [WORLD["chroot"], "--", where, "/suid"]
    answers.append(subprocess.run(words, capture_output=True, text=True, check=False))
ran = [answer.stdout for answer in answers if '"uid"' in answer.stdout]
if len(ran) < (3 if WORLD["mode"] == "caps" else 1):
    error(f"it did not even run: {answers}")
verdict(not [said for said in ran if '"euid": 0' in said or '"became": 1' in said], " ".join(ran))
