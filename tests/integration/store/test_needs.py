"""What files on disk ask for: scripts, libraries, modules, and what hostile builds leave instead."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from xsrc.core.errors import BuildFailed
from xsrc.store.disk import needs as reader
from xsrc.store.disk.needs import named, needs
from xsrc.store.needs import Needs, Want


def put(top: Path, path: str, text: str | bytes, mode: int = 0o644) -> Path:
    """A file below `top`."""
    file = top / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return file


def look(top: Path) -> Needs:
    """What all that is below `top` asks for."""
    return needs(top, {str(path.relative_to(top)) for path in top.rglob("*")})


def asked(top: Path, want: Want) -> set[str]:
    return {need.name for need in look(top).needs if need.want is want}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("#!/usr/bin/perl -w", "/usr/bin/perl"),
        ("#! /bin/sh", "/bin/sh"),
        ("#!/usr/bin/env python3", "python3"),
        ("#!/usr/bin/env -S LC_ALL=C awk -f", "awk"),
        ("#!/bin/\x1b[31mred", "/bin/?[31mred"),
    ],
)
def test_interpreter_of_a_script(tmp_path: Path, line: str, name: str) -> None:
    put(tmp_path, "usr/bin/a", f"{line}\n", 0o755)
    put(tmp_path, "usr/bin/b", f"{line}\n", 0o755)
    put(tmp_path, "usr/share/a/not-run", "#!/usr/bin/tclsh\n")
    put(tmp_path, "usr/share/doc/a/x", "#!/usr/bin/tclsh\n", 0o755)
    put(tmp_path, "usr/share/a/examples/x", "#!/usr/bin/tclsh\n", 0o755)
    (need,) = look(tmp_path).needs
    assert need == (Want.PROGRAM, name, "usr/bin/a", 2)


@pytest.mark.parametrize("line", ["#!", "#! \n", "#!/usr/bin/env\n", "#!/usr/bin/env -S\n", "#"])
def test_no_interpreter(tmp_path: Path, line: str) -> None:
    put(tmp_path, "usr/bin/a", line, 0o755)
    assert look(tmp_path) == Needs()


def test_python_imports_that_are_always_made(tmp_path: Path) -> None:
    text = (
        "import os, yaml.nodes\nfrom lxml import etree\nfrom . import own\nfrom __future__ import annotations\n"
        "try:\n    import maybe\nexcept ImportError:\n    maybe = None\n"
        "if False:\n    import never\ndef f():\n    import later\n"
        "raise SystemExit('it was run')\n"
    )
    put(tmp_path, "usr/lib/python3.11/site-packages/a.py", text)
    put(tmp_path, "usr/share/gdb/a.py", "import gdb\n")
    put(tmp_path, "usr/lib/python3.11/site-packages/a/tests/x.py", "import pytest\n")
    assert asked(tmp_path, Want.PYTHON) == {"yaml", "lxml"}
    assert asked(tmp_path, Want.PROGRAM) == {"python3"}
    put(tmp_path, "usr/bin/b", "#!/usr/bin/python3\nimport six\n", 0o755)
    assert asked(tmp_path, Want.PYTHON) == {"yaml", "lxml", "six"}


def test_perl_uses_without_documentation(tmp_path: Path) -> None:
    text = (
        "use strict;\nuse 5.010;\nuse v5.36;\nuse Foo::Bar qw(x);\n  use Inner;\n"
        "=head1 NAME\n\nuse Documented;\n\n=cut\n\nuse After;\n__END__\nuse Never;\n"
    )
    put(tmp_path, "usr/share/a/Own.pm", text)
    assert asked(tmp_path, Want.PERL) == {"strict", "Foo::Bar", "After"}


def test_requires_of_pkg_config(tmp_path: Path) -> None:
    text = "v = 1.2\nm=more\nRequires: zlib >= ${v}, libffi,expat<3\nRequires.private: ${m} \\\n  last\nLibs: -lno\n"
    put(tmp_path, "usr/lib/pkgconfig/a.pc", text)
    put(tmp_path, "usr/share/a/b.pc", "Requires: elsewhere\n")
    assert asked(tmp_path, Want.PC) == {"zlib", "libffi", "expat", "more", "last"}


def test_libraries_and_static_programs(tmp_path: Path) -> None:
    source = put(tmp_path / "src", "a.c", "int main(void) { return 0; }\n")
    (tmp_path / "usr/bin").mkdir(parents=True)
    subprocess.run(["cc", "-o", tmp_path / "usr/bin/a", source], check=True)
    found = look(tmp_path)
    assert {(need.want, need.name) for need in found.needs} == {(Want.SONAME, "libc.so.6")} and not found.static
    subprocess.run(["cc", "-nostdlib", "-static", "-Wl,-e,main", "-o", tmp_path / "usr/bin/s", source], check=True)
    assert look(tmp_path).static


def test_names_in_files(tmp_path: Path) -> None:
    put(tmp_path, "usr/bin/a", "#!/bin/sh\nexec /usr/bin/m4 -E libz.so.1: gm4x\n", 0o755)
    put(tmp_path, "usr/share/man/man1/a.1", "perl\n")
    put(tmp_path, "usr/lib/big", b"\0" * (reader._CHUNK - 2 + 4096) + b"\0sed\0")
    paths = {"usr/bin/a", "usr/share/man/man1/a.1", "usr/lib/big"}
    assert named(tmp_path, paths, {"m4", "libz.so.1", "gm4", "perl", "sed"}) == {"m4", "libz.so.1", "sed"}
    assert named(tmp_path, {"usr/lib/big"}, {"m4"}) == set()


def test_beyond_what_is_searched_any_name_may_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SEARCHED", 1 << 20)
    put(tmp_path, "usr/lib/big", b"x" * (3 << 20))
    assert named(tmp_path, {"usr/lib/big"}, {"m4"}) == {"m4"}


# ---- what a hostile build leaves


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "secret", "#!/usr/bin/perl\nuse Secret;\n", 0o755)
    top = tmp_path / "destdir"
    put(top, "usr/bin/a", "#!/bin/sh\n", 0o755)
    (top / "usr/bin/link").symlink_to(outside)
    (top / "usr/lib").symlink_to(outside.parent)
    found = needs(top, {"usr/bin/a", "usr/bin/link", "usr/lib/secret"})
    assert [need.name for need in found.needs] == ["/bin/sh"]
    assert named(top, {"usr/bin/link", "usr/lib/secret"}, {"Secret"}) == set()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    os.mkfifo(tmp_path / "usr/bin/a")
    assert look(tmp_path) == Needs()


@pytest.mark.parametrize(
    "text",
    ["-" * 200_000 + "1", "a" + ".b" * 200_000, "(" * 100_000, "import \0", "x" + "+1" * 300_000, b"\xff\xfe\0"],
    ids=["signs", "names", "brackets", "zero", "sums", "bytes"],
)
def test_python_that_breaks_parsers_asks_for_nothing(tmp_path: Path, text: str | bytes) -> None:
    put(tmp_path, "usr/lib/python3.11/a.py", text)
    assert asked(tmp_path, Want.PYTHON) == set()


def test_texts_without_an_end(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/pkgconfig/a.pc", "Requires: " + "${a}" * 200_000 + "\na = " + "x" * 1000)
    put(tmp_path, "usr/share/a.pm", "use A;\n" * 500_000)  # longer than is read
    (need,) = look(tmp_path).needs
    assert need.want is Want.PC and set(need.name) == {"x"}
    put(tmp_path, "usr/lib/pkgconfig/b.pc", "Requires: " + " ".join(f"m{n}" for n in range(reader.MOST + 1)))
    with pytest.raises(BuildFailed, match="ask for more than"):
        look(tmp_path)
