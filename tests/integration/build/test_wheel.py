"""The program of the style python3-pep517: what it asks of a backend, and where the files of a wheel come to stand."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import style_programs

BACKEND = """
import json, zipfile

def build_wheel(folder, config_settings=None):
    name = "a_b-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("a_b-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: PURE\\n")
        wheel.writestr("a_b-1.0.dist-info/METADATA", "Name: a-b\\nVersion: 1.0\\n")
        wheel.writestr("a_b-1.0.dist-info/RECORD", "")
        wheel.writestr("a_b-1.0.dist-info/entry_points.txt", ENTRIES)
        wheel.writestr("a_b/__init__.py", f"SETTINGS = {config_settings!r}\\ndef main():\\n    print('main')\\n")
        program = zipfile.ZipInfo("a_b/run")
        program.external_attr = 0o100755 << 16
        wheel.writestr(program, "#!/bin/sh\\n")
        wheel.writestr("a_b-1.0.data/scripts/old", "#!python -E\\nprint('old')\\n")
        wheel.writestr("a_b-1.0.data/scripts/sh", "#!/bin/sh\\n")
        wheel.writestr("a_b-1.0.data/data/share/man/man1/a.1", ".TH a 1\\n")
        wheel.writestr("a_b-1.0.data/headers/a.h", "")
        wheel.writestr("a_b-1.0.data/platlib/a_c.so", "")
    return name

class deep:
    hook = type("", (), {"build_wheel": staticmethod(build_wheel)})
"""
ENTRIES = """
[console_scripts]
a-b = a_b:main
Deep = a_b : main.__call__ [extra]
[gui_scripts]
%x = a_b:main
[other.group]
none = a_b
"""
SCHEME = "deb_system" if "deb_system" in sysconfig.get_scheme_names() else "posix_prefix"
PATHS = sysconfig.get_paths(
    SCHEME, vars=dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase"), "/usr")
)


def made(
    folder: Path, *words: str, system: str = 'backend-path = ["in"]\nbuild-backend = "back"', **changed: Any
) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder with a project in it whose backend is its own."""
    (folder / "in").mkdir(exist_ok=True)
    text = BACKEND.replace("ENTRIES", repr(changed.get("entries", ENTRIES))).replace(
        "PURE", changed.get("pure", "true")
    )
    text += changed.get("more", "")
    (folder / "in/back.py").write_text(text)
    (folder / "pyproject.toml").write_text(f"[build-system]\nrequires = {changed.get('requires', '[]')}\n{system}\n")
    argv = (sys.executable, "-P", "-c", *(style_programs()[name] for name in ("wheel.py", "sitecustomize.py")), *words)
    return subprocess.run(argv, cwd=folder, env=changed.get("env"), capture_output=True, text=True, check=False)


def spread(folder: Path) -> dict[str, int]:
    """Every file that was laid out, with its mode; without byte code."""
    root = folder / ".xsrc-wheel/root"
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {f"/{path.relative_to(root)}": path.stat().st_mode & 0o7777 for path in files}


def test_each_file_where_the_interpreter_has_it(tmp_path: Path) -> None:
    assert made(tmp_path).returncode == 0
    library, scripts = PATHS["purelib"], PATHS["scripts"]
    assert spread(tmp_path) == {
        **{
            f"{library}/a_b-1.0.dist-info/{name}": 0o644
            for name in ("WHEEL", "METADATA", "INSTALLER", "entry_points.txt")
        },
        f"{library}/a_b/__init__.py": 0o644,
        f"{library}/a_b/run": 0o755,
        f"{PATHS['platlib']}/a_c.so": 0o644,
        f"{PATHS['include']}/a_b/a.h": 0o644,
        "/usr/share/man/man1/a.1": 0o644,
        **{f"{scripts}/{name}": 0o755 for name in ("old", "sh", "a-b", "Deep", "%x")},
    }
    assert library.startswith("/usr/lib/python3")
    assert "/local/" not in library


def test_what_failed_is_made_anew(tmp_path: Path) -> None:
    left = tmp_path / ".xsrc-wheel/root/usr/left"
    assert made(tmp_path, pure="false", entries="broken").returncode != 0
    left.parent.mkdir(parents=True, exist_ok=True)
    left.touch()
    assert made(tmp_path).returncode == 0
    assert not left.exists()
    assert f"{PATHS['purelib']}/a_b/__init__.py" in spread(tmp_path)


