"""Dependencies: built in order, seen by who declares them and by nobody else, stowed with what needs them."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path

import pytest

from tests.e2e.kit import look, pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site

HEADER = "mkdir -p $DESTDIR/usr/include; echo '#define A 41' >$DESTDIR/usr/include/xsrc-test-a.h\n"
USES = '#include <stdio.h>\n#include <xsrc-test-a.h>\nint main(void) { return printf("%d\\n", A + 1) < 0; }\n'
LIBRARY = """mkdir -p $DESTDIR/usr/lib $DESTDIR/usr/include
cc -shared -fPIC -Wl,-soname,libxa.so.1 -o $DESTDIR/usr/lib/libxa.so.1 -x c - <<END
int xa(void) { return NUMBER; }
END
ln -s libxa.so.1 $DESTDIR/usr/lib/libxa.so; echo 'int xa(void);' >$DESTDIR/usr/include/xa.h
"""
PROGRAM = """mkdir -p $DESTDIR/usr/bin
cc $CFLAGS $LDFLAGS -o $DESTDIR/usr/bin/NAME -x c - -lxa <<END
#include <stdio.h>
#include <xa.h>
int main(void) { return printf("%d\\\\n", xa()) < 0; }
END
"""


PROGRAM_OF_SH = """mkdir -p $DESTDIR/usr/bin
printf '#!/bin/sh\\necho {said}\\n' >$DESTDIR/usr/bin/{name}; chmod +x $DESTDIR/usr/bin/{name}
"""


def header_user(site: Site, name: str, top: str = "") -> None:
    dist = site.dist(f"{name}-1.0", pack.hello(name=name, hello_c=USES))
    site.template(name, pack.template(name, top=f"make_check = false\n{top}", tables=dist))


def test_header_is_there_for_who_declares_it_only(site_in_mode: Site) -> None:
    site = site_in_mode
    site.script("a", HEADER)
    header_user(site, "b", 'makedepends = ["a"]')
    header_user(site, "c")
    site.build("b").ok("a-1.0_1: built", "b-1.0_1: built")
    assert site.land.run(site.masterdir / "bin/hello").ok().out == "42\n"
    before = site.farm()
    site.xsrc("build", "c").ended(1, "c-1.0_1: build failed", "xsrc-test-a.h: No such file or directory")
    assert site.farm() == before
    header_user(site, "c", 'makedepends = ["a"]\nconflicts = ["b"]')
    site.xsrc("build", "--no-stow", "c").ok()


@pytest.mark.parametrize("kind", ["hostmakedepends", "makedepends", "checkdepends", "depends"])
def test_each_kind_is_seen_in_its_phases_only(site: Site, kind: str) -> None:
    site.script("a", HEADER)
    look_for = "test -e /usr/include/xsrc-test-a.h && echo seen || echo none\n"
    phases = ("extract", "patch", "configure", "build", "check", "install")
    scripts = {f"post_{phase}": look_for for phase in phases} | {"do_check": ":\n"}
    site.script("b", top=f'{kind} = ["a"]\nmake_check = true', scripts=scripts)
    site.build("b")
    seen = {phase for phase in phases if site.log(phase, "b-1.0_1").endswith("seen\n")}
    expected = {
        "hostmakedepends": set(phases),  # the scripts of extract and patch need their tools, and nothing else
        "makedepends": {"configure", "build", "check", "install"},
        "checkdepends": {"check"},
        "depends": set[str](),
    }
    assert seen == expected[kind]


def test_what_a_dependency_needs_at_run_time_is_there_too(site: Site) -> None:
    site.script("deep", HEADER)
    site.script("a", top='depends = ["deep"]')
    header_user(site, "b", 'makedepends = ["a"]')
    site.build("b")
    # what it needs to build only is not
    site.script("a2", top='makedepends = ["deep"]')
    header_user(site, "c", 'makedepends = ["a2"]')
    site.xsrc("build", "c").ended(1, "No such file")


def libraries(site: Site, number: int = 1) -> None:
    site.script("xa", LIBRARY.replace("NUMBER", str(number)))
    site.script("prog", PROGRAM.replace("NAME", "prog"), top='makedepends = ["xa"]')


def test_library_is_found_by_scanning_and_stowed_with_its_user(site_in_mode: Site) -> None:
    site = site_in_mode
    libraries(site)
    site.build("prog").ok("xa-1.0_1: stowed", "prog-1.0_1: stowed")
    props = plistlib.loads((site.destdir("prog-1.0_1") / "props.plist").read_bytes())
    assert props["run_depends"] == ["xa"]
    assert "libxa.so.1" in props["shlib-requires"]
    assert plistlib.loads((site.destdir("xa-1.0_1") / "props.plist").read_bytes())["shlib-provides"] == ["libxa.so.1"]
    assert site.xsrc("chroot", "prog").ok().out == "1\n"
    assert "/usr/lib/libxa.so.1" in site.xsrc("chroot", "ldd", "/usr/bin/prog").ok().out
    site.xsrc("unstow", "xa").ended(5, "prog-1.0_1 needs libxa.so.1 (/usr/bin/prog), and no package of the root has it")
    site.xsrc("unstow", "--force", "xa").ok("warning: prog-1.0_1 needs xa")
    site.build("prog").ok("xa-1.0_1: stowed")


def test_library_without_a_soname_is_needed_by_the_name_of_its_file(site: Site) -> None:
    bare = LIBRARY.replace("NUMBER", "7").replace(" -Wl,-soname,libxa.so.1", "").replace("libxa.so.1", "libxa-7.so")
    site.script("xa", bare)
    site.script("prog", PROGRAM.replace("NAME", "prog"), top='makedepends = ["xa"]')
    site.script("c", top='checkdepends = ["prog"]\nmake_check = true', scripts={"do_check": "prog\n"})
    site.build("c")
    assert site.log("check", "c-1.0_1").endswith("7\n")
    assert plistlib.loads((site.destdir("prog-1.0_1") / "props.plist").read_bytes())["run_depends"] == ["xa"]


def test_changed_dependency_builds_its_users_again(site: Site) -> None:
    libraries(site)
    site.build("prog")
    libraries(site, 2)
    planned = site.xsrc("build", "-n", "prog").ok().out
    assert "build xa-1.0_1: changed" in planned and "maybe prog-1.0_1: xa: changed" in planned
    site.build("prog").ok("xa-1.0_1: built", "prog-1.0_1: built")
    assert site.xsrc("chroot", "prog").ok().out == "2\n"


def test_tool_is_run_from_the_build_root(site: Site) -> None:
    site.script("tool", PROGRAM_OF_SH.format(name="mk", said="made by tool"))
    site.script("user", do_build="command -v mk; mk\n", top='hostmakedepends = ["tool"]')
    site.build("user")
    assert site.log("build", "user-1.0_1") == "/usr/bin/mk\nmade by tool\n"
    assert not (site.masterdir / "usr/bin/mk").exists()  # needed to build only: not stowed


def test_own_program_comes_before_that_of_the_base(site: Site) -> None:
    site.script("sed", PROGRAM_OF_SH.format(name="sed", said="our sed"))
    site.script("user", do_build="sed\n", top='hostmakedepends = ["sed"]')
    site.build("user")
    assert site.log("build", "user-1.0_1") == "our sed\n"


def test_the_modules_of_a_python_are_its_own(site_in_mode: Site) -> None:
    """A Python of the tree whose modules stand where the machine's do, and a package that brings another module."""
    site, lib = site_in_mode, f"usr/lib/python3.{sys.version_info.minor}"
    if not Path("/", lib, "os.py").exists():
        pytest.skip(f"this machine has no /{lib}")
    for name, file in (("python3", "encodings/utf_8.py"), ("module", "site-packages/module.py")):
        site.script(name, f"mkdir -p $DESTDIR/{lib}/{file.split('/')[0]}; echo >$DESTDIR/{lib}/{file}\n")
    ours, all_of_it = "./encodings/utf_8.py\n", "./encodings/utf_8.py\n./site-packages/module.py\n"
    look_for = f"cd /{lib}; find . ! -type d | LC_ALL=C sort"
    for name, needs, want in (("one", '"python3"', ours), ("two", '"python3", "module"', all_of_it)):
        site.script(name, do_build=f"{look_for}\n", top=f"hostmakedepends = [{needs}]")
        site.build(name)
        assert site.log("build", f"{name}-1.0_1") == want
    site.xsrc("stow", "python3", "module").ok()
    assert site.xsrc("chroot", "sh", "-c", look_for).ok().out == all_of_it


