"""Archives read on the host: what may pass of tar and zip, and how much; all else is refused, by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site
from tests.e2e.kit.unpacked import FORMS, PACKERS, PLAIN, passed, refused
from tests.integration.sources.test_bad_archives import HOSTILE, ZIP
from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits

SYM, LINK, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
FILE = Member("x/kept", b"kept")


# ---- members


SAID = [(case, form, packer) for case in HOSTILE for form, packer in FORMS if form != "zip" or case in ZIP]
"""What can be said in each format."""


@pytest.mark.parametrize(("case", "form", "packer"), SAID)
def test_a_hostile_member(tmp_path: Path, case: str, form: str, packer: str) -> None:
    members, why = HOSTILE[case]
    data = PACKERS[packer](PLAIN[form]([FILE, *members]))
    if why is None:
        assert "kept" in passed(data, tmp_path)
    else:
        refused(data, tmp_path, "refused: member", why)


def outer(data: bytes, name: str = "y-1.0/y.tar") -> bytes:
    """An archive in an archive, with others around it."""
    return gzip.compress(pack.tar([Member("y-1.0/kept", b"kept"), Member(name, data), Member("y-1.0/last", b"last")]))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("form", [form for form in PLAIN if form != "zip"])
def test_an_archive_in_an_archive(tmp_path: Path, form: str, packer: str) -> None:
    data = outer(PACKERS[packer](PLAIN[form]([Member("z/a", b"a"), Member("z/b/c", b"c" * 99999)])))
    assert {name for name, member in passed(data, tmp_path, inner="y.tar").items() if member.isreg()} == {"a", "b/c"}
    assert {"kept", "y.tar", "last"} == set(passed(data, tmp_path))


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_of_an_archive_in_an_archive(tmp_path: Path, case: str) -> None:
    members, why = HOSTILE[case]
    data = outer(lzma.compress(pack.tar([FILE, *members])))
    if why is None:
        assert "kept" in passed(data, tmp_path, inner="y-1.0/y.tar")
    else:
        refused(data, tmp_path, "refused: member", why, inner="y-1.0/y.tar")


def test_an_archive_that_is_not_in_the_archive(tmp_path: Path) -> None:
    data = outer(pack.tar([FILE]))
    refused(data, tmp_path, "no archive 'tar' in it", "there is y-1.0/kept, y-1.0/y.tar, y-1.0/last", inner="tar")
    refused(outer(pack.zipped([FILE])), tmp_path, "y.tar is a zip in an archive, which is not read", inner="y.tar")
    refused(outer(b"no archive"), tmp_path, "neither a tar", inner="y.tar")
    refused(outer(pack.tar([FILE])[:700]), tmp_path, "damaged", inner="y.tar")
    refused(
        outer(lzma.compress(pack.tar([Member("x/a", bytes(3 << 20))]))),
        tmp_path,
        "unpacks to more than 1 MiB",
        limits=Limits(unpacked_mib=1),
        inner="y.tar",
    )


DIRTY = {
    "link-over-a-file": (
        [
            *(Member("x/a", b"a"), Member("x/a", type=SYM, target="/tmp"), Member("x/h", type=LINK, target="x/a")),
            Member("x/h/f", b"f"),
        ],
        "'x/h/f' goes through the link 'h'",
    ),
    "folder-over-a-file": (
        [Member("x/a", b"a"), Member("x/a", type=DIR), Member("x/h", type=LINK, target="x/a")],
        "'x/h' is a hard link to 'x/a', which is no earlier member",
    ),
    "hard-link-beyond-a-link": (
        [
            *(Member("x/d/f", b"f"), Member("x/d", type=SYM, target="/etc")),
            Member("x/h", type=LINK, target="x/d/f"),
        ],
        "'x/h' goes through the link 'd'",
    ),
    "link-to-nothing": ([Member("x/l", type=SYM)], "'x/l' is a link to 0 characters that are no path"),
    "link-with-nul": ([Member("x/l", type=SYM, target="a\0b" + "c" * 200)], "'x/l' is a link to 203 characters"),
    "long-link": ([Member("x/l", type=SYM, target="l" * 4096)], "'x/l' is a link to 4096 characters"),
    "long-name": ([Member("x/" + "n/" * 2048 + "n")], "has a name of 4099 characters"),
    "name-with-nul": ([Member("x/a\0b" + "c" * 200, b"")], "has a name with a NUL"),
}


@pytest.mark.parametrize("case", DIRTY)
def test_a_hostile_member_of_a_tar(tmp_path: Path, case: str) -> None:
    members, why = DIRTY[case]
    refused(pack.tar([FILE, *members]), tmp_path, "refused: member", why)


@pytest.mark.parametrize("form", PLAIN)
def test_a_name_twice(tmp_path: Path, form: str) -> None:
    """Both pass in their order: the last is what is there in the end, as in any tar."""
    names = [FILE, Member("x/a", b"1"), Member("x/a", b"22"), Member("x/./a", b"333"), Member("x//a", b"4444")]
    assert passed(PLAIN[form](names), tmp_path)["a"].size == 4


@pytest.mark.parametrize("name", ["\udcff\udcfe", "ä", "a\nb", " ", "-rf", "a\\..\\b", "\u202e"])
def test_an_odd_name(tmp_path: Path, name: str) -> None:
    assert name in passed(pack.tar([Member(f"x/{name}", b"1")]), tmp_path)


def raw_header(name: bytes, kind: bytes = b"0", size: bytes = b"0", mtime: bytes = b"0", link: bytes = b"") -> bytes:
    """A header of a tar with whatever is in its fields, and the right checksum."""
    fields = (name, b"0000644\0", b"0\0", b"0\0", size, mtime, b" " * 8, kind, link, b"ustar\x0000")
    head = struct.pack("100s8s8s8s12s12s8s1s100s8s247x", *fields)
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def block(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


def pax(**records: str) -> bytes:
    body = b"".join(
        next(b"%d %s" % (n, text) for n in range(1, 1 << 24) if len(b"%d %s" % (n, text)) == n)
        for text in (f"{key}={value}\n".encode() for key, value in records.items())
    )
    return raw_header(b"pax", b"x", b"%o" % len(body)) + block(body)


def sparse(size: bytes = b"0", more: bytes = b"\0", real: bytes = b"1") -> bytes:
    """A header of an old GNU sparse file; `more`: its map goes on in the next block."""
    head = raw_header(b"x/a", b"S", size)
    head = (
        head[:148] + b" " * 8 + head[156:257] + b"ustar  \0" + head[265:482] + more + real.ljust(12, b"\0") + head[495:]
    )
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


END = bytes(1024)
NEGATIVE = b"\xff" * 10 + b"\xf0\x00"
BROKEN = {
    "negative-size": (raw_header(b"x/a", size=NEGATIVE), "refused: member 'x/a' has a size of -4096 bytes"),
    "negative-size-pax": (pax(size="-4096") + raw_header(b"x/a"), "refused: member 'x/a' has a size of -4096 bytes"),
    "no-checksum": (b"x/a" + bytes(509), "damaged or cut short"),
    "half-a-header": (raw_header(b"x/a")[:300], "damaged or cut short"),
    "wrong-pax": (raw_header(b"p", b"x", b"10") + block(b"99 a=b\n") + raw_header(b"x/a"), "damaged or cut short"),
    "pax-of-nothing": (pax(path="x/b"), "damaged or cut short"),
    "sparse-map": (pax(**{"GNU.sparse.map": "a,b"}) + raw_header(b"x/a"), "damaged or cut short"),
    "sparse-1.0": (pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + raw_header(b"x/a"), "damaged or cut"),
    "sparse-map-cut": (sparse(more=b"\1"), "damaged or cut short"),
    "sparse-far-beyond-the-end": (sparse(size=b"\x80\0" + b"\xff" * 10), "damaged or cut short"),
    "many-pax": (pax(comment="c") * 2000 + raw_header(b"x/a"), "damaged or cut short"),
    "type": (raw_header(b"x/a", b"Z"), "refused: member 'x/a' is of an unknown type"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_header_is_not_the_end(tmp_path: Path, case: str) -> None:
    """What stands before it would else be all that is unpacked, and nobody would be told."""
    data, why = BROKEN[case]
    refused(
        pack.tar([FILE])[:1024] + data + (b"" if case in ("half-a-header", "sparse-map-cut") else END), tmp_path, why
    )


@pytest.mark.parametrize(("mtime", "want"), [("inf", 253402300799), ("-1", 0), ("nan", 0), ("1e300", 253402300799)])
def test_an_impossible_time(tmp_path: Path, mtime: str, want: int) -> None:
    assert passed(pax(mtime=mtime) + raw_header(b"x/a") + END, tmp_path)["a"].mtime == want


def test_a_zip_without_a_date(tmp_path: Path) -> None:
    data = bytearray(pack.zipped([FILE]))
    for start, offset in ((b"PK\x03\x04", 10), (b"PK\x01\x02", 12)):
        at = data.index(start) + offset
        data[at : at + 4] = bytes(4)
    assert passed(bytes(data), tmp_path)["kept"].mtime == 0


def test_a_zip_with_a_member_before_its_beginning(tmp_path: Path) -> None:
    data = bytearray(pack.zipped([FILE]))
    data[data.index(b"PK\x05\x06") + 18] = 1  # 64 KiB more than there is before its directory
    refused(bytes(data), tmp_path, "damaged or cut short")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_by_a_method_that_unpacks_blocks_of_any_size(tmp_path: Path, method: int) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        archive.writestr("x/a", b"a")
    refused(raw.getvalue(), tmp_path, f"refused: member 'x/a' is compressed by method {method}")


# ---- limits


@pytest.mark.parametrize("form", PLAIN)
def test_the_limit_of_members(tmp_path: Path, form: str) -> None:
    data = PLAIN[form]([Member(f"x/{number}", b"") for number in range(10)])
    assert len(passed(data, tmp_path, Limits(unpacked_members=10))) == 10
    assert len(passed(data, tmp_path, Limits(unpacked_members=0))) == 10
    refused(data, tmp_path, "it holds more than 9 members (limits.unpacked_members)", limits=Limits(unpacked_members=9))


@pytest.mark.parametrize(("form", "packer"), FORMS)
def test_the_limit_of_size(tmp_path: Path, form: str, packer: str) -> None:
    data = PACKERS[packer](PLAIN[form]([Member(f"x/{number}", bytes(1 << 20)) for number in range(3)]))
    assert len(passed(data, tmp_path, Limits(unpacked_mib=4))) == 3
    assert len(passed(data, tmp_path, Limits(unpacked_mib=0))) == 3
    refused(data, tmp_path, "it unpacks to more than 2 MiB (limits.unpacked_mib)", limits=Limits(unpacked_mib=2))


HUGE = 8 << 30
SPARSE = {"GNU.sparse.major": "0", "GNU.sparse.size": str(HUGE), "GNU.sparse.realsize": str(HUGE)}
DECLARED = {
    "tar": raw_header(b"x/a", size=b"%011o" % (HUGE - 1)) + END,
    "tar-pax": pax(size=str(HUGE)) + raw_header(b"x/a") + END,
    "tar-sparse": pax(**{"GNU.sparse.map": "0,0", **SPARSE}) + raw_header(b"x/a") + END,
}


@pytest.mark.parametrize("case", DECLARED)
def test_a_huge_size_that_is_only_declared(tmp_path: Path, case: str) -> None:
    refused(DECLARED[case], tmp_path, "(limits.unpacked_mib)", limits=Limits(unpacked_mib=7 << 10))


MEASURE = """
import sys
from pathlib import Path
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile
from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) >> 10
before = peak()
with open("/dev/null", "wb") as out, open(sys.argv[1], "rb") as file:
    try:
        archives.repack(OpenFile(Path(sys.argv[1]).name, file), out, Limits(unpacked_mib=int(sys.argv[2])))
        print("passed")
    except ArchiveError as error:
        print(error.message[-200:])
