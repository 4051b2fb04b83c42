"""Finished bases on disk: packages unpacked together, links last, sealed, exported, imported, removed."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard

from xsrc.base.disk import shelf
from xsrc.bootstrap import debian
from xsrc.bootstrap.disk.apt import postinst
from xsrc.core.base import Record
from xsrc.core.errors import ArchiveError, ConflictError, HostError
from xsrc.core.settings import Limits
from xsrc.sources.disk.distdir import OpenFile
from xsrc.unix.trees import remove_tree

LIMITS = Limits()
DASH = (
    ("./", None),
    ("./bin/", None),
    ("./bin/dash", b"\x7fELF"),
    ("./bin/sh", "dash"),
    ("./bin/rdash", "=./bin/dash"),
)
NAME = "debian-bookworm-amd64"


def tar(members: Iterable[tuple[str, bytes | str | None]]) -> bytes:
    """A tar: a directory, a file, a link, or (with `=`) a hard link for each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.mtime, member.mode, member.uid = 1_600_000_000, 0o4755, 0
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type = tarfile.LNKTYPE if content[:1] == "=" else tarfile.SYMTYPE
                member.linkname = content.removeprefix("=")
            else:
                member.size = len(content)
            file.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def deb(path: Path, data: Iterable[tuple[str, bytes | str | None]], script: str = "") -> Path:
    """A package as dpkg-deb writes it."""
    control = tar([("./control", b"Package: x\n"), ("./postinst", script.encode())])
    parts = {"debian-binary": b"2.0\n", "control.tar": control, "data.tar.zst": zstandard.compress(tar(data))}
    text = b"!<arch>\n"
    for name, content in parts.items():
        text += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        text += b"\n" * (len(content) % 2)
    path.write_bytes(text)
    return path


def unpack(path: Path, top: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return shelf.unpack(OpenFile(path.name, file), top, LIMITS, debian.place, debian.relative)


def made(folder: Path, packages: Path) -> Record:
    """A base of two small packages."""
    new = folder / shelf.NEW
    new.mkdir(parents=True)
    links = unpack(deb(packages / "dash_1_amd64.deb", DASH), new)
    links |= unpack(deb(packages / "x_1_all.deb", [("./etc/rmt", "/sbin/rmt"), ("./usr/sbin/rmt", b"rmt")]), new)
    shelf.link(new, links)
    return shelf.finish(folder, NAME, "x86_64", "12.0", {"dash": "1", "x": "1"})


@pytest.fixture
def home(tmp_path: Path) -> Iterable[Path]:
    yield tmp_path
    for path in tmp_path.glob("*/*"):
        remove_tree(path)


def test_packages_become_one_sealed_tree(home: Path) -> None:
    record = made(home / "b", home)
    base = home / "b" / NAME
    assert shelf.every(home / "b") == (record,)
    assert not (home / "b" / shelf.NEW).exists()
    assert (base / "usr/bin/sh").readlink() == Path("dash")
    assert (base / "etc/rmt").readlink() == Path("../usr/sbin/rmt"), "it means the same from outside"
    assert (base / "usr/bin/rdash").samefile(base / "usr/bin/dash")
    for path in (base, *base.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert path.is_symlink() or mode in (0o555, 0o444), f"{path}: {mode:o}"
        assert int(path.lstat().st_mtime) <= 1_600_000_000, path


def test_the_same_packages_are_the_same_base(home: Path) -> None:
    one, two = made(home / "b", home), made(home / "c", home)
    assert one == two
    assert shelf.manifest(home / "b" / NAME) == shelf.manifest(home / "c" / NAME)
    record = deb(home / "y_1_all.deb", [("./usr/bin/y", b"y")])
    new = home / "d" / shelf.NEW
    new.mkdir(parents=True)
    shelf.link(new, unpack(record, new))
    assert shelf.finish(home / "d", NAME, "x86_64", "12.0", {"y": "1"}).digest != one.digest


def test_two_packages_with_one_file_are_refused(home: Path) -> None:
    unpack(deb(home / "dash_1_amd64.deb", DASH), home / "t")
    with pytest.raises(ArchiveError, match="/usr/bin/dash is there already"):
        unpack(deb(home / "other_1_all.deb", [("./usr/bin/dash", b"mine")]), home / "t")
    assert (home / "t/usr/bin/dash").read_bytes() == b"\x7fELF"


def test_a_hard_link_to_a_symbolic_link_is_one_more_of_the_same_text(home: Path) -> None:
    """The links of a base are made after all files, so there is nothing yet to be linked to."""
    members: list[tuple[str, bytes | str | None]] = [("./usr/x/h", "=usr/f"), ("./usr/l", "/usr/f")]
    members += [("./usr/y/k", "=usr/l"), ("./usr/f", b"f")]
    links = unpack(deb(home / "x_1_all.deb", members), home / "t")
    assert links == {"usr/l": "f", "usr/y/k": "../f"}
    assert (home / "t/usr/x/h").samefile(home / "t/usr/f")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([("./usr/x", "/etc")], [("./usr/x/file", b"led out")]),
        ([("./usr/x/file", b"led out")], [("./usr/x", "/etc")]),
        ([("./usr/x", "/etc")], [("./usr/x/link", "y")]),
    ],
)
def test_no_package_writes_through_the_link_of_another(
    home: Path, first: list[tuple[str, bytes | str | None]], second: list[tuple[str, bytes | str | None]]
) -> None:
    out = home / "out"
    out.mkdir()
    members = [[(name, str(out) if text == "/etc" else text) for name, text in part] for part in (first, second)]
    with pytest.raises(ArchiveError, match="/usr/x: a link to"):
        links = {
            k: v
            for n, part in enumerate(members)
            for k, v in unpack(deb(home / f"{n}_1_all.deb", part), home / "t").items()
        }
        shelf.link(home / "t", links)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("cut", [4, 40, 100, 300, -9])
