"""cpio archives: what other programs write is read, and what is wrong is told."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.cpio import FORMATS, cpio, record, trailer
from tests.e2e.kit.pack import Member
from tests.e2e.kit.unpacked import PACKERS, passed, refused

FILE = Member("x/kept", b"kept")
SYM = tarfile.SYMTYPE


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("form", FORMATS)
def test_cpio(tmp_path: Path, form: str, packer: str) -> None:
    members = [*pack.hello(), Member("hello-1.0/l", type=SYM, target="../elsewhere"), Member("hello-1.0/odd", b"12345")]
    data = PACKERS[packer](cpio(members, form))
    assert {name: (m.type, m.size, m.mode, m.mtime) for name, m in passed(data, tmp_path).items()} == {
        name: (m.type, m.size, m.mode, m.mtime) for name, m in passed(pack.tar(members), tmp_path).items()
    }
    assert passed(data, tmp_path)["l"].linkname == "../elsewhere"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("where", ["first", "last", "all", "none"])
def test_cpio_with_hard_links(tmp_path: Path, form: str, where: str) -> None:
    """GNU cpio writes the data with the last name in newc and with every name in odc; others with the first."""
    with_data = {"first": (0,), "last": (2,), "all": (0, 1, 2), "none": ()}[where]
    data = b"".join(
        record(form, b"x/%d" % number, 0o100755, b"data" if number in with_data else b"", ino=7, nlink=3)
        for number in range(3)
    )
    found = passed(data + record(form, b"x/other", 0o100644, b"o", ino=8) + trailer(form), tmp_path)
    assert sorted(found) == ["0", "1", "2", "other"]
    files = [member for name, member in found.items() if member.isreg() and name != "other"]
    assert [member.size for member in files] == [4 if with_data else 0]
    assert {member.linkname for member in found.values() if member.islnk()} == {files[0].name}


@pytest.mark.parametrize("form", FORMATS)
def test_cpio_cut_short_anywhere(tmp_path: Path, form: str) -> None:
    whole = cpio([FILE, Member("x/b", b"12345"), Member("x/l", type=SYM, target="a")], form)
    for end in range(7, len(whole) - 3, 2):
        refused(whole[:end], tmp_path, "damaged or cut short")


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "checksum": (lambda data: data.replace(b"kept\0", b"Kept\0").replace(b"\0kept", b"\0kepu"), "another checksum"),
    "magic": (lambda data: data[:124] + b"070703" + data[130:], "no header where one should be"),
    "digits": (lambda data: data[:6] + b"      -1" + data[14:], "no header where one should be"),
    "no-name": (lambda data: data[:94] + b"00000000" + data[102:], "a name of 0 bytes"),
    "long-name": (lambda data: data[:94] + b"00100000" + data[102:], "a name of 1048576 bytes"),
    "long-link": (lambda _: record("crc", b"x/l", 0o120777, b"l" * 5000), "'x/l': a link to 5000 bytes"),
    "endless-name": (lambda data: data[:116] + b"!" + data[117:], "a name without an end"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cpio(tmp_path: Path, case: str) -> None:
    how, why = WRONG[case]
    refused(how(cpio([FILE], "crc")), tmp_path, "damaged or cut short", why)


@pytest.mark.parametrize("form", FORMATS)
def test_a_socket_in_a_cpio(tmp_path: Path, form: str) -> None:
    data = record(form, b"x/s", 0o140755) + trailer(form)
    refused(data, tmp_path, "refused: member 'x/s' is of an unknown type")


def test_a_cpio_of_another_program(tmp_path: Path) -> None:
    """busybox writes newc; it knows nothing of our reader."""
    try:
        subprocess.run(["busybox", "cpio", "--help"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no busybox with cpio on this machine")
    top = tmp_path / "x"
    top.mkdir()
    (top / "a").write_bytes(b"12345")
    (top / "b").hardlink_to(top / "a")
    (top / "l").symlink_to("a")
    listed = "x\nx/a\nx/b\nx/l\n"
    made = subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc"], cwd=tmp_path, input=listed.encode(), check=True, capture_output=True
    )
    found = passed(made.stdout, tmp_path)
    assert {name: member.type for name, member in found.items() if name != "b"} == {"a": b"0", "l": b"2"}
    assert found["b"].linkname == "a" or found["b"].size == 5
