"""Machine types: their names, their triplets, and lists of globs that allow them."""

from __future__ import annotations

import pytest

from xsrc.core.arch import Arch, allows


@pytest.mark.parametrize(
    ("name", "machine", "wordsize", "endian", "libc"),
    [
        ("x86_64", "x86_64", 64, "little", "glibc"),
        ("x86_64-musl", "x86_64", 64, "little", "musl"),
        ("i686", "i686", 32, "little", "glibc"),
        ("armv7l-musl", "armv7l", 32, "little", "musl"),
        ("s390x", "s390x", 64, "big", "glibc"),
        ("ppc64", "ppc64", 64, "big", "glibc"),
        ("ppc64le", "ppc64le", 64, "little", "glibc"),
    ],
)
def test_named(name: str, machine: str, wordsize: int, endian: str, libc: str) -> None:
    arch = Arch.named(name)
    assert (arch.name, arch.machine, arch.wordsize, arch.endian, arch.libc) == (name, machine, wordsize, endian, libc)


@pytest.mark.parametrize("name", ["", "-musl", "amd64", "x86_64-musl-musl", "X86_64", "x86_64-glibc"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"want one of x86_64, .*, got "):
        Arch.named(name)


@pytest.mark.parametrize(
    ("name", "triplet"),
    [
        ("x86_64", "x86_64-unknown-linux-gnu"),
        ("x86_64-musl", "x86_64-unknown-linux-musl"),
        ("aarch64", "aarch64-unknown-linux-gnu"),
        ("riscv64-musl", "riscv64-unknown-linux-musl"),
    ],
)
def test_triplet(name: str, triplet: str) -> None:
    assert Arch.named(name).triplet == triplet


# 32-bit arm has its ABI in the triplet: GCC and GNU configure know no armv7l-…-gnu with hard floats,
# nor does powerpc64 go by xbps's short name there
@pytest.mark.parametrize(
    ("name", "triplet"),
    [
        ("armv7l", "armv7l-unknown-linux-gnueabihf"),
        ("armv7l-musl", "armv7l-unknown-linux-musleabihf"),
        ("ppc64le", "powerpc64le-unknown-linux-gnu"),
        ("ppc64-musl", "powerpc64-unknown-linux-musl"),
    ],
)
def test_triplets_that_do_not_begin_with_the_name(name: str, triplet: str) -> None:
    assert Arch.named(name).triplet == triplet


@pytest.mark.parametrize(
    ("archs", "name", "want"),
    [
        ([], "x86_64", True),
        (["x86_64"], "x86_64", True),
        (["x86_64"], "x86_64-musl", False),
        (["x86_64*"], "x86_64-musl", True),
        (["*-musl"], "x86_64", False),
        (["!*-musl"], "x86_64", True),
        (["!*-musl"], "x86_64-musl", False),
        (["!*-musl", "x86_64*"], "x86_64", True),
        (["!*-musl", "x86_64*"], "x86_64-musl", False),
        (["!*-musl", "x86_64*"], "i686", False),
        (["x86_64-musl", "!*-musl"], "x86_64-musl", True),
        (["x86_64-musl", "!*-musl"], "i686-musl", False),
        (["x86_64-musl", "!*-musl"], "i686", False),
        (["arm?7l"], "armv7l", True),
    ],
)
def test_allows(archs: list[str], name: str, want: bool) -> None:
    assert allows(archs, name) is want
