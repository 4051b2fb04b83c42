"""Undoes operations of the farm, and finds what is left of interrupted ones; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.farm.place import Act, Class, FileType, Found, Op
from xsrc.farm.wishes import above, stands


def inverse(ops: Iterable[Op]) -> tuple[Op, ...]:
    """The operations that undo `ops`, which may be only partly done.

    Builds move to their places first in both directions, because copies are made from them.
    """
    undo = []
    for op in reversed(tuple(ops)):
        match op.act:
            case Act.MKDIR:
                undo.append(Op(Act.MKDIR, op.before, op.placed) if op.before else Op(Act.RMDIR, op.placed))
            case Act.RMDIR:
                undo.append(Op(Act.MKDIR, op.placed))
            case Act.PUT:
                undo.append(Op(Act.PUT, op.before, op.placed) if op.before else Op(Act.REMOVE, op.placed))
            case Act.REMOVE:
                undo.append(Op(Act.PUT, op.placed, op.placed))
            case Act.MERGE | Act.BRING:
                undo.append(Op(op.act, op.before or op.placed, op.placed))
    return tuple(sorted(undo, key=lambda op: op.act is not Act.BRING))


def looked_at(ops: Iterable[Op]) -> frozenset[str]:
    """The paths whose state `resumed` asks for: those of the operations, and all directories above them."""
    paths = {op.placed.path for op in ops if op.act is not Act.BRING}
    return frozenset(paths | above(paths))


def turned(ops: Iterable[Op]) -> frozenset[str]:
    """The directories in whose place the operations put something else: `resumed` asks for all that is in them."""
    planned = tuple(ops)
    gone = {op.placed.path for op in planned if op.act is Act.RMDIR}
    return frozenset(op.placed.path for op in planned if op.act is Act.PUT and op.placed.path in gone)


def resumed(ops: Iterable[Op], disk: Mapping[str, Found]) -> tuple[tuple[Op, ...], tuple[str, ...]]:
    """The rest of interrupted operations, and the paths that somebody else changed meanwhile.

    A path is one of these too if a directory above it is no longer a directory, or lets nobody in.
    `disk` has the present state of the paths that `looked_at` names, with the contents of files, and of all that is in
    the directories that are `turned`.
    """
    ops = tuple(ops)
    emptied = turned(ops)
    left: list[Op] = []
    blocked: list[str] = []
    made: set[str] = set()
    freed: set[str] = set()
    for op in ops:
        path, found = op.placed.path, disk.get(op.placed.path)
        if op.act is Act.BRING:
            left.append(op)
        elif not _reached(path, disk, made):
            blocked += [path] if op.act not in (Act.REMOVE, Act.RMDIR) or _closed(path, disk) else []
        elif op.act is Act.MKDIR:
            ours = found is None or found.kind is FileType.DIR or path in freed
            blocked += [] if ours else [path]
            made |= {path} if ours else set()
            left.append(op)
        elif op.act is Act.PUT and op.placed.how is not Class.MADE:
            done = found is not None and stands(op.placed, found)
            ours = found is None or done or path in freed or (op.before is not None and stands(op.before, found))
            blocked += [] if ours else [path]
            left += [] if done and op.before is None and op.placed.how is not Class.THEIRS else [op]
        elif op.act is Act.REMOVE:
            if found is not None and stands(op.placed, found):
                left.append(op)
                freed.add(path)
        else:
            if op.act is Act.RMDIR and (found is None or found.kind is FileType.DIR):
                inside = (other for other in disk if path in emptied and other.startswith(f"{path}/"))
                freed |= {path} if freed.issuperset(inside) else set()
            left.append(op)
    return tuple(left), tuple(blocked)


def _reached(path: str, disk: Mapping[str, Found], made: set[str]) -> bool:
    """Whether something can be put at a path or taken away there."""
    above = path.rpartition("/")[0]
    if not above or above in made:
        return True
    found = disk.get(above)
    return found is not None and found.kind is FileType.DIR and not found.text


def _closed(path: str, disk: Mapping[str, Found]) -> bool:
    """Whether the directory of a path is there and lets nobody in."""
    found = disk.get(path.rpartition("/")[0])
    return found is not None and found.kind is FileType.DIR and bool(found.text)
