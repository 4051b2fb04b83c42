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

from xsrc.effects import files
from xsrc.effects.destdir import remove_tree
from xsrc.effects.files import Below
from xsrc.effects.libraries import OUT, PROGRAM
from xsrc.effects.skeleton import copy_skeleton
from xsrc.effects.tree import copy_template
from xsrc.effects.walk import Walk
from xsrc.errors import ConflictError
from xsrc.model import tomltext
from xsrc.model.layout import INSIDE_TEMPLATE, Tree, WorkDir
from xsrc.model.outcome import Outcome
from xsrc.model.template import Template

_LARGEST = 16 << 20
"""Bytes that a file which is read here may have."""


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
        raw = tomllib.loads(files.read(work.state, _LARGEST).decode())
        pairs = tuple((phase, float(seconds)) for phase, seconds in raw["seconds"].items())
        saw = {name: Outcome.parse(text) for name, text in raw["saw"].items()}
        done, options = tuple(raw["done"]), tuple(raw["options"])
        state = State(**{**raw, "done": done, "options": options, "seconds": pairs, "saw": saw})
        texts = (state.key, state.running, state.failed, *done, *options)
        return state if type(state.epoch) is int and all(isinstance(text, str) for text in texts) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def write_state(work: WorkDir, state: State) -> None:
    """Keep the state, by rename."""
    saw = {name: str(outcome) for name, outcome in state.saw.items()}
    files.replace(work.state, tomltext.dumps({**asdict(state), "seconds": dict(state.seconds), "saw": saw}).encode())


def has_folder(work: WorkDir, folder: str) -> bool:
    """Whether the sources have a folder that is reached by no link."""
    try:
        with Below(work.wrksrc) as top:
            top.at(folder)
    except OSError:
        return False
    return True


def names(work: WorkDir) -> list[str]:
    """The names at the top of the sources. Raises OSError."""
    with Walk(work.wrksrc) as top:
        return sorted(os.listdir(top.here))


def renew(work: WorkDir) -> None:
    """An empty work directory, 0700: nobody else may enter it, so that a setuid file of a build harms nobody (R39)."""
    remove_tree(work.path)
    work.path.mkdir(mode=0o700)
    work.wrksrc.mkdir(mode=0o755)


def make_root(
    tree: Tree,
    work: WorkDir,
    template: Template,
    mount_points: tuple[str, ...],
    scripts: Mapping[str, tuple[tuple[str, str], ...]],
    libdirs: tuple[str, ...],
) -> None:
    """Make the top layer of the build root anew: skeleton, mount points, the template's files and scripts.

    Raises OSError, or TemplateError where the skeleton or the template holds what it may not.
    """
    remove_tree(work.root)
    copy_skeleton(tree, work.root)
    copy_template(tree, template, work.root)
    with Below(work.root) as top:
        for point in (*mount_points, OUT):
            top.at(point.lstrip("/"), make=True)
        parent, name = top.place(PROGRAM)
        files.create(name, b"", parent)
        folder = top.at(f"{INSIDE_TEMPLATE}/scripts", make=True)
        for phase, parts in scripts.items():
            for number, (script, text) in enumerate(parts):
                files.create(script_file(phase, number, script), f"{text}\n".encode(), folder)
    etc = work.root / "etc"
    add_user(etc, "xbuild", "/tmp")  # noqa: S108 - the sandbox's own
    files.replace(etc / "ld.so.conf", "".join(f"/{folder}\n" for folder in libdirs).encode())


def cover(
    root: Path, base: Path, hidden: Iterable[str], links: Mapping[str, str], former: Iterable[str] = ()
) -> list[str]:
    """Lay over a build root, in its top layer, links by path, and nothing where a file of the base is to be hidden.

    What was laid there before, `former`, goes first; gives what is now. Nothing is a whiteout of overlayfs, which
    anybody may make; kernels before 5.8 do not let us (mknod(2)), and there the base's files stay to be found.
    No link below `root` is followed. Raises ConflictError where one is in the way, OSError.
    """
    made = []
    with Below(root) as top:
        for path in former:
            parent, name = top.place(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
        for path in (*links, *hidden):
            if path not in links and not stat.S_ISREG(_mode(base / path)):
                continue
            try:
                parent, name = top.place(path, make=True)
            except NotADirectoryError as error:
                raise ConflictError(
                    f"/{path} cannot be in a build root: a folder above it is a link or a file of masterdir-skel/",
                    hint="name the folder that the link leads to",
                ) from error
            with contextlib.suppress(FileExistsError):
                if path in links:
                    os.symlink(links[path], name, dir_fd=parent)
                else:
                    with contextlib.suppress(PermissionError):
                        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
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
    """Give this process's uid and gid a name in the root's own passwd and group. Raises OSError."""
    for file, line, number in (
        ("passwd", f"{name}:x:{os.getuid()}:{os.getgid()}:{name}:{home}:/bin/sh\n", os.getuid()),
        ("group", f"{name}:x:{os.getgid()}:\n", os.getgid()),
    ):
        text = files.read(etc / file, _LARGEST)
        if f":x:{number}:".encode() not in text:
            files.replace(etc / file, text + line.encode())


def user_name() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
