"""Makes the wheel of a Python project by its PEP 517 backend and spreads it below .xsrc-wheel/root.

The styles' own program: it runs in the build root, with the sources as its directory and the standard library alone.
Its arguments are the text of sitecustomize.py, which the tests have, and the backend's settings, KEY=VALUE. RECORD is
left out, so that nobody but xsrc takes the files away.
"""

from __future__ import annotations

import compileall
import configparser
import functools
import importlib
import os
import py_compile
import re
import shutil
import stat
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import Any

WORK = Path(".xsrc-wheel")
ROOT = ("bin", "etc", "lib", "lib64", "opt", "sbin", "share", "srv", "usr", "var")
"""Names at the top of a root, which are hardly those of modules."""
LAUNCHER = "#!/usr/bin/python3\nimport sys\n\nfrom {module} import {name}\n\nsys.exit({call}())\n"


def settings(words: Iterable[str]) -> dict[str, str | list[str]]:
    """The settings as a backend takes them; what is said more than once is a list."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.partition("=")
        found.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def build_system() -> dict[str, Any]:
    """The table of pyproject.toml, empty where there is none."""
    file = Path("pyproject.toml")
    table = tomllib.loads(file.read_text(encoding="utf-8")).get("build-system", {}) if file.exists() else {}
    return dict(table)


def backend(system: dict[str, Any]) -> Any:
    """What pyproject.toml names as build-backend: setuptools, where it names none."""
    module, _, attributes = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    sys.path[:0] = [str(Path(path).resolve()) for path in system.get("backend-path", ())]
    try:
        return functools.reduce(getattr, filter(None, attributes.split(".")), importlib.import_module(module))
    except ModuleNotFoundError as error:
        sys.exit(
            f"xsrc: the backend {module} needs the module {error.name}: name the package that has it in hostmakedepends"
        )


def packaging(module: str) -> Any:
    """A module of packaging, which setuptools and pip bring along; None where there is none of them."""
    for place in ("packaging", "setuptools._vendor.packaging", "setuptools.extern.packaging", "pip._vendor.packaging"):
        try:
            return importlib.import_module(f"{place}.{module}")
        except ImportError:
            continue
    return None


def missing(requirements: Iterable[str]) -> Iterator[str]:
    """Those requirements of a build that nothing here meets; without packaging, versions and conditions count not."""
    reader = packaging("requirements")
    for text in requirements:
        wish = reader.Requirement(text) if reader else None
        if (wish.marker and not wish.marker.evaluate({"extra": ""})) if wish else ";" in text:
            continue
        try:
            found = metadata.version(wish.name if wish else re.split(r"[^A-Za-z0-9._-]", text.strip())[0])
        except metadata.PackageNotFoundError:
            yield text
            continue
        if wish and not wish.specifier.contains(found, prereleases=True):
            yield f"{text} (here is {found})"


def require(requirements: Iterable[str], who: str) -> None:
    """End with a message for requirements that are not met."""
    if lacking := "; ".join(missing(requirements)):
        sys.exit(
            f"xsrc: {who} requires {lacking}: name the package that has it in hostmakedepends, "
            "or change the requirement in [phases] post_patch"
        )


def same_version(one: str, other: str) -> bool:
    """Whether two versions are equal; what follows a + is of whoever packed it."""
    one, other = one.partition("+")[0], other.partition("+")[0]
    reader = packaging("version")
    try:
        return bool(reader.Version(one) == reader.Version(other)) if reader else one == other
    except ValueError:  # of which InvalidVersion is one
        return one == other


def check_version(found: str, want: str | None) -> None:
    """End with a message where the wheel's version is not that of the template."""
    if want is not None and not same_version(found, want):
        sys.exit(
            f"xsrc: the wheel has version {found}, and the template {want}: "
            "name what finds the version (setuptools-scm, hatch-vcs) in hostmakedepends, or correct the template"
        )


def misplaced(names: Iterable[str]) -> list[str]:
    """Folders of a wheel's library that are places of a root, and hold no module: data that got lost."""
    tops: dict[str, bool] = {}
    for name in names:
        top, slash, _ = name.partition("/")
        if slash and top in ROOT:
            tops[top] = tops.get(top, False) or name.endswith((".py", ".so"))
    return [top for top, modules in tops.items() if not modules]


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


def modules(names: Iterable[str]) -> set[str]:
    """The modules at the top of a wheel, but for tests that came along."""
    tops = {name.partition("/")[0].partition(".")[0] for name in names if ".dist-info/" not in name}
    return {top for top in tops if top.isidentifier()} - {"test", "tests"}


def lay_out(wheel: zipfile.ZipFile, project: str, root: Path) -> None:
    """Write the files of a wheel below a root, and compile its modules."""
    for path, data, mode in spread(wheel, project):
        file = root / path.relative_to("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
        if path.parts[2] in ("etc", "usr", "var"):
            print(f"xsrc: data go to {path}: [install] rename moves them elsewhere")
    # byte code that is not compared with its source, whose time says nothing here; what does not compile has none
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(root, maxlevels=99, stripdir=root, prependdir="/", quiet=1, invalidation_mode=unchecked)


def main() -> None:
    """Make the wheel, lay it out, and leave for the tests a note of what is where."""
    shutil.rmtree(WORK, ignore_errors=True)  # of a phase that failed, and is gone on with
    (site := WORK / "site").mkdir(parents=True)
    custom, *words = sys.argv[1:]
    system, wishes = build_system(), settings(words) or None
    require(system.get("requires", ()), "pyproject.toml")
    maker = backend(system)
    if hasattr(maker, "get_requires_for_build_wheel"):
        require(maker.get_requires_for_build_wheel(wishes), "the backend")
    name = maker.build_wheel(str(WORK), wishes)
    root = (WORK / "root").resolve()
    with zipfile.ZipFile(WORK / name) as wheel:
        names = wheel.namelist()
        if lost := misplaced(names):
            sys.exit(f"xsrc: {', '.join(lost)} would be in site-packages: correct data_files in [phases] post_patch")
        (facts,) = (wheel.read(name) for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        check_version(Parser().parsestr(facts.decode()).get("Version", ""), os.environ.get("VERSION"))
        lay_out(wheel, name.partition("-")[0], root)
    libraries = [*dict.fromkeys(str(root / schemes()[kind].relative_to("/")) for kind in ("purelib", "platlib"))]
    text = custom.replace("= []", f"= {libraries!r}").replace("frozenset()", f"frozenset({sorted(modules(names))!r})")
    (site / "sitecustomize.py").write_text(text, encoding="utf-8")
    (WORK / "path").write_text(":".join((str(site.resolve()), *libraries)), encoding="utf-8")


if __name__ == "__main__":
    main()
