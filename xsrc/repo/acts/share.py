"""Shares builds: writes what a cache does not have yet, and reports builds that came out differently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.ui import Ui, counted
from xsrc.repo import trace as traces
from xsrc.repo.disk import cache, keys
from xsrc.repo.sealed import SealedLists
from xsrc.repo.trace import Trace


@dataclass(frozen=True)
class Gift:
    """One build to share."""

    trace: Trace
    """What is known of it before its packages are written."""
    destdirs: tuple[Path, ...]
    """Those of the package itself, then of its subpackages."""


def share(folder: Path, gifts: Iterable[Gift], key: Path | None, ui: Ui) -> int:
    """Write builds to a cache, signed by a key of OpenSSH if there is one; return the exit code.

    The first result of a key stays. Another one is set aside, and the exit code is 1. Raises BuildFailed for a damaged
    destdir, UsageError if the key cannot be used, HostError for the cache.
    """
    new = there = code = 0
    try:
        with cache.held(folder, ui.note):
            for gift in gifts:
                first = cache.read_trace(folder, gift.trace.key)
                lists = [cache.lists_of(path) for path in gift.destdirs]
                same = first is not None and [piece.tree for piece in first.pieces] == [one.tree for one in lists]
                if first and same and (first.signature or key is None) and cache.whole(folder, first):
                    there += 1
                    continue
                trace = _written(folder, gift, lists, key)
                if first is None or same:
                    cache.write_trace(folder, traces.place(trace.key), trace)
                    new += 1
                    ui.note(f"{trace.pkgver}: pushed ({_signed(trace)}, {trace.size >> 10} KiB)")
                    continue
                code = 1
                cache.write_trace(folder, traces.aside(trace), trace)
                who = f" of {first.builder}" if first.builder else ""
                ui.warn(f"{trace.pkgver}: not reproducible: it differs from the first build of its key{who}")
                ui.warn(f"{trace.pkgver}: it was set aside: {folder / traces.aside(trace)}")
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}: {error.filename}", hint="look at its modes and room") from error
    ui.note(f"{folder}: {counted(new, 'build')} more, {there} were there")
    return code


def _written(folder: Path, gift: Gift, lists: Iterable[SealedLists], key: Path | None) -> Trace:
    """The trace of a build, after its files are written."""
    pieces = tuple(cache.put_build(folder, path, one) for path, one in zip(gift.destdirs, lists, strict=True))
    trace = replace(gift.trace, pieces=pieces)
    return trace if key is None else replace(trace, signature=keys.sign(key, trace.text, traces.NAMESPACE))


def _signed(trace: Trace) -> str:
    return "signed" if trace.signature else "not signed"
