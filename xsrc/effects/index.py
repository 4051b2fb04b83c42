"""What was read of a tree, remembered between commands: a template that stayed as it was is not parsed again.

A row is believed when each file and folder that it was made of has the stat that it had, as git does it, and else when
the contents have the same digest. A stat says nothing of a file that was touched just before it was read: it may change
once more within the same tick of the clock. Such rows are kept without their stats, so that contents decide next time.
Files that cannot be read, are damaged, or were written by another program than this one are as if they were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from xsrc.effects import tree as on_disk
from xsrc.effects.lock import locked
from xsrc.effects.tree import PROGRAM, Source, parse_source, read_source, shown, stat_of
from xsrc.errors import HostError
from xsrc.model.layout import Tree
from xsrc.model.leaf import Leaf
from xsrc.model.package import Package
from xsrc.model.pkgver import NAME, PkgVer
from xsrc.model.template import Template

_FORMAT = 1
_SLACK = 2 * 10**9
"""The coarsest clock of a file system that is in use, in nanoseconds (FAT)."""


@dataclass(slots=True)
class _Row:
    """One template: the stats of what it was read from, the digest of the contents, and where its JSON stands."""

    stats: Mapping[str, str]
    """By path; empty where stats do not tell."""
    digest: str
    start: int = 0
    length: int = 0
    check: str = ""
    body: bytes = b""
    """The JSON itself where it is not in the stored file."""


class Index:
    """The templates of one tree, each read once and remembered; `folder` is where, None to remember nothing."""

    def __init__(self, tree: Tree, folder: Path | None) -> None:
        self._tree = tree
        self._folder = folder
        self._begun = time.time_ns()
        self._sure: dict[str, _Row] = {}
        self._changed = False
        self._leaves: Leaves | None = None

    @classmethod
    def open(cls, tree: Tree, folder: Path | None) -> Self:
        """The index of a tree; nothing is read before it is asked for."""
        return cls(tree, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    def names(self) -> tuple[str, ...]:
        """The names of all templates, in order."""
        return self._names

    def __contains__(self, name: str) -> bool:
        return self._row(name) is not None or self._tree.template(name).is_file()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return on_disk.names(self._tree, lambda name: self._row(name) is not None)

    def template(self, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
        """One template as it is on disk now; raises as `load` does."""
        row = self._row(name)
        body = self._body(row) if row else None
        if row is None or body is None:
            if (source := self._source(name)) is None:
                return on_disk.load(self._tree, name, wanted_by, kind)  # raises
            return self._learn(name, source)
        digest, patches, files, raw = json.loads(body)
        file = self._tree.template(name)
        text = partial(_text, file, digest)
        return Template(
            name,
            MappingProxyType(raw),
            shown(self._tree, file),
            text,
            MappingProxyType(patches),
            MappingProxyType(files),
        )

    def leaves(self, world: str, package: Callable[[Template], Package], recipe: Callable[[Package], str]) -> Leaves:
        """The leaf of every template, by its name, each made when it is asked for.

        `world` is a digest of all that `package` and `recipe` go by, other than the template and the program itself.
        """
        self._leaves = Leaves(self, world, package, recipe, _stored(self._path("leaves")))
        return self._leaves

    def digest(self, name: str) -> str | None:
        """What tells whether a template is as it was; None where it has never been read without an error."""
        row = self._row(name)
        return row.digest if row else None

    def save(self) -> None:
        """Store what is new. Where it cannot be stored, or another process stores at this moment, it is not."""
        changed = self._changed, self._leaves is not None and self._leaves.changed
        if self._folder is None or not any(changed):
            return
        with contextlib.suppress(OSError, HostError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / "index.lock", "storing what it read", lambda _: None, wait=False) as free:
                if free is not None and changed[0]:
                    _store(self._path("templates"), *self._stored_form())
                if free is not None and changed[1] and self._leaves is not None:
                    _store(self._path("leaves"), self._leaves.stored_form(), b"")
        self._changed = False

    def _path(self, name: str) -> Path | None:
        return self._folder / f"{name}.json" if self._folder else None

    @cached_property
    def _file(self) -> _Stored:
        return _stored(self._path("templates"))

    @cached_property
    def _rows(self) -> dict[str, _Row]:
        return {name: _Row(*row) for name, row in self._file.table.items()}

    def _row(self, name: str) -> _Row | None:
        """The row of a template, if it holds; looked at once in a command."""
        if name in self._sure:
            return self._sure[name]
        row = self._rows.get(name)
        if row is None:
            return None
        if not self._holds(name, row):
            source = self._source(name)
            if source is None or _digest(source) != row.digest:
                del self._rows[name]
                self._changed = True
                return None
            row.stats = self._stats(source)
            self._changed = self._changed or bool(row.stats)
        self._sure[name] = row
        return row

    def _holds(self, name: str, row: _Row) -> bool:
        top = f"{self._tree.templates}/{name}/"
        try:
            return bool(row.stats) and all(stat_of(top + path) == stat for path, stat in row.stats.items())
        except OSError:
            return False

    def _source(self, name: str) -> Source | None:
        if re.fullmatch(NAME, name) is None:
            return None
        try:
            return read_source(self._tree, name)
        except OSError:
            return None

    def _stats(self, source: Source) -> Mapping[str, str]:
        """The stats by which a source is known again; none where it was touched just now."""
        newest = max(int(time) for stat in source.stats.values() for time in stat.split()[:2])
        return source.stats if source.settled and newest < self._begun - _SLACK else {}

    def _learn(self, name: str, source: Source) -> Template:
        template = parse_source(self._tree, name, source)
        text = hashlib.sha256(source.text).hexdigest()
        body = json.dumps([text, dict(template.patches), dict(template.files), dict(template.raw)]).encode()
        row = _Row(self._stats(source), _digest(source), 0, len(body), _sha(body), body)
        self._rows[name] = self._sure[name] = row
        self._changed = True
        return template

    def _body(self, row: _Row) -> bytes | None:
        """The JSON of a row, if it is whole."""
        body = row.body or self._file.blob[row.start : row.start + row.length]
        return body if row.body or _sha(body) == row.check else None

    def _stored_form(self) -> tuple[Any, bytes]:
        table, bodies, start = {}, [], 0
        present = set(os.listdir(self._tree.templates))
        for name, row in self._rows.items():
            if name in present and (body := self._body(row)) is not None:
                table[name] = [row.stats, row.digest, start, len(body), row.check]
                bodies.append(body)
                start += len(body)
        return table, b"".join(bodies)


class Leaves(Mapping[str, Leaf]):
    """The leaves of a tree; those that were made for the same world of the same contents are taken as they are."""

    def __init__(
        self,
        index: Index,
        world: str,
        package: Callable[[Template], Package],
        recipe: Callable[[Package], str],
        stored: _Stored,
    ) -> None:
        self._index = index
        self._world = world
        self._package = package
        self._recipe = recipe
        known, self._rows = stored.table.get("world"), stored.table.get("rows", {})
        if known != world:
            self._rows = {}
        self._made: dict[str, Leaf] = {}
        self.changed = False

    def __getitem__(self, name: str) -> Leaf:
        """The leaf of a template; raises as `load` and `package` do where there is none."""
        if name not in self._made:
            self._made[name] = self._leaf(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.names())

    def __len__(self) -> int:
        return len(self._index.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._index

    def _leaf(self, name: str) -> Leaf:
        digest = self._index.digest(name)
        row = self._rows.get(name)
        if row is None or digest is None or row[0] != digest:
            package = self._package(self._index.template(name))
            wants = {kind.value: [str(need) for need in needs] for kind, needs in package.depends.items() if needs}
            pkgver = package.pkgver
            row = [self._index.digest(name), pkgver.version, pkgver.revision, self._recipe(package), wants]
            self._rows[name] = row
            self.changed = True
        _, version, revision, recipe, wants = row
        return Leaf(PkgVer(name, version, revision), {kind: tuple(texts) for kind, texts in wants.items()}, recipe)

    def stored_form(self) -> Any:
        """The table that is stored."""
        return {"world": self._world, "rows": {name: row for name, row in self._rows.items() if name in self._index}}


@dataclass(frozen=True)
class _Stored:
    """A stored file: its table, and the bytes after it."""

    table: dict[str, Any]
    blob: bytes


def _stored(path: Path | None) -> _Stored:
    """What a file of an index holds: nothing where it is not whole, or not of this program."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        if path is not None:
            with path.open("rb") as file:
                about = json.loads(file.readline())
                table = file.read(about["length"])
                if about == _head(table):
                    return _Stored(json.loads(table), file.read())
    return _Stored({}, b"")


def _store(path: Path | None, table: Any, blob: bytes) -> None:
    assert path is not None
    text = json.dumps(table, separators=(",", ":")).encode()
    new = path.with_suffix(".new")
    new.write_bytes(b"\n".join([json.dumps(_head(text)).encode(), text + blob]))
    new.rename(path)


def _head(table: bytes) -> dict[str, Any]:
    return {"format": _FORMAT, "program": _program(), "length": len(table), "sha256": _sha(table)}


@cache
def _program() -> str:
    """The digest of all that xsrc itself consists of: another program may read the same template otherwise."""
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(PROGRAM):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(files):
            text = Path(folder, name).read_bytes()
            whole.update(f"{name} {len(text)}\n".encode() + text)
    return whole.hexdigest()


def _digest(source: Source) -> str:
    parts = [hashlib.sha256(source.text).hexdigest(), source.patches, source.files]
    return _sha(json.dumps(parts).encode())


def _sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _text(file: Path, digest: str) -> str:
    """The text of a template, "" where it is no longer the one that was read."""
    with contextlib.suppress(OSError):
        text = file.read_bytes()
        if _sha(text) == digest:
            return text.decode()
    return ""
