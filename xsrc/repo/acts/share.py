"""Shares builds: writes what a cache does not have yet, and reports builds that came out differently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.ui import Ui, counted
from xsrc.repo import trace as traces
from xsrc.repo.disk import cache, keys
from xsrc.repo.trace import Piece, Trace


@dataclass(frozen=True)
class Gift:
    """One build to share."""

    key: str
    base: str
    destdirs: tuple[Path, ...]
    """Those of the package itself, then of its subpackages."""
    builder: str = ""
    seconds: float = 0
    peak: int = 0


def share(folder: Path, gifts: Iterable[Gift], key: Path | None, ui: Ui) -> int:
    """Write builds to a cache, signed by a key of OpenSSH if there is one; return the exit code.

    The first result of a key stays. Another one is set aside, and the exit code is 1. Raises BuildFailed for a damaged
    destdir, UsageError if the key cannot be used, HostError for the cache.
    """
    new = there = code = 0
    try:
        with cache.held(folder, ui.note):
            for gift in gifts:
                first = cache.read_trace(folder, gift.key)
                trees = [cache.tree_of(path) for path in gift.destdirs]
                same = first is not None and [piece.tree for piece in first.pieces] == trees
                if first and same and (first.signature or key is None) and cache.whole(folder, first):
                    there += 1
                    continue
                trace = _written(folder, gift, key)
                if first is None or same:
                    cache.write_trace(folder, traces.place(gift.key), trace)
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


def _written(folder: Path, gift: Gift, key: Path | None) -> Trace:
    """The trace of a build, after its files are written."""
    pieces: tuple[Piece, ...] = tuple(cache.put_build(folder, path) for path in gift.destdirs)
    trace = Trace(gift.key, gift.base, pieces, gift.builder, gift.seconds, gift.peak)
    return trace if key is None else traces.signed(trace, lambda text: keys.sign(key, text, traces.NAMESPACE))


def _signed(trace: Trace) -> str:
    return "signed" if trace.signature else "not signed"
