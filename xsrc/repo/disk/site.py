"""Reads a cache at its address, a folder of this machine or a web server, and believes nothing that it says."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote, urlsplit

from xsrc.core.errors import ChecksumError, FetchFailed, HostError
from xsrc.core.redact import redacted
from xsrc.core.trust import Trust
from xsrc.repo.trace import LARGEST, Piece, place
from xsrc.sources.disk.ask import Network
from xsrc.sources.disk.distdir import OpenFile, sha256_of
from xsrc.sources.disk.http import download
from xsrc.sources.disk.mirror import copy_from
from xsrc.sources.disk.parts import DownloadedPart
from xsrc.sources.disk.web import Bounds, Unanswered
from xsrc.unix import trust

_PATIENCE = 60
"""Seconds that the answer to one question may take."""


@dataclass(frozen=True)
class CacheSite:
    """One cache, and how it is asked."""

    address: str
    network: Network
    bounds: Bounds

    @property
    def shown(self) -> str:
        """Its address as messages have it."""
        return redacted(self.address)

    @property
    def folder(self) -> Path | None:
        """The folder that it is, if it is one of this machine."""
        parts = urlsplit(self.address)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    def trace(self, key: str) -> bytes | None:
        """The text of a trace, None if there is none. Raises FetchFailed."""
        bounds = replace(self.bounds, size=LARGEST, seconds=_PATIENCE, named="the most of a trace")
        with tempfile.TemporaryFile() as file:
            try:
                self._receive(place(key), file, bounds)
            except Unanswered as error:
                if error.absent and (self.folder is None or self.folder.is_dir()):
                    return None
                raise FetchFailed(str(error)) from error
            file.seek(0)
            return file.read()

    def own_trace(self, key: str, believed: Trust) -> bytes | None:
        """The text of a trace in a folder that nobody else could have written, None if there is none.

        Raises FetchFailed if there is no such folder, HostError if somebody else could have written the trace.
        """
        if self.folder is None or not self.folder.is_dir():
            raise FetchFailed("no such folder")
        try:
            return trust.read("the cache", self.folder / place(key), believed)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FetchFailed(str(error.strerror)) from error

    def bring(self, piece: Piece, file: IO[bytes]) -> OpenFile:
        """Fill a new file with that of a package; return it at its beginning.

        Raises FetchFailed, and ChecksumError for another file than the one of the trace.
        """
        limit = self.bounds.size
        if limit and piece.size > limit:
            raise FetchFailed(f"{piece.pkgver}: a file of more than {limit >> 20} MiB ({self.bounds.named})")
        try:
            self._receive(piece.path, file, replace(self.bounds, size=piece.size, named="the size in its trace"))
        except Unanswered as error:
            raise FetchFailed(f"{piece.path}: {error}") from error
        size = file.seek(0, io.SEEK_END)
        if size != piece.size:
            raise ChecksumError(f"{piece.path}: want {piece.size} bytes, got {size}")
        got = sha256_of(file)
        if got != piece.sha256:
            raise ChecksumError(f"{piece.path}: another file: its sha256 is {got}")
        file.seek(0)
        return OpenFile(f"{piece.pkgver}.tar.zst", cast("io.BufferedReader", file))

    def _receive(self, path: str, file: IO[bytes], bounds: Bounds) -> None:
        url, part = f"{self.address.rstrip('/')}/{path}", DownloadedPart(file)
        if self.folder is not None:
            copy_from(url, part, bounds)
        else:
            download(url, part, bounds, lambda now, total: None, self.network)
        file.flush()


def checked_signers(path: Path, believed: Trust) -> Path:
    """The file of allowed signers, if nobody else could have written it. Raises HostError."""
    try:
        trust.read("allowed_signers", path, believed, follow=True)
    except OSError as error:
        hint = "write it (ssh-keygen(1), ALLOWED SIGNERS), or mend allowed_signers in your settings"
        raise HostError(f"allowed_signers {path}: {error.strerror}", hint=hint) from error
    return path
