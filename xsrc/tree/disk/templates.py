"""Reads the tree: templates, styles, triggers. Nothing here decides what they mean."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from xsrc.core.errors import Diagnostic, Span, TemplateError, UsageError
from xsrc.core.layout import INSIDE_TEMPLATE, Tree
from xsrc.core.paths import name_fault
from xsrc.core.pkgver import NAME, Pattern
from xsrc.core.schema import nearest, quoted
from xsrc.core.trust import Trust
from xsrc.tree.patches import ENDINGS, patch_fault
from xsrc.tree.template import Template, parse
from xsrc.unix import trust
from xsrc.unix.files import Below, create, opened
from xsrc.unix.program import PROGRAM


def find_tree(start: Path, believed: Trust) -> Tree:
    """The tree that contains `start`, else the tree of the program.

    Raises HostError if somebody else could have written the first candidate: no other one is used instead. Raises
    OSError.
    """
    for folder in (start, *start.parents):
        if (folder / "templates").is_dir() and (folder / "masterdir-skel").is_dir():
            tree = Tree(folder)
            break
    else:
        tree = Tree(PROGRAM.parent)
    trust.check("the tree", tree.root, believed)
    trust.check("the tree's", tree.templates, believed)
    trust.check("the tree's", tree.root / "masterdir-skel", believed)
    return tree


def names(tree: Tree, known: Container[str] = ()) -> tuple[str, ...]:
    """The names of all templates, in order; it does not check the files of `known` templates."""
    top = str(tree.templates)
    try:
        found = os.listdir(top)
    except FileNotFoundError:
        return ()
    return tuple(sorted([n for n in found if n in known or os.path.isfile(f"{top}/{n}/template.toml")]))  # noqa: PTH113


def load(tree: Tree, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
    """Read one template with the checksums of the files beside it.

    For a subpackage, read the template it belongs to. Raises UsageError if there is none of that name, or TemplateError
    at the place where `wanted_by` needs it. Raises TemplateError with every problem of the template.
    Raises OSError for a file that cannot be read.
    """
    if re.fullmatch(NAME, name) is None:
        raise UsageError(f"{name!r} is no name of a package", hint=nearest(name, names(tree)))
    try:
        source = read_source(tree, name)
    except (FileNotFoundError, NotADirectoryError):
        if home := home_of(tree, name, lambda other: load(tree, other)):
            return load(tree, home)
        known = names(tree)
        hint = nearest(name, known) or (f"there are {len(known)}: ls {tree.templates}" if known else None)
        if wanted_by is None:
            raise UsageError(f"no template {name!r} in {tree.templates}", hint=hint) from None
        raise wanted_by.error(wanted_by.need(kind, name), f"{kind}: no template {name!r}", hint) from None
    return parse_source(tree, name, source)


def home_of(tree: Tree, name: str, read: Callable[[str], Template]) -> str:
    """The package that a subpackage belongs to, or else the first that provides the name, "" for none.

    `read` returns an existing template. The name of a subpackage usually begins with that of its package. If not, this
    searches the whole tree.
    """
    start = name
    while start := start.rpartition("-")[0]:
        if tree.template(start).is_file() and name in read(start).raw.get("subpackages", {}):
            return start
    return _homes(tree).get(name, "")


@cache
def _homes(tree: Tree) -> Mapping[str, str]:
    """The package of each subpackage and of each provided name; read once in a command."""
    parts: dict[str, str] = {}
    provided: dict[str, str] = {}
    for name in names(tree):
        # what is wrong there is reported when it is read
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            text = _read(str(tree.template(name)))
            if b"subpackages" in text or b"provides" in text:
                table = tomllib.loads(text.decode())
                parts |= dict.fromkeys(table.get("subpackages", {}), name)
                for word in table.get("provides", ()):
                    provided.setdefault(Pattern.parse(word).name, name)
    return {**provided, **parts}


def part_names(tree: Tree) -> tuple[str, ...]:
    """The names of all subpackages, and those that a package provides, in order; reads every template."""
    return tuple(sorted(_homes(tree)))


_HINT = "put the file itself there; the build makes links by [install] symlinks"

Stat = tuple[int, int, int, int, int]
"""The data that show whether a file or folder changed: times of content and of state, size, inode, device."""

ALWAYS = ("", "template.toml")
"""Paths that are read for every template, below the template's folder."""


@dataclass(frozen=True)
class Source:
    """Everything that a template consists of, as it is on disk."""

    text: bytes
    patches: Mapping[str, str]
    """sha256 of each file under patches/, by its name."""
    files: Mapping[str, str]
    """sha256 of each file under files/, by its path there; an x at its end when it may be executed."""
    stats: Mapping[str, Stat]
    """The stat of every file and folder before it was read, by its path below the template's folder; first those of
    ALWAYS."""
    settled: bool
    """Whether `stats` covers every source; not if something was removed while it was read."""
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Paths below the template's folder that no template may have, each with the reason and a hint."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """Paths that somebody else could have written, each with who could."""


def stat_of(path: str, folder: int | None = None) -> Stat:
    """The stat of a file or folder, below the open `folder` if given, which saves the kernel work. Raises OSError."""
    found = os.stat(path, dir_fd=folder)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def read_source(tree: Tree, name: str) -> Source:
    """Read a template's folder. Raises FileNotFoundError or NotADirectoryError if there is none, and OSError."""
    top = f"{tree.templates}/{name}"
    stats = {path: stat_of(f"{top}/{path}") for path in ALWAYS}
    loose: list[str] = []
    refused: dict[str, tuple[str, str]] = {}
    text = b""
    try:
        text = _read(f"{top}/template.toml")
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EINVAL):
            raise
        refused["template.toml"] = _no_file(f"{top}/template.toml")
    beside = os.listdir(top)
    patches = _digests(top, "patches", stats, loose, refused) if "patches" in beside else {}
    files = _digests(top, "files", stats, loose, refused) if "files" in beside else {}
    folder = tree.templates.stat()
    shared = {path: who for path in stats if (who := trust.writer_of(f"{top}/{path}", folder))}
    return Source(text, patches, files, stats, not loose, refused, shared)


