"""Reads the tree: templates, styles, skeleton. Nothing here decides what they mean."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from xsrc.errors import Diagnostic, Span, TemplateError, UsageError
from xsrc.model.layout import INSIDE_TEMPLATE, Tree
from xsrc.model.manifest import Entry, Kind
from xsrc.model.pkgver import NAME
from xsrc.model.schema import nearest
from xsrc.model.template import Template, parse

PROGRAM = Path(__file__).resolve().parent.parent
"""The folder of the program itself: its styles, and the tree that it came with."""

_MARKER = ".keep"


def find_tree(start: Path) -> Tree:
    """The tree that `start` lies in, else the one that the program came with."""
    for folder in (start, *start.parents):
        if (folder / "templates").is_dir() and (folder / "masterdir-skel").is_dir():
            return Tree(folder)
    return Tree(PROGRAM.parent)


def names(tree: Tree) -> tuple[str, ...]:
    """The names of all templates, in order."""
    try:
        with os.scandir(tree.templates) as entries:
            found = [entry.name for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in found if tree.template(name).is_file()))


def load(tree: Tree, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
    """Read one template with the checksums of the files beside it.

    Raises UsageError when there is none of that name, or TemplateError at the place where `wanted_by` asks for it.
    """
    if re.fullmatch(NAME, name) is None:
        raise UsageError(f"{name!r} is no name of a package", hint=nearest(name, names(tree)))
    file = tree.template(name)
    try:
        text = file.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        known = names(tree)
        hint = nearest(name, known) or (f"there are {len(known)}: ls {tree.templates}" if known else None)
        if wanted_by is None:
            raise UsageError(f"no template {name!r} in {tree.templates}", hint=hint) from None
        raise wanted_by.error(wanted_by.need(kind, name), f"{kind}: no template {name!r}", hint) from None
    except UnicodeDecodeError as error:
        span = Span(_shown(tree, file))
        raise TemplateError(
            [Diagnostic(span, f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}")]
        ) from error
    folder = file.parent
    return parse(
        name, text, _shown(tree, file), _digests(folder / "patches", "*.patch"), _digests(folder / "files", "**/*")
    )


def _shown(tree: Tree, file: Path) -> str:
    return str(file.relative_to(tree.root))


def _digests(folder: Path, glob: str) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.glob(glob)):
        if path.is_file():
            mode = "x" if path.stat().st_mode & stat.S_IXUSR else ""
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest() + mode
    return found


def style_texts() -> dict[str, str]:
    """The text of every build style, by name."""
    return {path.stem: path.read_text() for path in sorted((PROGRAM / "styles").glob("*.toml"))}


def trigger_texts() -> dict[str, str]:
    """The text of every trigger, by name."""
    return {path.stem: path.read_text() for path in sorted((PROGRAM / "triggers").glob("*.toml"))}


def tidy_text() -> str:
    """The script that ends every install phase."""
    return (PROGRAM / "styles" / "tidy.sh").read_text()


def skeleton(tree: Tree) -> dict[str, Entry]:
    """What masterdir-skel/ holds, by path, each directory before what is in it."""
    top = tree.root / "masterdir-skel"
    entries: dict[str, Entry] = {}
    for folder, directories, files in os.walk(top):
        for name in sorted((*directories, *files)):
            source = Path(folder, name)
            path = str(source.relative_to(top))
            if source.is_symlink():
                entries[path] = Entry(path, Kind.LINK, 0o777, target=str(source.readlink()))
            elif source.is_dir():
                entries[path] = Entry(path, Kind.DIR)
            elif name != _MARKER:
                entries[path] = Entry(path, Kind.FILE, 0o644, sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    return entries


def copy_skeleton(tree: Tree, target: Path) -> None:
    """Make the directories, links and files of masterdir-skel/ below `target`; what is there stays as it is."""
    target.mkdir(mode=0o755, exist_ok=True)
    for path, entry in skeleton(tree).items():
        made = target / path
        match entry.kind:
            case Kind.DIR:
                made.mkdir(mode=0o755, exist_ok=True)
            case Kind.LINK:
                if not made.is_symlink():
                    made.symlink_to(entry.target)
            case Kind.FILE:
                if not made.exists():
                    shutil.copyfile(tree.root / "masterdir-skel" / path, made)
                    made.chmod(0o644)


def copy_template(tree: Tree, name: str, root: Path) -> None:
    """Put a template's patches/ and files/ where its build root shows them."""
    target = root / INSIDE_TEMPLATE
    for part in ("patches", "files"):
        source = tree.templates / name / part
        if source.is_dir():
            shutil.copytree(source, target / part)
        else:
            (target / part).mkdir(parents=True)
