"""Unpacks man pages, so that equal pages are equal files; hard links and symbolic links among them stay links."""

from __future__ import annotations

from xsrc.build.tidy.draft import Draft, destination
from xsrc.store.manifest import Kind

PACKED = (".gz", ".bz2", ".xz")
_PAGES = "usr/share/man/"


def pages(draft: Draft) -> None:
    """Plan to unpack the pages below /usr/share/man, and to let the links to them follow."""
    packed = {path: bare for path in sorted(draft.tree) if (bare := _bare(path)) and _is_page(draft, path)}
    links = {path for path in packed if draft.tree[path].kind is Kind.LINK}
    _turn(draft, packed, links)
    first: dict[tuple[int, int], str] = {}
    for path, bare in packed.items():
        if path not in links:
            _unpack(draft, path, bare, first)


def _bare(path: str) -> str:
    """The name of a page without its suffix; empty for anything but a compressed page."""
    suffix = next((suffix for suffix in PACKED if path.endswith(suffix)), "")
    return path.removesuffix(suffix) if suffix and path.startswith(_PAGES) else ""


def _is_page(draft: Draft, path: str) -> bool:
    """Whether a path is a compressed page or a link to one, which may be in another package."""
    spot = draft.tree[path]
    if spot.kind is Kind.LINK:
        to = destination(path, spot.target)
        return bool(_bare(to)) and (to not in draft.tree or draft.tree[to].kind is not Kind.DIR)
    return spot.kind is Kind.FILE


def _turn(draft: Draft, packed: dict[str, str], links: set[str]) -> None:
    """Plan new names and texts for links to pages; a link with the name of the page itself is needless then."""
    for path in draft.links():
        to = destination(path, draft.tree[path].target)
        if path not in links and to not in packed:
            continue
        name, end = packed.get(path, path), packed.get(to) or _bare(to)
        text = draft.tree[path].target
        text = next(text.removesuffix(suffix) for suffix in (*PACKED, "") if text.endswith(suffix))
        there = draft.tree.get(name) if name != path else None
        if end == name:
            draft.remove(path, "the page that it leads to takes its name")
        elif there is None:
            draft.remove(path, "")
            draft.link(name, text)
        elif there.kind is Kind.LINK and destination(name, there.target) in (to, end):
            draft.remove(path, f"/{name} leads to the same page")
        else:
            draft.refuse(path, name)


def _unpack(draft: Draft, path: str, bare: str, first: dict[tuple[int, int], str]) -> None:
    spot, there = draft.tree[path], draft.tree.get(bare)
    known = first.get(spot.inode) if spot.names > 1 else None
    if there is not None and there.kind is not Kind.FILE:
        draft.refuse(path, bare)
    elif there is not None:
        draft.same(path, bare)
    elif known is not None:
        draft.join(path, bare, known)
    else:
        draft.unpack(path, bare)
        first[spot.inode] = bare
