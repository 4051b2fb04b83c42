"""Writes helpers/*.lock: the version and the checksums of every Python package that helpers/setup installs.

`helpers/setup --lock` runs it. It asks the index that pip is configured for on this machine, through pip itself; no
address gets into a lock. It changes no installed package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
PLATFORMS = (
    # newest first: pip takes the first that a package has; Debian 12 has glibc 2.36
    ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux_2_5"),
    ("musllinux_1_2", "musllinux_1_1"),
)
SDISTS_NEED = ("setuptools>=70.1",)
"""What builds the packages that have no wheels. From 70.1 on setuptools makes wheels without the package wheel."""

Item = dict[str, Any]
"""One package in a report of pip's."""
Items = dict[str, Item]
"""Packages by their canonical names."""


def ask_pip(*words: str) -> Items:
    """Let pip choose packages without installing any. Raises CalledProcessError; pip says the reason on stderr."""
    pip = (sys.executable, "-I", "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed")
    done = subprocess.run((*pip, "--report", "-", *words), stdout=subprocess.PIPE, check=True)
    return {canonicalize_name(item["metadata"]["name"]): item for item in json.loads(done.stdout)["install"]}


def resolve(wanted: Iterable[str]) -> Items:
    """Choose the newest versions that fit together, for every Python of PYTHONS."""
    # without isolation: pip would fetch what builds a source package, unpinned, and run it
    words = list(wanted)
    while True:
        items = ask_pip("--no-build-isolation", *words)
        missing = {str(need) for need in needs(words, items) if canonicalize_name(need.name) not in items}
        if not missing:
            return items
        words += sorted(missing)  # needed by another Python than the one that runs pip


def needs(wanted: Iterable[str], items: Mapping[str, Item]) -> Iterator[Requirement]:
    """Yield requirements and, as far as `items` has their packages, all that those need, without their markers."""
    queue = [Requirement(text) for text in wanted]
    seen = set[str]()
    while queue:
        need = queue.pop()
        need.marker = None
        if str(need) in seen:
            continue
        seen.add(str(need))
        yield need
        item = items.get(canonicalize_name(need.name), {"metadata": {}})
        below = (Requirement(text) for text in item["metadata"].get("requires_dist", ()))
        queue += [other for other in below if applies(other, need.extras)]


def applies(need: Requirement, extras: Iterable[str]) -> bool:
    """Whether a requirement counts with any Python and machine that the locks are for."""
    marker = need.marker
    return marker is None or any(
        marker.evaluate(
            {
                "python_version": python,
                "python_full_version": f"{python}.0",
                "platform_machine": machine,
                "sys_platform": "linux",
                "extra": extra,
            }
        )
        for python, machine, extra in product(PYTHONS, MACHINES, ("", *extras))
    )


def checksums(items: Items) -> dict[str, set[str]]:
    """Return the sha256 of each package's file for every Python, machine and libc; of a package without wheels, one."""
    found: dict[str, set[str]] = defaultdict(set)
    pins = []
    for name, item in items.items():
        if item["download_info"]["url"].endswith(".whl"):
            pins.append(f"{name}=={item['metadata']['version']}")
        else:
            found[name].add(sha256(item))
    for python, machine, platforms in product(PYTHONS, MACHINES, PLATFORMS):
        print(f"looking for wheels: Python {python}, {machine}, {platforms[0]}", file=sys.stderr)
        where = [word for platform in platforms for word in ("--platform", f"{platform}_{machine}")]
        flags = ("--no-deps", "--only-binary=:all:", "--target=/nonexistent", "--python-version", python)
        for name, item in ask_pip(*flags, *where, *pins).items():
            found[name].add(sha256(item))
    return found


def sha256(item: Item) -> str:
    return str(item["download_info"]["archive_info"]["hashes"]["sha256"])


def write(name: str, items: Items, sums: Mapping[str, set[str]], names: Iterable[str]) -> None:
    """Write one lock, in the form that `pip install --require-hashes -r` reads."""
    lines = ["# Written by helpers/setup --lock: the only files of Python packages that helpers/setup installs."]
    for package in sorted(names):
        lines.append(f"{package}=={items[package]['metadata']['version']} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(sums[package])))
    (TREE / f"helpers/{name}.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write the three locks anew: what builds packages, what xsrc needs, and that with what its tests need."""
    settings = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))
    plain = settings["project"]["dependencies"]
    test = plain + settings["project"]["optional-dependencies"]["test"]
    build = resolve([*settings["build-system"]["requires"], *SDISTS_NEED])
    write("build", build, checksums(build), build)
    items = resolve(test)
    sums = checksums(items)
    write("plain", items, sums, {canonicalize_name(need.name) for need in needs(plain, items)})
    write("test", items, sums, items)


if __name__ == "__main__":
    main()
