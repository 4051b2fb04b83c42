"""Reads the tree: templates, styles, skeleton. Nothing here decides what they mean."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from xsrc.errors import Diagnostic, Span, TemplateError, UsageError
from xsrc.model.layout import INSIDE_TEMPLATE, Tree
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


def load(tree: Tree, name: str, wanted_by: Template | None = None, path: tuple[str | int, ...] = ()) -> Template:
    """Read one template with the checksums of the files beside it.

    Raises UsageError (or TemplateError at `path` of the template that wants it) when there is none of that name.
    """
    file = tree.template(name)
    try:
        text = file.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        known = names(tree)
        hint = nearest(name, known) or (f"there are {len(known)}: ls {tree.templates}" if known else None)
        if wanted_by is None:
            raise UsageError(f"no template {name!r} in {tree.templates}", hint=hint) from None
        raise wanted_by.error(path, f"no template {name!r}", hint) from None
    except UnicodeDecodeError as error:
        span = Span(_shown(tree, file))
        raise TemplateError([Diagnostic(span, f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}")]) from error
    folder = file.parent
    return parse(name, text, _shown(tree, file), _digests(folder / "patches", "*.patch"), _digests(folder / "files", "**/*"))


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


def tidy_text() -> str:
    """The script that ends every install phase."""
    return (PROGRAM / "styles" / "tidy.sh").read_text()


def copy_skeleton(tree: Tree, target: Path) -> list[str]:
    """Make the directories, links and files of masterdir-skel/ below `target`; what is there stays as it is.

    Gives the relative paths of the skeleton.
    """
    skeleton = tree.root / "masterdir-skel"
    made = []
    for folder, directories, files in os.walk(skeleton):
        below = target / Path(folder).relative_to(skeleton)
        below.mkdir(mode=0o755, exist_ok=True)
        for name in (*directories, *files):
            source = Path(folder, name)
            made.append(str(source.relative_to(skeleton)))
            if source.is_symlink():
                if not (below / name).is_symlink():
                    (below / name).symlink_to(source.readlink())
            elif source.is_file() and name != _MARKER and not (below / name).exists():
                shutil.copyfile(source, below / name)
                (below / name).chmod(0o644)
    return [path for path in made if not path.endswith(_MARKER)]


def copy_template(tree: Tree, name: str, root: Path) -> None:
    """Put a template's patches/ and files/ where its build root shows them."""
    target = root / INSIDE_TEMPLATE
    for part in ("patches", "files"):
        source = tree.templates / name / part
        if source.is_dir():
            shutil.copytree(source, target / part)
        else:
            (target / part).mkdir(parents=True)
