"""The package of a base's run-time libraries, of this machine and of a base made by hand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.kit import xbps
from xsrc.base.disk.host import base_at
from xsrc.core.arch import Arch
from xsrc.core.base import Base
from xsrc.core.layout import Masterdir
from xsrc.export.acts.pack import write_libraries
from xsrc.export.disk import base_libs
from xsrc.unix.machine import arch


def test_the_libraries_of_this_machine_load_a_program(tmp_path: Path) -> None:
    """Unpacked beside a program, and nothing else, they are all that it needs."""
    base = base_at(Path("/"), "host", arch(), {})
    masterdir = Masterdir(tmp_path)
    masterdir.binpkgs.mkdir()
    target = write_libraries(masterdir, base)
    assert target is not None
    package = xbps.read(target)
    assert {"libc.so.6", "libm.so.6"} <= set(package.props["shlib-provides"])
    assert write_libraries(masterdir, base) is None, "there already"
    root = tmp_path / "root"
    for path, member in package.members.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            (root / path[1:]).symlink_to(member.linkname)
        else:
            (root / path[1:]).write_bytes(package.contents[path])
            (root / path[1:]).chmod(member.mode)
    loader = next(path for path in package.members if path.rpartition("/")[2].startswith("ld-linux"))
    real = next(
        path for path in package.contents if path.endswith(loader.rpartition("/")[2]) and package.contents[path]
    )
    folders = ":".join(sorted({str((root / path[1:]).parent) for path in package.members if ".so" in path}))
    argv = [str(root / real[1:]), "--library-path", folders, "--list", "/bin/true"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = [line.split(" => ")[1] for line in done.stdout.splitlines() if " => " in line]
    assert found and all(line.startswith(str(root)) for line in found)


@pytest.fixture
def base(tmp_path: Path) -> Base:
    top = tmp_path / "base"
    folder = top / "usr/lib/x86_64-linux-gnu"
    folder.mkdir(parents=True)
    source = tmp_path / "x.c"
    source.write_text("int x;")
    needed: list[str] = []
    for name, soname in (("libother.so.1.2", "libother.so.1"), ("libm.so.6", "libm.so.6"), ("libz.so.1", "libz.so.1")):
        argv = ["cc", "-shared", "-nostdlib", "-fPIC", f"-Wl,-soname,{soname}", "-Wl,--no-as-needed"]
        subprocess.run([*argv, source, *needed, "-o", folder / name], check=True)
        needed = [str(folder / name)]
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    (folder / "libother.so.1").symlink_to("libother.so.1.2")
    (top / "usr/lib/os-release").write_text('VERSION_ID="12.11"\n')
    (top / "usr/share/doc/libc6").mkdir(parents=True)
    (top / "usr/share/doc/libc6/copyright").write_text("LGPL")
    (top / "usr/lib/x86_64-linux-gnu/libc.so.6").symlink_to("gone")
    return base_at(top, "debian-x", Arch.named("x86_64"), {})


def test_it_has_what_run_time_libraries_need_and_no_other(base: Base, tmp_path: Path) -> None:
    masterdir = Masterdir(tmp_path / "m")
    masterdir.binpkgs.mkdir(parents=True)
    (base.root / "usr/lib/x86_64-linux-gnu/libc.so.6").unlink()
    target = write_libraries(masterdir, base)
    assert target is not None
    assert target.name == "base-libs-debian-x-12.11.20231114.2213_1.x86_64.xbps"
    package = xbps.read(target)
    assert package.props["shlib-provides"] == ["libm.so.6", "libother.so.1"]
    assert package.contents["/usr/share/licenses/base-libs-debian-x/libc6"] == b"LGPL"
    assert package.members["/usr/lib/x86_64-linux-gnu/libother.so.1"].linkname == "libother.so.1.2"
    # a newer library makes a newer version, which is another package
    later = 1_700_000_000 + 86400
    os.utime(base.root / "usr/lib/x86_64-linux-gnu/libm.so.6", (later, later))
    assert base_libs.version(base, base_libs.shown(base)) == "12.11.20231115.2213"


def test_a_library_that_is_gone_is_an_error_that_names_it(base: Base, tmp_path: Path) -> None:
    masterdir = Masterdir(tmp_path / "m")
    masterdir.binpkgs.mkdir(parents=True)
    with pytest.raises(Exception, match=r"libc\.so\.6"):
        write_libraries(masterdir, base)
    assert not list(masterdir.binpkgs.iterdir())
