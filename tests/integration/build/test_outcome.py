"""What real libraries come out as: which change is seen on which rung of the ladder."""

from __future__ import annotations

import io
import struct
import subprocess
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from xsrc.core.errors import BuildFailed
from xsrc.core.outcome import Outcome, Rung, same
from xsrc.store import elf
from xsrc.store.digest import outcome
from xsrc.store.disk.scan import Scan, scan
from xsrc.store.elf import Role

SOURCE = """
int table[TABLE];
static int hidden(int n) { return n + NUMBER; }
int first(int n) { return hidden(n); }
MORE
"""
VERSIONS = "OLD { global: first; table; local: *; };\nNEW { global: second; } OLD;\n"


def library(folder: Path, **more: str) -> Scan:
    """A small package with a library in it; `more` changes parts of it."""
    parts = {
        "number": "1",
        "more": "",
        "table": "4",
        "soname": "liba.so.1",
        "file": "liba.so.1.0",
        "header": "int first(int);\n",
        "man": "first - the first\n",
        "script": "#!/bin/sh\necho -la\n",
        "program": "int main(void) { return 0; }\n",
        "flags": "",
        "versions": VERSIONS,
        **more,
    }
    (folder / "usr/lib").mkdir(parents=True)
    for path, text in {
        "usr/include/a.h": parts["header"],
        "usr/share/man/man3/first.3": parts["man"],
        "usr/bin/a-config": parts["script"],
    }.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(text)
    made = folder / "usr/lib" / parts["file"]
    script = folder.parent / f"{folder.name}.map"
    script.write_text(parts["versions"])
    source = SOURCE.replace("NUMBER", parts["number"]).replace("TABLE", parts["table"]).replace("MORE", parts["more"])
    linked = [f"-Wl,--version-script={script}", *(["-Wl,-soname," + parts["soname"]] if parts["soname"] else [])]
    compile_to(made, source, "-shared", "-fPIC", *linked, *parts["flags"].split())
    compile_to(folder / "usr/bin/tool", parts["program"])
    for name in {parts["soname"], "liba.so"} - {parts["file"], ""}:
        (folder / "usr/lib" / name).symlink_to(parts["file"])
    return scan(folder)


def compile_to(file: Path, source: str, *flags: str) -> None:
    subprocess.run(["cc", "-x", "c", "-", "-o", str(file), *flags], input=source, text=True, check=True)


def came_out(found: Scan) -> Outcome:
    return outcome(found.manifest.entries, found.elves, {}, (), found.requires, found.provides)


EXACT, INTERFACE, SONAME = {"exact"}, {"exact", "interface"}, {"exact", "interface", "soname"}
CHANGES: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing": ({}, set()),
    "the body of a function": ({"number": "2"}, EXACT),
    "a function that nobody sees": ({"more": "int local(void) { return 3; }"}, EXACT),
    "a man page": ({"man": "first - the very first\n"}, EXACT),
    "a program": ({"program": "int main(void) { return 1; }\n"}, EXACT),
    "one more exported function": ({"more": "int second(void) { return 2; }"}, INTERFACE),
    "the size of a variable": ({"table": "8"}, INTERFACE),
    "the version of a symbol": ({"versions": VERSIONS.replace("OLD", "OLDER")}, INTERFACE),
    "a header": ({"header": "int first(int n);\n"}, INTERFACE),
    "a script": ({"script": "#!/bin/sh\necho -la -lm\n"}, INTERFACE),
    "what it needs": ({"flags": "-Wl,--no-as-needed -lm"}, INTERFACE),
    "the name of its file": ({"file": "liba.so.1.1"}, INTERFACE),
    "its soname": ({"soname": "liba.so.2"}, SONAME),
    "no soname at all": ({"soname": ""}, SONAME),
}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return came_out(library(tmp_path_factory.mktemp("before") / "d"))


@pytest.mark.parametrize(("change", "seen"), CHANGES.values(), ids=CHANGES)
def test_which_rungs_see_a_change(tmp_path: Path, before: Outcome, change: dict[str, str], seen: set[str]) -> None:
    now = came_out(library(tmp_path / "d", **change))
    assert {rung for rung in Rung if getattr(before, rung.value) != getattr(now, rung.value)} == seen
    assert [rung for rung in Rung if not same(rung, before, now)] == [rung for rung in Rung if rung.value in seen]


