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
    '    return "tiny-1.0-py3-none-any.whl"\n',
    "src/tiny.py": "def main():\n    print('tiny', __file__)\n",
    "tests/__init__.py": "",
    "tests/test_tiny.py": "import unittest, tiny\nclass T(unittest.TestCase):\n    def test(self):\n"
    "        self.assertIn('.xsrc-wheel', tiny.__file__)\n",
}


def test_python3_pep517(site: Site) -> None:
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
    unpack.tools(site, "tools", "go")
    project(site, "go", GO, 'hostmakedepends = ["tools"]')
    site.build("tiny")
    assert "ok  \texample.com/tiny" in site.log("check", "tiny-1.0_1")
    assert site.xsrc("chroot", "tiny").ok().out == "8\n"
    assert site.xsrc("files", "tiny").ok().out.split() == ["/usr/bin/tiny"]


@pytest.mark.parametrize(("style", "program"), [("cargo", "cargo"), ("go", "go")])
def test_a_program_that_is_not_there_is_named(site: Site, style: str, program: str) -> None:
    project(site, style, CARGO)
    site.xsrc("build", "tiny").ended(1, f"the build style {style} needs {program}: name the package that has it")
