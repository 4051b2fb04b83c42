"""Paths of a build in what it installed: what is refused, what is allowed, and debugging data, which may have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from xsrc.core.errors import BuildFailed
from xsrc.store.disk.scan import scan

INSIDE = "/pkg-builddir/x-1.0"


def compiled(folder: Path, name: str, *flags: str, text: str = "return 0;") -> Path:
    (folder.parent / "x.c").write_text(f"#include <stdio.h>\nint main(void) {{ {text} }}\n")
    subprocess.run(["cc", *flags, "-o", folder / name, folder.parent / "x.c"], check=True)
    return folder / name


@pytest.fixture
def destdir(tmp_path: Path) -> Path:
    (tmp_path / "destdir").mkdir()
    return tmp_path / "destdir"


def refusal(destdir: Path, *, leaks: bool = False) -> str:
    with pytest.raises(BuildFailed) as caught:
        scan(destdir, leaks=leaks)
    return "\n".join((*caught.value.detail, caught.value.hint or ""))


def test_a_runpath_into_the_work_directory_was_packed(destdir: Path) -> None:
    """https://github.com/void-linux/void-packages/issues/32769, https://github.com/NixOS/nixpkgs/issues/22060"""
    compiled(destdir, "m", f"-Wl,-rpath,/usr/lib:{INSIDE}/lib")
    for leaks in (False, True):
        assert f"/m: its RUNPATH leads to {INSIDE}/lib" in refusal(destdir, leaks=leaks)


def test_strings_of_the_work_directory_were_packed(destdir: Path) -> None:
    compiled(destdir, "m", "-s", text=f'return puts("{INSIDE}/share/data");')
    (destdir / "run").write_text(f'#!/bin/sh\nexec "{INSIDE}/run" now\n')
    said = refusal(destdir)
    assert f"/m: holds the string {INSIDE}/share/data, a path of its own build" in said
    assert f"/run: holds the string {INSIDE}/run, a path" in said
    assert "[lint] ignore = { build-path =" in said
    assert len(scan(destdir, leaks=True).manifest.entries) == 2


@pytest.mark.parametrize("at", [(1 << 20) - 7, (1 << 20) - 20, 3 << 20])
def test_a_string_between_two_pieces_of_a_file(destdir: Path, at: int) -> None:
    (destdir / "f").write_bytes(bytes(at) + INSIDE.encode() + b"/y\n")
    assert "/f: holds the string /pkg-builddir/" in refusal(destdir)


def test_debugging_data_may_name_their_sources(destdir: Path) -> None:
    inside = f"-fdebug-prefix-map={destdir.parent}={INSIDE}"
    for name, flags in (("program", ()), ("object.o", ("-c",))):
        compiled(destdir, name, "-g", "-gno-record-gcc-switches", inside, *flags)
    subprocess.run(["ar", "rc", destdir / "library.a", destdir / "object.o"], check=True)
    for name in ("program", "object.o", "library.a"):
        assert INSIDE.encode() in (destdir / name).read_bytes()
    scan(destdir)


def test_a_static_library_without_debugging_data_is_looked_at(destdir: Path) -> None:
    compiled(destdir, "object.o", "-c", text=f'return puts("{INSIDE}/share");')
    subprocess.run(["ar", "rc", destdir / "library.a", destdir / "object.o"], check=True)
    said = refusal(destdir)
    assert "/library.a: holds" in said and "/object.o: holds" in said


@pytest.mark.parametrize(
    "text", ["/pkg-builddir/x-1.0/f", "../pkg-builddir/x-1.0/f", "/./pkg-destdir/x", "/pkg-builddir"]
)
def test_links_into_the_build_may_be_relative(destdir: Path, text: str) -> None:
    (destdir / "usr").mkdir()
    (destdir / "usr/l").symlink_to(text)
    assert f"/usr/l: a link to {text}, which is nowhere but in its own build" in refusal(destdir)


@pytest.mark.parametrize("text", ["pkg-builddir/x", "/usr/pkg-builddir/x", "/pkg-builddirs/x"])
def test_links_of_a_similar_name_are_like_others(destdir: Path, text: str) -> None:
    (destdir / "l").symlink_to(f"x/{text}" if not text.startswith("/") else text)
    scan(destdir)
