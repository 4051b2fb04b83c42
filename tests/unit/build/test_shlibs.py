"""What a package needs to run, by the libraries that its files ask for."""

from __future__ import annotations

from xsrc.build.shlibs import run_depends

CLOSURE = {"zlib": ["libz.so.1"], "ncurses": ["libncursesw.so.6", "libtinfo.so.6"], "make": []}


def test_a_library_of_the_closure_brings_its_package() -> None:
    assert run_depends([], ["libz.so.1", "libtinfo.so.6"], [], CLOSURE) == ("ncurses", "zlib")


def test_what_nobody_in_the_closure_has_is_of_the_base() -> None:
    assert run_depends([], ["libc.so.6"], [], CLOSURE) == ()


def test_what_the_package_has_itself_needs_nobody() -> None:
    assert run_depends([], ["libz.so.1"], ["libz.so.1"], CLOSURE) == ()


def test_declared_patterns_come_first_and_each_once() -> None:
    assert run_depends(["foo>=1", "zlib", "foo>=1"], ["libz.so.1", "libtinfo.so.6"], [], CLOSURE) == (
        "foo>=1",
        "zlib",
        "ncurses",
    )


def test_two_libraries_of_one_package_name_it_once() -> None:
    assert run_depends([], ["libncursesw.so.6", "libtinfo.so.6"], [], CLOSURE) == ("ncurses",)


def test_of_two_packages_with_one_library_the_first_by_name_is_taken() -> None:
    closure = {"b": ["libx.so"], "a": ["libx.so"]}
    assert run_depends([], ["libx.so"], [], closure) == ("a",)
    assert run_depends([], ["libx.so"], [], dict(reversed(closure.items()))) == ("a",)
