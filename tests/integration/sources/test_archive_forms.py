"""What upstreams put into archives and nobody expects: read as GNU tar, unzip and the compressors read it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.unpacked import passed, refused
from tests.integration.sources.test_hostile_archives import DIR, END, LINK, SYM, long_header, raw_header
from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile

FILES = [Member("x-1/a", b"a"), Member("x-1/d/b", b"b" * 70_000)]
PLAIN = pack.tar(FILES)


# ---- strip


def test_files_beside_the_top_folder_were_dropped_in_silence(tmp_path: Path) -> None:
    """https://github.com/flatpak/flatpak-builder/issues/72"""
    data = pack.tar([Member("Makefile", b"all:"), Member("src/x.c", b"x"), Member("README", b"r")])
    refused(
        data,
        tmp_path,
        "it would leave out files or lay some over others after strip = 1: it begins with Makefile, README, src/",
        'hint: set strip = 0 in its [[distfiles]], also build_wrksrc = "src"',
    )
    assert set(passed(data, tmp_path, strip=0)) == {"Makefile", "src/x.c", "README"}


def test_of_two_top_folders_one_was_laid_over_the_other(tmp_path: Path) -> None:
    """https://github.com/flatpak/flatpak-builder/issues/72"""
    two = [Member("a-1/Makefile", b"a"), Member("b-1/Makefile", b"b")]
    refused(pack.tar(two), tmp_path, "it begins with a-1/, b-1/")
    refused(pack.zipped(two), tmp_path, "it begins with a-1/, b-1/")
    refused(pack.tar([two[0], Member("b-1", type=SYM, target="a-1")]), tmp_path, "it begins with a-1/, b-1")
    refused(pack.tar([two[0], Member("h", type=LINK, target="a-1/Makefile")]), tmp_path, "it begins with a-1/, h")
    assert len(passed(pack.tar(two), tmp_path, strip=0)) == 2
    beside = [Member("README", b"r"), two[0], Member("a-1/README", type=LINK, target="README")]
    refused(pack.tar(beside), tmp_path, "it begins with README, a-1/")


def test_what_strip_takes_away_may_be_spelled_in_many_ways(tmp_path: Path) -> None:
    data = pack.tar(
        [Member("./", type=DIR), Member("./a-1/x", b"1"), Member("a-1//y", b"2"), Member("empty", type=DIR)]
    )
    assert set(passed(data, tmp_path)) == {"x", "y"}


def test_the_names_that_strip_takes_are_not_all_kept(tmp_path: Path) -> None:
    refused(pack.tar([Member(f"t{n}/a", b"") for n in range(5000)]), tmp_path, "it begins with t0/, t1/, t10/")


# ---- hard links


def test_a_hard_link_to_a_later_member(tmp_path: Path) -> None:
    members = [Member("x/k", type=LINK, target="x/h"), Member("x/h", type=LINK, target="x/z/b"), Member("x/z/b", b"bb")]
    assert [passed(pack.tar(members), tmp_path)[name].size for name in ("k", "h", "z/b")] == [2, 2, 2]
    assert passed(pack.tar([*members, Member("x/h", b"other")]), tmp_path)["k"].size == 5


def test_a_hard_link_to_a_symbolic_link(tmp_path: Path) -> None:
    members = [Member("x/l", type=SYM, target="gone"), Member("x/h", type=LINK, target="x/l")]
    assert passed(pack.tar([Member("x/f", b"f"), *members]), tmp_path)["h"].linkname == "gone"
    assert passed(pack.tar([Member("x/f", b"f"), *reversed(members)]), tmp_path)["h"].linkname == "gone"


