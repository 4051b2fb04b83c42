"""The parts of one distfile that were downloaded before a download broke off.

A part belongs to one address, and to the file that its server had then: other servers may have other files under the
name. Others may write to the folder, so a part counts only if it is this user's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from xsrc.core.redact import redacted

OWN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How a file of this user's own is opened."""
_VALIDATOR = 1 << 10
"""Bytes of a validator that are kept."""


def own(status: os.stat_result) -> bool:
    """Whether a file is plain, and this user's alone."""
    plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return plain and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def opened_own(name: str, folder: int) -> int | None:
    """The descriptor of a file of this user's own in an open folder, or None if there is none of that name."""
    try:
        descriptor = os.open(name, OWN, dir_fd=folder)
    except OSError:  # missing, another user's, or a link
        return None
    if own(os.fstat(descriptor)):
        return descriptor
    os.close(descriptor)
    return None


def new_file(name: str, folder: int) -> int:
    """The descriptor of a new private file. Raises OSError."""
    return os.open(name, OWN | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)


def remove(name: str, folder: int) -> None:
    """Remove a file, if that is allowed."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


class DownloadedPart:
    """An open file that a download fills."""

    def __init__(
        self, file: IO[bytes], name: str = "", validator: str = "", note: Callable[[str], None] = lambda text: None
    ) -> None:
        self.file, self.name, self.validator, self._note = file, name, validator, note
        self.resumed = False
        """Whether it holds the bytes of more than one answer."""

    def size(self) -> int:
        """Bytes that it has."""
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size

    def restart(self, validator: str = "") -> None:
        """Empty it, for the file that its server describes by this validator ("" for none). Raises OSError."""
        self.file.seek(0)
        self.file.truncate()
        self.resumed = False
        if validator != self.validator:
            self._note(validator)
            self.validator = validator


class Parts:
    """The parts of one distfile in its open folder."""

    def __init__(self, name: str, folder: int) -> None:
        self.name, self.folder = name, folder

    @contextlib.contextmanager
    def of(self, url: str) -> Iterator[DownloadedPart]:
        """The part from one address; after the block it is kept for the next command, unless it is empty or was moved.

        Raises OSError.
        """
        key = hashlib.sha256(redacted(url).encode()).hexdigest()[:8]
        name = self._largest(key) or f".{self.name}.{key}{os.urandom(4).hex()}.part"
        descriptor = opened_own(name, self.folder)
        with os.fdopen(new_file(name, self.folder) if descriptor is None else descriptor, "r+b") as file:
            part = DownloadedPart(file, name, self._validator(name), partial(self._keep_validator, name))
            try:
                yield part
            finally:
                if not part.size() or not part.name:
                    self._drop(name)

    def clear(self) -> None:
        """Remove all parts of this user's: the distfile is complete."""
        for name in self._names("[0-9a-f]{16}"):
            if (descriptor := opened_own(name, self.folder)) is not None:
                os.close(descriptor)
                self._drop(name)

    def _names(self, key: str) -> list[str]:
        wanted = re.compile(rf"\.{re.escape(self.name)}\.{key}\.part")
        return list(filter(wanted.fullmatch, os.listdir(self.folder)))

    def _largest(self, key: str) -> str | None:
        """The largest part from an address that earlier commands of this user's left; the others are removed."""
        found: list[tuple[int, str]] = []
        for name in self._names(f"{key}[0-9a-f]{{8}}"):
            if (descriptor := opened_own(name, self.folder)) is not None:
                found.append((os.fstat(descriptor).st_size, name))
                os.close(descriptor)
        found.sort()
        for _, name in found[:-1]:
            self._drop(name)
        return found[-1][1] if found else None

    def _drop(self, name: str) -> None:
        remove(name, self.folder)
        remove(_beside(name), self.folder)

    def _validator(self, name: str) -> str:
        descriptor = opened_own(_beside(name), self.folder)
        if descriptor is None:
            return ""
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_VALIDATOR).decode(errors="replace")

    def _keep_validator(self, name: str, text: str) -> None:
        remove(_beside(name), self.folder)
        if text:
            with os.fdopen(new_file(_beside(name), self.folder), "wb") as file:
                file.write(text.encode())


def _beside(name: str) -> str:
    """The name of the file that holds the validator of a part."""
    return f"{name.removesuffix('.part')}.validator"
