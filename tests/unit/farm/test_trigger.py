"""Triggers: what fires each of those that xsrc comes with, and what a shell is given."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from importlib import resources

import pytest

from xsrc.farm.trigger import Trigger, parse_triggers

TEXTS = {
    file.name.removesuffix(".toml"): file.read_text()
    for file in (resources.files("xsrc") / "farm" / "triggers").iterdir()
    if file.name.endswith(".toml")
}
SHIPPED = parse_triggers(TEXTS)

FIRES = {
    "desktop-database": (
        ["usr/share/applications/vim.desktop"],
        ["usr/share/applications/mimeinfo.cache", "usr/share/applications", "usr/share/vim.desktop"],
    ),
    "gio-modules": (["usr/lib/gio/modules/libx.so"], ["usr/lib/gio/modules/giomodule.cache", "usr/lib/libx.so"]),
    "glib-schemas": (
        ["usr/share/glib-2.0/schemas/org.x.gschema.xml", "usr/share/glib-2.0/schemas/10_x.gschema.override"],
        ["usr/share/glib-2.0/schemas/gschemas.compiled", "usr/share/x.xml"],
    ),
    "info-dir": (
        ["usr/share/info/sed.info", "usr/share/info/sed.info.gz", "usr/share/info/gcc.info-1.info.xz"],
        ["usr/share/info/dir", "usr/share/info", "usr/share/doc/sed.info"],
    ),
    "ldconfig": (
        ["usr/lib/libz.so", "usr/lib/libz.so.1", "usr/lib/libz.so.1.3.1"],
        ["usr/lib/libz.a", "usr/lib/pkgconfig/zlib.pc", "usr/bin/libz.so", "etc/ld.so.cache"],
    ),
    "mime-database": (
        ["usr/share/mime/packages/freedesktop.org.xml"],
        ["usr/share/mime/mime.cache", "usr/share/mime/packages", "usr/share/packages/x.xml"],
    ),
}
"""By trigger, paths that fire it and paths that do not: what it makes itself is among these."""


def test_every_trigger_is_tried() -> None:
    assert SHIPPED.keys() == FIRES.keys() and SHIPPED


@pytest.mark.parametrize(
    ("name", "path", "want"),
    [
        (name, path, want)
        for name, sides in FIRES.items()
        for want, side in zip((1, 0), sides, strict=True)
        for path in side
    ],
)
def test_what_fires_a_trigger(name: str, path: str, want: int) -> None:
    assert SHIPPED[name].concerns([path]) == bool(want)
    assert SHIPPED[name].concerns(["a", path, "b"]) == bool(want)
    assert not SHIPPED[name].concerns([])


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_trigger_says_of_itself(name: str) -> None:
    trigger = SHIPPED[name]
    assert trigger.name == name
    assert trigger.desc and not trigger.desc.endswith(".")
    assert trigger.paths and all(not path.startswith("/") for path in trigger.paths)
    assert trigger.program in trigger.run
    assert "$OUT/" in trigger.run
    assert set(tomllib.loads(TEXTS[name])) == {"desc", "paths", "makes", "program", "run"}, "no key is overlooked"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_script_of_a_trigger_is_sh(name: str) -> None:
    shell = shutil.which("dash") or "sh"
    done = subprocess.run([shell, "-n"], input=SHIPPED[name].script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_stops_at_a_failure_and_needs_its_program() -> None:
    trigger = Trigger("t", "d", ("x",), ("y",), "no-such-program", "echo ran\n")
    done = subprocess.run(["sh", "-c", trigger.script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), "where the program is not there nothing is made"
    failing = Trigger("t", "d", ("x",), ("y",), "sh", "false\necho ran\n")
    done = subprocess.run(["sh", "-c", failing.script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("key", ["desc", "paths", "makes", "program", "run"])
def test_a_trigger_without_a_key_is_none(key: str) -> None:
    table = {"desc": "d", "paths": ["x"], "makes": ["y"], "program": "sh", "run": "true"}
    text = "".join(f"{k} = {v!r}\n" for k, v in table.items() if k != key)
    with pytest.raises(KeyError, match=key):
        parse_triggers({"t": text})


MAKES = {
    "desktop-database": "usr/share/applications/mimeinfo.cache",
    "gio-modules": "usr/lib/gio/modules/giomodule.cache",
    "glib-schemas": "usr/share/glib-2.0/schemas/gschemas.compiled",
    "info-dir": "usr/share/info/dir",
    "ldconfig": "etc/ld.so.cache",
    "mime-database": "usr/share/mime/mime.cache",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_trigger_may_make(name: str) -> None:
    trigger = SHIPPED[name]
    assert trigger.may_make(MAKES[name])
    assert not trigger.concerns([MAKES[name]]), "else it would fire itself"
    for path in (
        "root/.profile",
        "etc/profile",
        "usr/bin/sh",
        f"root/{MAKES[name]}",
        f"{MAKES[name].rpartition('/')[0]}x",
    ):
        assert not trigger.may_make(path)
