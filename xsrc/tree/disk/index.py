"""Remembers templates between commands, so that an unchanged one is not parsed again.

A row is valid if each of its files and folders has the same stat as before (as in git), or else if the contents have
the same digest. A stat is not reliable for a file that changed just before it was read: the file may change once more
within the same tick of the clock. Such rows have no stats, so their contents decide next time.
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
from pathlib import Path
from types import MappingProxyType
from typing import Self

from xsrc.core.dep import Dep
from xsrc.core.layout import Tree
from xsrc.core.paths import fault
from xsrc.core.pkgver import NAME
from xsrc.tree.disk import templates
from xsrc.tree.disk.cache import Cache, IndexRow, sealed, sha, unsealed
from xsrc.tree.disk.templates import ALWAYS, Source, Stat, parse_source, read_source, shown, stat_of
from xsrc.tree.format import TEMPLATE
from xsrc.tree.outline import Outline
from xsrc.tree.package import Package
from xsrc.tree.template import Template
from xsrc.unix.files import opened

_SLACK = 2 * 10**9
"""The coarsest clock of a file system that is in use, in nanoseconds (FAT)."""


class Index:
    """The templates of one tree, each read once and remembered; `folder` is where, None to remember nothing."""

    def __init__(self, tree: Tree, folder: Path | None) -> None:
        self._tree = tree
        self._top = str(tree.templates)
        self._cache = Cache(folder / "index.sqlite" if folder else None)
        self._begun = time.time_ns()
        self._sure: dict[str, IndexRow] = {}
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        """Names of rows whose templates went."""
        self._bodies: dict[str, str] = {}
        """Sealed bodies of templates that were read anew."""

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
        names = templates.names(self._tree, self._sure)
        self._gone = self._rows.keys() - set(names)
        return names

    def template(self, name: str, wanted_by: Template | None = None, kind: str = "") -> Template:
        """One template as it is on disk now. Raises UsageError and TemplateError as `load` does."""
        row = self._row(name)
        template = self._template(name, self._body(name, row)) if row else None
        if template is None:
            if source := self._source(name):
                return self._learn(name, source)
            home = self.home(name) if re.fullmatch(NAME, name) and name not in self else ""
            return self.template(home) if home else templates.load(self._tree, name, wanted_by, kind)  # raises
        return template

    def _template(self, name: str, body: str) -> Template | None:
        """The template of a row; None for an invalid row, whose template is then read again."""
        try:
            digest, patches, files, raw = json.loads(body)
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

    def outlines(
        self, ground: str, package: Callable[[Template], Package], inputs: Callable[[Package], str]
    ) -> Outlines:
        """The outline of every template, by its name, each made on demand.

        `ground` is a digest of everything that `package` and `inputs` use beside the template and the program itself.
        """
        return Outlines(self, ground, package, inputs)

    def outline(self, name: str, ground: str) -> str:
        """The stored outline of a template as it is on disk now; "" for none in this ground."""
        row = self._sure.get(name) or self._row(name)
        return unsealed(f"{ground}\n{row.digest}", row.outline) if row else ""

    def keep_outline(self, name: str, ground: str, outline: str) -> None:
        """Take the outline of a template that was read, to be stored."""
        if row := self._sure.get(name):
            self._keep(name, row._replace(outline=sealed(f"{ground}\n{row.digest}", outline)))

    def save(self) -> None:
        """Store changes, unless that fails."""
        if not self._changed:
            return
        rows = {name: self._rows[name] for name in self._changed if name in self._rows}
        bodies = {name: body for name, body in self._bodies.items() if name in rows}
        self._cache.store(rows, bodies, self._gone)
        self._changed.clear()

    @cached_property
    def _rows(self) -> dict[str, IndexRow]:
        return self._cache.rows()

    @cached_property
    def _stored(self) -> dict[str, str]:
        return self._cache.bodies()

    def _look(self) -> None:
        """Look at the stats of all rows at once, which is a little faster than one by one."""
        with contextlib.suppress(OSError):
            top = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._sure |= {name: row for name, row in self._rows.items() if _holds(row, name, top)}
            finally:
                os.close(top)

    def _row(self, name: str) -> IndexRow | None:
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
                row = self._keep(name, row._replace(seen=seen, beside=_beside(source)))
        self._sure[name] = row
        return row

    def _keep(self, name: str, row: IndexRow) -> IndexRow:
        """Take a valid row that is to be stored."""
        self._rows[name] = self._sure[name] = row
        self._changed.add(name)
        return row

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
        digest = _digest(source)
        self._keep(name, IndexRow(self._seen(source), _beside(source), digest))
        self._bodies[name] = sealed(digest, body)
        return template

    def _body(self, name: str, row: IndexRow) -> str:
        """The body of a template, "" if there is none that belongs to its row."""
        return unsealed(row.digest, self._bodies.get(name) or self._stored.get(name))


class Outlines(Mapping[str, Outline]):
    """The outlines of a tree; a stored one is used if it has the same ground and the same contents."""

    def __init__(
        self,
        index: Index,
        ground: str,
        package: Callable[[Template], Package],
        inputs: Callable[[Package], str],
    ) -> None:
        self._index = index
        self._ground = sha(ground.encode())
        self._package = package
        self._inputs = inputs
        self._made: dict[str, Outline] = {}
        self._packages: set[str] = set()
        """Names that are known to be packages, not subpackages."""

    def __getitem__(self, name: str) -> Outline:
        """The outline of a template; raises as `load` and `package` do where there is none."""
        outline = self._made.get(name)
        if outline is None:
            outline = self._made[name] = self._outline(name)
        return outline

    def __iter__(self) -> Iterator[str]:
        self._packages.update(self._index.names())
        return iter(self._index.names())

    def __len__(self) -> int:
        return len(self._index.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._index

    def _outline(self, name: str) -> Outline:
        outline = _read_outline(name, self._index.outline(name, self._ground))
        if outline is None:
            package = self._package(self._index.template(name))
            outline = Outline.of(package, self._inputs(package))
            self._index.keep_outline(name, self._ground, ";".join(outline[1:]))
        known = self._packages.issuperset(outline.names.replace("|", " ").split())
        return outline if known else outline.made_by(self._home)

    def _home(self, name: str) -> str:
        """The package that makes `name`: for a subpackage, the package that it belongs to."""
        if name not in self._packages:
            if name not in self._index:
                return self._index.home(name) or name
            self._packages.add(name)
        return name


def _read_outline(name: str, text: str) -> Outline | None:
    """The outline of a stored text; None for a text that is none."""
    fields = text.split(";", 3)
    if len(fields) < 4 or re.fullmatch("[0-9]{1,10}", fields[1]) is None or fields[2].count("|") != len(Dep) - 1:
        return None
    return Outline(name, *fields)


def _holds(row: IndexRow, name: str, top: int | None = None) -> bool:
    """Whether a template has the stats of its row; `name` is a path, or one below the open folder `top`."""
    start = f"{name}/"
    try:
        beside = json.loads(row.beside) if row.beside else ()
        return row.seen != 0 and row.seen == _hash([stat_of(start + path, top) for path in (*ALWAYS, *beside)])
    except (OSError, TypeError, ValueError, RecursionError):  # it names paths that are none
        return False


def _hash(stats: Iterable[Stat]) -> int:
    """A hash of 64 bits of stats: Python's own hash, which is the same for numbers in every process."""
    return hash(tuple(stats))


def _beside(source: Source) -> str:
    beside = list(source.stats)[len(ALWAYS) :]
    return json.dumps(beside) if beside else ""


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