def test_hard_links_to_later_members_are_bounded(tmp_path: Path) -> None:
    count = 100_000
    chain = [Member(f"x/{n}", type=LINK, target=f"x/{n + 1}") for n in range(count // 5)]
    assert len(passed(pack.tar([*chain, Member(f"x/{count // 5}", b"end")]), tmp_path)) == count // 5 + 1
    long = "y" * 90
    refused(pack.tar([Member(f"x/{n}", type=LINK, target=f"x/{long}") for n in range(count)]), tmp_path, "4 MiB")


# ---- kinds of members


def test_the_label_of_a_volume_is_no_member(tmp_path: Path) -> None:
    data = raw_header(b"Backup of /home", b"V") + PLAIN
    assert set(passed(data, tmp_path)) == {"a", "d/b"}
    refused(raw_header(b"x-1/a", b"M") + END, tmp_path, "join the volumes first")


def test_a_folder_as_old_tars_write_it(tmp_path: Path) -> None:
    assert passed(raw_header(b"x/d/", b"0") + raw_header(b"x/d/f") + END, tmp_path)["d"].isdir()


# ---- streams


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz": pack.lzipped,
    ".zst": zstandard.compress,
    ".lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}
MANY = [suffix for suffix in PACKERS if suffix != ".lzma"]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("tail", [b"\r\n", b"\0" * 700, b"\0" * 3 + b"signature", b"x" * 200_000, b"\x1f", b"PK\3\4"])
def test_bytes_after_the_end_were_an_error_in_some_formats(tmp_path: Path, suffix: str, tail: bytes) -> None:
    """https://github.com/MozaicWorks/DMARCReporting/issues/18"""
    said: list[str] = []
    (tmp_path / f"x{suffix}").write_bytes(PACKERS[suffix](PLAIN) + tail)
    with (tmp_path / f"x{suffix}").open("rb") as file:
        archives.repack(OpenFile(f"x{suffix}", file), io.BytesIO(), Limits(), say=said.append)
    assert ["stream are left out" in line for line in said] == ([True] if tail.strip(b"\0") else [])


@pytest.mark.parametrize("suffix", MANY)
@pytest.mark.parametrize("between", [b"", b"\0" * 4096])
def test_many_streams_are_one_file(tmp_path: Path, suffix: str, between: bytes) -> None:
    parts = [PACKERS[suffix](PLAIN[at : at + 30_000]) for at in range(0, len(PLAIN), 30_000)]
    assert passed(between.join(parts), tmp_path)["d/b"].size == 70_000


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_stream_without_its_end(tmp_path: Path, suffix: str) -> None:
    """The members of the tar are all there; only the end of the stream is not."""
    refused(PACKERS[suffix](PLAIN)[:-2], tmp_path, "damaged or cut short")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".lz"])
def test_a_stream_with_a_wrong_checksum(tmp_path: Path, suffix: str) -> None:
    data = bytearray(PACKERS[suffix](PLAIN))
    data[-20 if suffix == ".lz" else -6 if suffix == ".gz" else -10] ^= 1
    refused(bytes(data), tmp_path, "damaged or cut short")


def test_zstd_frames_that_are_to_be_skipped(tmp_path: Path) -> None:
    """pzstd begins its files with one: https://github.com/libarchive/libarchive/pull/1357"""
    skipped = b"\x5a\x2a\x4d\x18" + struct.pack("<L", 700) + bytes(700)
    frame = zstandard.compress(PLAIN)
    assert set(passed(skipped + frame + skipped, tmp_path)) == {"a", "d/b"}
    refused(skipped + frame[:-3], tmp_path, "damaged or cut short")


def test_a_zstd_bomb_of_empty_blocks_takes_no_memory(tmp_path: Path) -> None:
    """A block of 4 bytes may stand for 128 KiB."""
    frame = b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(b"\x02\x00\x10\0" for _ in range(4000))
    refused(frame, tmp_path, "unpacks to more than 16 MiB", limits=Limits(unpacked_mib=16))


@pytest.mark.parametrize("size", [9, 37])
def test_a_lzip_header_of_an_impossible_dictionary(tmp_path: Path, size: int) -> None:
    refused(b"LZIP\1" + bytes([size % 32 if size < 32 else 30]) + bytes(99), tmp_path, "no header of lzip")


