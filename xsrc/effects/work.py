"""Work directories: what a build has done so far, and the top layer of its build root."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import toml

from xsrc.effects.destdir import remove_tree
from xsrc.effects.skeleton import copy_skeleton
from xsrc.effects.tree import copy_template
from xsrc.model.layout import INSIDE_TEMPLATE, Tree, WorkDir
from xsrc.model.outcome import Outcome


@dataclass(frozen=True)
class State:
    """How far a build has come; a phase that is `running` in a file nobody holds the lock of was cut off."""

    key: str
    done: tuple[str, ...] = ()
    running: str = ""
    failed: str = ""
    epoch: int = 0
    """SOURCE_DATE_EPOCH, in seconds: the newest file of the distfiles."""
    options: tuple[str, ...] = ()
    """The options that were asked for by flag, as they were written."""
    seconds: tuple[tuple[str, float], ...] = ()
    """How long each finished phase took."""
    saw: Mapping[str, Outcome] = field(default_factory=dict)
    """What each package in its build roots had come out as when it was first seen there, by name."""


def read_state(work: WorkDir) -> State | None:
    """The state of a work directory, or None where there is none that can be read."""
    try:
        raw = tomllib.loads(work.state.read_text())
        pairs = tuple((phase, float(seconds)) for phase, seconds in raw["seconds"].items())
        saw = {name: Outcome.parse(text) for name, text in raw["saw"].items()}
        done, options = tuple(raw["done"]), tuple(raw["options"])
        return State(**{**raw, "done": done, "options": options, "seconds": pairs, "saw": saw})
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_state(work: WorkDir, state: State) -> None:
    """Keep the state, by rename."""
    temporary = work.state.with_suffix(".new")
    saw = {name: str(outcome) for name, outcome in state.saw.items()}
    temporary.write_text(toml.dumps({**asdict(state), "seconds": dict(state.seconds), "saw": saw}))
    os.replace(temporary, work.state)


def renew(work: WorkDir) -> None:
    """An empty work directory, 0700: nobody else may enter it, so that a setuid file of a build harms nobody (R39)."""
    remove_tree(work.path)
    work.path.mkdir(mode=0o700)
    work.wrksrc.mkdir(mode=0o755)


def make_root(
    tree: Tree,
    work: WorkDir,
    name: str,
    mount_points: tuple[str, ...],
    scripts: Mapping[str, tuple[tuple[str, str], ...]],
    libdirs: tuple[str, ...],
) -> None:
    """Make the top layer of the build root anew: skeleton, mount points, the template's files and scripts."""
    remove_tree(work.root)
    copy_skeleton(tree, work.root)
    for point in mount_points:
        (work.root / point.lstrip("/")).mkdir(parents=True, exist_ok=True)
    copy_template(tree, name, work.root)
    folder = work.root / INSIDE_TEMPLATE / "scripts"
    folder.mkdir()
    for phase, parts in scripts.items():
        for number, (script, text) in enumerate(parts):
            (folder / script_file(phase, number, script)).write_text(text + "\n")
    etc = work.root / "etc"
    add_user(etc, "xbuild", "/tmp")  # noqa: S108 - the sandbox's own
    (etc / "ld.so.conf").write_text("".join(f"/{folder}\n" for folder in libdirs))


def cover(
    root: Path, base: Path, hidden: Iterable[str], links: Mapping[str, str], former: Iterable[str] = ()
) -> list[str]:
    """Lay over a build root, in its top layer, links by path, and nothing where a file of the base is to be hidden.

    What was laid there before, `former`, goes first; gives what is now. Nothing is a whiteout of overlayfs, which
    anybody may make; kernels before 5.8 do not let us (mknod(2)), and there the base's files stay to be found.
    """
    for path in former:
        (root / path).unlink(missing_ok=True)
    made = []
    for path in (*links, *hidden):
        top = root / path
        if os.path.lexists(top) or (path not in links and not stat.S_ISREG(_mode(base / path))):
            continue
        top.parent.mkdir(parents=True, exist_ok=True)
        if path in links:
            top.symlink_to(links[path])
        else:
            with contextlib.suppress(PermissionError, FileExistsError):
                os.mknod(top, stat.S_IFCHR, os.makedev(0, 0))
        made.append(path)
    return made


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def script_file(phase: str, number: int, script: str) -> str:
    """The name under which a build root shows a script; failures name it."""
    return f"{phase}-{number}-{script}"


def add_user(etc: Path, name: str, home: str) -> None:
    """Give this process's uid and gid a name in the root's own passwd and group."""
    for file, line, number in (
        ("passwd", f"{name}:x:{os.getuid()}:{os.getgid()}:{name}:{home}:/bin/sh\n", os.getuid()),
        ("group", f"{name}:x:{os.getgid()}:\n", os.getgid()),
    ):
        text = (etc / file).read_text()
        if f":x:{number}:" not in text:
            (etc / file).write_text(text + line)


def user_name() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
