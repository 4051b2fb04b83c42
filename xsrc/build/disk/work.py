"""Work directories: the progress of a build, and the top layer of its build root."""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from xsrc.core import tomltext
from xsrc.core.errors import ConflictError
from xsrc.core.layout import INSIDE_TEMPLATE, Tree, WorkDir
from xsrc.core.outcome import Outcome
from xsrc.core.phase import Phase
from xsrc.sandbox.disk.libraries import OUT, PROGRAM
from xsrc.sandbox.disk.skeleton import copy_skeleton
from xsrc.tree.disk.templates import copy_template
from xsrc.tree.template import Template
from xsrc.unix import files
from xsrc.unix.files import Below
from xsrc.unix.trees import make_folder, remove_tree
from xsrc.unix.users import add_user
from xsrc.unix.walk import Walk

_LARGEST = 16 << 20
"""Bytes of the largest file to read here."""


@dataclass(frozen=True)
class WorkState:
    """The progress of a build. If a phase is `running` but nobody holds the lock, it was interrupted."""

    key: str
    done: tuple[Phase, ...] = ()
    running: Phase | None = None
    failed: Phase | None = None
    epoch: int = 0
    """SOURCE_DATE_EPOCH, in seconds: the newest file of the distfiles."""
    options: tuple[str, ...] = ()
    """The options of the command line, as written."""
    seconds: tuple[tuple[Phase, float], ...] = ()
    """How long each finished phase took."""
    saw: Mapping[str, Outcome] = field(default_factory=dict)
    """The outcome of each package in its build roots when it was first seen there, by name."""
    keys: Mapping[Phase, str] = field(default_factory=dict)
    """The keys of phases, by which a changed template continues."""


def read_state(work: WorkDir) -> WorkState | None:
    """The state of a work directory, or None if it has no readable one."""
    try:
        raw = tomllib.loads(files.read(work.state, _LARGEST).decode())
        parsed = {
            "done": tuple(map(Phase, raw["done"])),
            "running": _phase(raw["running"]),
            "failed": _phase(raw["failed"]),
            "options": tuple(raw["options"]),
            "seconds": tuple((Phase(phase), float(seconds)) for phase, seconds in raw["seconds"].items()),
            "keys": {Phase(phase): str(key) for phase, key in raw["keys"].items()},
            "saw": {name: Outcome.parse(text) for name, text in raw["saw"].items()},
        }
        state = WorkState(**{**raw, **parsed})
        sound = type(state.epoch) is int and all(isinstance(text, str) for text in (state.key, *state.options))
        return state if sound else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _phase(text: object) -> Phase | None:
    """The phase of a state; "" means none. Raises ValueError for anything else."""
    return None if text == "" else Phase(str(text))


def write_state(work: WorkDir, state: WorkState) -> None:
    """Store the state, by rename. Raises OSError."""
    texts = {
        "running": state.running or "",
        "failed": state.failed or "",
        "seconds": dict(state.seconds),
        "saw": {name: str(outcome) for name, outcome in state.saw.items()},
    }
    files.replace(work.state, tomltext.dumps({**asdict(state), **texts}).encode())


def has_folder(work: WorkDir, folder: str) -> bool:
    """Whether the sources have this folder, not through a link."""
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
    """Make an empty work directory, 0700: nobody else can reach a setuid file of a build (R39). Raises OSError."""
    remove_tree(work.path)
    make_folder(work.path, 0o700)
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

    Raises OSError, and TemplateError for a forbidden file of the skeleton or a changed file of the template.
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
    add_user(etc, "xbuild", "/tmp", os.getgroups())  # noqa: S108 - the sandbox's own
    # first what packages name, then the base's folders, its own first
    folders = ("include /etc/ld.so.conf.d/*.conf", *(f"/{folder}" for folder in libdirs))
    files.replace(etc / "ld.so.conf", "".join(f"{line}\n" for line in folders).encode())


def cover(
    root: Path, base: Path, hidden: Iterable[str], links: Mapping[str, str], former: Iterable[str] = ()
) -> list[str]:
    """Put `links`, by path, into the top layer of a build root, and hide base files by whiteouts.

    Remove the `former` ones first; return the new ones. Since Linux 5.8 anybody may make a whiteout of overlayfs
    (mknod(2)); on older kernels the base's files stay visible. No link below `root` is followed. Raises ConflictError
    if one is in the way, and OSError.
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
    """The file name of a script in a build root; error messages show it."""
    return f"{phase}-{number}-{script}"
