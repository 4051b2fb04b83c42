"""Chooses what is stripped, and how; a file that is no plain object of a compiler stays as it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from xsrc.build.tidy.draft import Spot
from xsrc.core.globs import covers
from xsrc.store.form import Form
from xsrc.store.manifest import Kind

_ALL, _UNNEEDED, _DEBUG, _MEMBERS = "", "--strip-unneeded", "-g", "-g -D"
_NEVER = "usr/lib/debug/"
"""Where debugging data are on purpose."""
_AT_ONCE = 50
_SCRIPT = """
cd "$DESTDIR"
command -v "$INSTALL_STRIP" >/dev/null || {
	echo "xsrc: nothing is stripped: this build root has no $INSTALL_STRIP"
	exit 0
}
strip_each() { # FLAGS FILE...
	flags=$1; shift
	"$INSTALL_STRIP" $flags -- "$@" 2>/dev/null && return
	for file; do "$INSTALL_STRIP" $flags -- "$file" || echo "xsrc: not stripped: /$file"; done
}
""".lstrip()


class Stripping(NamedTuple):
    """What to strip, by the flags of strip(1), and the lines for what is left."""

    files: Mapping[str, tuple[str, ...]]
    left: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All files to strip."""
        return tuple(path for paths in self.files.values() for path in paths)


def stripping(tree: Mapping[str, Spot], spared: Iterable[str]) -> Stripping:
    """What to strip of a tree; `spared` are globs of files that stay. A file with several names is listed once."""
    files: dict[str, list[str]] = {}
    left = []
    names: dict[tuple[int, int], list[str]] = {}
    for path, spot in sorted(tree.items()):
        if spot.kind is Kind.FILE:
            names.setdefault(spot.inode if spot.names > 1 else (-1, len(names)), []).append(path)
    for paths in names.values():
        choices = [(path, flags) for path in paths if (flags := _flags(path, tree[path])) is not None]
        if not choices:
            continue
        path, flags = choices[0]
        if any(covers(spared, name) for name in paths):
            left.append(f"not stripped: /{path}: nostrip")
        elif tree[path].form in (Form.PAYLOAD, Form.THIN, Form.DAMAGED):
            left.append(f"not stripped: /{path}: {tree[path].form.value}")
        else:
            files.setdefault(flags, []).append(path)
    return Stripping({flags: tuple(paths) for flags, paths in files.items()}, tuple(left))


def _flags(path: str, spot: Spot) -> str | None:
    """The flags for a file; None if files of this kind are never stripped."""
    name = path.rpartition("/")[2]
    if path.startswith(_NEVER) or spot.form in (Form.OTHER, Form.LIBTOOL):
        return None
    if spot.form in (Form.ARCHIVE, Form.THIN):
        return _MEMBERS if name.endswith(".a") else None
    if spot.form is Form.OBJECT or name.endswith((".o", ".ko")):
        return _DEBUG if name.endswith((".o", ".ko")) else None
    if ".so" in name:
        return _UNNEEDED
    return _ALL if spot.mode & 0o111 else None


def unmatched(tree: Mapping[str, Spot], globs: Iterable[str]) -> list[str]:
    """A line for each glob of `nostrip` that means no file; one that begins with `?` may mean none."""
    files = [path for path, spot in tree.items() if spot.kind is Kind.FILE]
    wanted = [glob for glob in globs if not glob.startswith("?")]
    return [f"nostrip: nothing matches {glob}" for glob in wanted if not any(covers([glob], path) for path in files)]


def strip_script(files: Mapping[str, Iterable[str]]) -> str:
    """The sh text that strips files of `$DESTDIR`; a file that strip(1) refuses is named, and stays."""
    return "\n".join((_SCRIPT, *_calls(files))) + "\n"


def _calls(files: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for flags, paths in files.items():
        words = [shlex.quote(path) for path in paths]
        for start in range(0, len(words), _AT_ONCE):
            yield " ".join(("strip_each", shlex.quote(flags), *words[start : start + _AT_ONCE]))
