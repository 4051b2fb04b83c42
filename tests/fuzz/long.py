"""Fuzzes one reader for as long as is wanted, led by what its code covers: python -m tests.fuzz.long TARGET SECONDS.

It needs atheris, which `pip install '.[fuzz]'` brings. What is new in coverage is kept in a folder of /tmp between
runs; what breaks a rule is written to crash-… in the current folder, and belongs into tests/fuzz/corpus/TARGET/.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xsrc", "tarfile", "zipfile", "tomllib", "plistlib"]):
    from tests.fuzz.kit.engine import CORPUS, LARGEST, LIMIT, MEMORY
    from tests.fuzz.test_readers import TARGETS


def main() -> None:
    """Run libFuzzer; it ends the process itself."""
    if len(sys.argv) != 3 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz.long TARGET SECONDS\ntargets: {' '.join(sorted(TARGETS))}")
    target, seconds = TARGETS[sys.argv[1]], int(sys.argv[2])
    place = Path(tempfile.mkdtemp(prefix="xsrc-fuzz-"))
    new = Path(tempfile.gettempdir(), "xsrc-fuzz-corpus", target.name)
    new.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (new / f"seed-{number}").write_bytes(seed)

    def once(data: bytes) -> None:
        with contextlib.suppress(*target.raises):
            target.run(data, place)

    limits = (f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-timeout={int(LIMIT * 4)}")
    memory = f"-rss_limit_mb={(MEMORY >> 20) + 1024}"
    kept = [str(folder) for folder in (new, CORPUS / target.name) if folder.is_dir()]
    atheris.Setup([sys.argv[0], *limits, memory, *kept], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