# ---- single files


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("data", [b"", b"text", bytes(5000), b"x" * 200_000])
def test_a_single_compressed_file(tmp_path: Path, suffix: str, data: bytes) -> None:
    members = passed(PACKERS[suffix](data), tmp_path, name=f"notes.txt{suffix}")
    assert {name: member.size for name, member in members.items()} == {"notes.txt": len(data)}


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x", ".gz", "x.TAR.GZ"])
def test_what_should_be_an_archive_is_no_single_file(tmp_path: Path, name: str) -> None:
    refused(gzip.compress(b"<html>"), tmp_path, "neither a tar nor a zip", "set extract = false", name=name)


def test_a_single_file_keeps_to_the_limit(tmp_path: Path) -> None:
    data = lzma.compress(b"x" * (3 << 20))
    refused(data, tmp_path, "unpacks to more than 2 MiB", name="x.xz", limits=Limits(unpacked_mib=2))
    refused(lzma.compress(long_header(b"x"), preset=0), tmp_path, "description of more than", name="y.xz")


OTHERS = [
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
    (b"Rar!\x1a\x07\x01\0", "rar", "unrar x"),
    (b"\x1f\x9d\x90", "compress", "gzip -dc"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (b"070701" + b"0" * 104, "cpio", "cpio -id"),
]


@pytest.mark.parametrize(("magic", "form", "words"), OTHERS, ids=[form for _, form, _ in OTHERS])
def test_a_format_that_is_not_read_is_named(tmp_path: Path, magic: bytes, form: str, words: str) -> None:
    refused(magic + bytes(600), tmp_path, f"of the format {form}", "set extract = false", f"{words} ", name="y.bin")


@pytest.mark.parametrize("name", ["LZIP-1/a", "BZh-1/a", "070701/a", "xar!/a"])
def test_a_tar_whose_first_name_looks_like_another_format(tmp_path: Path, name: str) -> None:
    assert set(passed(pack.tar([Member(name, b"1")]), tmp_path)) == {"a"}


# ---- zips


def zipped(*rows: tuple[bytes, int, int], extra: bytes = b"", date: int = 0x21) -> bytes:
    """A zip of empty files: the bytes of each name, the system that packed it, and its flags."""
    local, listed = b"", b""
    for name, system, flags in rows:
        head = struct.pack("<4H3L2H", flags, 0, 0, date, 0, 0, 0, len(name), len(extra))
        listed += b"PK\1\2" + bytes([20, system]) + b"\x14\0" + head + bytes(10) + struct.pack("<L", len(local))
        listed += name + extra
        local += b"PK\3\4\x14\0" + head + name + extra
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(rows), len(rows), len(listed), len(local), 0)
    return local + listed + end


def test_names_of_a_zip_are_those_that_unzip_makes(tmp_path: Path) -> None:
    """https://github.com/python/cpython/issues/86094"""
    name = "x/größe"
    for raw, system, flags in (
        (name.encode(), 3, 0),
        (name.encode(), 3, 0x800),
        (name.encode(), 0, 0x800),
        (name.encode("cp437"), 0, 0),
        (name.encode(), 19, 0),
    ):
        assert set(passed(zipped((raw, system, flags)), tmp_path)) == {"größe"}, (raw, system, flags)
    assert set(passed(zipped((name.encode("latin-1"), 3, 0)), tmp_path)) == {"gr\udcf6\udcdfe"}


@pytest.mark.parametrize(("version", "crc", "want"), [(1, 0, "größe"), (1, 1, "gr__e"), (2, 0, "gr__e")])
def test_the_unicode_name_of_a_zip(tmp_path: Path, version: int, crc: int, want: str) -> None:
    body = bytes([version]) + struct.pack("<L", zlib.crc32(b"x/gr__e") ^ crc) + "x/größe".encode()
    extra = struct.pack("<2H", 0x7075, len(body)) + body
    assert set(passed(zipped((b"x/gr__e", 0, 0), extra=extra), tmp_path)) == {want}