def test_two_dependencies_with_one_path_do_not_fit(site: Site) -> None:
    site.script("a", "mkdir -p $DESTDIR/usr/share; echo a >$DESTDIR/usr/share/same\n")
    site.script("b", "mkdir -p $DESTDIR/usr/share; echo b >$DESTDIR/usr/share/same\n")
    site.script("c", top='makedepends = ["a", "b"]')
    site.xsrc("build", "c").ended(5, "do not fit into one build root", "/usr/share/same", "a-1.0_1", "b-1.0_1")


def test_nothing_of_a_destdir_can_be_changed_by_who_builds_with_it(site_in_mode: Site) -> None:
    site = site_in_mode
    site.script("a", HEADER)
    spoil = "exec 2>&1; f=/usr/include/xsrc-test-a.h; chmod 777 $f || (echo x >$f) || rm -f $f || mv $f /tmp || :\n"
    site.script("b", top='makedepends = ["a"]', do_build=spoil, post_install=spoil)
    site.build("a")
    before = look.tree(site.destdir("a-1.0_1"))
    site.build("b")
    assert look.tree(site.destdir("a-1.0_1")) == before
    assert site.log("build", "b-1.0_1").count("Read-only file system") == 4


def test_dependency_that_fails_stops_what_needs_it(site: Site) -> None:
    site.script("a", do_build="false\n")
    site.script("b", top='makedepends = ["a"]')
    result = site.xsrc("build", "b").ended(1, "a-1.0_1: build failed")
    assert "b-1.0_1" not in result.err
    site.script("a")
    site.build("b")


