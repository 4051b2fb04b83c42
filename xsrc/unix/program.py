"""The files of the program itself: build styles, triggers, files that its pages share, and the tree around it."""

from __future__ import annotations

import hashlib
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent
"""The folder of the program; the tree that it came with is around it."""
_STYLES = PROGRAM / "build" / "styles"


def style_texts() -> dict[str, str]:
    """The text of every build style, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(_STYLES.glob("*.toml"))}


def style_programs() -> dict[str, str]:
    """The text of every program that a build style may run in a build root, by the name of its file."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((_STYLES / "programs").glob("*.*"))}


def tidy_text() -> str:
    """An sh text, which does nothing, in the place where xsrc tidies a destdir; it names the program that does."""
    build, digest = PROGRAM / "build", hashlib.sha256()
    parts = (build / "acts" / "tidy.py", build / "disk" / "tidy.py", PROGRAM / "store" / "form.py")
    for path in (*sorted((build / "tidy").glob("*.py")), *parts):
        digest.update(path.read_bytes())
    return f": xsrc tidies the destdir here, by its program {digest.hexdigest()[:32]}"


def trigger_texts() -> dict[str, str]:
    """The text of every trigger, by name."""
    return {
        path.stem: path.read_text(encoding="utf-8") for path in sorted((PROGRAM / "farm" / "triggers").glob("*.toml"))
    }


def asset(name: str) -> bytes:
    """A file that all pages of the report share. Raises OSError."""
    return (PROGRAM / "runs" / name).read_bytes()
