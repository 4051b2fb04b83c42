"""Programs that look for their neighbours work from the stowed root: python, cmake, gcc, perl, git, pkg-config."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.kit import unpack
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site

LEAK = "pkg-destdir"
"""No program is to believe that it, or anything, lives there."""


def inside(site: Site, text: str) -> Result:
    """Run a script in the stowed root, in a folder of its own."""
    return site.xsrc("chroot", "sh", "-euc", f"mkdir -p /root/t; cd /root/t\n{text}")


def clean(site: Site) -> None:
    """Assert that nothing of the root or the destdirs differs from what was built, and that nothing was added."""
    assert site.xsrc("verify").ok("no problems").out == ""


# ---- python

MODULES = """mkdir -p $DESTDIR/usr/lib/python3/dist-packages/xsrc_neighbour
cd $DESTDIR/usr/lib/python3/dist-packages/xsrc_neighbour
echo 'from .part import SAID' >__init__.py; echo 'SAID = "neighbour"' >part.py; echo data >data.txt
"""
ASKED = """
import ctypes, importlib.resources, json, os, sys, sysconfig
import xsrc_neighbour, xsrc_marker
facts = {
    "exe": open("/proc/self/exe", "rb").read()[-MARK:].decode(errors="replace"),
    "said": xsrc_neighbour.SAID + importlib.resources.files(xsrc_neighbour).joinpath("data.txt").read_text(),
    "stdlib": os.path.realpath(os.__file__),
    "maps": [line.split()[-1] for line in open("/proc/self/maps") if "ctypes" in line],
    "prefix": [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.executable],
    "include": sysconfig.get_path("include"),
    "believes": [sys.path, sysconfig.get_paths(), sys.version, sysconfig.get_config_vars(),
                 [getattr(m, "__file__", "") for m in sys.modules.values()]],
}
print(json.dumps(facts))
"""
VENV = """python3 -m venv --without-pip --system-site-packages v
v/bin/python -c 'import sys, xsrc_neighbour; print(sys.prefix, sys.base_prefix, xsrc_neighbour.SAID)'
readlink -f v/bin/python; cat v/pyvenv.cfg
"""


def test_python_sees_the_modules_of_other_packages(site: Site) -> None:
    """With hard links; without them it does not, so the test would notice."""
    real = unpack.program("python3")
    leave = ("*.a", "*/config-*", "/usr/include/*", "*/idlelib/*", "*/tkinter/*", "*/pydoc_data/*", "*/test/*")
    more = f"echo >$DESTDIR/usr/lib/{real.name}/xsrc_marker.py\n"

    def python(revision: int, hardlink: tuple[str, ...]) -> str:
        return unpack.package(site, "python", "python3", leave=leave, more=more, hardlink=hardlink, revision=revision)

    site.script("modules", MODULES)
    python(1, ())
    site.build("python", "modules")
    control = inside(site, "python3 -c 'import sys; print(sys.prefix); import xsrc_neighbour'")
    assert control.code == 1 and "No module named 'xsrc_neighbour'" in control.err, control
    assert control.out == "/pkg-destdir/python-1.0_1/usr\n"

    pkgver = python(2, ("usr/bin/python3*",))
    site.build("python")
    assert (site.masterdir / f"usr/bin/{real.name}").samefile(site.destdir(pkgver) / f"usr/bin/{real.name}")
    asked = ASKED.replace("MARK", str(len(unpack.mark("python"))))
    facts = json.loads(inside(site, f"python3 - <<'END'\n{asked}END").ok().out)
    assert facts["exe"] == unpack.mark("python")
    assert facts["stdlib"] == f"/pkg-destdir/{pkgver}/usr/lib/{real.name}/os.py"
    assert facts["maps"] and all(path.startswith(f"/pkg-destdir/{pkgver}/") for path in facts["maps"])
    assert facts["said"] == "neighbourdata\n"
    assert facts["prefix"] == ["/usr", "/usr", "/usr", "/usr/bin/python3"]
    assert facts["include"] == f"/usr/include/{real.name}"
    assert LEAK not in json.dumps(facts["believes"])

    said = inside(site, VENV).ok().out
    assert said.splitlines()[:2] == ["/root/t/v /usr neighbour", f"/usr/bin/{real.name}"]
    assert LEAK not in said
    clean(site)


# ---- a library for those that build

LIBRARY = """cd $DESTDIR; mkdir -p usr/lib/pkgconfig usr/lib/cmake/XN usr/include
printf 'static const char xn_header[] = __FILE__;\\nint xn(void);\\n' >usr/include/xn.h
cc $CFLAGS $LDFLAGS -shared -fPIC -Wl,-soname,libxn.so.1 -o usr/lib/libxn.so.1 -x c - <<END
int xn(void) { return 42; }
END
ln -s libxn.so.1 usr/lib/libxn.so
cat >usr/lib/pkgconfig/xn.pc <<'END'
prefix=${pcfiledir}/../..
Name: xn
Description: Neighbour
Version: 4.2
Cflags: -I${prefix}/include -DXN_BY_PC
Libs: -L${prefix}/lib -lxn
END
cat >usr/lib/cmake/XN/XNConfig.cmake <<'END'
get_filename_component(XN_PREFIX "${CMAKE_CURRENT_LIST_FILE}" PATH)
foreach(up 1 2 3)
  get_filename_component(XN_PREFIX "${XN_PREFIX}" PATH)