def test_dependency_that_was_removed_by_hand_is_built_again(site: Site) -> None:
    site.script("a", HEADER)
    header_user(site, "b", 'makedepends = ["a"]')
    site.build("a")
    destdir = site.destdir("a-1.0_1")
    site.land.run("sh", "-c", f"chmod -R u+w {destdir}; rm -r {destdir}").ok()
    site.build("b").ok("a-1.0_1: built", "b-1.0_1: built")


def test_sources_of_a_dependency_are_not_fetched_when_it_is_built(site: Site) -> None:
    dist = site.dist("a-1.0", [Member("a-1/x", b"")])
    site.script("a", HEADER, tables=dist)
    site.build("--no-stow", "a")
    header_user(site, "b", 'makedepends = ["a"]')
    result = site.build("b")
    assert "a-1.0_1" not in " ".join(line for line in result.lines if "stowed" not in line)


def test_tests_that_need_what_needs_the_package_run_after_both_are_built(site: Site) -> None:
    """https://github.com/void-linux/void-packages/issues/32614, https://github.com/aurutils/aurutils/issues/826"""
    site.script("cyca", top='checkdepends = ["cycb"]', do_check="cat /usr/share/cyca /usr/share/cycb\n")
    site.script("cycb", top='depends = ["cyca"]')
    site.build("--no-check", "cyca")
    assert "cycb" not in site.xsrc("list").ok().out
    assert "cyca-1.0_1" in site.xsrc("list", "--untested").ok().out

    site.build("-f", "cyca")
    assert site.log("check", "cyca-1.0_1") == "cyca 1.0\ncycb 1.0\n"
    assert "cyca" not in site.xsrc("list", "--untested").ok().out
    assert "cyca-1.0_1: up to date" in site.build("cyca", "cycb").err

    site.script("cyca", top='checkdepends = ["cycb"]\nmake_check = "x"', do_check="exit 3\n")
    site.build("cyca")
