"""What xsrc lets pass of an archive, read by the library's reader and held to the promise that it harms nobody."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path

import pytest
import zstandard

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile

UNLIMITED = Limits(unpacked_mib=0, unpacked_members=0)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
    ".lz": pack.lzipped,
}
PLAIN: dict[str, Callable[[Iterable[Member]], bytes]] = {
    "tar": pack.tar,
    "zip": pack.zipped,
}
FORMS = [(form, packer) for form in PLAIN for packer in PACKERS if form != "zip" or not packer]
"""What a distfile may be; a zip is not compressed again."""


def passed(
    data: bytes, folder: Path, limits: Limits = UNLIMITED, strip: int = 1, inner: str = "", name: str = "hostile"
) -> dict[str, tarfile.TarInfo]:
    """What is left of an archive, by path; asserts that no member of it could harm whoever unpacks it.

    A hard link is what it is a link to.
    """
    archive, out = folder / name, io.BytesIO()
    archive.write_bytes(data)
    with archive.open("rb") as file:
        archives.repack(OpenFile(archive.name, file), out, limits, strip=strip, inner=inner)
    out.seek(0)
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(fileobj=out, encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            parts = member.name.split("/")
            assert not member.name.startswith("/") and ".." not in parts and "" not in parts
            assert member.isreg() or member.isdir() or member.issym() or member.islnk()
            assert member.mode in (0o755, 0o644) and member.size >= 0 and 0 <= member.mtime < 1 << 38
            for name in (member.name, *([member.linkname] if member.islnk() else ())):
                ups = accumulate(name.split("/")[:-1], "{}/{}".format)
                assert not [up for up in ups if up in found and found[up].issym()], "beyond a link"
            if member.islnk():
                assert not found[member.linkname].isdir(), "a name of no file"
            found[member.name] = found[member.linkname] if member.islnk() else member
    return found


def refused(
    data: bytes, folder: Path, *words: str, limits: Limits = UNLIMITED, inner: str = "", name: str = "hostile"
) -> None:
    with pytest.raises(ArchiveError) as caught:
        passed(data, folder, limits, inner=inner, name=name)
    said = "\n".join(caught.value.render())
    assert f"{name}: " in said
    for word in words:
        assert word in said
