"""A template as it is written: checked, located, but with its options and conditions still open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from xsrc.core import spans
from xsrc.core.braces import BRACES
from xsrc.core.errors import Diagnostic, Span, TemplateError
from xsrc.core.schema import Problem, found, nearest, quoted, read, shown
from xsrc.core.spans import KeyPath
from xsrc.tree.conditions import idle, listed, strangers
from xsrc.tree.format import TEMPLATE

_SITE = re.compile(r"[A-Z][A-Z0-9_]*_SITE")
LITERAL = ("phases", "test", "lint", "update")
"""Tables whose strings mean what they say: scripts get environment variables, patterns have braces of their own."""


@dataclass(frozen=True)
class Template:
    """One template.toml and the files beside it."""

    name: str
    raw: Mapping[str, Any]
    file: str
    source: Callable[[], str] = field(repr=False, compare=False)
    """Returns the text of the file; called only to report a place in it."""
    patches: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """sha256 of each file under patches/, by its name, in the order of application."""
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """sha256 of each file under files/, by its path there."""

    @cached_property
    def text(self) -> str:
        return self.source()

    def span(self, *path: str | int, value: bool = False) -> Span:
        """The place of a key (or its value) in the file."""
        return spans.span_of(self.file, self.text, path, value=value)

    def need(self, kind: str, name: str) -> KeyPath:
        """Where a dependency of one kind is declared: at the top, in an option or in a condition."""
        wanted = re.compile(rf"{re.escape(name)}(?:[<>=].*)?")
        for path, (start, end) in spans.places(self.text).items():
            if path[-2:-1] == (kind,) and wanted.fullmatch(self.text[start + 1 : end - 1]):
                return path
        return (kind,)

    def error(self, path: KeyPath, message: str, hint: str | None = None) -> TemplateError:
        """A TemplateError at one key."""
        return TemplateError([Diagnostic(self.span(*path), message, hint)])


def parse(
    name: str, text: str, file: str, patches: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> Template:
    """Read the text of `templates/NAME/template.toml`.

    Raises TemplateError that holds every problem of the file.
    """
    raw, problems = read(file, text, TEMPLATE, lambda whole, bad: _across(name, whole, bad))
    if problems:
        raise TemplateError(problems)
    return Template(
        name, MappingProxyType(raw), file, lambda: text, MappingProxyType(patches or {}), MappingProxyType(files or {})
    )


def _across(name: str, whole: Mapping[str, Any], bad: set[str | int]) -> Iterator[Problem]:
    """The problems between keys, among keys that are not `bad` by themselves."""
    raw = {key: value for key, value in whole.items() if key not in bad} if bad else whole
    if "name" in raw and raw["name"] != name:
        yield ("name",), f'name: want "{name}" like the folder, got {found(raw["name"])}', None
    tables: list[tuple[KeyPath, Mapping[str, Any]]] = [((), raw)]
    tables += [(("when", index), when) for index, when in enumerate(raw.get("when", []))]
    for top, table in tables:
        yield from _distfiles(table, top)
        yield from _replacing(table.get("install", {}), (*top, "install"))
        yield from strangers(table.get("archs", []), (*top, "archs"))
    known = whole.get("options", {})
    options = known if isinstance(known, dict) else {}
    for option, body in raw.get("options", {}).items():
        for index, other in enumerate(body.get("conflicts", [])):
            if other not in options:
                where = ("options", option, "conflicts", index)
                yield where, f"{shown(where)}: no option {found(other)}", nearest(other, options)
    path: KeyPath
    for index, when in enumerate(raw.get("when", [])):
        for path, test in ((("if",), when["if"]), (("if", "not"), when["if"].get("not", {}))):
            for word in listed(test.get("option", [])):
                if word not in options:
                    at: KeyPath = ("when", index, *path, "option")
                    yield at, f"{shown(at)}: no option {found(word)}", nearest(word, options)
        yield from idle(when["if"], ("when", index, "if"))
    for part, body in raw.get("subpackages", {}).items():
        place: KeyPath = ("subpackages", part)
        if part == name:
            yield place, f"{shown(place)}: want another name than that of the package", None
        elif not body.keys() & {"files", "preset", "depends"}:
            yield place, f"{shown(place)}: want files or preset, or depends where it only gathers others", None
    if raw.get("build_style") == "meta" and raw.get("distfiles"):
        yield ("distfiles",), "distfiles: the build style meta has no sources", None
    variables = whole.get("vars", {})
    names = ["name", "version", *(f"vars.{key}" for key in (variables if isinstance(variables, dict) else ()))]
    for path, word in _used(dict(whole), ()):
        if word not in names and not _SITE.fullmatch(word):
            hint = nearest(word, names) or "write {{ and }} for braces that mean themselves"
            got = word if word.isprintable() else quoted(word)
            yield path, f"{shown(path)}: want one of {', '.join(names)}, got {{{got}}}", hint


def _distfiles(table: Mapping[str, Any], at: KeyPath) -> Iterator[Problem]:
    for index, distfile in enumerate(table.get("distfiles", [])):
        path = (*at, "distfiles", index)
        if "git" in distfile and "commit" not in distfile:
            yield path, f"{shown(path)}.commit: missing: a git distfile is pinned by its commit", None
        for other in ("url",) if "git" in distfile else ("commit",):
            if other in distfile:
                yield (*path, other), f"{shown((*path, other))}: a distfile has url, or git and commit", None
        if "git" not in distfile and "url" not in distfile:
            yield path, f"{shown(path)}.url: missing", None
        if "sha256" not in distfile:
            yield path, f"{shown(path)}.sha256: missing: no distfile without a checksum", None


def _replacing(install: Mapping[str, Any], at: KeyPath) -> Iterator[Problem]:
    """Files that would overwrite each other, because a list installs all its files into one folder by their names."""
    for key in _LISTS.intersection(install):
        first: dict[str, str] = {}
        for index, source in enumerate(install[key]):
            one = source.removeprefix("?").rstrip("/")
            other = first.setdefault(one.rpartition("/")[2], one)
            if other != one and not _GLOB_SIGNS.intersection(one + other):
                where = (*at, key, index)
                hint = f'give it another name: [install.files] "{one}" = "usr/share/…"'
                yield where, f'{shown(where)}: "{one}" would replace "{other}"', hint


_LISTS = frozenset(("license", "bin", "man", "doc", "conf", "completion", "service"))
_GLOB_SIGNS = frozenset("*?[")


def _used(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every `{word}` in the strings below `value`, with its place."""
    match value:
        case str():
            for hit in BRACES.finditer(value):
                if hit[1] is not None:
                    yield path, hit[1]
        case list():
            for index, item in enumerate(value):
                if not _plain(item):
                    yield from _used(item, (*path, index))
        case dict():
            top = not path or (len(path) == 2 and path[0] == "when")
            for key, item in value.items():
                if path and not _plain(key):
                    yield from _used(key, (*path, key))
                if not _plain(item) and not (top and key in LITERAL):
                    yield from _used(item, (*path, key))


def _plain(value: object) -> bool:
    """Whether a value certainly has no `{word}`, without a look into it."""
    return not isinstance(value, list | dict) and not (isinstance(value, str) and ("{" in value or "}" in value))