def test_a_package_that_is_cut_short_is_refused(home: Path, cut: int) -> None:
    path = deb(home / "dash_1_amd64.deb", DASH)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArchiveError, match=r"dash_1_amd64\.deb: "):
        unpack(path, home / "t")


def test_a_postinst_is_read_and_not_run(home: Path) -> None:
    script = "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5\n"
    path = deb(home / "mawk_1_amd64.deb", DASH, script)
    with path.open("rb") as file:
        text = postinst(OpenFile(path.name, file), LIMITS)
    assert debian.alternatives("mawk", text)[0].name == "awk"


def test_an_export_is_imported_as_the_same_base(home: Path) -> None:
    record = made(home / "b", home)
    shelf.export(home / "b" / NAME, home / "one.zst")
    shelf.export(home / "b" / NAME, home / "two.zst")
    assert (home / "one.zst").read_bytes() == (home / "two.zst").read_bytes()
    (home / "c").mkdir()
    assert shelf.bring_in(home / "one.zst", home / "c", LIMITS) == record
    assert shelf.manifest(home / "c" / NAME) == shelf.manifest(home / "b" / NAME)
    assert (home / "c" / NAME / "usr/bin/rdash").samefile(home / "c" / NAME / "usr/bin/dash")


def test_an_import_takes_the_place_of_no_other_base(home: Path) -> None:
    record = made(home / "b", home)
    shelf.export(home / "b" / NAME, home / "one.zst")
    other = home / "c" / shelf.NEW
    other.mkdir(parents=True)
    unpack(deb(home / "y_1_all.deb", [("./usr/bin/y", b"y")]), other)
    there = shelf.finish(home / "c", NAME, "x86_64", "12.0", {"y": "1"})
    with pytest.raises(ConflictError, match=f"there is another base {NAME}; nothing was changed") as caught:
        shelf.bring_in(home / "one.zst", home / "c", LIMITS)
    assert caught.value.hint == f"xsrc bootstrap -f --import {home / 'one.zst'}"
    shelf.sweep(home / "c")
    assert shelf.every(home / "c") == (there,)
    assert shelf.bring_in(home / "one.zst", home / "c", LIMITS, replace=True) == record
    before = (home / "c" / NAME).stat()
    assert shelf.bring_in(home / "one.zst", home / "c", LIMITS) == record, "the same is there already"
    assert os.path.samestat((home / "c" / NAME).stat(), before)