def test_backslashes_of_dos_are_slashes(tmp_path: Path) -> None:
    """https://github.com/libjxl/libjxl/issues/3559"""
    data = zipped((b"w-1\\src\\", 0, 0), (b"w-1\\Makefile", 0, 0), (b"w-1\\src\\x.c", 0, 0), (b"w-1/a\\b", 0, 0))
    members = passed(data, tmp_path)
    assert set(members) == {"src", "Makefile", "src/x.c", "a\\b"} and members["src"].isdir()
    assert set(passed(zipped((b"w\\a", 3, 0)), tmp_path, strip=0)) == {"w\\a"}
    refused(zipped((b"w-1\\..\\..\\x", 0, 0)), tmp_path, "has .. in its name")
    refused(zipped((b"\\x", 0, 0)), tmp_path, "has an absolute name")


def test_a_zip_whose_headers_spell_a_name_in_two_ways(tmp_path: Path) -> None:
    data = zipped((b"x/name", 3, 0))
    assert set(passed(data.replace(b"x/name", b"x\\name", 1), tmp_path)) == {"name"}


def test_a_zip_with_a_nul_in_a_name(tmp_path: Path) -> None:
    refused(zipped((b"x/a\0b", 3, 0)), tmp_path, "has a name with a NUL")


def test_an_encrypted_zip_is_called_that(tmp_path: Path) -> None:
    refused(zipped((b"x/a", 3, 1)), tmp_path, "'x/a' is encrypted")


@pytest.mark.parametrize(("seconds", "want"), [(1_600_000_001, 1_600_000_001), (-5, 0), (2**31 - 1, 2**31 - 1), (0, 0)])
def test_the_time_of_a_zip_is_that_in_utc(tmp_path: Path, seconds: int, want: int) -> None:
    for kind, body in ((0x5455, b"\3" + struct.pack("<l", seconds)), (0x5855, bytes(4) + struct.pack("<l", seconds))):
        extra = struct.pack("<2H", kind, len(body)) + body
        assert passed(zipped((b"x/a", 3, 0), extra=extra), tmp_path)["a"].mtime == want


def test_a_zip_that_was_to_be_split(tmp_path: Path) -> None:
    data = bytearray(zipped((b"x/a", 3, 0)))
    for mark in (b"PK00", b"PK\7\x08"):
        assert set(passed(mark + bytes(data), tmp_path)) == {"a"}
    assert set(passed(bytes(data) + b"\r\nsignature", tmp_path)) == {"a"}


# ---- times


@pytest.mark.parametrize("form", ["pax", "gnu"])
def test_a_time_beyond_what_other_programs_can_write_is_no_release(tmp_path: Path, form: str) -> None:
    times = [-(2**33), 0, 5, 2**31, 2**32 - 1, 2**32, 2**40]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=getattr(tarfile, f"{form.upper()}_FORMAT")) as tar:
        for number, time in enumerate(times):
            member = tarfile.TarInfo(f"x/{number}")
            member.mtime = time
            tar.addfile(member)
    (tmp_path / "x").write_bytes(out.getvalue())
    with (tmp_path / "x").open("rb") as file:
        assert archives.repack(OpenFile("x", file), io.BytesIO(), Limits()) == 2**32 - 1
    assert [member.mtime for member in passed(out.getvalue(), tmp_path).values()][:4] == [0, 0, 5, 2**31]


# ---- the tools themselves


@pytest.mark.parametrize("words", [("lzip", "-c"), ("pzstd", "-c", "-p2"), ("zstd", "-c", "--long=27"), ("xz", "-cT2")])
def test_what_the_compressors_write(tmp_path: Path, words: tuple[str, ...]) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]} on this machine: helpers/setup --test installs it")
    data = subprocess.run(words, input=PLAIN, capture_output=True, check=True).stdout
    assert passed(data, tmp_path)["d/b"].size == 70_000


def test_a_zip_of_one_name_twice_and_of_two_cases(tmp_path: Path) -> None:
    names = [Member("x/a", b"1"), Member("x/A", b"22"), Member("x/a", b"333")]
    for data in (pack.tar(names), pack.zipped(names)):
        assert {name: member.size for name, member in passed(data, tmp_path).items()} == {"a": 3, "A": 2}


def test_a_damaged_zip_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="damaged"):
        passed(pack.zipped(FILES)[:-30], tmp_path)