def test_roles_of_files(tmp_path: Path) -> None:
    compile_to(tmp_path / "program", "int main(void) { return 0; }")
    compile_to(tmp_path / "exported", "int seen; int main(void) { return 0; }", "-rdynamic")
    compile_to(tmp_path / "static", "int main(void) { return 0; }", "-static-pie")
    compile_to(tmp_path / "plugin.so", "int plug;", "-shared", "-fPIC")
    compile_to(tmp_path / "part.o", "int part;", "-c")
    elves = scan(tmp_path).elves
    roles = {path: found.role for path, found in elves.items()}
    programs = dict.fromkeys(("program", "exported", "static"), Role.PROGRAM)
    assert roles == {**programs, "plugin.so": Role.LIBRARY, "part.o": Role.OTHER}
    assert [path for path, found in elves.items() if found.exports] == ["plugin.so"]


def test_a_library_whose_symbols_cannot_be_read_counts_by_its_content(tmp_path: Path) -> None:
    outcomes = []
    for name, number in (("one", "1"), ("two", "2")):
        library(tmp_path / name, number=number)
        file = tmp_path / name / "usr/lib/liba.so.1.0"
        file.write_bytes(without_hash(file.read_bytes()))
        found = scan(tmp_path / name)
        assert found.elves["usr/lib/liba.so.1.0"].role is Role.OTHER and found.provides == ("liba.so.1",)
        outcomes.append(came_out(found))
    assert outcomes[0].interface != outcomes[1].interface and outcomes[0].soname == outcomes[1].soname


def without_hash(data: bytes) -> bytes:
    """A library whose dynamic section says of no table how many symbols there are."""
    section = ELFFile(io.BytesIO(data)).get_section_by_name(".dynamic")
    assert section is not None
    at, size = section["sh_offset"], section["sh_size"]
    tags = [struct.unpack_from("<qQ", data, at + step) for step in range(0, size, 16)]
    harmless = [(0x6FFFFFFB, 0) if tag in (4, 0x6FFFFEF5) else (tag, value) for tag, value in tags]
    return data[:at] + b"".join(struct.pack("<qQ", *tag) for tag in harmless) + data[at + size :]


# ---- hostile files


def hostile(count: int, names: bytes, at: int) -> bytes:
    """A library of so many symbols, all of the name that begins at one place."""
    tags = 16 * 6
    start = 64 + 2 * 56
    hashed, symbols = start + tags, start + tags + 8
    strings = symbols + 24 * count
    end = strings + len(names)
    dynamic = [(14, 1), (4, hashed), (6, symbols), (5, strings), (10, len(names)), (0, 0)]
    header = elf.MAGIC + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, end, end, 1)
    segment = struct.pack("<IIQQQQQQ", 2, 4, start, start, start, tags, tags, 8)
    body = b"".join(struct.pack("<qQ", *tag) for tag in dynamic) + struct.pack("<II", 1, count)
    return header + load + segment + body + struct.pack("<IBBHQQ", at, 0x12, 0, 1, 0, 0) * count + names


HOSTILE = {
    "one long name for all": hostile(200_000, b"\0liba.so\0" + b"x" * (8 << 20) + b"\0", 9),
    "a name without an end": hostile(1000, b"\0liba.so\0" + b"x" * (8 << 20), 9),
    "names beyond their table": hostile(1000, b"\0liba.so\0", 1 << 31),
    "more symbols than anybody has": hostile(1_000_000, b"\0liba.so\0x\0", 9),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tables_cost_little(tmp_path: Path, data: bytes) -> None:
    """The file counts by its content then."""
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/liba.so").write_bytes(data)
    begun = time.process_time()
    found = scan(tmp_path)
    assert time.process_time() - begun < 2
    assert found.elves["usr/liba.so"] == elf.Elf("liba.so")


def test_small_tables_made_the_same_way_are_read(tmp_path: Path) -> None:
    (tmp_path / "liba.so").write_bytes(hostile(3, b"\0liba.so\0x\0", 9))
    assert scan(tmp_path).elves["liba.so"].role is Role.LIBRARY


def test_names_that_no_list_can_hold(tmp_path: Path) -> None:
    (tmp_path / "liba.so").write_bytes(hostile(3, b"\0li\xff.so\0\0x\0", 9))
    with pytest.raises(BuildFailed) as caught:
        scan(tmp_path)
    assert "it names a library in characters that no property list can hold" in "\n".join(caught.value.detail)
