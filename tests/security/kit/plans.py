"""What xsrc itself would show a build: its own plans, over a masterdir in the caller's home."""

from __future__ import annotations

from pathlib import Path

from tests.security.kit.box import Box, folder, give
from xsrc.base.disk.essential import View
from xsrc.base.disk.host import host_base
from xsrc.build import root
from xsrc.core.arch import Machine
from xsrc.core.layout import Masterdir
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.sandbox import roots
from xsrc.sandbox.sandbox import Sandbox
from xsrc.tree.package import Package
from xsrc.unix import machine


def sandboxes(box: Box) -> dict[str, Sandbox]:
    """What xsrc shows the phases of a build, and `xsrc chroot`; its masterdir is in the caller's home."""
    person, base = box.person, host_base(machine.arch(), View(whole="the layer that hides is a test of its own"))
    home = box.folder("home")
    masterdir = Masterdir(folder(home / "masterdir", person))
    pkgver = PkgVer("hostile", "1.0", 1)
    work = masterdir.work(pkgver)
    made = [masterdir.destdirs, masterdir.builddir, masterdir.root / "var", masterdir.root / "var/db", masterdir.db]
    made += [work.path, work.root, work.wrksrc, work.destdir, masterdir.nothing]
    for path in made:
        folder(path, person)
    for top in (work.root, masterdir.root):
        for inside in ("usr", "etc", "etc/alternatives", "proc", "sys", "dev", "tmp", *base.layers, *base.binds):
            if not (top / inside).exists():
                folder(top / inside, person)
        for name in ("bin", "sbin", "lib", "lib64"):
            give_link(top / name, f"usr/{name}", box)
    for inside in (f"pkg-builddir/{pkgver.work}", f"pkg-destdir/{pkgver}"):
        for path in (*reversed((work.root / inside).parents), work.root / inside):
            if not path.exists():
                folder(path, person)
    package = a_package(pkgver)
    phases = (Phase.EXTRACT, Phase.BUILD, Phase.INSTALL)
    env, none = {"PATH": "/usr/bin"}, root.Layers()
    found = {p.value: root.build_root(package, p, masterdir, none, base, env, 16) for p in phases}
    tops = frozenset(path.name for path in masterdir.root.iterdir() if path.is_dir() and not path.is_symlink())
    mounts = roots.stowed_mounts(masterdir, base, (), tops, writable=True)
    found["chroot"] = roots.stowed_root(masterdir.root, mounts, env, "/", 16)
    return found


def a_package(pkgver: PkgVer) -> Package:
    """What build_root reads of a package; the rest stays unset."""
    package = object.__new__(Package)
    here = Machine(machine.arch(), machine.arch())
    for name, value in {"pkgver": pkgver, "machine": here, "build_wrksrc": ""}.items():
        object.__setattr__(package, name, value)
    return package


def give_link(path: Path, target: str, box: Box) -> None:
    if not path.exists():
        path.symlink_to(target)
        give(path, box.person)
