"""Which names below patches/ are those of patches, and which look like it and would be passed over."""

from __future__ import annotations

import re

ENDINGS = (".patch", ".diff")
_PACKED = {
    ".gz": "gzip -d",
    ".bz2": "bzip2 -d",
    ".xz": "xz -d",
    ".zst": "zstd -d --rm",
    ".lz": "lzip -d",
    ".lzma": "xz -d",
    ".Z": "gzip -d",
    ".zip": "unzip",
}
"""Endings of compressed files, and what unpacks them."""
_LEFT = re.compile(r"\..*|.*(?:~|\.orig|\.rej|\.swp|\.bak)")
"""What editors and patch leave behind."""


def patch_fault(name: str, path: str) -> tuple[str, str] | None:
    """Why a file below patches/ is refused, with a hint; None for a patch, and for what is clearly none."""
    if name.endswith(ENDINGS) or _LEFT.fullmatch(name):
        return None
    if name == "series":
        return "want patches only, got a series file", "name the patches in their order in the template: [patch] series"
    if not re.search(r"\.(?:patch|diff)\b", name, re.IGNORECASE):
        return None
    for ending, words in _PACKED.items():
        if name.endswith(ending):
            return "want a patch as text, so that one can read it, got a compressed one", f"{words} {path}"
    return "want a name that ends in .patch or .diff for a patch, or no such word in it", f"rename {path}"
