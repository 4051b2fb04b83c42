"""Nobody but its owner can write what a package installs, unless its template says so by name."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.kit import look
from tests.e2e.kit.people import User
from tests.e2e.kit.site import Site
from tests.security.kit.host import mode, stranger
from xsrc.store.manifest import kept_mode

__all__ = ["mode", "stranger"]

INSTALL = """cd $DESTDIR; mkdir -p usr/lib/ww usr/share/group etc var/spool/asked
for f in usr/lib/ww/own.so usr/share/said usr/share/group/f etc/ww.conf var/spool/asked/f; do echo own >$f; done
chmod 0777 usr/lib/ww; chmod 0666 etc/ww.conf usr/lib/ww/own.so
chmod 0664 usr/share/group/f; chmod 2775 usr/share/group
"""
ASKED = 'make_dirs = ["/var/spool/sticky 1777 root root"]'
MODES = '[install.modes]\n"usr/share/said" = "0666"\n"var/spool/a*" = "1777 root:root"\n'


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_a_careless_build_left_open(site_in_mode: Site, stranger: User) -> None:
    site = site_in_mode
    site.script("ww", INSTALL, top=ASKED, tables=MODES)
    said = site.build("ww").ok("ww-1.0_1: stowed").err
    for path, bits in (("usr/lib/ww", "0777"), ("etc/ww.conf", "0666"), ("usr/share/group/f", "0664")):
        assert f"warning: ww-1.0_1: /{path}: mode {bits} lets others write, recorded as " in said
    assert "said" not in said and "spool" not in said
    assert mode_of(site.masterdir / "usr/lib/ww") == 0o755
    assert mode_of(site.masterdir / "etc/ww.conf") == 0o644
    assert mode_of(site.masterdir / "usr/share/group") & 0o777 == 0o755
    assert mode_of(site.masterdir / "var/spool/sticky") == 0o1777
    assert mode_of(site.masterdir / "var/spool/asked") == 0o1777
    for path in ("usr/lib/ww/plugin.so", "etc/ww.conf", "usr/lib/ww/own.so"):
        assert site.land.run("sh", "-c", 'echo evil >"$1"', "sh", site.masterdir / path, user=stranger).code != 0
    site.land.run("touch", site.masterdir / "var/spool/sticky/of-e", user=stranger).ok()
    site.xsrc("verify").ok("no problems")
    open_ = {
        path
        for path, status in look.walk(site.masterdir)
        if status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode)
    }
    assert open_ - {"var/spool/sticky/of-e"} == {"var/spool/sticky", "var/spool/asked"}


def test_many_open_paths_are_counted(site: Site) -> None:
    site.script("many", "cd $DESTDIR; mkdir -p usr/x; cd usr/x; touch $(seq 30); chmod 666 *\n")
    said = site.build("many").ok("20 more paths that others could have written").err
    assert said.count("lets others write") == 10


def test_a_copied_file_with_a_mode_of_its_own(site: Site) -> None:
    """A mode that was asked for is kept where the root has a copy."""
    modes = '[install.modes]\n"etc/shared" = "0664"\n"etc/?x" = "0666"\n'
    install = "mkdir $DESTDIR/etc; cd $DESTDIR/etc; touch shared other ax; chmod 664 shared other\n"
    site.script("conf", install, tables=modes)
    site.build("conf").ok("/etc/other: mode 0664")
    assert [mode_of(site.masterdir / "etc" / name) for name in ("shared", "other", "ax")] == [0o664, 0o644, 0o666]


PATHS = st.sampled_from(["usr/lib/ww", "var/tmp", "etc/x", "a[b]"])
BITS = st.integers(0, 0o7777)


@given(path=PATHS, bits=BITS, given_=st.lists(st.tuples(st.sampled_from(["usr/*", "var/tmp", "*", "a[[]b]"]), BITS)))
def test_of_a_mode_only_write_bits_of_others_go_and_only_if_nobody_asked(
    path: str, bits: int, given_: list[tuple[str, int]]
) -> None:
    kept = kept_mode(path, bits, given_)
    assert kept in (bits, bits & ~0o022)
    if kept & 0o022:
        assert bits in [given_bits for _, given_bits in given_]
    assert kept_mode(path, bits, [(path.replace("[", "[[]"), bits)]) == bits
    assert kept_mode(path, kept, given_) == kept


@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o666, 0o2775, 0o4722])
def test_a_declaration_is_for_its_own_mode(bits: int) -> None:
    assert kept_mode("x", bits, [("x", bits ^ 0o001)]) == bits & ~0o022
