"""Reads the property list of a package file, which anybody may have written."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import zstandard

from xsrc.core.errors import ArchiveError
from xsrc.export.xbps import SCRIPTS
from xsrc.store.manifest import FILES, PROPS, read_plist
from xsrc.unix.files import opened

_LARGEST = 256 << 20
"""Bytes of one member before the files."""
_HEADS = frozenset(f"./{name}" for name in (*SCRIPTS, PROPS, FILES))
_WINDOW = 1 << 27


def read_props(file: Path) -> dict[str, Any]:
    """The property list of a package. Raises as `read_heads` does."""
    return read_heads(file)[0]


def read_heads(file: Path) -> tuple[dict[str, Any], bytes]:
    """The property list of a package, and the text of its list of files.

    Raises ArchiveError for a file that is no package, and OSError.
    """
    try:
        with (
            opened(file) as packed,
            zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            texts: dict[str, bytes] = {}
            while f"./{FILES}" not in texts and (member := tar.next()) is not None:
                if member.name not in _HEADS or not member.isreg() or member.size > _LARGEST:
                    break
                if (data := tar.extractfile(member)) is not None:
                    texts[member.name] = data.read()
            if f"./{PROPS}" in texts and f"./{FILES}" in texts:
                return _checked(read_plist(texts[f"./{PROPS}"])), texts[f"./{FILES}"]
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise ArchiveError(f"{file}: no package of xbps: {error}") from error
    raise ArchiveError(f"{file}: no package of xbps: want {PROPS} and {FILES} before its files")


def _checked(props: Any) -> dict[str, Any]:
    if not isinstance(props, dict) or not isinstance(props.get("pkgver"), str):
        raise ValueError(f"{PROPS} has no pkgver")
    return props