print(peak() - before, peak())
"""
ZEROS = 64 << 20


def long_header(kind: bytes) -> bytes:
    return (
        pack.tar([FILE])[:1024] + raw_header(b"x/h", kind, b"%011o" % ZEROS) + bytes(ZEROS) + raw_header(b"x/a") + END
    )


def sparse_header() -> bytes:
    """An old GNU header whose map goes on, and on."""
    part = (b"%011o\0%011o\0" % (1, 1)) * 21 + b"\1" + bytes(7)
    return pack.tar([FILE])[:1024] + sparse(more=b"\1") + part * (ZEROS // 512)


def zip_link() -> bytes:
    return deflated(zipfile.ZipInfo("x/l"), b"l" * ZEROS, 0o120777)


def deflated(info: zipfile.ZipInfo, data: bytes, mode: int) -> bytes:
    raw = io.BytesIO()
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(info, data)
    return raw.getvalue()


BOMBS: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "a-file.tar.xz": (lambda: lzma.compress(pack.tar([Member("x/a", bytes(ZEROS))])), 16, "limits.unpacked_mib"),
    "a-file.tar.bz2": (lambda: bz2.compress(pack.tar([Member("x/a", bytes(ZEROS))])), 16, "limits.unpacked_mib"),
    "a-file.zip": (lambda: deflated(zipfile.ZipInfo("x/a"), bytes(ZEROS), 0o644), 16, "limits.unpacked_mib"),
    "a-file.tar.gz": (lambda: gzip.compress(pack.tar([Member("x/a", bytes(ZEROS))])), 16, "limits.unpacked_mib"),
    "nothing.xz": (lambda: lzma.compress(bytes(ZEROS)), 16, "limits.unpacked_mib"),
    "after-the-end.zst": (lambda: zstandard.compress(pack.tar([FILE]) + bytes(ZEROS)), 16, "limits.unpacked_mib"),
    "pax.xz": (lambda: lzma.compress(long_header(b"x"), preset=0), 0, "a description of more than 1024 KiB"),
    "long-name.xz": (lambda: lzma.compress(long_header(b"L"), preset=0), 0, "a description of more than 1024 KiB"),
    "sparse.xz": (lambda: lzma.compress(sparse_header(), preset=0), 0, "a description of more than 1024 KiB"),
    "link.zip": (zip_link, 0, f"is a link to {ZEROS} bytes"),
    "in-a-bomb.tar.xz": (
        lambda: lzma.compress(lzma.compress(bytes(ZEROS), preset=0)),
        16,
        "neither a tar nor a zip",
    ),
}


def measured(archive: Path, limit: int = 0) -> tuple[str, int, int]:
    """What is said of an archive, and the MiB that reading it took, and that the process had in all."""
    assert archive.stat().st_size < 1 << 20
    argv = [sys.executable, "-c", MEASURE, str(archive), str(limit)]
    done = subprocess.run(argv, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said, figures = done.stdout.rstrip("\n").rsplit("\n", 1)
    more, peak = figures.split()
    return said, int(more), int(peak)


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb(tmp_path: Path, case: str) -> None:
    """Stopped while it is read, in less memory than it unpacks to."""
    made, limit, why = BOMBS[case]
    (tmp_path / case).write_bytes(made())
    said, more, peak = measured(tmp_path / case, limit)
    assert why in said
    assert more < 40 and peak < 80


def test_members_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "many.tar.xz").write_bytes(lzma.compress(raw_header(b"x/a") * 30_000 + END, preset=0))
    said, more, _ = measured(tmp_path / "many.tar.xz")
    assert said == "passed"
    assert more < 6


# ---- anything

BYTES = st.binary(max_size=12)
FIELD = st.one_of(BYTES, st.sampled_from([b"0", b"777", NEGATIVE, b"\x80" + b"\xff" * 11, b"\x80" + bytes(10) + b"\1"]))
NAME = st.one_of(st.sampled_from([b"x", b"x/a", b"x/a/b", b"x/l", b"x/../a", b"/x", b"./x//a", b""]), BYTES)
KEYS: tuple[str, ...] = (
    "path",
    "linkpath",
    "size",
    "mtime",
    "hdrcharset",
    "GNU.sparse.map",
    "GNU.sparse.size",
    "GNU.sparse.major",
)
KEYS += ("GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.realsize", "GNU.sparse.offset", "GNU.sparse.numbytes")
VALUES = st.sampled_from(
    ["", "0", "1", "-1", "x/a", "x/l", "1,2,3", "inf", "nan", "BINARY", "/", "..", "9" * 30, "1e9"]
)
PARTS = st.one_of(
    st.builds(raw_header, NAME, st.sampled_from([b"%c" % c for c in b"01234567xgLKSDVX\0"]), FIELD, FIELD, NAME),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4).map(lambda records: pax(**records)),
    st.binary(max_size=40).map(block),
)


def law(data: bytes, folder: Path) -> None:
    """Either it passes, and what passes is harmless, or it is refused."""
    try:
        passed(data, folder, Limits(unpacked_mib=64))
    except ArchiveError as error:
        assert error.message.startswith("hostile: ")


def test_any_headers_of_a_tar(tmp_path: Path) -> None:
    @settings(max_examples=150)
    @given(st.lists(PARTS, max_size=6))
    def any_headers(parts: list[bytes]) -> None:
        law(pack.tar([FILE])[:1024] + b"".join(parts) + END, tmp_path)

    any_headers()


@pytest.mark.parametrize("form", PLAIN)
def test_any_bytes_changed(tmp_path: Path, form: str) -> None:
    whole = PLAIN[form](
        [*pack.hello(), Member("hello-1.0/l", type=SYM, target="/tmp"), Member("hello-1.0/h/a/b", b"1")]
    )

    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
    def any_change(changes: list[tuple[int, bytes]]) -> None:
        data = bytearray(whole)
        for at, new in changes:
            data[at : at + len(new)] = new
        law(bytes(data), tmp_path)

    any_change()


# ---- by xsrc


@pytest.mark.parametrize(("setting", "why"), [("unpacked_mib = 1", "1 MiB"), ("unpacked_members = 3", "3 members")])
def test_the_settings_are_in_force(site: Site, setting: str, why: str) -> None:
    data = gzip.compress(pack.tar([*pack.hello(), Member("hello-1.0/zeros", bytes(1 << 20))]))
    site.template("hello", pack.template(tables=pack.distfile(site.serve("hello-1.0.tar.gz", data), data)))
    site.write(".xsrc.toml", f"[limits]\n{setting}\n")
    name = setting.partition(" ")[0]
    site.xsrc("build", "hello").ended(
        1, "hello-1.0.tar.gz: it ", f"more than {why} (limits.{name})", "config.toml: [limits]"
    )
    site.write(".xsrc.toml", "")
    site.build("hello")
