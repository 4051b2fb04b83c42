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

from xsrc.effects import trust
from xsrc.effects.files import Below, create, opened
from xsrc.errors import Diagnostic, Span, TemplateError, UsageError
from xsrc.model.layout import INSIDE_TEMPLATE, Tree
from xsrc.model.paths import name_fault
from xsrc.model.pkgver import NAME, Pattern
from xsrc.model.schema import nearest, quoted
from xsrc.model.template import Template, parse
from xsrc.model.trust import Trust

PROGRAM = Path(__file__).resolve().parent.parent
"""The folder of the program itself: its styles, and the tree that it came with."""


def find_tree(start: Path, believed: Trust) -> Tree:
    """The tree that `start` lies in, else the one that the program came with.

    Raises HostError for the first candidate if somebody else could have written it: no other one is used instead.
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
    """The names of all templates, in order; of those that are `known` to be some it does not look for their files."""
    top = str(tree.templates)
    try:
        found = os.listdir(top)
    except FileNotFoundError:
        return ()
    return tuple(sorted([n for n in found if n in known or os.path.isfile(f"{top}/{n}/template.toml")]))  # noqa: PTH113


def load(tree: Tree, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
    """Read one template with the checksums of the files beside it; of what is no package, that of the one it is of.

    Raises UsageError when there is none of that name, or TemplateError at the place where `wanted_by` asks for it.
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
    """The package that a subpackage is of, or else the first that provides a name, "" for none.

    `read` gives a template that there is. Mostly the name of a subpackage begins with that of its package; only else
    the whole tree is looked through.
    """
    start = name
    while start := start.rpartition("-")[0]:
        if tree.template(start).is_file() and name in read(start).raw.get("subpackages", {}):
            return start
    return _homes(tree).get(name, "")


@cache
def _homes(tree: Tree) -> Mapping[str, str]:
    """By name of each subpackage, and of what is provided, the package that has it; as the tree is in this command."""
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


Stat = tuple[int, int, int, int, int]
"""What tells whether a file or folder is as it was: times of content and of state, size, inode, device."""

ALWAYS = ("", "template.toml")
"""What is read of every template, by its path below the template's folder."""


@dataclass(frozen=True)
class Source:
    """All that a template is made of, as it stands on disk."""

    text: bytes
    patches: Mapping[str, str]
    """sha256 of each file under patches/, by its name."""
    files: Mapping[str, str]
    """sha256 of each file under files/, by its path there; an x at its end when it may be executed."""
    stats: Mapping[str, Stat]
    """Of every file and folder that was read, by its path below the template's folder, before it was read; first
    those of ALWAYS."""
    settled: bool
    """Whether only what has a stat here can change it; not so where something was removed while it was read."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """What is neither a file nor a folder, by its path below the template's folder, with what it is."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """What somebody else could have written, by its path there, with who could."""


def stat_of(path: str, folder: int | None = None) -> Stat:
    """The stat of a file or folder, below the open `folder` if one is given: the kernel has less to look up then."""
    found = os.stat(path, dir_fd=folder)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def read_source(tree: Tree, name: str) -> Source:
    """Read a template's folder. Raises FileNotFoundError or NotADirectoryError when it is none."""
    top = f"{tree.templates}/{name}"
    stats = {path: stat_of(f"{top}/{path}") for path in ALWAYS}
    loose: list[str] = []
    refused: dict[str, str] = {}
    text = b""
    try:
        text = _read(f"{top}/template.toml")
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EINVAL):
            raise
        refused["template.toml"] = _what(f"{top}/template.toml")
    beside = os.listdir(top)
    patches = _digests(top, "patches", stats, loose, refused, suffix=".patch") if "patches" in beside else {}
    files = _digests(top, "files", stats, loose, refused) if "files" in beside else {}
    folder = tree.templates.stat()
    shared = {path: who for path in stats if (who := trust.writer_of(f"{top}/{path}", folder))}
    return Source(text, patches, files, stats, not loose, refused, shared)


def _read(path: str) -> bytes:
    """The content of a file. Raises OSError: ELOOP for a link, EINVAL for what is no file."""
    with opened(path) as file:
        return file.read()


def _what(path: str) -> str:
    """What stands at a path, in words."""
    try:
        return f"a symbolic link to {quoted(str(Path(path).readlink()))}"
    except OSError:
        return "neither a file nor a folder"


def _digests(
    top: str,
    folder: str,
    stats: dict[str, Stat],
    loose: list[str],
    refused: dict[str, str],
    suffix: str | None = None,
) -> dict[str, str]:
    """The sha256 of every file below a folder, or with `suffix` only of those in it that end so; in order.

    `stats` gets what was read, `loose` what was gone when it was to be read, `refused` what no link may be followed to.
    """
    found: dict[str, str] = {}
    queue = [folder]
    while queue:
        here = queue.pop()
        try:
            if here == folder and os.path.islink(f"{top}/{here}"):  # noqa: PTH114
                refused[here] = _what(f"{top}/{here}")
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
                queue += [] if suffix else [path]
            elif not entry.is_file(follow_symlinks=False):
                refused[path] = _what(entry.path)
            elif why := name_fault(entry.name):
                refused[path] = f"a file whose name is no name of a file: {why}"
            elif not suffix or entry.name.endswith(suffix):
                try:
                    stats[path] = stat_of(entry.path)
                    with opened(entry.path) as file:
                        found[path.removeprefix(f"{folder}/")] = _digest(file)[0]
                except FileNotFoundError:
                    loose.append(path)
    return dict(sorted(found.items(), key=lambda item: item[0].split("/")))


def parse_source(tree: Tree, name: str, source: Source) -> Template:
    """The template that was read. Raises TemplateError with every problem of it."""
    file = shown(tree, name)
    if source.refused:
        folder = file.removesuffix("template.toml")
        hint = "put the file itself there; the build makes links by [install] symlinks"
        raise TemplateError(
            Diagnostic(Span(f"{folder}{path}"), f"want a file or a folder, got {what}", hint)
            for path, what in source.refused.items()
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
    """The path of a template as messages give it."""
    return f"{tree.templates.name}/{name}/template.toml"


def style_texts() -> dict[str, str]:
    """The text of every build style, by name."""
    return {path.stem: path.read_text() for path in sorted((PROGRAM / "styles").glob("*.toml"))}


def style_programs() -> dict[str, str]:
    """The text of every program that a build style may run in a build root, by the name of its file."""
    return {path.name: path.read_text() for path in sorted((PROGRAM / "styles" / "programs").glob("*.*"))}


def trigger_texts() -> dict[str, str]:
    """The text of every trigger, by name."""
    return {path.stem: path.read_text() for path in sorted((PROGRAM / "triggers").glob("*.toml"))}


def tidy_text() -> str:
    """The script that ends every install phase."""
    return (PROGRAM / "styles" / "tidy.sh").read_text()


def copy_template(tree: Tree, template: Template, root: Path) -> None:
    """Put a template's patches/ and files/ where its build root shows them: what its build key was made of.

    Raises TemplateError for a file that is not any more what was read.
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
    """What a build key has of a file: its sha256, and an x at the end when it may be executed. And its content."""
    data = file.read()
    return hashlib.sha256(data).hexdigest() + "x" * bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR), data


def _changed(tree: Tree, template: Template, path: str, why: str) -> TemplateError:
    file = shown(tree, template.name).removesuffix("template.toml") + path
    return TemplateError(
        [Diagnostic(Span(file), f"it changed since it was read: {why}", f"xsrc build {template.name} again")]
    )
