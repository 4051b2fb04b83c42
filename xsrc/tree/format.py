"""Every key of a template and what it may hold, in the order in which a template is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xsrc.core.paths import CONTROLS, covers_ours, fault, line_fault, name_fault, rooted_fault, target_fault
from xsrc.core.phase import Phase
from xsrc.core.pkgver import NAME, RESERVED, VERSION
from xsrc.core.schema import (
    Balanced,
    Checked,
    Choice,
    Either,
    Flag,
    Hex,
    Line,
    List,
    Map,
    Number,
    Problem,
    Shape,
    Table,
    Text,
    found,
    shown,
)
from xsrc.core.spans import KeyPath
from xsrc.store.rules import CAPABILITIES, OWNER

PHASES = tuple(phase.value for phase in Phase if phase is not Phase.FETCH)
"""The phases that have scripts."""
STYLE_TEXTS = (
    "configure_script",
    "make_cmd",
    "make_build_target",
    "make_check_target",
    "make_install_target",
)
STYLE_LISTS = ("configure_args", "make_build_args", "make_check_args", "make_install_args")
DEPENDS = ("hostmakedepends", "makedepends", "checkdepends", "depends")


@dataclass(frozen=True)
class _Name(Text):
    """A package name that is not one of the farm's own."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        yield from super().problems(value, path)
        if value in RESERVED:
            yield path, f"{shown(path)}: want another name, xsrc keeps {value} for itself", None


