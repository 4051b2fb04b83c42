"""Expands a package and its build style to the sh scripts of every phase; they are part of the build key."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from xsrc.build.styles.install import install_script, make_dirs_script
from xsrc.core.errors import Diagnostic, TemplateError
from xsrc.core.schema import List, Map, Problem, Table, Text, found, locate, nearest, read, shown
from xsrc.core.spans import KeyPath
from xsrc.tree.format import PHASES, STYLE_LISTS, STYLE_TEXTS
from xsrc.tree.package import Package

_SPLICE = re.compile(r"\{\*([^{}]*)\}")
_WORD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_SHELL = {
    "jobs": "MAKEJOBS",
    "wrksrc": "WRKSRC",
    "destdir": "DESTDIR",
    "triplet": "HOST_TRIPLET",
    "build_triplet": "BUILD_TRIPLET",
    "cc": "CC",
    "cflags": "CFLAGS",
    "cxxflags": "CXXFLAGS",
    "ldflags": "LDFLAGS",
}
_VALUES = (*STYLE_TEXTS, *STYLE_LISTS)


class _Regex(Text):
    """A regular expression."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        bad = list(super().problems(value, path))
        try:
            re.compile(str(value))
        except re.error as error:
            bad.append((path, f"{shown(path)}: want a regular expression, got {found(value)}: {error}", None))
        yield from bad


_STYLE = Table(
    {
        "inherit": Text("the name of a build style", r"[a-z][a-z0-9-]*"),
        "tools": List(Text("the name of a program", r"[A-Za-z0-9_.+-]+")),
        "defaults": Table({**dict.fromkeys(STYLE_TEXTS, Text()), **dict.fromkeys(STYLE_LISTS, List())}),
        "env": Map(),
        "tests": Table({"ran": _Regex("a regular expression"), "none": _Regex("a regular expression")}),
        "phases": Table({phase: List(List()) for phase in PHASES}),
    }
)


@dataclass(frozen=True)
class Style:
    """A build style: programs that it needs, defaults of template keys, and one list of argv for each phase."""

    name: str
    tools: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    """How the log of a suite shows that tests `ran`, or that there were `none`: regular expressions."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """The texts of files beside the style that its phases name, such as `{wheel.py}`."""


TIDY = "tidy"
"""The name of the script in whose place xsrc itself tidies the destdir."""


@dataclass(frozen=True)
class Script:
    """One sh text of a phase; `name` is the template's key or the part of xsrc that wrote it."""

    name: str
    text: str


def parse_styles(texts: Mapping[str, str], programs: Mapping[str, str] = MappingProxyType({})) -> dict[str, Style]:
    """Read the build styles, by name; a style overrides the keys that it inherits.

    `programs` are the texts for words such as `{wheel.py}`.
    Raises TemplateError that holds every problem of every file.
    """
    raws: dict[str, dict[str, Any]] = {}
    problems: list[Diagnostic] = []
    for name, text in texts.items():
        raws[name], bad = read(
            f"styles/{name}.toml", text, _STYLE, lambda raw, bad: () if bad else _problems(raw, texts, programs)
        )
        problems += bad
    problems = problems or _cycles(raws, texts)
    if problems:
        raise TemplateError(problems)
    return {name: _style(name, raws, programs) for name in raws}


def _problems(raw: Mapping[str, Any], styles: Mapping[str, str], programs: Mapping[str, str]) -> Iterator[Problem]:
    parent = raw.get("inherit")
    if parent is not None and parent not in styles:
        yield ("inherit",), f"inherit: no build style {parent!r}", nearest(parent, styles)
    for name, value in raw.get("env", {}).items():
        if bad := next((word for word in _WORD.findall(value) if word != "wrksrc"), None):
            yield ("env", name), f"env.{name}: want no word in braces but wrksrc, got {bad}", None
    for phase, commands in raw.get("phases", {}).items():
        for index, argv in enumerate(commands):
            for place, word in enumerate(argv):
                yield from _word_problems(("phases", phase, index, place), word, programs)


def _word_problems(path: KeyPath, word: str, programs: Mapping[str, str]) -> Iterator[Problem]:
    """The problems of words that have no value."""
    if "{*" in _SPLICE.sub("", word):
        yield path, f"{shown(path)}: want a }} to the {{*, got {found(word)}", None
    for name in _SPLICE.findall(word):
        if name not in _VALUES or not _SPLICE.fullmatch(word):
            want = f"want {{*NAME}} as a word of its own with one of {', '.join(_VALUES)}"
            yield path, f"{shown(path)}: {want}, got {found(word)}", nearest(name, _VALUES)
    texts = (*STYLE_TEXTS, *_SHELL, *programs)
    for name in _WORD.findall(word):
        if name not in texts:
            yield path, f"{shown(path)}: want one of {', '.join(texts)}, got {name}", nearest(name, texts)


def _cycles(raws: Mapping[str, dict[str, Any]], texts: Mapping[str, str]) -> list[Diagnostic]:
    """Every circle of styles that inherit from each other, once."""
    found_in: set[str] = set()
    problems: list[Diagnostic] = []
    for start in raws:
        chain = [start]
        while (parent := raws[chain[-1]].get("inherit")) and parent not in chain:
            chain.append(parent)
        if parent and not found_in.intersection(chain):
            circle = chain[chain.index(parent) :]
            found_in.update(circle)
            name = circle[-1]
            words = " -> ".join((*circle, parent))
            problems += locate(f"styles/{name}.toml", texts[name], [(("inherit",), f"inherit: a cycle: {words}", None)])
    return problems


