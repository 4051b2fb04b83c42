"""The index of a repository as the texts of its packages: one is replaced without a look into the others; pure.

An index of ten thousand packages has fifteen megabytes. To read all of it takes seconds, to cut it takes none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from xsrc.store.listing import HEAD
from xsrc.store.manifest import read_plist, render_plist

Blocks = Mapping[str, bytes]
"""By name, the text of each package in the index: its key and its dictionary."""

_DROPPED = ("pkgname", "version", "packaged-with")
"""Keys of a package that its index entry does not have."""
_KEY = re.compile(rb"^\t<key>([^<\n]+)</key>\n(?=\t<dict>\n)", re.MULTILINE)
_END, _LAST = b"</dict>\n</plist>\n", b"\t</dict>\n"
_ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&amp;", b"&"))


def cut(text: bytes) -> dict[str, bytes]:
    """The packages of an index.plist; an empty text is an empty index. Raises ValueError for a bad one."""
    if not text.strip():
        return {}
    hits = list(_KEY.finditer(text))
    ends = [*(hit.start() for hit in hits[1:]), len(text) - len(_END)]
    found = {_plain(hit[1]): text[hit.start() : end] for hit, end in zip(hits, ends, strict=False)}
    ours = text.endswith(_END) and len(found) == len(hits) and all(one.endswith(_LAST) for one in found.values())
    if hits and ours:
        return found
    # somebody else wrote it in another form
    whole = read_plist(text)
    if not isinstance(whole, dict):
        raise ValueError("no dictionary of packages")
    return {name: _block(name, props) for name, props in whole.items()}


def joined(blocks: Blocks) -> bytes:
    """The text of an index.plist; empty if there are no packages."""
    if not blocks:
        return b""
    return b"".join((HEAD.encode(), b"<dict>\n", *(blocks[name] for name in sorted(blocks)), _END))


def entry(props: Mapping[str, Any], sha256: str, size: int) -> dict[str, Any]:
    """The index entry of a package file."""
    kept = {key: value for key, value in props.items() if key not in _DROPPED}
    return {**kept, "filename-sha256": sha256, "filename-size": size}


def block_of(props: Mapping[str, Any]) -> tuple[str, bytes]:
    """The name of a package, and the text of its index entry."""
    name = str(props["pkgver"]).rpartition("-")[0]
    return name, _block(name, props)


def _block(name: str, props: Any) -> bytes:
    text = render_plist({name: props})
    found = _KEY.search(text)
    if found is None or not isinstance(props, dict):
        raise ValueError(f"{name}: no dictionary")
    return text[found.start() : -len(_END)]


def props_of(block: bytes) -> dict[str, Any]:
    """The index entry that a text holds. Raises ValueError for a bad one."""
    try:
        (props,) = read_plist(HEAD.encode() + b"<dict>\n" + block + _END).values()
    except Exception as error:
        raise ValueError(f"not an entry of an index: {error}") from error
    if not isinstance(props, dict) or not isinstance(props.get("pkgver"), str):
        raise ValueError("an entry without pkgver")
    return props


def needing(blocks: Blocks, sonames: Iterable[str]) -> dict[str, str]:
    """By soname, the first package whose entry needs it."""
    found = {}
    for soname in sonames:
        sign = b"<string>" + _escaped(soname) + b"</string>"
        for name in sorted(blocks):
            if sign in blocks[name] and soname in props_of(blocks[name]).get("shlib-requires", ()):
                found[soname] = name
                break
    return found


def _escaped(text: str) -> bytes:
    data = text.encode()
    for entity, sign in reversed(_ENTITIES):
        data = data.replace(sign, entity)
    return data


def _plain(data: bytes) -> str:
    for entity, sign in _ENTITIES:
        data = data.replace(entity, sign)
    return data.decode()
