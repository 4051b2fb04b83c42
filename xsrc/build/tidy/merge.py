"""Moves what was installed into /bin, /sbin, /lib and /lib64 below /usr, where a root has it."""

from __future__ import annotations

from xsrc.build.tidy.draft import TOPS, Draft, destination, in_order, merged, relative
from xsrc.store.manifest import Kind


def merge(draft: Draft) -> None:
    """Plan to move everything below /usr, and to mend the relative links that this would break."""
    before = {path: path for path in draft.links()}
    for top in TOPS:
        spot = draft.tree.get(top)
        if spot is None:
            continue
        if spot.kind is Kind.LINK and draft.leads(top) == f"usr/{top}":
            draft.remove(top, "the root has this link itself")
        elif spot.kind is Kind.DIR:
            draft.make("usr")
            _move(draft, top, before)
    _mend(draft, before)


def _move(draft: Draft, top: str, before: dict[str, str]) -> None:
    base = f"usr/{top}"
    if base in draft.tree and draft.tree[base].kind is Kind.LINK:
        base = draft.leads(base)
    emptied: list[str] = []
    done = ""
    for path in in_order(path for path in draft.tree if path == top or path.startswith(f"{top}/")):
        new, spot = base + path[len(top) :], draft.tree[path]
        if done and path.startswith(f"{done}/"):  # its directory moves, or cannot
            draft.tree[new] = draft.tree.pop(path)
        elif new not in draft.tree:
            draft.move(path, new)
            done = path
        elif spot.kind is Kind.DIR is draft.tree[new].kind:
            emptied.append(path)
            if spot.mode != draft.tree[new].mode:
                other = draft.tree[new].mode
                draft.bad.append(f"both /{path} and /{new} are installed, with modes {spot.mode:o} and {other:o}")
        else:
            _settle(draft, path, new)
            done = path
        if spot.kind is Kind.LINK and draft.tree.get(new) is spot:
            before[new] = path
    for path in reversed(emptied):
        draft.remove(path, f"what it held is in /{base}{path[len(top) :]}" if path == top else "")


def _settle(draft: Draft, path: str, new: str) -> None:
    """Plan for two files that want one name: only if one is merely another name of the other, it can go."""
    one, other = draft.tree[path], draft.tree[new]
    ends = {at: draft.leads(at) for at in (path, new) if draft.tree[at].kind is Kind.LINK}
    if Kind.DIR not in (one.kind, other.kind) and one.names > 1 and one.inode == other.inode:
        draft.remove(path, f"it is the file /{new}")
    elif ends.get(path) == new:
        draft.remove(path, f"it only leads to /{new}")
    elif ends.get(new) == new:
        draft.remove(new, f"it only leads to /{path}")
        draft.move(path, new)
    elif len(ends) == 2 and ends[path] == ends[new]:
        draft.remove(path, f"/{new} leads to the same place")
    else:
        draft.refuse(path, new)


def _mend(draft: Draft, before: dict[str, str]) -> None:
    """Plan new texts for relative links that lead elsewhere from their new places, or through a merged folder."""
    for path in draft.links():
        text = draft.tree[path].target
        was = merged(destination(before.get(path, path), text))
        if not text.startswith("/") and destination(path, text) != was:
            draft.link(path, relative(path, was))
