"""Where the loader of a root looks for the libraries of a package."""

from __future__ import annotations

import pytest

from tests.unit.builders import a_file, a_link
from xsrc.store.elf import Elf
from xsrc.store.loader import public, unfound

PROGRAM = "/lib64/ld-linux-x86-64.so.2"


def lost(
    library: str,
    *runpath: str,
    program: str = "usr/bin/q",
    searched: tuple[str, ...] = (),
    link: tuple[str, str] = ("", ""),
) -> str:
    """Where the loader does not find libq.so.1 for a program that needs it; "" where it does."""
    entries = [a_file(library), a_file(program), *([a_link(*link)] if link[0] else [])]
    interpreter = PROGRAM if program.startswith("usr/bin") else ""
    elves = {library: Elf("libq.so.1"), program: Elf("", ("libq.so.1", "libc.so.6"), runpath, interpreter)}
    return ", ".join(one.place for one in unfound(entries, elves, searched))


@pytest.mark.parametrize(
    ("library", "runpath"),
    [
        ("usr/lib/libq.so.1", ""),
        ("usr/lib/libq.so.1.2", ""),  # ldconfig makes the link
        ("usr/lib/q/libq.so.1", "$ORIGIN/../lib/q"),
        ("usr/lib/q/libq.so.1", "/opt:${ORIGIN}/../lib/q/"),
        ("usr/lib/q/libq.so.1", "/usr/lib/q"),
        ("usr/lib/q/libq.so.1", "/lib/q"),
        ("usr/lib/q/libq.so.1", "/usr/$LIB/q"),
    ],
)
def test_a_library_where_the_loader_looks_is_found(library: str, runpath: str) -> None:
    assert lost(library, *runpath.split(":")) == ""


@pytest.mark.parametrize(
    ("library", "runpath"),
    [
        ("usr/lib64/libq.so.1", ""),
        ("usr/lib/q/libq.so.1", ""),
        ("usr/lib/q/libq.so.1", "$ORIGIN"),
        ("usr/lib/q/libq.so.1.2", "/usr/lib/q"),  # there the name counts
        ("usr/lib/q/libq.so.1", "/pkg-builddir/q-1.0/build"),
    ],
)
def test_a_library_where_no_loader_looks_is_not_found(library: str, runpath: str) -> None:
    """https://github.com/xR3b0rn/dbcppp/issues/31, https://github.com/corosync/corosync/issues/62"""
    assert lost(library, *runpath.split(":")) == library


def test_folders_that_the_package_configures_are_searched() -> None:
    assert lost("usr/lib/q/libq.so.1", searched=("usr/lib/q",)) == ""


def test_links_lead_on() -> None:
    assert lost("usr/lib/q/libq.so.1", link=("usr/lib/libq.so.1", "q/libq.so.1")) == ""
    assert lost("usr/lib/q/libq.so.1", "/usr/libexec/q", link=("usr/libexec/q", "../lib/q")) == ""


def test_a_plugin_may_be_loaded_by_whoever_has_the_library() -> None:
    assert lost("usr/lib/q/libq.so.1", program="usr/lib/q/plugins/x.so") == ""
    assert lost("usr/lib/q/libq.so.1", program="usr/lib/libx.so.1") == "usr/lib/q/libq.so.1"


def test_only_libraries_where_the_loader_looks_are_offered() -> None:
    elves = {path: Elf(path.rpartition("/")[2]) for path in ("usr/lib/liba.so.1", "usr/lib64/libb.so.1")}
    assert public([a_file(path) for path in elves], elves) == {"liba.so.1"}
    assert public([a_file(path) for path in elves], elves, ["usr/lib64"]) == {"liba.so.1", "libb.so.1"}
