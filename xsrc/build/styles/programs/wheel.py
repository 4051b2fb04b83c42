"""Makes the wheel of a Python project by its PEP 517 backend and spreads it below .xsrc-wheel/root.

The styles' own program: it runs in the build root, with the sources as its directory and the standard library alone.
Its arguments are the backend's settings, KEY=VALUE. RECORD is left out, so that nobody but xsrc takes the files away.
"""

from __future__ import annotations

import compileall
import configparser
import functools
import importlib
import py_compile
import shutil
import stat
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WORK = Path(".xsrc-wheel")
LAUNCHER = "#!/usr/bin/python3\nimport sys\n\nfrom {module} import {name}\n\nsys.exit({call}())\n"


def settings(words: Iterable[str]) -> dict[str, str | list[str]]:
    """The settings as a backend takes them; what is said more than once is a list."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.partition("=")
        found.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def backend() -> Any:
    """What pyproject.toml names as build-backend: setuptools, where it names none."""
    file = Path("pyproject.toml")
    system = tomllib.loads(file.read_text(encoding="utf-8")).get("build-system", {}) if file.exists() else {}
    module, _, attributes = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    sys.path[:0] = [str(Path(path).resolve()) for path in system.get("backend-path", ())]
    try:
        return functools.reduce(getattr, filter(None, attributes.split(".")), importlib.import_module(module))
    except ModuleNotFoundError as error:
        sys.exit(
            f"xsrc: the backend {module} needs the module {error.name}: name the package that has it in hostmakedepends"
        )


def schemes() -> dict[str, Path]:
    """Where the interpreter looks for packages of the system, by the names of PEP 427."""
    scheme = "deb_system" if "deb_system" in sysconfig.get_scheme_names() else "posix_prefix"
    bases = dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase"), "/usr")
    paths = sysconfig.get_paths(scheme, vars=bases)
    return {"headers": Path(paths["include"])} | {name: Path(path) for name, path in paths.items()}


def launchers(text: str) -> Iterator[tuple[str, str]]:
    """The name and the text of each script of an entry_points.txt."""
    points = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    points.optionxform = str  # type: ignore[assignment,method-assign]
    points.read_string(text)
    for section in ("console_scripts", "gui_scripts"):
        for script, target in points[section].items() if section in points else ():
            module, _, call = target.partition("[")[0].replace(" ", "").partition(":")
            yield script, LAUNCHER.format(module=module, name=call.partition(".")[0], call=call)


def spread(wheel: zipfile.ZipFile, project: str) -> Iterator[tuple[Path, bytes, int]]:
    """Every file of a wheel as the system has it: absolute path, data, mode."""
    where = schemes()
    (info,) = (name.removesuffix("/WHEEL") for name in wheel.namelist() if name.endswith(".dist-info/WHEEL"))
    pure = b"root-is-purelib: true" in wheel.read(f"{info}/WHEEL").lower()
    library = where["purelib" if pure else "platlib"]
    for member in wheel.infolist():
        data, path = wheel.read(member), Path(member.filename)
        mode = 0o755 if member.external_attr >> 16 & stat.S_IXUSR else 0o644
        if member.is_dir() or member.filename.startswith(f"{info}/RECORD"):
            continue
        if path.parts[0] != f"{info.removesuffix('.dist-info')}.data":
            yield library / path, data, mode
            continue
        kind, rest = path.parts[1], Path(*path.parts[2:])
        if kind == "scripts":
            line, end, body = data.partition(b"\n")
            data, mode = (b"#!/usr/bin/python3\n" + body if line.startswith(b"#!python") else line + end + body), 0o755
        yield where[kind] / (project / rest if kind == "headers" else rest), data, mode
    yield library / info / "INSTALLER", b"xsrc\n", 0o644
    if f"{info}/entry_points.txt" in wheel.namelist():
        for script, text in launchers(wheel.read(f"{info}/entry_points.txt").decode()):
            yield where["scripts"] / script, text.encode(), 0o755


def main() -> None:
    """Make the wheel, spread it, and leave a note of where its modules are for the tests."""
    shutil.rmtree(WORK, ignore_errors=True)  # of a phase that failed, and is gone on with
    WORK.mkdir()
    name = backend().build_wheel(str(WORK), settings(sys.argv[1:]) or None)
    root = (WORK / "root").resolve()
    with zipfile.ZipFile(WORK / name) as wheel:
        for path, data, mode in spread(wheel, name.partition("-")[0]):
            file = root / path.relative_to("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(mode)
    # byte code that is not compared with its source, whose time says nothing here; what does not compile has none
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(root, maxlevels=99, stripdir=root, prependdir="/", quiet=1, invalidation_mode=unchecked)
    libraries = dict.fromkeys(root / schemes()[kind].relative_to("/") for kind in ("purelib", "platlib"))
    (WORK / "path").write_text(":".join(map(str, libraries)), encoding="utf-8")


if __name__ == "__main__":
    main()
