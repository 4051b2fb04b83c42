"""INSTALL and REMOVE as the shells of real roots run them, in the root as the current directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.export.destdir import file, rules, sealed
from xsrc.core.numbers import number_of
from xsrc.export import scripts
from xsrc.store.manifest import FILES, PROPS, Manifest, Props

ROOT = os.geteuid() == 0
SHELLS = [shell for shell in (("dash",), ("busybox", "sh"), ("bash", "--posix")) if shutil.which(shell[0])]
SHELLS_OF = pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
RULES = rules(
    system_accounts=[],
    accounts=[
        {"name": "_x", "home": "/var/lib/x", "desc": "An account's words", "groups": ["audio", "_new"]},
        {"name": "taken"},
    ],
    make_dirs=[{"path": "/var/lib/x y", "mode": "0750", "owner": "_x:_x"}],
    shells=["/usr/bin/x", "/usr/bin/y"],
    owned=[{"path": "/usr/bin/x", "owner": "root:_x"}],
)


def fill(top: Path) -> None:
    file(top, "usr/bin/x", mode=0o2755)
    (top / "var/lib/x y").mkdir(parents=True)
    (top / "var/lib/x y").chmod(0o750)


def texts(tmp_path: Path) -> tuple[bytes, bytes]:
    _, folder = sealed(tmp_path / "m", fill, RULES)
    props, manifest = Props.parse((folder / PROPS).read_bytes()), Manifest.parse((folder / FILES).read_bytes())
    return scripts.install(props, manifest), scripts.remove(props)


def ran(shell: tuple[str, ...], script: bytes, root: Path, action: str, update: str = "no") -> str:
    (root / ".xbps-script").write_bytes(script)
    argv = (*shell, ".xbps-script", action, "x", "1.0_1", update, "no", "x86_64")
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False, umask=0o077)
    (root / ".xbps-script").unlink()
    assert done.returncode == 0, done.stderr
    return done.stderr


def tree(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        text = path.read_text() if path.is_file() else ""
        found[str(path.relative_to(root))] = (oct(status.st_mode), status.st_uid, status.st_gid, text)
    return found


@SHELLS_OF
def test_accounts_shells_and_folders_are_made_once(shell: tuple[str, ...], tmp_path: Path) -> None:
    install, remove = texts(tmp_path)
    root = tmp_path / "root"
    number = number_of("_x")
    file(root, "etc/passwd", f"root:x:0:0::/root:/bin/sh\ntaken:x:5:5::/:/bin/sh\nother:x:{number}:1::/:\n")
    # the last line has no end, as editors leave it
    file(root, "etc/group", "root:x:0:\naudio:x:29:me\ntaken:x:5:")
    file(root, "etc/shadow", "root:*:::::::\n", 0o640)
    file(root, "usr/bin/x", mode=0o755)
    before = tree(root)
    ran(shell, install, root, "pre")
    assert tree(root) == before
    ran(shell, install, root, "post")
    passwd = (root / "etc/passwd").read_text().splitlines()
    group = (root / "etc/group").read_text().splitlines()
    own = number + 1  # another account has the number
    assert passwd[3:] == [f"_x:x:{own}:{own}:An account's words:/var/lib/x:/usr/sbin/nologin"]
    new = f"_new:x:{number_of('_new')}:_x"
    assert group == ["root:x:0:", "audio:x:29:me,_x", "taken:x:5:", f"_x:x:{own}:", new]
    assert (root / "etc/shadow").read_text().splitlines()[1:] == ["_x:!:::::::"]
    assert (root / "etc/shells").read_text() == "/usr/bin/x\n/usr/bin/y\n"
    status = (root / "var/lib/x y").stat()
    assert status.st_mode & 0o7777 == 0o750
    program = (root / "usr/bin/x").stat()
    assert program.st_mode & 0o7777 == 0o2755
    if ROOT:
        assert (status.st_uid, status.st_gid) == (own, own)
        assert (program.st_uid, program.st_gid) == (0, own)
    after = tree(root)
    ran(shell, install, root, "post", "yes")
    assert tree(root) == after, "a second time changes nothing"
    ran(shell, remove, root, "post", "yes")
    ran(shell, remove, root, "pre")
    assert tree(root) == after, "an update takes nothing away"
    ran(shell, remove, root, "post")
    assert (root / "etc/shells").read_text() == ""
    assert (root / "etc/passwd").read_text().splitlines() == passwd


@SHELLS_OF
def test_a_root_without_accounts_gets_them(shell: tuple[str, ...], tmp_path: Path) -> None:
    install, remove = texts(tmp_path)
    root = tmp_path / "root"
    file(root, "usr/bin/x")
    ran(shell, remove, root, "post")
    ran(shell, install, root, "post")
    assert (root / "etc/passwd").read_text().splitlines()[0].startswith(f"_x:x:{number_of('_x')}:")
    assert len((root / "etc/group").read_text().splitlines()) == 4
    assert not (root / "etc/shadow").exists()


def test_a_package_without_wishes_has_no_scripts(tmp_path: Path) -> None:
    _, folder = sealed(tmp_path, lambda top: file(top, "usr/share/x"))
    props, manifest = Props.parse((folder / PROPS).read_bytes()), Manifest.parse((folder / FILES).read_bytes())
    assert (scripts.install(props, manifest), scripts.remove(props)) == (b"", b"")