endforeach()
add_library(XN::xn SHARED IMPORTED)
set_target_properties(XN::xn PROPERTIES IMPORTED_LOCATION "${XN_PREFIX}/lib/libxn.so.1"
  INTERFACE_INCLUDE_DIRECTORIES "${XN_PREFIX}/include")
END
"""
MAIN = """#include <stddef.h>
#include <stdio.h>
#include <xn.h>
int main(void) { return printf("%d %s\\n", xn(), xn_header) < 0; }
"""


# ---- gcc

COMPILE = f"""cat >main.c <<'END'
{MAIN}END
gcc -print-search-dirs >believes; gcc -v -E main.c 2>>believes >/dev/null
gcc -g -MD -v -Wl,--trace -o main main.c -lxn >>believes 2>&1; cat main.d >>believes
grep -ao {LEAK} main >>believes || :
./main
for part in cc1 collect2 as ld; do readlink -f "$(command -v "$(gcc -print-prog-name=$part)")"; done
cat believes
"""


def test_gcc_compiles_and_links_with_another_package(site: Site) -> None:
    """The driver finds itself by its real path, cc1 and collect2 are told by the driver; ld and as are neighbours.

    No rule says that it is to be a hard link: it asks for /proc/self/exe, and is found out.
    """
    real = unpack.program("gcc")
    driver = ("/usr/bin/*gcc-[0-9]*", "/usr/bin/*gcc")
    programs = (*driver, "*/cc1", "*/collect2", "*/lto-wrapper", "*/liblto_plugin.so")
    keep = (*programs, "/usr/lib/gcc/*/crt*.o", "/usr/lib/gcc/*/libgcc*", "/usr/lib/gcc/*/include/*.h")
    pkgver = unpack.package(site, "compiler", "gcc", keep=keep)
    tools = ("/usr/bin/*-as", "/usr/bin/as", "/usr/bin/*-ld*", "/usr/bin/ld*", "/usr/lib/*/lib*.so")
    unpack.package(site, "linker", "ld", keep=tools)
    site.script("xn", LIBRARY)
    site.build("compiler", "linker", "xn")
    with unpack.linked(site, pkgver, real):
        assert f"install: /{LEAK}/{pkgver}/" in inside(site, "gcc -print-search-dirs").ok().out, "the control"
    unpack.runs(site, "compiler", "/usr/bin/gcc")
    unpack.runs(site, "linker", "/usr/bin/ld")
    said = inside(site, COMPILE).ok().out.splitlines()
    assert said[0] == "42 /usr/include/xn.h"
    for line, owner in zip(said[1:5], (pkgver, pkgver, "linker-1.0_1", "linker-1.0_1"), strict=True):
        path = line.removeprefix(f"/{LEAK}/{owner}/").lstrip("/")  # a program that asks where it is has no link
        assert (site.masterdir / path).resolve().samefile(site.destdir(owner) / path), said[1:5]
    believes = "\n".join(said[5:])
    assert "install: /usr/lib/gcc/" in believes and "/stddef.h" in believes and "/usr/include/xn.h" in believes
    assert LEAK not in believes
    clean(site)


# ---- cmake

PROJECT = f"""cat >main.c <<'END'
{MAIN}END
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(tiny C)
find_package(XN REQUIRED)
find_package(XsrcModule REQUIRED)
include(XsrcMarker)
add_executable(tiny main.c)
target_link_libraries(tiny XN::xn)
install(TARGETS tiny)
file(GENERATE OUTPUT believes CONTENT
  "${{XN_PREFIX}} ${{XsrcModule_SAID}} ${{XSRC_MARKER}}
${{CMAKE_ROOT}} ${{CMAKE_COMMAND}} ${{CMAKE_SYSTEM_PREFIX_PATH}}")
END
cmake -B b . >&2; cmake --build b -v >&2; DESTDIR=$PWD/d cmake --install b --prefix /usr >&2
d/usr/bin/tiny; cat b/believes; echo; echo leaks:; grep -rl {LEAK} b d || :
"""


def test_cmake_builds_with_modules_of_other_packages(site: Site) -> None:
    """It asks for /proc/self/exe, so it is a hard link without a rule; as a link it finds nothing of its neighbours."""
    real = unpack.program("cmake")
    modules = next(p for p in unpack.files("cmake") if p.endswith("/Modules/CMakeCInformation.cmake"))
    folder = Path(modules).parent
    leave = ("*/Help/*", "*/Templates/*", "*/Modules/Find*", "/usr/bin/c[ct]*", "/usr/bin/cpack", "*/emacs/*", "*/vim*")
    more = f"echo 'set(XSRC_MARKER marked)' >$DESTDIR/{folder}/XsrcMarker.cmake\n"
    pkgver = unpack.package(site, "cm", "cmake", leave=leave, more=more)
    site.script("xn", LIBRARY)
    find = "set(XsrcModule_SAID module)\nset(XsrcModule_FOUND TRUE)"
    site.script("module", f"mkdir -p $DESTDIR/{folder}; echo '{find}' >$DESTDIR/{folder}/FindXsrcModule.cmake\n")
    site.build("cm", "xn", "module")
    with unpack.linked(site, pkgver, real):
        control = inside(site, "echo 'find_package(XsrcModule REQUIRED)' >x.cmake; cmake -P x.cmake")
        assert control.code == 1 and "FindXsrcModule.cmake" in control.err, control
    unpack.runs(site, "cm", "/usr/bin/cmake")
    lines = inside(site, PROJECT).ok().out.splitlines()
    assert lines[:2] == ["42 /usr/include/xn.h", "/usr module marked"]
    root, command, *prefixes = lines[2].split()
    assert (root, command) == (f"/{folder.parent}", "/usr/bin/cmake") and LEAK not in str(prefixes)
    assert lines[3:] == ["leaks:"]
    assert (site.masterdir / modules).resolve() == (site.destdir(pkgver) / modules).resolve()
    clean(site)


# ---- perl

PERL_MODULE = """cd $DESTDIR; mkdir -p usr/share/perl5/Xsrc usr/share/found usr/bin
printf 'package Xsrc::Neighbour; sub said { "neighbour" } 1;\\n' >usr/share/perl5/Xsrc/Neighbour.pm
"""
PERL_FOUND = """cd $DESTDIR; mkdir -p usr/share/found
printf 'package Found; sub said { "found" } 1;\\n' >usr/share/found/Found.pm
"""
PERL_SCRIPT = """mkdir -p $DESTDIR/usr/bin; cat >$DESTDIR/usr/bin/asks <<'END'
#!/usr/bin/perl
use strict; use warnings;
use FindBin; use lib "$FindBin::Bin/../share/found";
use Config; use Cwd; use Data::Dumper; use POSIX; use Xsrc::Marker; use Xsrc::Neighbour; use Found;
open my $exe, "<", "/proc/self/exe"; seek $exe, -length($ARGV[0]), 2; read $exe, my $mark, 99;
open my $maps, "<", "/proc/self/maps"; my ($posix) = grep m{/POSIX/}, <$maps>;
print join("\\n", $mark, Xsrc::Neighbour::said(), Found::said(), $FindBin::Bin, (split " ", $posix)[-1],
  Cwd::realpath($INC{"Data/Dumper.pm"}), Dumper(\\@INC, \\%INC, \\%Config, $^X, $0)), "\\n";
END
chmod +x $DESTDIR/usr/bin/asks
"""
MAKE_MAKER = """echo 'package Tiny; 1;' >Tiny.pm
echo 'use ExtUtils::MakeMaker; WriteMakefile(NAME => "Tiny", VERSION => 1);' >Makefile.PL
perl Makefile.PL >&2; make >&2; cat Makefile
"""


def test_perl_uses_modules_of_other_packages(site: Site) -> None:
    """Its own modules are found by paths that are compiled in; but it tells scripts its real path and they write it.

    It reads that from /proc/self/exe, so it is a hard link without a rule.
    """
    real = unpack.program("perl")
    modules = next((Path(path).parent for path in unpack.files("perl") if path.endswith("/FindBin.pm")), None)
    if modules is None:
        pytest.skip("of perl only perl-base is installed; git of helpers/setup --test brings the rest")
    big = ("CORE", "CPAN", "Encode", "IO/Compress", "Module", "Pod", "TAP", "Test", "Unicode", "pod", "unicore")
    leave = ("/usr/include/*", "*.a", "*.pod", "*/libperl.*", *(f"*/{part}/*" for part in big))
    more = f"mkdir -p $DESTDIR/{modules}/Xsrc; echo 'package Xsrc::Marker; 1;' >$DESTDIR/{modules}/Xsrc/Marker.pm\n"
    pkgver = unpack.package(site, "language", "perl", leave=leave, more=more)
    scripts = {"module": PERL_MODULE, "found": PERL_FOUND, "asks": PERL_SCRIPT}
    for name, script in scripts.items():
        site.script(name, script)
    site.build("language", *scripts)
    with unpack.linked(site, pkgver, real):
        assert inside(site, "perl -e 'print $^X'").ok().out == f"/{LEAK}/{pkgver}/usr/bin/perl", "the control"
    said = inside(site, f"asks '{unpack.mark('language')}'").ok().out.split("\n", 6)
    assert said[:4] == [unpack.mark("language"), "neighbour", "found", "/usr/bin"]
    assert all(path.startswith(f"/pkg-destdir/{pkgver}/usr/") for path in said[4:6]), said[4:6]
    assert "Xsrc/Marker.pm" in said[6] and LEAK not in said[6]
    assert f'PERL = "{real}"' in (made := inside(site, MAKE_MAKER).ok().out) and LEAK not in made
    clean(site)


# ---- git

GIT_HELPER = """mkdir -p $DESTDIR/usr/lib/git-core; cd $DESTDIR/usr/lib/git-core
printf '#!/bin/sh\\n. git-sh-setup\\necho neighbour in $(git rev-parse --show-toplevel)\\n' >git-neighbour; chmod +x *
"""
REPOSITORY = f"""export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q one; cd one; echo x >f; git add f; git commit -qm first; echo y >f; git commit -qam second
git log --format=%s; git neighbour; git marked; git submodule status; git gc -q; git fsck
cd ..; git clone -q "file://$PWD/one" two; cat two/f
git --exec-path; git --man-path
echo leaks:; grep -rl {LEAK} one two || :; find one two -lname '*{LEAK}*'
"""


def test_git_finds_its_helpers_and_those_of_other_packages(site: Site) -> None:
    """Its templates are hard-linked, for `git init` copies links as links; without that a repository leads to them."""
    unpack.program("git")
    keep = ("/usr/bin/git", "/usr/share/git-core/*", "/usr/lib/git-core/*", "/usr/libexec/git-core/*")
    leave = ("*/git-shell", "*/git-daemon", "*/git-imap-send", "*/git-http-*", "*/git-remote-*", "*/mergetools/*")
    more = "cd $DESTDIR/usr/lib/git-core; printf '#!/bin/sh\\necho marked\\n' >git-marked; chmod +x git-marked\n"
    site.script("helper", GIT_HELPER)
    unpack.package(site, "vcs", "git", keep=keep[:2])
    site.build("vcs", "helper")
    control = inside(site, f"git init -q x; find x -lname '*{LEAK}*'; rm -r x").ok().out
    assert "x/.git/hooks/" in control
    rule = ("usr/share/git-core/templates/**",)
    unpack.package(site, "vcs", "git", keep=keep, leave=leave, more=more, hardlink=rule, revision=2)
    site.build("vcs")
    unpack.runs(site, "vcs", "/usr/bin/git")
    said = inside(site, REPOSITORY).ok().out.split("\n")
    assert said[:5] == ["second", "first", "neighbour in /root/t/one", "marked", "y"]
    assert said[5:] == ["/usr/lib/git-core", "/usr/share/man", "leaks:", ""]
    clean(site)


# ---- pkg-config

PKG_CONFIG = """pkg-config --exists xn marker; pkg-config --modversion xn
pkg-config --variable=pcfiledir xn; pkg-config --variable=prefix xn; pkg-config --cflags --libs xn
echo 'int main(void) { return xn() != 42; }' >pc.c
cc -include xn.h $(pkg-config --cflags xn) pc.c $(pkg-config --libs xn) -o pc; ./pc; echo $?
pkg-config --variable pc_path pkg-config; pkg-config --list-all
"""


def test_pkg_config_finds_what_other_packages_have(site: Site) -> None:
    """No rule is needed."""
    unpack.program("pkg-config")
    marker = "mkdir -p $DESTDIR/usr/share/pkgconfig; cd $DESTDIR/usr/share/pkgconfig\n"
    marker += "printf 'Name: marker\\nDescription: x\\nVersion: 1\\n' >marker.pc\n"
    unpack.package(site, "finder", "pkg-config", leave=("/usr/include/*", "*.a"), more=marker)
    site.script("xn", LIBRARY)
    site.build("finder", "xn")
    unpack.runs(site, "finder", "/usr/bin/pkg-config")
    said = inside(site, PKG_CONFIG).ok().out
    assert said.splitlines()[:3] == ["4.2", "/usr/lib/pkgconfig", "/usr/lib/pkgconfig/../.."]
    assert said.splitlines()[3].split()[-1] == "-lxn" and said.splitlines()[4] == "0"
    assert LEAK not in said
    clean(site)


# ---- $ORIGIN

OWN_LIBRARY = """mkdir -p $DESTDIR/usr/lib/own
echo 'int own(void) { return 7; }' | cc -shared -fPIC -Wl,-soname,libown.so.1 -o $DESTDIR/usr/lib/own/libown.so.1 -x c -
ln -s libown.so.1 $DESTDIR/usr/lib/own/libown.so
"""
OWN_PROGRAM = """mkdir -p $DESTDIR/usr/bin
echo 'int own(void); int puts(char *); int main(void) { return puts(own() == 7 ? "seven" : "?") < 0; }' |
cc -o $DESTDIR/usr/bin/origin -x c - -L/usr/lib/own -lown -Wl,-rpath,'$ORIGIN/../lib/own',--enable-new-dtags
"""


def test_program_that_finds_a_library_from_its_own_place_is_hard_linked(site_in_mode: Site) -> None:
    """By itself: no rule is written. Beside its destdir alone it would not run."""
    site = site_in_mode
    site.script("own", OWN_LIBRARY)
    site.script("origin", OWN_PROGRAM, top='makedepends = ["own"]\ndepends = ["own"]')
    site.build("origin").ok("own-1.0_1: stowed", "origin-1.0_1: stowed")
    program, sealed = site.masterdir / "usr/bin/origin", site.destdir("origin-1.0_1") / "usr/bin/origin"
    assert program.samefile(sealed) and not program.is_symlink()
    assert (site.masterdir / "usr/lib/own/libown.so.1").is_symlink()
    assert site.land.run(program).ok().out == "seven\n"
    assert site.xsrc("chroot", "origin").ok().out == "seven\n"
    assert site.land.run(sealed).ended(127, "libown.so.1")
    clean(site)
