"""Remembers templates between commands, so that an unchanged one is not parsed again.

A row is valid if each of its files and folders has the same stat as before (as in git), or else if the contents have
the same digest. A stat is not reliable for a file that changed just before it was read: the file may change once more
within the same tick of the clock. Such rows have no stats, so their contents decide next time. Changes of a few
templates are stored beside the large file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from itertools import starmap
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from xsrc.core.arch import Dep
from xsrc.core.errors import HostError
from xsrc.core.layout import Tree
from xsrc.core.paths import fault
from xsrc.core.pkgver import NAME
from xsrc.tree.disk import templates
from xsrc.tree.disk.cache import Stored, sha, store, stored
from xsrc.tree.disk.templates import ALWAYS, Source, Stat, parse_source, read_source, shown, stat_of
from xsrc.tree.format import TEMPLATE
from xsrc.tree.outline import Outline
from xsrc.tree.package import Package
from xsrc.tree.template import Template
from xsrc.unix.files import opened
from xsrc.unix.lock import locked

_FEW = 400
"""Rows to store beside the large file; with more, the file is written again."""
_SLACK = 2 * 10**9
"""The coarsest clock of a file system that is in use, in nanoseconds (FAT)."""


class _Row(NamedTuple):
    """One template: its sources, the digest of their contents, and the place of its JSON."""

    seen: int
    """A hash of the stats of its folder, its text and the files beside it; 0 if stats are not reliable."""
    beside: Iterable[str]
    """The paths of its other sources, below its folder."""
    digest: str
    start: int = 0
    length: int = 0
    check: str = ""
    body: str = ""
    """The JSON itself, if it is not in the large file."""


class Index:
    """The templates of one tree, each read once and remembered; `folder` is where, None to remember nothing."""

    def __init__(self, tree: Tree, folder: Path | None) -> None:
        self._tree = tree
        self._top = str(tree.templates)
        self._folder = folder
        self._begun = time.time_ns()
        self._sure: dict[str, _Row] = {}
        self._later: dict[str, None] = {}
        self._changed = False
        self._leaves: Outlines | None = None

    @classmethod
    def open(cls, tree: Tree, folder: Path | None) -> Self:
        """The index of a tree; it reads everything on demand."""
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
        self._look()
        return templates.names(self._tree, self._sure)

    def template(self, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
        """One template as it is on disk now. Raises UsageError and TemplateError as `load` does."""
        row = self._row(name)
        template = self._template(name, self._body(row)) if row else None
        if template is None:
            if source := self._source(name):
                return self._learn(name, source)
            home = self.home(name) if re.fullmatch(NAME, name) and name not in self else ""
            return self.template(home) if home else templates.load(self._tree, name, wanted_by, kind)  # raises
        return template

    def _template(self, name: str, body: str | None) -> Template | None:
        """The template of a row; None for an invalid row, whose template is then read again."""
        try:
            digest, patches, files, raw = json.loads(body or "")
            sound = (
                raw["name"] == name and not any(TEMPLATE.problems(raw, ())) and not any(map(fault, (*patches, *files)))
            )
            patches, files = MappingProxyType(patches), MappingProxyType(files)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        text = partial(_text, self._tree, name, digest)
        return Template(name, MappingProxyType(raw), shown(self._tree, name), text, patches, files) if sound else None

    def home(self, name: str) -> str:
        """The package that a subpackage belongs to, "" for none."""
        return templates.home_of(self._tree, name, self.template)

    def leaves(self, world: str, package: Callable[[Template], Package], inputs: Callable[[Package], str]) -> Outlines:
        """The leaf of every template, by its name, each made on demand.

        `world` is a digest of everything that `package` and `inputs` use beside the template and the program itself.
        """
        self._leaves = Outlines(self, world, package, inputs, self._path("leaves"))
        return self._leaves

    def remembers(self, name: str) -> bool:
        """Whether there is a row of that name, even an outdated one."""
        return name in self._rows

    def digest(self, name: str) -> str | None:
        """The digest by which to see whether a template changed; None if it was never read without an error."""
        row = self._sure.get(name) or self._row(name)
        return row.digest if row and isinstance(row.digest, str) else None

    def save(self) -> None:
        """Store changes, unless that fails or another process stores at this moment."""
        leaves = self._leaves if self._leaves is not None and self._leaves.changed else None
        if self._folder is None or not (self._changed or leaves):
            return
        with contextlib.suppress(OSError, HostError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / "index.lock", "storing what it read", lambda _: None, wait=False) as free:
                if free is not None and self._changed:
                    self._store()
                if free is not None and leaves:
                    leaves.store()
        self._changed = False

    def _path(self, name: str) -> Path | None:
        return self._folder / f"{name}.json" if self._folder else None

    @cached_property
    def _file(self) -> Stored:
        return stored(self._path("templates"))

    @cached_property
    def _rows(self) -> dict[str, _Row]:
        self._later.update(dict.fromkeys(self._file.later))
        table = {**self._file.table, **self._file.later}
        try:
            return dict(zip(table, starmap(_Row, table.values()), strict=True))
        except TypeError:  # what no xsrc has written
            return {}

    def _look(self) -> None:
        """Look at the stats of all rows at once, which is a little faster than one by one."""
        with contextlib.suppress(OSError):
            top = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._sure |= {name: row for name, row in self._rows.items() if _holds(row, name, top)}
            finally:
                os.close(top)

    def _row(self, name: str) -> _Row | None:
        """The row of a template, if it is valid; checked once in a command."""
        if name in self._sure:
            return self._sure[name]
        row = self._rows.get(name)
        if row is None:
            return None
        if not _holds(row, f"{self._top}/{name}"):
            source = self._source(name)
            if source is None or source.refused or source.shared or _digest(source) != row.digest:
                del self._rows[name]
                return None
            if seen := self._seen(source):
                self._keep(name, row._replace(seen=seen, beside=_beside(source)))
        self._sure[name] = self._rows[name]
        return self._rows[name]

    def _keep(self, name: str, row: _Row) -> None:
        """Take a row that is to be stored."""
        self._rows[name] = row
        self._later[name] = None
        self._changed = True

    def _source(self, name: str) -> Source | None:
        if re.fullmatch(NAME, name) is None:
            return None
        try:
            return read_source(self._tree, name)
        except OSError:
            return None

    def _seen(self, source: Source) -> int:
        """The hash by which to recognise a source; 0 if it changed just now."""
        newest = max(time for stat in source.stats.values() for time in stat[:2])
        return _hash(source.stats.values()) if source.settled and newest < self._begun - _SLACK else 0

    def _learn(self, name: str, source: Source) -> Template:
        template = parse_source(self._tree, name, source)
        text = hashlib.sha256(source.text).hexdigest()
        body = json.dumps([text, dict(template.patches), dict(template.files), dict(template.raw)])
        self._keep(name, _Row(self._seen(source), _beside(source), _digest(source), body=body))
        self._sure[name] = self._rows[name]
        return template

    def _body(self, row: _Row) -> str | None:
        """The JSON of a row, if it is undamaged."""
        if row.body:
            return row.body if isinstance(row.body, str) else None
        with contextlib.suppress(TypeError, UnicodeDecodeError):
            body = self._file.blob[row.start : row.start + row.length]
            return body.decode() if sha(body) == row.check else None
        return None

    def _store(self) -> None:
        path = self._path("templates")
        bodies = {name: body for name in self._later if name in self._rows and (body := self._body(self._rows[name]))}
        if path is not None and self._file.name and len(bodies) < _FEW:
            rows = {name: _Row(*self._rows[name][:3], body=body) for name, body in bodies.items()}
            store(path.with_suffix(".more"), rows, base=self._file.name)
            return
        table: dict[str, Any] = {}
        parts, start = [], 0
        present = set(os.listdir(self._top))
        for name, row in self._rows.items():
            if name in present and (body := self._body(row)) is not None:
                parts.append(body.encode())
                table[name] = (*row[:3], start, len(parts[-1]), sha(parts[-1]))
                start += len(parts[-1])
        store(path, table, b"".join(parts))


class Outlines(Mapping[str, Outline]):
    """The leaves of a tree; a stored leaf is used if it has the same world and the same contents."""

    def __init__(
        self,
        index: Index,
        world: str,
        package: Callable[[Template], Package],
        inputs: Callable[[Package], str],
        path: Path | None,
    ) -> None:
        self._index = index
        self._world = world
        self._package = package
        self._inputs = inputs
        self._path = path
        self._file = stored(path)
        self._later: dict[str, None] = {}
        self._rows: dict[str, str] = {}
        """By name, the digest of a template and the fields of its leaf, semicolons between."""
        rows = self._file.table.get("rows")
        if self._file.table.get("world") == world and isinstance(rows, dict):
            self._later = dict.fromkeys(self._file.later)
            self._rows = {**rows, **self._file.later}
        self._made: dict[str, Outline] = {}
        self._packages: set[str] = set()
        """Names that are known to be packages, not subpackages."""
        self.changed = False

    def __getitem__(self, name: str) -> Outline:
        """The leaf of a template; raises as `load` and `package` do where there is none."""
        leaf = self._made.get(name)
        if leaf is None:
            leaf = self._made[name] = self._leaf(name)
        return leaf

    def __iter__(self) -> Iterator[str]:
        self._packages.update(self._index.names())
        return iter(self._index.names())

    def __len__(self) -> int:
        return len(self._index.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._index

    def _leaf(self, name: str) -> Outline:
        digest = self._index.digest(name)
        leaf = _read_leaf(name, digest, self._rows.get(name))
        if leaf is None:
            package = self._package(self._index.template(name))
            leaf = Outline.of(package, self._inputs(package))
            self._rows[name] = ";".join((self._index.digest(name) or "", *leaf[1:]))
            self._later[name] = None
            self.changed = True
        return leaf if self._packages.issuperset(leaf.names.replace("|", " ").split()) else leaf.made_by(self._home)

    def _home(self, name: str) -> str:
        """The package that makes `name`: for a subpackage, the package that it belongs to."""
        if name not in self._packages:
            if name not in self._index:
                return self._index.home(name) or name
            self._packages.add(name)
        return name

    def store(self) -> None:
        """Store changes. Raises OSError."""
        self.changed = False
        if self._path is not None and self._file.table.get("world") == self._world and len(self._later) < _FEW:
            rows = {name: self._rows[name] for name in self._later}
            store(self._path.with_suffix(".more"), rows, base=self._file.name)
        else:
            rows = {name: row for name, row in self._rows.items() if self._index.remembers(name)}
            store(self._path, {"world": self._world, "rows": rows})


def _read_leaf(name: str, digest: str | None, row: object) -> Outline | None:
    """The leaf of a row; None if it has other contents or is invalid."""
    if not digest or not isinstance(row, str) or not row.startswith(f"{digest};"):
        return None
    fields = row.split(";", 4)[1:]
    if len(fields) < 4 or re.fullmatch("[0-9]{1,10}", fields[1]) is None or fields[2].count("|") != len(Dep) - 1:
        return None
    return Outline(name, *fields)


def _holds(row: _Row, name: str, top: int | None = None) -> bool:
    """Whether a template has the stats of its row; `name` is a path, or one below the open folder `top`."""
    start = f"{name}/"
    try:
        return row.seen != 0 and row.seen == _hash([stat_of(start + path, top) for path in (*ALWAYS, *row.beside)])
    except (OSError, TypeError, ValueError):  # the latter: it names paths that are none
        return False


def _hash(stats: Iterable[Stat]) -> int:
    """A hash of 64 bits of stats: Python's own hash, which is the same for numbers in every process."""
    return hash(tuple(stats))


def _beside(source: Source) -> tuple[str, ...]:
    return tuple(source.stats)[len(ALWAYS) :]


def _digest(source: Source) -> str:
    parts = [hashlib.sha256(source.text).hexdigest(), source.patches, source.files]
    return sha(json.dumps(parts).encode())


def _text(tree: Tree, name: str, digest: str) -> str:
    """The text of a template, "" if it has changed since it was read."""
    with contextlib.suppress(OSError):
        with opened(tree.template(name)) as file:
            text = file.read()
        if sha(text) == digest:
            return text.decode()
    return ""
