"""A package does not depend on who builds it: locale, umask, the folder above, the user's own Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.site import Site

LOCALES = {"de_DE.ISO-8859-1": "ISO-8859-1", "ja_JP.EUC-JP": "EUC-JP", "ru_RU.KOI8-R": "KOI8-R"}
INSTALL = """mkdir -p "$DESTDIR/usr/share/who/sub"; cd "$DESTDIR/usr/share/who"
echo größe >"ünï.txt"; : >"$(printf 'f\\303\\274r.txt')"; ln -s "ünï.txt" "größe"; echo "$PATH" "$HOME" >sub/env
"""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of locales (LOCPATH) that are not UTF-8, made here."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/charmaps").is_dir():
        pytest.skip("no localedef with charmaps here")
    for name, charmap in LOCALES.items():
        done = subprocess.run(
            ["localedef", "-i", name.partition(".")[0], "-f", charmap, str(folder / name)],
            capture_output=True,
            check=False,
        )
        if done.returncode > 1:  # 1: a warning
            pytest.skip(f"localedef: {done.stderr.decode(errors='replace')}")
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o055)
    return folder


def digest(masterdir: Path) -> dict[str, str]:
    """Every path below a sealed destdir with mode and content, and the record of its files."""
    destdir = masterdir / "pkg-destdir/who-1.0_1"
    return {**look.tree(destdir / "usr"), "files.plist": (destdir / "files.plist").read_text(encoding="utf-8")}


def test_five_builders_get_one_package(site: Site, locales: Path) -> None:
    """
    https://github.com/OSInside/kiwi/issues/829
    https://github.com/mypaint/libmypaint/issues/14
    https://github.com/khadas/fenix/issues/126
    https://github.com/spack/spack/issues/2100
    """
    site.script("who", INSTALL)
    (poison := site.root / "poison").mkdir()
    for module in ("urllib3", "toml", "plumbum", "json"):
        (poison / f"{module}.py").write_text("raise SystemExit('the module of another Python')\n")
    site.land.own(poison)
    shared = site.land.folder("shared")
    shared.chmod(0o2775)
    acl = site.land.folder("acl")
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-d", "-m", "u::rwx,g::rwx,o::r-x", acl], check=False)
    python = {"PYTHONPATH": str(poison), "PYTHONHOME": "/nonexistent", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    builders: dict[str, tuple[Path, dict[str, str]]] = {
        "usual": (site.root / "usual", {"LC_ALL": "C.UTF-8"}),
        "python": (site.root / "python", {**python, "LC_ALL": "C"}),
        "set-group-id": (shared / "m", {}),
        "default ACL": (acl / "m", {}),
    }
    for name in LOCALES:
        builders[name] = (site.root / name, {"LOCPATH": str(locales), "LC_ALL": name, "LANG": name})
    found = {}
    for name, (masterdir, env) in builders.items():
        site.xsrc("-m", masterdir, "build", "who", env=env).ok("stowed")
        found[name] = digest(masterdir)
        site.xsrc("-m", masterdir, "verify", env={"LC_ALL": "C.UTF-8"}).ok("no problems")
    assert "ünï.txt" in found["usual"]["files.plist"]
    for name, tree in found.items():
        assert tree == found["usual"], name


def test_set_group_id_of_the_folder_above_is_not_a_difference(site: Site) -> None:
    """https://github.com/khadas/fenix/issues/126"""
    site.script("who", INSTALL)
    shared = site.land.folder("shared")
    shared.chmod(0o2775)
    site.xsrc("-m", shared / "m", "build", "--no-stow", "who").ok()
    assert "who-1.0_1: reproducible" in site.xsrc("-m", shared / "m", "build", "--check-reproducible", "who").out


def test_started_by_hand_it_leaves_the_users_python_alone(site: Site) -> None:
    """`python -m xsrc` with PYTHONPATH, PYTHONUTF8 and no UTF-8 locale does what the launcher does."""
    site.script("who", INSTALL)
    (poison := site.root / "poison").mkdir()
    (poison / "toml.py").write_text("raise SystemExit('the module of another Python')\n")
    land = site.land
    env = {"PYTHONPATH": str(poison), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    land.run(land.python, "-P", "-m", "xsrc", "build", "who", cwd=site.root, env=env).ok("stowed")
    assert (site.root / "masterdir/usr/share/who/ünï.txt").read_text(encoding="utf-8") == "größe\n"


def test_masterdir_whose_name_is_not_utf_8(site: Site) -> None:
    """It was a UnicodeEncodeError, because the command is recorded."""
    site.script("who", INSTALL)
    masterdir = os.fsdecode(b"m\xff")
    site.xsrc("-m", masterdir, "build", "who").ok("stowed")
    site.xsrc("-m", masterdir, "unstow", "who").ok()
    assert "+who-1.0_1" in site.xsrc("-m", masterdir, "history").out
    site.xsrc("-m", masterdir, "verify").ok()


def test_every_group_of_the_builder_has_a_name_in_a_phase(site: Site) -> None:
    """`groups` failed in a phase: it could not find a name for the group of whoever may use the helpers."""
    site.script("who", "groups; id\nmkdir -p $DESTDIR/usr/share/who; : >$DESTDIR/usr/share/who/a\n")
    site.xsrc("build", "who").ok("stowed")
