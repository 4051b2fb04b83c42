"""Makes the stage of a test run, and takes it down again whatever happened on it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.security.kit import builds
from tests.security.kit.box import Helper, Stage
from tests.security.kit.people import Person, as_root, group_of, make_people, remove_people

NEEDS_ROOT = "needs root to set file capabilities and to be a second user"
BUILD = "XSRC_SECURITY_BUILD"
"""Which build of the helpers is tried: set by the tests of weakened builds."""
PEOPLE = "XSRC_SECURITY_PEOPLE"
"""Users that are there already, so that those tests need not make their own."""
KIT = "XSRC_SECURITY_KIT"
"""Programs of the tests that are compiled already."""
LIBEXEC = Path("/usr/local/libexec")


@contextlib.contextmanager
def people() -> Iterator[tuple[Person, Person | None]]:
    if not as_root():
        yield Person.me(), None
    elif given := os.environ.get(PEOPLE):
        p, e = given.split()
        yield Person.named(p), Person.named(e)
    else:
        p_made, e_made = make_people(secrets.token_hex(2))
        try:
            yield p_made, e_made
        finally:
            remove_people(p_made, e_made)


@contextlib.contextmanager
def _folder(parent: Path | None, prefix: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # a test took its right to look away
            subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False)
            shutil.rmtree(path)


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Users, folders, both kinds of helpers, probes."""
    build = builds.Build(os.environ.get(BUILD, ""))
    parent = LIBEXEC if as_root() else None
    LIBEXEC.mkdir(exist_ok=True) if as_root() else None
    # nothing but the group may run what carries capabilities; users go last, after their files
    with people() as (p, e), _folder(None, "xsrc-security-") as base, _folder(parent, "xsrc-test-") as libexec:
        out, kit = base / "out", base / "kit"
        plain = (libexec if as_root() else base) / "plain"
        for made in (out, plain, kit):
            made.mkdir()
        builds.make(out, libexec, build)
        for name, caps in builds.PROGRAMS.items():
            builds.put(out / name, plain / name, 0o755)
            if as_root():
                builds.put(out / name, libexec / name, 0o750, (0, group_of(p)), caps)
        if given := os.environ.get(KIT):
            kit = Path(given)
        else:
            _fill(kit)
        yield Stage(base, libexec, out, plain, kit, p, e, build.kind)


def _fill(kit: Path) -> None:
    """Probes, attacks, and programs that are static so that they run in any root."""
    shutil.copytree(builds.SECURITY / "attacks", kit / "attacks", ignore=shutil.ignore_patterns("__pycache__"))
    for source in (builds.SECURITY / "inside").iterdir():
        if source.suffix == ".py":
            builds.put(source, kit / source.name, 0o644)
        elif source.suffix == ".c" and not (source.stem in ("int80", "compat") and os.uname().machine != "x86_64"):
            builds.compile_c(source, kit / source.stem)


def helper(stage: Stage, mode: str) -> Helper:
    return Helper(mode, stage.libexec if mode == "caps" else stage.plain)