@pytest.mark.parametrize("name", [shelf.RECORD, "files.plist"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "usr/bin/dash", "nowhere"])
def test_the_lists_of_an_imported_base_are_files(home: Path, name: str, target: str) -> None:
    made(home / "b", home)
    members: list[tuple[str, bytes | str | None]] = [(name, target)]
    others = {shelf.RECORD, "files.plist"} - {name}
    members += [(other, (home / "b" / NAME / other).read_bytes()) for other in others]
    (home / "one.zst").write_bytes(zstandard.compress(tar(members)))
    with pytest.raises(ArchiveError, match=f"{name} is a link to '{target}', want a file"):
        shelf.bring_in(home / "one.zst", home / "c", LIMITS)


def test_a_record_in_the_folder_of_another_base_is_none(home: Path) -> None:
    """Its name would be joined to paths; and a link in its place is not read."""
    record = made(home / "b", home)
    os.rename(home / "b" / NAME, home / "b" / "other")
    assert shelf.every(home / "b") == ()
    os.rename(home / "b" / "other", home / "b" / NAME)
    assert shelf.every(home / "b") == (record,)
    (home / "b/linked").mkdir()
    (home / "b/linked" / shelf.RECORD).symlink_to(home / "b" / NAME / shelf.RECORD)
    assert shelf.every(home / "b") == (record,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x7fELF", b"\x7fELS"),
        (b"../usr/sbin/rmt", b"../usr/sbin/xmt"),
        (b"usr/bin/rdash\0", b"usr/bin/sdash\0"),
        (b'name = "debian', b'name = "../ian'),
        (b'digest = "', b'digest ="0'),
    ],
)
def test_an_export_that_was_changed_is_refused(home: Path, old: bytes, new: bytes) -> None:
    made(home / "b", home)
    shelf.export(home / "b" / NAME, home / "one.zst")
    plain = zstandard.ZstdDecompressor().stream_reader((home / "one.zst").read_bytes()).read()
    assert old in plain
    (home / "two.zst").write_bytes(zstandard.compress(_with_sums(plain.replace(old, new))))
    with pytest.raises(ArchiveError):
        shelf.bring_in(home / "two.zst", home / "c", LIMITS)
    assert shelf.every(home / "c") == ()


def _with_sums(plain: bytes) -> bytes:
    """A tar whose headers have the right checksums again."""
    text = bytearray(plain)
    at = 0
    while at + 512 <= len(text) and any(text[at : at + 512]):
        header = text[at : at + 512]
        header[148:156] = b" " * 8
        text[at + 148 : at + 156] = b"%06o\0 " % sum(header)
        at += 512 + -(-int(bytes(header[124:135]), 8) // 512) * 512
    return bytes(text)


def test_what_is_in_use_is_neither_removed_nor_replaced(home: Path) -> None:
    record = made(home / "b", home)
    pid = os.fork()
    if not pid:
        shelf.hold(home / "b" / NAME)
        os.kill(os.getpid(), 19)  # SIGSTOP
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    try:
        with pytest.raises(ConflictError, match="in use"):
            shelf.remove(home / "b", NAME)
        with pytest.raises(ConflictError, match="in use"):
            made(home / "b", home)
        assert shelf.every(home / "b") == (record,)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    shelf.sweep(home / "b")
    assert made(home / "b", home) == record, "replaced by the same"
    shelf.remove(home / "b", NAME)
    assert [path.name for path in (home / "b").iterdir()] == []
    with pytest.raises(HostError, match="No such file"):
        shelf.hold(home / "b" / NAME)
