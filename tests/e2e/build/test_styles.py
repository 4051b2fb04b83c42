"""Each build style that needs a program of its own, by a tiny project; and the style of configure scripts by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.e2e.kit import pack, unpack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site


def project(site: Site, style: str, files: Mapping[str, str], top: str = "", tables: str = "") -> None:
    """A template `tiny` of a style, whose sources are these files."""
    members = [Member(f"tiny-1.0/{path}", text.encode(), mode=0o755) for path, text in files.items()]
    dist = site.dist("tiny-1.0", members)
    site.template("tiny", pack.template("tiny", "1.0", style=style, top=top, tables=f"{dist}{tables}"))


def test_configure(site: Site) -> None:
    strict = (
        '#!/bin/sh -eu\nfor word; do case $word in --prefix=/usr) ;; --fancy) echo >fancy ;; *) echo "unknown option '
        '$word" >&2; exit 1 ;; esac; done\n'
    )
    makefile = (
        "all:\n\techo made >made\ncheck:\n\ttest -f fancy\ninstall:\n\tinstall -D made $(DESTDIR)/usr/share/made\n"
    )
    project(site, "configure", {"configure": strict, "Makefile": makefile}, 'configure_args = ["--fancy"]')
    site.build("tiny")
    assert (site.destdir("tiny-1.0_1") / "usr/share/made").read_text() == "made\n"


PERL = {
    "Makefile.PL": 'use ExtUtils::MakeMaker;\nWriteMakefile(NAME => "Tiny", VERSION_FROM => "lib/Tiny.pm");\n',
    "lib/Tiny.pm": 'package Tiny;\nour $VERSION = "1.0";\nrequire XSLoader;\nXSLoader::load("Tiny");\n1;\n',
    "Tiny.xs": '#include "EXTERN.h"\n#include "perl.h"\n#include "XSUB.h"\n'
    "MODULE = Tiny PACKAGE = Tiny\nint\ntwice(x)\n\tint x\n    CODE:\n\tRETVAL = 2 * x;\n    OUTPUT:\n\tRETVAL\n",
    "t/tiny.t": 'use Test::More tests => 1;\nuse Tiny;\nis(Tiny::twice(21), 42);\ndiag("tested");\n',
}


def test_perl_module(site: Site) -> None:
    project(site, "perl-module", PERL)
    site.build("tiny")
    assert "# tested" in site.log("check", "tiny-1.0_1")
    assert site.xsrc("chroot", "perl", "-MTiny", "-e", "print Tiny::twice(4)").ok().out == "8"
    files = site.xsrc("files", "tiny").ok().out
    assert ".packlist" not in files
    assert "perllocal" not in files
    assert "/local/" not in files


PYTHON = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n',
    "back.py": "import zipfile\n"
    "def build_wheel(folder, config_settings=None):\n"
    '    with zipfile.ZipFile(f"{folder}/tiny-1.0-py3-none-any.whl", "w") as wheel:\n'
    '        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")\n'
    '        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")\n'
    '        wheel.writestr("tiny-1.0.dist-info/entry_points.txt", "[console_scripts]\\ntiny = tiny:main\\n")\n'
    '        wheel.write("src/tiny.py", "tiny.py")\n'
    '        wheel.writestr("tiny.pth", "import sys; sys.from_pth = 1\\n")\n'
    '    return "tiny-1.0-py3-none-any.whl"\n',
    "src/tiny.py": "def main():\n    print('tiny', __file__)\n",
    "tiny.py": "raise ImportError('the sources')\n",
    "tests/__init__.py": "",
    "tests/test_tiny.py": "import subprocess, sys, tiny, unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
    "        self.assertIn('.xsrc-wheel', tiny.__file__)\n"
    "        said = subprocess.run(['tiny'], capture_output=True, text=True, check=True).stdout\n"
    "        self.assertIn('.xsrc-wheel', said)\n"
    "        self.assertEqual(sys.from_pth, 1)\n",
}


def test_python3_pep517(site: Site) -> None:
    """The tests have what is installed, with programs and .pth files, and never the sources.

    https://github.com/NixOS/nixpkgs/issues/123561, https://github.com/tox-dev/pipdeptree/issues/268
    """
    unpack.tools(site, "tools", "python3")
    tested = 'hostmakedepends = ["tools"]\n'
    tested += 'make_check_target = "unittest"\nmake_check_args = ["discover", "-t", ".", "-s", "tests", "-v"]'
    project(site, "python3-pep517", PYTHON, tested)
    site.build("tiny", "tools")
    assert "Ran 1 test" in site.log("check", "tiny-1.0_1")
    name, where = site.xsrc("chroot", "tiny").ok().out.split()
    assert name == "tiny"
    assert where.startswith("/usr/lib/python3")
    assert "tiny.cpython" in site.xsrc("files", "tiny").ok().out
    done = site.xsrc("chroot", "python3", "-c", "from importlib.metadata import version as v; print(v('tiny'))").ok()
    assert done.out == "1.0\n"


CARGO = {
    "Cargo.toml": '[package]\nname = "tiny"\nversion = "1.0.0"\nedition = "2018"\n[dependencies]\ntwice = "1"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "tiny"\nversion = "1.0.0"\ndependencies = [\n "twice",\n]\n\n'
    '[[package]]\nname = "twice"\nversion = "1.0.0"\n'
    'source = "registry+https://github.com/rust-lang/crates.io-index"\n',
    "src/main.rs": 'fn main() { println!("{}", twice::twice(4)); }\n'
    "#[test]\nfn four() { assert_eq!(twice::twice(2), 4) }\n",
    "vendor/twice/Cargo.toml": '[package]\nname = "twice"\nversion = "1.0.0"\nedition = "2018"\n',
    "vendor/twice/.cargo-checksum.json": '{"files":{},"package":null}',
    "vendor/twice/src/lib.rs": 'pub fn twice(x: i32) -> i32 { x.checked_mul(2).expect("small") }\n',
}


def test_cargo(site: Site) -> None:
    unpack.tools(site, "tools", "cargo", "rustc")
    project(site, "cargo", CARGO, 'hostmakedepends = ["tools"]')
    site.build("tiny")
    assert "1 passed" in site.log("check", "tiny-1.0_1")
    assert site.xsrc("chroot", "tiny").ok().out == "8\n"
    assert site.xsrc("files", "tiny").ok().out.split() == ["/usr/bin/tiny"]


GO = {
    "go.mod": "module example.com/tiny\n\ngo 1.18\n\nrequire example.com/twice v1.0.0\n",
    "main.go": 'package main\n\nimport "fmt"\nimport "example.com/twice"\n\n'
    "func main() { fmt.Println(twice.Twice(4)) }\n",
    "main_test.go": 'package main\n\nimport "testing"\n\nfunc TestNothing(t *testing.T) {}\n',
    "vendor/modules.txt": "# example.com/twice v1.0.0\n## explicit; go 1.18\nexample.com/twice\n",
    "vendor/example.com/twice/twice.go": "package twice\n\nfunc Twice(x int) int { return 2 * x }\n",
}


def test_go(site: Site) -> None:
    unpack.tools(site, "tools", "golang-go")
    project(site, "go", GO, 'hostmakedepends = ["tools"]')
    site.build("tiny")
    assert "ok  \texample.com/tiny" in site.log("check", "tiny-1.0_1")
    assert site.xsrc("chroot", "tiny").ok().out == "8\n"
    assert site.xsrc("files", "tiny").ok().out.split() == ["/usr/bin/tiny"]


@pytest.mark.parametrize(("style", "program"), [("cargo", "cargo"), ("go", "go")])
def test_a_program_that_is_not_there_is_named(site: Site, style: str, program: str) -> None:
    project(site, style, CARGO)
    site.xsrc("build", "tiny").ended(1, f"the build style {style} needs {program}: name the package that has it")


CMAKE = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.10)
project(tiny C)
add_library(priv SHARED priv.c)
add_executable(cmr cmr.c)
target_link_libraries(cmr priv)
set_target_properties(cmr PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/cmr")
install(TARGETS priv DESTINATION lib/cmr)
install(TARGETS cmr DESTINATION bin)
enable_testing()
add_test(t cmr)
""",
    "priv.c": "int four(void) { return 4; }\n",
    "cmr.c": '#include <stdio.h>\nint four(void);\nint main(void) { return printf("%d\\n", four()) < 0; }\n',
    "build": "a file of the project's own\n",
}


