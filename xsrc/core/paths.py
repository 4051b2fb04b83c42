"""Decides which text may be a path below a root. Schema, property lists, database rows and operations all ask here."""

from __future__ import annotations

import re

OURS = (
    "pkg-base",
    "pkg-binpkgs",
    "pkg-builddir",
    "pkg-destdir",
    "pkg-srcdistdir",
    "pkg-template",
    "var/db/xsrc",
)
"""The places of xsrc itself in a masterdir and in a build root. Nothing of a package may be there."""

CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""The characters that no path may hold: a property list cannot hold them, and no line-based file survives them."""

_NO_NAMES = frozenset(("", ".", ".."))
_OURS_SLASH = tuple(f"{place}/" for place in OURS)
_BUILD = re.compile(r"[0-9a-f]{20}|unsealed|")


class Unsound(ValueError):
    """A record holds a value that xsrc does not follow."""


def fault(text: object) -> str:
    """Return why a text is no path below a root, or "" if it is one.

    >>> [fault(text) for text in ("usr/bin/dash", "..a/b..")]
    ['', '']
    >>> fault("/usr"), fault("usr//bin"), fault("usr/../etc")
    ('it begins with /', 'it has an empty component', "it has the component '..'")
    """
    if not isinstance(text, str):
        return "it is no text"
    parts = text.split("/")
    if (text.isprintable() or not CONTROLS.search(text)) and _NO_NAMES.isdisjoint(parts):
        return ""
    if text.startswith("/"):
        return "it begins with /"
    for part in parts:
        if part in _NO_NAMES:
            return f"it has the component {part!r}" if part else "it has an empty component"
    return "it has a control character"


def name_fault(text: object) -> str:
    """Return why a text is not the name of one file, or ""."""
    return "it has a /" if isinstance(text, str) and "/" in text else fault(text)


def rooted_fault(text: object) -> str:
    """Return why a text is no absolute path in its shortest form, or "".

    >>> rooted_fault("/etc/dash.conf"), rooted_fault("etc"), rooted_fault("/a/../b")
    ('', 'it does not begin with /', "it has the component '..'")
    """
    if not isinstance(text, str):
        return "it is no text"
    return fault(text[1:]) if text.startswith("/") else "it does not begin with /"


def line_fault(text: object) -> str:
    """Return why a text cannot be a field of a line such as those of etc/passwd, or ""."""
    if not isinstance(text, str):
        return "it is no text"
    if CONTROLS.search(text) or text.splitlines() not in ([], [text]):
        return "it has a control character"
    return "it has a colon" if ":" in text else ""


def target_fault(at: str, target: object) -> str:
    """Return why a link at the path `at`, which is below a root, must not have a target, or "".

    A relative target may climb to the root and not beyond it. It climbs at its beginning only: after another link, `..`
    would mean any folder. An absolute target means the root's own path.

    >>> target_fault("usr/bin/vi", "../lib/vim"), target_fault("usr/bin/vi", "/usr/bin/vim")
    ('', '')
    >>> target_fault("usr/bin/vi", "../../../x"), target_fault("a", "b/../../x")
    ('it leads out of the root', "it has the component '..'")
    """
    if not isinstance(target, str):
        return "it is no text"
    if target.startswith("/"):
        return rooted_fault(target)
    rest, ups = target, 0
    while rest == ".." or rest.startswith("../"):
        rest, ups = rest[3:], ups + 1
    if ups > at.count("/"):
        return "it leads out of the root"
    return fault(rest) if rest or not ups else ""


def is_ours(path: str) -> bool:
    """Return whether a path is a place of xsrc itself, or below one."""
    return path in OURS or path.startswith(_OURS_SLASH)


def covers_ours(path: str) -> bool:
    """Return whether anything but a directory at this path would be in the place of xsrc's own folders.

    >>> covers_ours("var/db"), covers_ours("var/db/xsrc/farm.sqlite"), covers_ours("var/lib")
    (True, True, False)
    """
    return is_ours(path) or any(place.startswith(f"{path}/") for place in OURS)


def inside(text: str) -> str:
    """Return a path below a root as it is. Raises Unsound for any other text."""
    if why := fault(text):
        raise Unsound(f"{text!a} is no path below the root: {why}")
    return text


def component(text: str) -> str:
    """Return the name of one file as it is. Raises Unsound for any other text."""
    if why := name_fault(text):
        raise Unsound(f"{text!a} is no name of a file: {why}")
    return text


def rooted(text: str) -> str:
    """Return an absolute path as it is. Raises Unsound for any other text."""
    if why := rooted_fault(text):
        raise Unsound(f"{text!a} is no absolute path: {why}")
    return text


def build_id(text: str) -> str:
    """Return the name of one build of a package as it is. Raises Unsound for any other text."""
    if not isinstance(text, str) or _BUILD.fullmatch(text) is None:
        raise Unsound(f"{text!a} is no name of a build: want 20 hex digits")
    return text
