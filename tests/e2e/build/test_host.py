"""The base `host` hides what a template has not declared: a build that finds it here would fail elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.kit.double import Double, double
from tests.e2e.kit.land import Land
from tests.e2e.kit.site import Site
from xsrc.base.disk.essential import has_database

pytestmark = pytest.mark.skipif(not has_database(), reason="no package database that xsrc reads")


def kept(site: Site) -> dict[str, tuple[int, int]]:
    """What there is of layers, with what tells one of the same name from another."""
    found = (site.masterdir / "pkg-base/.host").iterdir()
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_undeclared_pkg_config_is_not_found(site_in_mode: Site) -> None:
    """It was found on `host`, the default, and missing on every other base."""
    if shutil.which("pkg-config", path="/usr/bin") is None:
        pytest.skip("no /usr/bin/pkg-config: helpers/setup --test installs it")
    site = site_in_mode
    site.script("forgets", do_build="pkg-config --version\n")
    site.xsrc("build", "forgets").ended(1, "pkg-config", "not found")
    layers = kept(site)
    assert len(layers) == 2
    # what builds may find: alternatives, compilers, perl; no python and nothing of other packages
    look_for = "awk 1 </dev/null; for p in cc c++ ld make patch perl xz python3 git; do command -v $p || :; done\n"
    site.script("looks", do_build=f"{look_for}ls /usr\n")
    site.build("looks")
    said = site.log("build", "looks-1.0_1").split()
    tools = [f"/usr/bin/{name}" for name in ("cc", "c++", "ld", "make", "patch", "perl", "xz")]
    assert said[: len(tools)] == tools and "local" not in said, said
    assert kept(site) == layers, "made once"


@pytest.fixture
def machine(as_root: Land, site: Site) -> Iterator[Double]:
    for reason in as_root.modes.values():
        if reason:
            pytest.skip(reason)
    with double(site) as made:
        yield made


def test_what_somebody_puts_beside_packages_is_not_found(machine: Double) -> None:
    """Neither in /usr/local nor, after the layer was made, in a folder of dpkg's."""
    plant = "for f; do printf '#!/bin/sh\\necho planted\\n' >$f; chmod 755 $f; done"
    machine.root(plant, "/usr/local/bin/planted").ok()
    machine.site.script("one", do_build="! planted; ! test -e /usr/local\n")
    machine.site.script("two", do_build="! planted; ! test -e /usr/include/planted.h\n")
    machine.xsrc("build", "one").ok()
    machine.root(plant, "/usr/bin/planted", "/usr/include/planted.h").ok()
    machine.xsrc("build", "two").ok()


def test_doctor_says_why_everything_is_shown(machine: Double) -> None:
    machine.site.script("one", do_build="command -v apt-get\n")
    machine.root("mv /var/lib/dpkg/status /var/lib/dpkg/else").ok()
    assert machine.doctor().says("undeclared", "note", "no package database").mend.startswith("xsrc bootstrap")
    machine.xsrc("build", "one").ok()
    machine.root("mv /var/lib/dpkg/else /var/lib/dpkg/status").ok()
    machine.doctor().says("undeclared", "ok", "hidden")
    assert machine.xsrc("build", "one").code == 1
    # an overlay takes nobody's whiteouts: as in the root of a container
    machine.root('install -d -o "$1" /opt/there', machine.site.land.user.name).ok()
    machine.xsrc("-m", "/opt/there/m", "build", "one").ok()
    machine.doctor(words=("-m", "/opt/there/m")).says("undeclared", "note", "no whiteout can be made")