def test_cmake_keeps_the_search_path_of_a_project(site: Site) -> None:
    """Its program did not start: https://github.com/xR3b0rn/dbcppp/issues/31

    A file called build was in the way too: https://github.com/cnjinhao/nana/issues/433
    """
    unpack.tools(site, "tools", "cmake", "ninja-build")
    project(site, "cmake", CMAKE, 'hostmakedepends = ["tools"]')
    site.build("tiny", "tools")
    assert site.xsrc("chroot", "cmr").ok().out == "4\n"


REMEMBERS = """PREFIX ?= /usr/local
CC = gcc
CFLAGS = -O1
prog: main.c config.h
	$(CC) $(CFLAGS) -o $@ main.c
config.h: FORCE
	echo '#define P "$(PREFIX)"' >new.h
	cmp -s new.h $@ || cp new.h $@
check: prog
	./prog
install:
	install -D prog $(DESTDIR)$(PREFIX)/bin/prog
FORCE:
"""


def test_a_makefile_that_remembers_its_prefix_is_built_once(site: Site) -> None:
    """The tests built it again for /usr/local: https://github.com/libxsmm/libxsmm/issues/288

    Its flags are its own, which is said.
    """
    main = '#include <stdio.h>\n#include "config.h"\nint main(void) { return puts(P) < 0; }\n'
    project(site, "gnu-makefile", {"Makefile": REMEMBERS, "main.c": main})
    built = site.build("tiny")
    assert site.xsrc("chroot", "prog").ok().out == "/usr\n"
    assert "no call of a compiler in the log of its build has CFLAGS (" in built.err
    assert "xsrc: no call of a compiler" in site.log("build", "tiny-1.0_1")


def test_a_suite_without_a_test_is_an_error(site: Site) -> None:
    makefile = "all:\n\techo made >made\ncheck:\ninstall:\n\tinstall -D made $(DESTDIR)/usr/share/made\n"
    project(site, "gnu-makefile", {"Makefile": makefile})
    site.xsrc("build", "tiny").ended(1, "tiny-1.0_1: check failed: no test ran: name the tests by make_check_target")
    project(site, "gnu-makefile", {"Makefile": makefile}, 'make_check = "it has none"')
    site.build("tiny")