_NAME = _Name("a package name", NAME)
_PATTERN = Text(
    "a package name, perhaps with >=VERSION or >=VERSION<VERSION",
    rf"{NAME}?(?:(?:>=|<=|>|<|=)[A-Za-z0-9.+~]+(?:_[0-9]+)?){{0,2}}",
)
_WORD = Text("a word of letters, digits, _ and -", r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_VARIABLE = Text("a name of letters, digits and _", r"[A-Za-z_][A-Za-z0-9_]*")


def _glob_fault(glob: str) -> str:
    """Return why a text is no relative path or glob. `..` is allowed among sources, which are inside a sandbox."""
    parts = glob.removeprefix("?").removesuffix("/").split("/")
    return fault("/".join("x" if part in (".", "..") else part for part in parts)) or _stars_fault(glob)


def _below_fault(glob: str) -> str:
    """Return why a text is no glob of paths below the destdir."""
    return fault(glob.removeprefix("?").removesuffix("/"))


def _installed_fault(glob: str) -> str:
    """Return why a text is no glob of paths below the destdir that the shell of a build root reads as xsrc does."""
    return _below_fault(glob) or _stars_fault(glob)


def _stars_fault(glob: str) -> str:
    return "to the shell that reads it, ** is no more than *" if "**" in glob.removeprefix("?").split("/") else ""


def _link_fault(link: str) -> str:
    """Return why a text is no place for a link of an alternative."""
    return rooted_fault(link) or ("it is a place of xsrc itself" if covers_ours(link[1:]) else "")


def _passwd_fault(path: str) -> str:
    """Return why a text cannot be a path in etc/passwd."""
    return line_fault(path) or (rooted_fault(path) if path != "/" else "")


def _shell_fault(path: str) -> str:
    """Return why a text cannot be a line of etc/shells."""
    return _passwd_fault(path) or ("it has a space" if len(path.split()) > 1 else "")


def _text_fault(text: str) -> str:
    """Return why a text cannot be the text of a link; it may lead anywhere, as xsrc never follows it."""
    return "it is empty" if not text else "it has a control character" if CONTROLS.search(text) else ""


INSIDE = Checked("a relative path without ..", fault)
_FOLDER = Checked("a relative path without ..", lambda path: fault(path.removesuffix("/")))
FILE_NAME = Checked("a file name", name_fault)
_ABSOLUTE = Checked("an absolute path without ..", rooted_fault)
_GLOB = Checked("a relative path or glob, ? in front when it may match nothing", _glob_fault)
_BELOW = Checked("a path or glob below the destdir, ? in front when it may match nothing", _below_fault)
_INSTALLED = Checked("a path or glob below the destdir, ? in front when it may match nothing", _installed_fault)
_URL = Line("an http or https address or one that begins with {SITE}", r"(?:https?://|\{[A-Z_]+\}).+")
_GIT = Line("an https, http or git address or one that begins with {SITE}", r"(?:(?:https?|git)://|\{[A-Z_]+\})\S+")
_TEXTS = List()
_GLOBS = List(_GLOB)
_BELOWS = List(_BELOW)
_OWNER = Text(
    "MODE, MODE USER:GROUP or MODE USER:GROUP CAPABILITIES", rf"[0-7]{{3,4}}(?: {OWNER}(?: {CAPABILITIES})?)?"
)

_SUMMARY = Line("text with a capital first, no article and no final dot", r"(?!(?:A|An|The) )[^a-z\s].*[^.\s]", 72)
_LICENSE = Balanced(
    "an SPDX expression",
    r"\(*(?:LicenseRef-)?[A-Za-z0-9.-]+\+?\)*(?: (?:AND|OR|WITH) \(*(?:LicenseRef-)?[A-Za-z0-9.-]+\+?\)*)*",
)

_OVERLAYS: dict[str, Shape] = {name: List(_PATTERN) for name in DEPENDS}

_CONFIGURE = Table({"on": _TEXTS, "off": _TEXTS})
_OPTION = Table(
    {
        "desc": Line("one line", r"[^\n]+"),
        "default": Flag(),
        "configure": _CONFIGURE,
        "env": Map(name=_VARIABLE),
        "conflicts": List(_WORD),
        **_OVERLAYS,
    },
    required=("desc",),
)

_DISTFILE = Table(
    {
        "url": Either((List(_URL, least=1), _URL)),
        "sha256": Hex(64),
        "name": FILE_NAME,
        "extract": Flag(),
        "dest": INSIDE,
        "strip": Number(),
        "inner": INSIDE,
        "git": Either((List(_GIT, least=1), _GIT)),
        "commit": Hex(40),
    }
)

_PRESETS = ("devel", "libs", "doc", "man", "progs")
_SUBPACKAGE = Table(
    {
        "short_desc": _SUMMARY,
        "files": _BELOWS,
        "except": _BELOWS,
        "preset": Either((Choice(_PRESETS), List(Choice(_PRESETS)))),
        "depends": List(_PATTERN),
        "provides": List(_PATTERN),
        "conflicts": List(_PATTERN),
        "conf_files": List(_ABSOLUTE),
    }
)

_INSTALL = Table(
    {
        **dict.fromkeys(("license", "bin", "man", "doc", "conf", "completion", "service"), _GLOBS),
        "files": Map(_FOLDER, _GLOB),
        "symlinks": Map(Checked("the text of a link", _text_fault), INSIDE),
        "rename": Map(_FOLDER, _INSTALLED),
        "remove": List(_INSTALLED),
        "modes": Map(_OWNER, _INSTALLED),
        "keep": List(Choice(("la", "static", "empty"))),
    }
)

_ACCOUNT = Table(
    {
        "name": Text("an account name", r"_?[a-z][a-z0-9_-]*"),
        "home": Checked("an absolute path without .. and :", _passwd_fault),
        "shell": Checked("an absolute path without .. and :", _passwd_fault),
        "desc": Checked("one line without :", line_fault),
        "groups": List(_WORD),
    },
    required=("name",),
)
_DIRECTORY = Table(
    {
        "path": _ABSOLUTE,
        "mode": Text("an octal mode", r"[0-7]{3,4}"),
        "owner": Text("USER:GROUP", r"[^\s:]+:[^\s:]+"),
    },
    required=("path",),
)


@dataclass(frozen=True)
class _Place(Text):
    """A path of the root, perhaps with mode and owner."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        bad = list(super().problems(value, path))
        yield from bad or _ABSOLUTE.problems(str(value).split(" ")[0], path)


@dataclass(frozen=True)
class _Alternative(Table):
    """A link that stays in the root and leads to a place in it."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        bad = list(super().problems(value, path))
        yield from bad
        if not bad and isinstance(value, dict):
            why = target_fault(value["link"][1:], value["target"])
            if why:
                at = (*path, "target")
                yield at, f"{shown(at)}: want a path of the root, got {found(value['target'])}: {why}", None


_PATH_AND_MODE = _Place("an absolute path, or PATH MODE USER GROUP", r"/\S+(?: [0-7]{3,4} [^\s:]+ [^\s:]+)?")
_ALTERNATIVE = _Alternative(
    {
        "group": _WORD,
        "link": Checked("an absolute path without ..", _link_fault),
        "target": Text(),
        "priority": Number(),
    },
    required=("group", "link", "target"),
)

_STRINGS_OR = {
    "accounts": List(Either((Text("an account name", r"_?[a-z][a-z0-9_-]*"), _ACCOUNT))),
    "directories": List(Either((_PATH_AND_MODE, _DIRECTORY))),
    "alternatives": List(_ALTERNATIVE),
}

_UPDATE_KINDS = ("gnu", "github", "gitlab", "pypi", "cpan", "debian", "sourceforge", "kernel", "gnome", "none")

KEYS: dict[str, Shape] = {
    "name": _NAME,
    "version": Text("a version with a digit, without - and _", VERSION),
    "revision": Number(1),
    "short_desc": _SUMMARY,
    "maintainer": Line("NAME <ADDRESS>", r"[^<>]+ <[^<>@\s]+@[^<>\s]+>"),
    "license": _LICENSE,
    "homepage": Line("an http or https address", r"https?://\S+"),
    "changelog": Line("an http or https address", r"https?://\S+"),
    "archs": List(Text("a glob of machine types, ! in front to exclude", r"!?[a-z0-9_*?-]+")),
    "build_style": Text("the name of a build style", r"[a-z][a-z0-9-]*"),
    "bootstrap": Number(),
    **_OVERLAYS,
    "provides": List(_PATTERN),
    "conflicts": List(_PATTERN),
    "replaces": List(_PATTERN),
    "build_wrksrc": INSIDE,
    "create_wrksrc": Flag(),
    "configure_script": Text(),
    "configure_args": _TEXTS,
    "make_cmd": Text(),
    "make_build_args": _TEXTS,
    "make_build_target": Text(),
    "make_check_args": _TEXTS,
    "make_check_target": Text(),
    "make_install_args": _TEXTS,
    "make_install_target": Text(),
    "make_check": Flag(reason=True),
    "conf_files": List(_ABSOLUTE),
    "make_dirs": _STRINGS_OR["directories"],
    "system_accounts": _STRINGS_OR["accounts"],
    "shells": List(Checked("an absolute path", _shell_fault)),
    "alternatives": _STRINGS_OR["alternatives"],
    "triggers": List(_WORD),
    "disable_parallel_build": Flag(reason=True),
    "nostrip": Either((Flag(reason=True), List(_BELOW, least=1))),
    "broken": Flag(reason=True),
    "restricted": Flag(reason=True),
    "nocross": Flag(reason=True),
    "vars": Map(name=_VARIABLE),
    "distfiles": List(_DISTFILE),
    "patch": Table({"strip": Number(), "series": List(FILE_NAME), "binary": Flag()}),
    "env": Map(name=_VARIABLE),
    "flags": Map(name=_VARIABLE),
    "options": Map(_OPTION, _WORD),
    "when": List(),  # filled in below: it may hold any key of the template
    "phases": Table({f"{part}_{phase}": Text("sh text") for phase in PHASES for part in ("pre", "do", "post")}),
    "test": Text("sh text"),
    "install": _INSTALL,
    "stow": Table({"hardlink": _BELOWS, "copy": _BELOWS, "ignore": _BELOWS, "protect": Flag()}),
    "subpackages": Map(_SUBPACKAGE, _NAME),
    "update": Table(
        {"url": Text(), "pattern": Text(), "ignore": Either((Text(), _TEXTS)), "kind": Choice(_UPDATE_KINDS)}
    ),
    "lint": Table({"ignore": Map(Line("a reason", r"\S.*"))}),
}

_ONE_OR_MORE = Either((Text(), List()))
_CONDITIONS: dict[str, Shape] = {
    "arch": _ONE_OR_MORE,
    "libc": Either((Choice(("glibc", "musl")), List(Choice(("glibc", "musl"))))),
    "wordsize": Either((Number(), List(Number()))),
    "endian": Choice(("little", "big")),
    "cross": Flag(),
    "option": _ONE_OR_MORE,
    "stage": Either((Number(), List(Number()))),
}
_FIXED = ("name", "version", "revision", "options", "when", "subpackages")

KEYS["when"] = List(
    Table(
        {
            "if": Table({**_CONDITIONS, "not": Table(_CONDITIONS)}),
            **{name: kind for name, kind in KEYS.items() if name not in _FIXED},
        },
        required=("if",),
    )
)

TEMPLATE = Table(KEYS, required=("name", "version", "revision", "short_desc", "license", "homepage", "build_style"))

NEUTRAL: Mapping[str, str] = {
    "short_desc": "prose",
    "maintainer": "prose",
    "license": "prose",
    "homepage": "prose",
    "changelog": "prose",
    "update": "where to look for newer versions",
    "lint": "what a checker says",
    "test": "what is tried when it is built",
    "archs": "where it may be built, not how",
    "broken": "whether it may be built, not how",
    "restricted": "whether it may be given away",
    "nocross": "whether it may be built, not how",
    "bootstrap": "which set it belongs to",
}
"""Keys that cannot change a result, each with the reason; they are not part of a build key."""