def test_a_wheel_for_one_machine_goes_where_those_are(tmp_path: Path) -> None:
    assert made(tmp_path, pure="false").returncode == 0
    assert f"{PATHS['platlib']}/a_b/__init__.py" in spread(tmp_path)


@pytest.mark.parametrize(("script", "said"), [("a-b", "main"), ("Deep", "main"), ("%x", "main"), ("old", "old")])
def test_scripts_run_with_the_python_of_the_root(tmp_path: Path, script: str, said: str) -> None:
    assert made(tmp_path).returncode == 0
    file = tmp_path / f".xsrc-wheel/root{PATHS['scripts']}/{script}"
    assert file.read_text().startswith("#!/usr/bin/python3\n")
    path = (tmp_path / ".xsrc-wheel/path").read_text()
    done = subprocess.run([sys.executable, file], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}\n", "")


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ((), None),
        (("a=1", "b=x=y"), {"a": "1", "b": "x=y"}),
        (("a=1", "a=2", "a=3", "b"), {"a": ["1", "2", "3"], "b": ""}),
    ],
)
def test_settings_of_the_backend(tmp_path: Path, words: tuple[str, ...], want: object) -> None:
    assert made(tmp_path, *words).returncode == 0
    text = (tmp_path / f".xsrc-wheel/root{PATHS['purelib']}/a_b/__init__.py").read_text()
    assert text.startswith(f"SETTINGS = {want!r}\n")


def test_a_backend_that_is_an_attribute(tmp_path: Path) -> None:
    assert made(tmp_path, system='backend-path = ["in"]\nbuild-backend = "back:deep.hook"').returncode == 0
    assert spread(tmp_path)


def test_a_wheel_without_scripts(tmp_path: Path) -> None:
    assert made(tmp_path, entries="").returncode == 0
    assert f"{PATHS['scripts']}/a-b" not in spread(tmp_path)


def test_a_backend_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = made(tmp_path, system='build-backend = "no_such.api"')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "xsrc: the backend no_such.api needs the module no_such: name the package that has it in hostmakedepends\n"
    )


def test_byte_code_says_nothing_of_the_build(tmp_path: Path) -> None:
    assert made(tmp_path).returncode == 0
    (code,) = tmp_path.rglob("a_b/**/__init__*.pyc")
    data = code.read_bytes()
    assert data[4:8] == b"\x01\0\0\0", "a checksum of the source that is not compared (PEP 552)"
    assert str(tmp_path).encode() not in data
    assert f"{PATHS['purelib']}/a_b/__init__.py".encode() in data


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"requires": '["no-such-tool[toml]>=7"]'}, "pyproject.toml requires no-such-tool[toml]>=7: name the package"),
        ({"requires": '["pytest>=9999"]'}, "pyproject.toml requires pytest>=9999 (here is "),
        (
            {"more": "get_requires_for_build_wheel = lambda config=None: ['cython-x>=3']"},
            "the backend requires cython-x",
        ),
        ({"env": {"VERSION": "3.2"}}, "the wheel has version 1.0, and the template 3.2: "),
        ({"data": "etc/datax/x.conf"}, "etc would be in site-packages"),
        ({"data": "usr/share/x"}, "usr would be in site-packages"),
    ],
)
def test_a_wheel_that_is_not_what_was_meant_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """https://github.com/wolfi-dev/os/pull/26770, https://github.com/pypa/installer/issues/128"""
    if data := changed.pop("data", ""):
        changed["more"] = f"""
def build_wheel(folder, config_settings=None, made=build_wheel):
    name = made(folder, config_settings)
    with zipfile.ZipFile(f"{{folder}}/{{name}}", "a") as wheel:
        wheel.writestr("{data}", "x")
    return name
"""
    done = made(tmp_path, **changed)
    assert done.returncode == 1
    assert f"xsrc: {said}" in done.stderr


@pytest.mark.parametrize(
    "changed",
    [
        {"requires": '["pytest>=7", "no-such-tool; python_version < \'3\'"]'},
        {"env": {"VERSION": "1"}},
        {"env": {"VERSION": "1.0+git20260101"}},
    ],
)
def test_a_wheel_whose_requirements_are_met_is_made(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert made(tmp_path, **changed).returncode == 0
