"""Sealed destdirs, made by hand as a build makes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.export.acts.pack import write_package
from xsrc.store.disk.scan import scan
from xsrc.store.disk.seal import seal
from xsrc.store.manifest import FILES, PROPS, Props
from xsrc.store.rules import Rules

EPOCH = 1_600_000_000


def sealed(top: Path, fill: Callable[[Path], object], props: Props | None = None) -> tuple[Masterdir, Path]:
    """A masterdir with one sealed destdir; `fill` puts its files into it."""
    masterdir = Masterdir(top)
    props = props or Props(PkgVer("x", "1.0", 1), "x86_64", "f" * 64, short_desc="Test")
    folder = masterdir.destdir(props.pkgver)
    folder.mkdir(parents=True)
    masterdir.binpkgs.mkdir(exist_ok=True)
    fill(folder)
    found = scan(folder)
    props = replace(props, size=found.manifest.size)
    (folder / FILES).write_bytes(found.manifest.render(props.rules.conf_files))
    (folder / PROPS).write_bytes(props.render())
    seal(folder, EPOCH)
    return masterdir, folder


def rules(**table: object) -> Props:
    return Props(PkgVer("x", "1.0", 1), "x86_64", "f" * 64, short_desc="Test", rules=Rules.of(table))


def file(top: Path, path: str, text: str = "x", mode: int = 0o644) -> Path:
    """A file with the folders above it, and a time of the past."""
    target = top / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)
    os.utime(target, (EPOCH - 1000, EPOCH - 1000))
    return target


def packed(masterdir: Masterdir, folder: Path) -> Path:
    """The package of a destdir."""
    return write_package(masterdir, folder.name, folder)[1]
