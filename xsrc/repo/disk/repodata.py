"""Reads and writes the files of a repository: the index of xbps, which is an archive, and xsrc's own."""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from xsrc.core.errors import ArchiveError
from xsrc.export import tar
from xsrc.export.disk.read import read_heads
from xsrc.repo.blocks import cut, entry, joined
from xsrc.repo.plan import Tables
from xsrc.repo.signed import SignedIndex
from xsrc.store.manifest import read_plist, render_plist
from xsrc.unix import files
from xsrc.unix.lock import locked

_INDEX, _META, _STAGE = "index.plist", "index-meta.plist", "stage.plist"
_LEVEL = 3
"""A level at which a large index is written in a moment."""
_LARGEST = 1 << 30
"""Bytes of an index."""


@dataclass(frozen=True)
class Repodata:
    """Both indexes of one architecture."""

    tables: Tables
    own: SignedIndex
    meta: Mapping[str, Any] = field(default_factory=dict)
    """The public key of a signed repository."""


@contextlib.contextmanager
def held(folder: Path, arch: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of an index inside the block; xbps-rindex takes the same. Raises HostError and OSError."""
    with locked(_index(folder, arch).with_suffix(".lock"), "xsrc repo", say):
        yield


def _index(folder: Path, arch: str) -> Path:
    return folder / f"{arch}-repodata"


def own_index(folder: Path, arch: str) -> Path:
    """The place of xsrc's own index."""
    return folder / f"{arch}-index.json"


def read(folder: Path, arch: str) -> Repodata:
    """The indexes of an architecture, empty ones where there are none. Raises ArchiveError and OSError."""
    path, own = _index(folder, arch), own_index(folder, arch)
    try:
        mine = SignedIndex.parse(files.read(own, _LARGEST)) if own.exists() else SignedIndex(arch)
    except (ValueError, KeyError) as error:
        raise ArchiveError(f"{own}: {error}", hint=f"rm {own}; xsrc repo index -f {folder}") from error
    if not path.exists():
        return Repodata(Tables({}, {}), mine)
    try:
        with (
            files.opened(path) as packed,
            zstandard.ZstdDecompressor().stream_reader(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            texts = {member.name: _text(archive, member) for member in archive}
        meta = texts[_META]
        return Repodata(
            Tables(cut(texts[_INDEX]), cut(texts.get(_STAGE, b""))), mine, read_plist(meta) if meta.strip() else {}
        )
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError, KeyError) as error:
        raise ArchiveError(f"{path}: no index of xbps: {error}", hint=f"rm {path}; xsrc repo index {folder}") from error


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _LARGEST:
        raise ValueError(f"{member.name} has more than {_LARGEST >> 20} MiB")
    data = archive.extractfile(member)
    return data.read() if data else b""


def write(folder: Path, arch: str, data: Repodata) -> None:
    """Put both indexes in their places, each in one step. Raises OSError."""
    texts = (
        (_INDEX, joined(data.tables.index)),
        (_META, render_plist(data.meta) if data.meta else b""),
        (_STAGE, joined(data.tables.stage)),
    )
    parts = [part for name, text in texts for part in (tar.header(name, size=len(text)), text, tar.padding(len(text)))]
    with files.replacing(_index(folder, arch), durable=True) as file:
        file.write(zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join((*parts, tar.END))))
    with files.replacing(own_index(folder, arch), durable=True) as file:
        file.write(data.own.render())


@dataclass(frozen=True)
class PackageFile:
    """A package file as the indexes have it."""

    entry: Mapping[str, Any]
    tree: str
    """The digest of its list of files."""


def read_package(path: Path) -> PackageFile:
    """A package file. Raises ArchiveError for one that is none or has another name than it should, and OSError."""
    props, listed = read_heads(path)
    name = f"{props['pkgver']}.{props.get('architecture')}.xbps"
    if path.name != name:
        raise ArchiveError(f"{path}: want the name {name}, which clients make from the index")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return PackageFile(entry(props, sha256, path.stat().st_size), hashlib.sha256(listed).hexdigest())


def paths_of(path: Path) -> Iterator[str]:
    """The paths of a package that are no directories. Raises ArchiveError and OSError."""
    lists = read_plist(read_heads(path)[1])
    for key in ("files", "conf_files", "links"):
        yield from (one["file"] for one in lists.get(key, ()))


def packages(folder: Path) -> Iterator[tuple[str, Path]]:
    """The package files of a repository, each with its architecture."""
    for path in sorted(folder.glob("*.xbps")):
        yield path.name.removesuffix(".xbps").rpartition(".")[2], path
