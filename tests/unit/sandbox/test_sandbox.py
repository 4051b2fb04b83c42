"""How a sandbox is said to the helper: exact command lines."""

from __future__ import annotations

from pathlib import Path

from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox


def test_flags_of_mounts() -> None:
    assert Bind(Path("/a"), "b").flags() == ["-r", "/a", "b"]
    assert Bind(Path("/a"), "b", writable=True).flags() == ["-w", "/a", "b"]
    assert Overlay((Path("/a"), Path("/b"))).flags() == ["-o", ".", "/a", "/b", "-"]
    assert Overlay((Path("/a"),), "usr").flags() == ["-o", "usr", "/a", "-"]


def test_the_least_sandbox() -> None:
    assert Sandbox(Path("/r")).argv(Path("/h/xsrc-mount"), ("/bin/true",), userns=False) == (
        "/h/xsrc-mount", "-c", "-T", "1024", "-d", "/", "--", "/r", "/bin/true",
    )  # fmt: skip
    assert Sandbox(Path("/r")).argv(Path("/h"), ("/bin/true",), userns=False, parent=42) == (
        "/h", "-c", "-T", "1024", "-P", "42", "-d", "/", "--", "/r", "/bin/true",
    )  # fmt: skip


def test_a_whole_sandbox() -> None:
    sandbox = Sandbox(
        Path("/r"),
        (Overlay((Path("/t"), Path("/d"))), Bind(Path("/w"), "pkg-builddir/x", True), Bind(Path("/e"), "etc/e")),
        {"Z": "1", "A": "two words=$x"},
        "/pkg-builddir/x",
        writable=True,
        tmp_mib=64,
    )
    assert sandbox.argv(Path("/h/xsrc-mount"), ("/bin/sh", "-c", "exit 3"), userns=True) == (
        "/h/xsrc-mount", "-u", "-W", "-T", "64",
        "-o", ".", "/t", "/d", "-",
        "-w", "/w", "pkg-builddir/x",
        "-r", "/e", "etc/e",
        "-e", "A=two words=$x", "-e", "Z=1",
        "-d", "/pkg-builddir/x", "--", "/r", "/bin/sh", "-c", "exit 3",
    )  # fmt: skip


def test_mounts_keep_their_order() -> None:
    binds = tuple(Bind(Path(f"/{name}"), name) for name in ("z", "a", "m"))
    argv = Sandbox(Path("/r"), binds).argv(Path("/h"), ("x",), userns=False)
    assert [argv[i + 2] for i, word in enumerate(argv) if word == "-r"] == ["z", "a", "m"]