def _read(path: str) -> bytes:
    """The content of a file. Raises OSError: ELOOP for a link, EINVAL for anything else that is no file."""
    with opened(path) as file:
        return file.read()


def _no_file(path: str) -> tuple[str, str]:
    """Why a path is refused that is neither a file nor a folder, and a hint."""
    try:
        what = f"a symbolic link to {quoted(str(Path(path).readlink()))}"
    except OSError:
        what = "neither a file nor a folder"
    return f"want a file or a folder, got {what}", _HINT


def _digests(
    top: str,
    folder: str,
    stats: dict[str, Stat],
    loose: list[str],
    refused: dict[str, tuple[str, str]],
) -> dict[str, str]:
    """The sha256 of every file below a folder, of `patches` only those of patches; in order.

    `stats` receives the paths that were read, `loose` those that had gone, `refused` links, other kinds, and what lies
    among the patches and would not be applied.
    """
    flat = folder == "patches"
    found: dict[str, str] = {}
    queue = [folder]
    while queue:
        here = queue.pop()
        try:
            if here == folder and os.path.islink(f"{top}/{here}"):  # noqa: PTH114
                refused[here] = _no_file(f"{top}/{here}")
                continue
            seen = stat_of(f"{top}/{here}")
            with os.scandir(f"{top}/{here}") as listed:
                entries = list(listed)
        except (FileNotFoundError, NotADirectoryError):
            loose.append(here)
            continue
        stats[here] = seen
        for entry in entries:
            path = f"{here}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if flat:
                    refused[path] = "want a patch, got a folder", "move its patches up; what a build needs is in files/"
                else:
                    queue.append(path)
            elif not entry.is_file(follow_symlinks=False):
                refused[path] = _no_file(entry.path)
            elif why := name_fault(entry.name):
                refused[path] = f"want a file or a folder, got a file whose name is no name of a file: {why}", _HINT
            elif flat and (fault := patch_fault(entry.name, shlex.quote(entry.path))):
                refused[path] = fault
            elif not flat or entry.name.endswith(ENDINGS):
                try:
                    stats[path] = stat_of(entry.path)
                    with opened(entry.path) as file:
                        found[path.removeprefix(f"{folder}/")] = _digest(file)[0]
                except FileNotFoundError:
                    loose.append(path)
    return dict(sorted(found.items(), key=lambda item: item[0].split("/")))


def parse_source(tree: Tree, name: str, source: Source) -> Template:
    """Parse a template that was read. Raises TemplateError with every problem of it."""
    file = shown(tree, name)
    if source.refused:
        folder = file.removesuffix("template.toml")
        raise TemplateError(
            Diagnostic(Span(f"{folder}{path}"), message, hint) for path, (message, hint) in source.refused.items()
        )
    if source.shared:
        raise TemplateError(
            Diagnostic(
                Span(str(Path(file).parent / path)),
                f"want what its owner alone can change, found what {who} can",
                f"chmod go-w {shlex.quote(str(tree.templates / name / path))}; or, as root, chown",
            )
            for path, who in source.shared.items()
        )
    try:
        text = source.text.decode()
    except UnicodeDecodeError as error:
        problem = Diagnostic(Span(file), f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}")
        raise TemplateError([problem]) from error
    return parse(name, text, file, source.patches, source.files)


def shown(tree: Tree, name: str) -> str:
    """The path of a template, as in messages."""
    return f"{tree.templates.name}/{name}/template.toml"


def copy_template(tree: Tree, template: Template, root: Path) -> None:
    """Copy a template's patches/ and files/, as the build key covers them, to where its build root shows them.

    Raises TemplateError for a file that has changed since it was read, and OSError.
    """
    with Below(tree.templates / template.name) as source, Below(root) as target:
        for part, known in (("patches", template.patches), ("files", template.files)):
            target.at(f"{INSIDE_TEMPLATE}/{part}", make=True)
            for path, digest in known.items():
                parent, name = target.place(f"{INSIDE_TEMPLATE}/{part}/{path}", make=True)
                try:
                    with source.open(f"{part}/{path}") as file:
                        found, data = _digest(file)
                except OSError as error:
                    raise _changed(tree, template, f"{part}/{path}", f"{error.strerror}") from error
                if found != digest:
                    raise _changed(tree, template, f"{part}/{path}", "its content is another")
                # of modes a key knows one bit; the rest is the checkout's umask
                create(name, data, parent, 0o755 if digest.endswith("x") else 0o644)


def _digest(file: IO[bytes]) -> tuple[str, bytes]:
    """A file as the build key has it (its sha256, with an x at the end if it is executable), and its content."""
    data = file.read()
    mark = "x" if os.fstat(file.fileno()).st_mode & stat.S_IXUSR else ""
    return hashlib.sha256(data).hexdigest() + mark, data


def _changed(tree: Tree, template: Template, path: str, why: str) -> TemplateError:
    file = shown(tree, template.name).removesuffix("template.toml") + path
    return TemplateError(
        [Diagnostic(Span(file), f"it changed since it was read: {why}", f"xsrc build {template.name} again")]
    )
