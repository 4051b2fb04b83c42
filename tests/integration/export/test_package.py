"""Packages of sealed destdirs: the same bytes for the same build, whole or not there at all, in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.kit import xbps
from tests.integration.export.destdir import EPOCH, file, packed, rules, sealed
from xsrc.core.errors import ArchiveError, BuildFailed
from xsrc.export.disk.read import read_props

TREE = Path(__file__).resolve().parents[3]
LONG = "usr/share/" + "/".join(["d" * 90] * 4) + "/" + "ü" * 100


def rich(top: Path) -> None:
    file(top, "usr/bin/a", "program", 0o4755)
    os.link(top / "usr/bin/a", top / "usr/bin/z")
    (top / "usr/bin/link").symlink_to("a")
    (top / "usr/bin/far").symlink_to("../" * 60 + "usr/bin/a")
    file(top, LONG, "long")
    file(top, "usr/share/<&>", "odd")
    file(top, "usr/share/empty", "")
    file(top, "usr/share/secret", "secret", 0o000)
    file(top, "usr/share/old")
    os.utime(top / "usr/share/old", (-5, -5))
    file(top, "etc/x.conf", "conf")
    file(top, "usr/share/large", "0123456789abcdef" * (1 << 16))
    (top / "var/lib/x").mkdir(parents=True)


def test_a_package_holds_all_that_its_destdir_holds(tmp_path: Path) -> None:
    masterdir, folder = sealed(tmp_path / "m", rich, rules(conf_files=["/etc/x.conf", "/etc/none"]))
    package = xbps.read(packed(masterdir, folder))
    members = package.members
    assert members["/usr/bin/a"].mode == 0o4755
    assert (members["/usr/bin/z"].islnk(), members["/usr/bin/z"].linkname) == (True, "./usr/bin/a")
    assert members["/usr/bin/far"].linkname == "../" * 60 + "usr/bin/a"
    assert package.contents[f"/{LONG}"] == b"long"
    assert members["/usr/share/secret"].mode == 0
    assert package.contents["/usr/share/secret"] == b"secret"
    assert members["/usr/share/old"].mtime == -5
    assert {member.mtime for path, member in members.items() if path.startswith("/usr/share/e")} == {EPOCH - 1000}
    assert package.props["conf_files"] == ["/etc/x.conf"]
    assert "folder ./var/lib/x 0755 root root\n" in package.scripts["INSTALL"].decode()
    assert read_props(masterdir.binpkgs / "x-1.0_1.x86_64.xbps") == package.props


def test_equal_builds_have_equal_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masterdir, folder = sealed(tmp_path / "m", rich)
    first = packed(masterdir, folder).read_bytes()

    def backwards(top: Path) -> None:
        for n in range(50):  # other inodes, another order of the entries of directories
            file(top, f"usr/share/{n}")
        rich(top)
        for n in range(50):
            (top / f"usr/share/{n}").unlink()

    other, again = sealed(tmp_path / "other/m", backwards)
    former = os.umask(0o077)
    try:
        assert packed(other, again).read_bytes() == first
        # reads that return little, as those of some file systems do
        read = os.read
        monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 4097)))
        assert packed(other, again).read_bytes() == first
    finally:
        os.umask(former)


@pytest.mark.parametrize("path", ["bin/x", "lib/x.so", "sbin/x", "INSTALL", "REMOVE"])
def test_what_xbps_would_put_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    """Below a link to usr, xbps puts a real directory in the place of the link and says nothing."""
    masterdir, folder = sealed(tmp_path, lambda top: file(top, path))
    with pytest.raises(BuildFailed) as caught:
        packed(masterdir, folder)
    assert any(f"/{path}: " in line for line in caught.value.detail)
    assert not list(masterdir.binpkgs.iterdir())


@pytest.mark.parametrize("damage", ["content", "cut", "gone", "link"])
def test_a_damaged_file_leaves_the_former_package(damage: str, tmp_path: Path) -> None:
    masterdir, folder = sealed(tmp_path, lambda top: file(top, "usr/share/x", "right"))
    former = packed(masterdir, folder).read_bytes()
    victim = folder / "usr/share/x"
    victim.parent.chmod(0o755)
    victim.chmod(0o644)
    match damage:
        case "content":
            victim.write_text("wrong")
        case "cut":
            victim.write_text("r")
        case "gone":
            victim.unlink()
        case "link":
            victim.unlink()
            victim.symlink_to("/etc/passwd")
    with pytest.raises((BuildFailed, OSError)):
        packed(masterdir, folder)
    assert [path.read_bytes() for path in masterdir.binpkgs.iterdir()] == [former]


CHILD = """
import resource, sys
from pathlib import Path
from xsrc.core.layout import Masterdir
from xsrc.export.acts.pack import write_package
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
masterdir = Masterdir(Path(sys.argv[1]))
write_package(masterdir, "x-1.0_1", next(masterdir.destdirs.iterdir()))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-P", "-c", CHILD, *words)
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(TREE)})


def test_a_disk_that_is_full_leaves_the_former_package(tmp_path: Path) -> None:
    def noise(top: Path) -> None:
        file(top, "usr/share/x").write_bytes(os.urandom(1 << 20))

    masterdir, folder = sealed(tmp_path, noise)
    former = packed(masterdir, folder).read_bytes()
    done = run(str(tmp_path), str(1 << 19))
    assert (done.returncode, "File too large" in done.stderr) == (1, True)
    assert [path.read_bytes() for path in masterdir.binpkgs.iterdir()] == [former]


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    def large(top: Path) -> None:
        with file(top, "usr/share/x").open("wb") as out:
            out.truncate(400 << 20)
            out.write(os.urandom(4 << 20))

    masterdir, _ = sealed(tmp_path, large)
    done = run(str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 80 << 10
    assert (masterdir.binpkgs / "x-1.0_1.x86_64.xbps").stat().st_size > 4 << 20


@pytest.mark.parametrize("data", [b"", b"text", b"\x28\xb5\x2f\xfd\x00", bytes(600)])
def test_what_is_no_package_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.xbps").write_bytes(data)
    with pytest.raises(ArchiveError, match="no package of xbps"):
        read_props(tmp_path / "x.xbps")
