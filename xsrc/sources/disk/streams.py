"""Unpacks compressed files: gzip, bzip2, xz, lzma, zstd and lzip, all by one rule.

Streams of one format may follow each other, with zero bytes between them. Whatever else follows a stream is no part of
the content: servers and signers append bytes to files, and the checksum of the template covers them.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol

import zstandard

_CHUNK = 1 << 16
_SLICE = 512
"""Bytes of a zstd frame that are unpacked at once: 4 bytes of it may stand for 128 KiB, and there is no other limit."""


class _Decoder(Protocol):
    """Unpacks one stream, as the decompressors of bz2 and lzma do."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """One gzip stream."""

    def __init__(self) -> None:
        self.inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def needs_input(self) -> bool:
        return not self.inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self.inner.decompress(self.inner.unconsumed_tail + data, max_length)


class _Zstd:
    """One zstd frame, or one that is to be skipped: it unpacks to nothing."""

    def __init__(self) -> None:
        self.inner = zstandard.ZstdDecompressor().decompressobj()
        self.data, self.plain = b"", memoryview(b"")

    @property
    def eof(self) -> bool:
        return self.inner.eof and not self.plain

    @property
    def needs_input(self) -> bool:
        return not self.data and not self.plain

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data + self.data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self.data += data
        if not self.plain:
            head, self.data = self.data[:_SLICE], self.data[_SLICE:]
            self.plain = memoryview(self.inner.decompress(head))
        out, self.plain = self.plain[:max_length], self.plain[max_length:]
        return bytes(out)


class _Lzip:
    """One member of a lzip file: 6 bytes, an LZMA stream, 20 bytes with its checksum and sizes."""

    def __init__(self) -> None:
        self.inner: lzma.LZMADecompressor | None = None
        self.data = b""
        self.eof, self.count, self.packed, self.crc = False, 0, 0, 0

    @property
    def needs_input(self) -> bool:
        return self.inner is None or self.inner.needs_input or self.inner.eof

    @property
    def unused_data(self) -> bytes:
        return self.data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self.packed += len(data)
        if self.inner is None:
            self.data += data
            if len(self.data) < 6:
                return b""
            data, self.data = self.data[6:], self.data[:6]
            self.inner = self._begin(self.data)
            self.data = b""
        if self.inner.eof:
            self.data += data
            out = b""
        else:
            out = self.inner.decompress(data, max_length)
            self.count, self.crc = self.count + len(out), zlib.crc32(out, self.crc)
            self.data = self.inner.unused_data
        if self.inner.eof and len(self.data) >= 20:
            self._end(self.data[:20])
            self.data, self.eof = self.data[20:], True
        return out

    def _begin(self, head: bytes) -> lzma.LZMADecompressor:
        size = 1 << (head[5] & 31)
        size -= size // 16 * (head[5] >> 5)
        if head[4] != 1 or not 1 << 12 <= size <= 1 << 29:
            raise lzma.LZMAError("no header of lzip")
        model = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": 3, "lp": 0, "pb": 2}
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[model])

    def _end(self, tail: bytes) -> None:
        size = self.packed - len(self.data) + 20
        want = self.crc.to_bytes(4, "little") + self.count.to_bytes(8, "little") + size.to_bytes(8, "little")
        if tail != want:
            raise lzma.LZMAError("wrong checksum or size of lzip")


@dataclass(frozen=True)
class Format:
    """A format of compressed files."""

    name: str
    suffix: str
    """What the name of a file ends with that holds one other file."""
    magics: tuple[bytes, ...]
    """How a stream of it begins."""
    decoder: Callable[[], _Decoder]
    many: bool = True
    """Whether streams may follow each other."""

    def begins(self, head: bytes) -> bool:
        """Whether these bytes are the first ones of such a stream."""
        return head.startswith(self.magics)


FORMATS = (
    Format("gzip", ".gz", (b"\x1f\x8b",), _Gzip),
    Format("bzip2", ".bz2", (b"BZh",), bz2.BZ2Decompressor),
    Format("xz", ".xz", (b"\xfd7zXZ\x00",), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    Format("lzma", ".lzma", (b"\x5d\x00\x00",), lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE), many=False),
    Format("zstd", ".zst", (b"\x28\xb5\x2f\xfd", *(b"%c\x2a\x4d\x18" % byte for byte in range(0x50, 0x60))), _Zstd),
    Format("lzip", ".lz", (b"LZIP",), _Lzip),
)


class Unpacked(io.RawIOBase):
    """What the streams of one format in an open file unpack to.

    Reading raises EOFError for a stream that is cut short, and the errors of the formats' libraries.
    """

    def __init__(self, file: IO[bytes], form: Format) -> None:
        self.file, self.form = file, form
        self.decoder: _Decoder | None = form.decoder()
        self.left = b""
        self.more = False
        """Whether other bytes follow the last stream."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of `buffer`; return how much, 0 at the end. Raises as the class says."""
        out = b""
        while not out and self.decoder is not None:
            out = self._step(self.decoder, len(buffer))
        buffer[: len(out)] = out
        return len(out)

    def _step(self, decoder: _Decoder, size: int) -> bytes:
        data = b""
        if decoder.needs_input:
            data, self.left = self.left or self.file.read(_CHUNK), b""
            if not data:
                raise EOFError(f"the {self.form.name} stream has no end")
        out = decoder.decompress(data, size)
        if decoder.eof:
            self.left = decoder.unused_data
            self.decoder = self._next()
        return out

    def _next(self) -> _Decoder | None:
        """The decoder of the stream that follows, if one does."""
        longest = max(map(len, self.form.magics))
        self.left = self.left.lstrip(b"\0")
        while len(self.left) < longest and (data := self.file.read(_CHUNK)):
            self.left = (self.left + data).lstrip(b"\0")
        if self.form.many and self.form.begins(self.left):
            return self.form.decoder()
        self.more = bool(self.left)
        return None
