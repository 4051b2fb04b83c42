"""Reads the property list of a package file, which anybody may have written."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import zstandard

from xsrc.core.errors import ArchiveError
from xsrc.export.xbps import SCRIPTS
from xsrc.store.manifest import PROPS, read_plist
from xsrc.unix.files import opened

_LARGEST = 16 << 20
"""Bytes of one member before the files."""
_WINDOW = 1 << 27


def read_props(file: Path) -> dict[str, Any]:
    """The property list of a package. Raises ArchiveError for a file that is no package, and OSError."""
    try:
        with (
            opened(file) as packed,
            zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            for _ in range(len(SCRIPTS) + 1):
                member = tar.next()
                if member is None or not member.isreg() or member.size > _LARGEST:
                    break
                if member.name == f"./{PROPS}" and (data := tar.extractfile(member)) is not None:
                    return _checked(read_plist(data.read()))
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise ArchiveError(f"{file}: no package of xbps: {error}") from error
    raise ArchiveError(f"{file}: no package of xbps: want {PROPS} before its files, found none")


def _checked(props: Any) -> dict[str, Any]:
    if not isinstance(props, dict) or not isinstance(props.get("pkgver"), str):
        raise ValueError(f"{PROPS} has no pkgver")
    return props
