"""Gives root up: what root starts is measured as an ordinary user, in a copy of the tree that this user can read."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from xsrc.unix.trees import remove_tree

USERS = ("xbuild", "nobody")
PARTS = (
    "xsrc",
    "templates",
    "helpers",
    "masterdir-skel",
    "tests/bench",
    "tests/data/void",
    "tests/e2e/kit",
    "pyproject.toml",
)
_CODE = shutil.ignore_patterns("__pycache__")


def drop_root(tree: Path, names: list[str], file: Path | None, pairs: int | None) -> int:
    """Run the benchmark again as an ordinary user; gives its exit code."""
    user = next(found for found in map(_user, USERS) if found)
    home = Path(tempfile.mkdtemp(prefix="xsrc-bench-tree-", dir="/var/tmp"))
    try:
        copy, result = home / "tree", home / "result.json"
        _copy(tree, copy)
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        words = [*names, *(("--json", str(result)) if file else ()), *(("--pairs", str(pairs)) if pairs else ())]
        code = _as_user(user, [_python(user, home), str(copy / "tests/bench/run.py"), *words], copy, tree).returncode
        if file and result.exists():
            file.write_bytes(result.read_bytes())
        return code
    finally:
        remove_tree(home)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _copy(tree: Path, copy: Path) -> None:
    copy.mkdir()
    for part in PARTS:
        source = tree / part
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy / part, symlinks=True, ignore=_CODE)
        else:
            shutil.copyfile(source, copy / part)
    if (tree / "masterdir/pkg-srcdistdir").is_dir():
        shutil.copytree(tree / "masterdir/pkg-srcdistdir", copy / "masterdir/pkg-srcdistdir")


def _python(user: pwd.struct_passwd, home: Path) -> str:
    """An interpreter with the libraries of this one that the user can run: this one, else a copy of its venv."""
    probe = [sys.executable, "-c", "import plumbum, xattr"]
    if _as_user(user, probe, Path("/"), Path("/"), quiet=True).returncode == 0:
        return sys.executable
    shutil.copytree(sys.prefix, home / "venv", symlinks=True)
    return str(home / "venv" / Path(sys.executable).relative_to(sys.prefix))


def _as_user(
    user: pwd.struct_passwd, argv: list[str], cwd: Path, tree: Path, *, quiet: bool = False
) -> subprocess.CompletedProcess[bytes]:
    groups = [group.gr_gid for group in grp.getgrall() if user.pw_name in group.gr_mem]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C.UTF-8"}
    env |= {name: os.environ[name] for name in ("XSRC_BENCH_DISTFILES", "XSRC_BENCH_DIR") if name in os.environ}
    return subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=quiet,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=groups,
    )
