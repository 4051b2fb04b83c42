"""The verdict on a log: whether a suite ran any test, and whether flags reached a compiler."""

from __future__ import annotations

import pytest

from tests.unit.builders import style_programs, style_texts
from xsrc.build.styles.expand import parse_styles
from xsrc.build.verdict import flags_lost, ran_nothing

STYLES = parse_styles(style_texts(), style_programs())

AUTOMAKE = """Making check in src
make[1]: Entering directory '/pkg-builddir/x-1/src'
make  check-am
make[1]: Nothing to be done for 'check'.
make[1]: Leaving directory '/pkg-builddir/x-1/src'
"""
SUBDIR = """make[1]: Entering directory '/pkg-builddir/x-1/Sub'
No tests defined for Tiny::Sub extension.
make[1]: Leaving directory '/pkg-builddir/x-1/Sub'
"""
CARGO = "     Running unittests src/main.rs (target/release/deps/tiny-0f)\n\nrunning {} tests\n\ntest result: ok.\n"


@pytest.mark.parametrize(
    ("style", "log"),
    [
        ("gnu-makefile", "make: Nothing to be done for 'check'.\n"),
        ("gnu-makefile", "+ make -j2 check\nmake: 'check' is up to date.\n"),
        ("gnu-configure", AUTOMAKE),
        ("meson", "ninja: no work to do.\nNo tests defined.\n"),
        ("meson", "No suitable tests defined.\n"),
        ("perl-module", "No tests defined for Tiny extension.\n"),
        ("perl-module", SUBDIR + "No tests defined for Tiny extension.\n"),
        ("perl-module", "Files=0, Tests=0,  0 wallclock secs\nResult: NOTESTS\n"),
        ("python3-pep517", "\n-----\nRan 0 tests in 0.000s\n\nOK\n"),
        ("cargo", CARGO.format(0)),
        ("cargo", ""),
        ("go", "?   \texample.com/tiny\t[no test files]\n"),
        ("go", "ok  \texample.com/tiny\t0.002s [no tests to run]\n"),
    ],
)
def test_a_suite_that_ran_no_test_is_seen(style: str, log: str) -> None:
    assert ran_nothing(log, STYLES[style].tests)


@pytest.mark.parametrize(
    ("style", "log"),
    [
        ("gnu-makefile", ""),
        ("gnu-makefile", "./hello | grep '^hello'\nhello\n"),
        ("gnu-configure", AUTOMAKE + "PASS: one\n"),
        ("gnu-configure", "make[1]: Entering directory 'x'\nmake[1]: Leaving directory 'x'\n"),
        ("meson", "1/1 tiny OK\n"),
        ("perl-module", "Files=1, Tests=1\nResult: PASS\n"),
        ("perl-module", SUBDIR + "t/a.t .. ok\nAll tests successful.\nFiles=1, Tests=1\nResult: PASS\n"),
        ("perl-module", SUBDIR + "1..1\nok 1\n"),
        ("python3-pep517", "Ran 1 test in 0.1s\n"),
        ("python3-pep517", "Ran 0 tests in 0.000s\n\nOK\n.\n-----\nRan 1 test in 0.000s\n\nOK\n"),
        ("python3-pep517", "test_x.py Ran 0 tests in 0s\nRan 0 tests in 0s\n\nOK\n.\n===== 1 passed in 6.41s =====\n"),
        ("cargo", CARGO.format(0) + CARGO.format(12)),
        ("go", "?   \ta\t[no test files]\nok  \tb\t0.002s\n"),
        ("cmake", "ctest itself fails\n"),
    ],
)
def test_a_suite_that_may_have_run_tests_is_believed(style: str, log: str) -> None:
    assert not ran_nothing(log, STYLES[style].tests)


ENV = {"CFLAGS": "-O2 -DX=1", "CXXFLAGS": "-O2"}


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        ("gcc -O1 -c a.c\n", ("CFLAGS",)),
        ("x86_64-linux-gnu-gcc-12 -O2 -DX=1 -c a.c\n", ()),
        ("cc -O2 \\\n  -DX=1 -o a a.c\n", ()),
        ("gcc -c a.c\ngcc -O2 -DX=1 -c b.c\n", ()),
        ("/usr/bin/g++ -O1 -c a.cpp\ngcc -O2 -DX=1 -c b.c\n", ("CXXFLAGS",)),
        ("libtool: compile:  gcc -O1 -c ../a.c -o a.o\n", ("CFLAGS",)),
        ("  CC       a.o\n[1/2] Building C object a.c.o\n", ()),
        ("gcc -o a a.o b.o\n", ()),
        ("checking whether gcc accepts -g... yes\n", ()),
    ],
)
def test_flags_that_no_call_of_a_compiler_has_are_seen(log: str, lost: tuple[str, ...]) -> None:
    assert flags_lost(log, ENV) == lost
