"""Headers of archives, as tarfile reads them."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from xsrc.export import tar

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=200)


@given(NAMES, NAMES, st.integers(0, 0o7777), st.integers(-100, 1 << 35))
def test_every_name_mode_and_time(name: str, target: str, mode: int, mtime: int) -> None:
    data = b"content"
    text = tar.header(f"./{name}", mode=mode, size=len(data), mtime=mtime) + data + tar.padding(len(data))
    text += tar.header(f"./{name}2", tar.LINK, 0o777, mtime=mtime, target=target) + tar.END
    with tarfile.open(fileobj=io.BytesIO(text)) as found:
        first, second = found.getmembers()
        assert (first.name, first.mode, first.mtime, first.uid, first.uname) == (f"./{name}", mode, mtime, 0, "")
        content = found.extractfile(first)
        assert content is not None
        assert content.read() == data
        assert (second.name, second.linkname, second.type) == (f"./{name}2", target, tarfile.SYMTYPE)


def test_a_size_that_ustar_cannot_hold() -> None:
    for size in ((1 << 33) - 1, 1 << 33, 1 << 40):
        with tarfile.open(fileobj=io.BytesIO(tar.header("./x", size=size))) as found:
            assert found.next().size == size  # type: ignore[union-attr]


def test_further_records_are_kept_byte_for_byte() -> None:
    value = bytes(range(256))
    text = tar.header("./x", more={"SCHILY.xattr.security.capability": value})
    assert len(text) == 3 * 512
    assert value + b"\n" in text
    assert text[512:].split(b" ")[0] == str(text[512:].index(value) + 257).encode()