def _style(name: str, raws: Mapping[str, dict[str, Any]], programs: Mapping[str, str]) -> Style:
    raw = raws[name]
    parent = _style(raw["inherit"], raws, programs) if "inherit" in raw else Style(name)
    phases = {phase: tuple(tuple(argv) for argv in commands) for phase, commands in raw.get("phases", {}).items()}
    phases = {**parent.phases, **phases}
    named = {hit for argvs in phases.values() for argv in argvs for word in argv for hit in _WORD.findall(word)}
    return Style(
        name=name,
        tools=tuple(raw.get("tools", parent.tools)),
        defaults=MappingProxyType({**parent.defaults, **raw.get("defaults", {})}),
        env=MappingProxyType({**parent.env, **raw.get("env", {})}),
        phases=MappingProxyType(phases),
        tests=MappingProxyType(raw.get("tests", parent.tests)),
        programs=MappingProxyType({name: text for name, text in programs.items() if name in named}),
    )


def style_of(package: Package, styles: Mapping[str, Style]) -> Style:
    """The build style of a package. Raises TemplateError for an unknown one."""
    if package.build_style not in styles:
        hint = nearest(package.build_style, styles) or f"there are {', '.join(sorted(styles))}"
        message = f'build_style: no build style "{package.build_style}"'
        raise package.template.error(("build_style",), message, hint)
    return styles[package.build_style]


def scripts(package: Package, style: Style, tidy: str) -> dict[str, tuple[Script, ...]]:
    """The scripts of every phase that has any, in the order in which they run.

    `tidy` is the text in the place where the destdir of everything but a metapackage is tidied.
    """
    values = {**{key: [] for key in STYLE_LISTS}, **dict.fromkeys(STYLE_TEXTS, ""), **style.defaults, **style.programs}
    for key, value in package.style.items():
        values[key] = [*values[key], *value] if isinstance(value, list) else value
    result = {}
    for phase in PHASES:
        if phase == "check" and not package.make_check:
            continue
        parts = [Script(f"pre_{phase}", package.phases.get(f"pre_{phase}", ""))]
        parts += _do(package, style, values, phase)
        parts.append(Script(f"post_{phase}", package.phases.get(f"post_{phase}", "")))
        if phase == "install" and not package.meta:
            parts.append(Script("install-table", install_script(package)))
            parts.append(Script(TIDY, tidy))
        if phase == "install":
            parts.append(Script("make-dirs", make_dirs_script(package)))
        if kept := tuple(part for part in parts if part.text):
            result[phase] = kept
    return result


def _do(package: Package, style: Style, values: Mapping[str, Any], phase: str) -> Iterator[Script]:
    if phase == "patch":
        # backups of hunks that fit elsewhere would be installed with the folder they are in
        how = f"-Np{package.patch_strip} --no-backup-if-mismatch" + " --binary" * package.patch_binary
        lines = [f'patch {how} -i "$PATCHESDIR"/{shlex.quote(name)}' for name in package.patches]
        yield Script("patches", "\n".join(lines))
    if own := package.phases.get(f"do_{phase}"):
        yield Script(f"do_{phase}", own)
    elif phase in style.phases:
        lines = [line for argv in style.phases[phase] if (line := _line(argv, values))]
        if phase == "configure" or (phase == "build" and "configure" not in style.phases):
            lines = [*_tools(style), *lines]
        yield Script(f"{style.name}-{phase}", "\n".join(lines))


def _tools(style: Style) -> Iterator[str]:
    for tool in style.tools:
        missing = (
            f"xsrc: the build style {style.name} needs {tool}: "
            f"name the package that has it in hostmakedepends, or install it on this machine (base host)"
        )
        yield f"command -v {shlex.quote(tool)} >/dev/null || {{ echo {shlex.quote(missing)} >&2; exit 1; }}"


def _line(argv: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """One command as sh text.

    >>> _line(("make", "-j{jobs}", "{*make_build_args}"), {"make_build_args": ["A=b c"]})
    "make -j\\"$MAKEJOBS\\" 'A=b c'"
    """
    words: list[str] = []
    for word in argv:
        if "{" not in word:
            words.append(shlex.quote(word))
        elif splice := _SPLICE.fullmatch(word):
            value = values[splice[1]]
            words += [shlex.quote(item) for item in (value.split() if isinstance(value, str) else value)]
        else:
            words.append(_quoted(word, values))
    return " ".join(words)


def _quoted(word: str, values: Mapping[str, Any]) -> str:
    text, at = "", 0
    for hit in _WORD.finditer(word):
        text += shlex.quote(word[at : hit.start()]) if hit.start() > at else ""
        text += f'"${_SHELL[hit[1]]}"' if hit[1] in _SHELL else shlex.quote(str(values[hit[1]]))
        at = hit.end()
    return text + (shlex.quote(word[at:]) if at < len(word) or not word else "")
