"""Logs of phases: the newest of each phase has a place of its own, and each run keeps its own logs under its number."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from xsrc.core.phase import ORDER, Phase
from xsrc.unix.files import begun, opened
from xsrc.unix.trees import remove_tree

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

KEPT = 20
"""Runs of which a package keeps the logs."""
_PAUSE = 0.2
"""Seconds between two looks at a log that grows."""


def begin_log(path: Path, run: int) -> IO[bytes]:
    """Begin the log of a phase; in the folder of the run, if it has a number, it has a second name. Raises OSError."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    log = begun(path)
    if run:
        own = folder / str(run)
        try:
            own.mkdir()
        except FileExistsError:
            (own / path.name).unlink(missing_ok=True)
        else:
            _forget_runs(folder, run)
        with contextlib.suppress(PermissionError):  # a file system without hard links
            os.link(path, own / path.name, follow_symlinks=False)
    return log


def _forget_runs(folder: Path, run: int) -> None:
    """Remove the logs of all but the last runs; `run` goes on."""
    others = sorted(int(name) for name in os.listdir(folder) if name.isdecimal() and name != str(run))
    for number in others[: -(KEPT - 1)]:
        remove_tree(folder / str(number))


def forget(folder: Path, done: Iterable[Phase]) -> None:
    """Forget the newest logs but those of phases that are `done`; runs keep theirs. Raises OSError."""
    for phase in ORDER:
        path = folder / f"{phase}.log"
        if phase not in done and not path.is_symlink():  # a link there is refused when the phase begins
            path.unlink(missing_ok=True)


def newest(folder: Path, phase: Phase | None = None) -> Path | None:
    """The newest log of a phase, or of the phase that ran last; None if there is none."""
    found: dict[Path, int] = {}
    for one in (phase,) if phase else ORDER:
        path = folder / f"{one}.log"
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.lstat().st_mtime_ns
    return max(reversed(found), key=found.__getitem__) if found else None


def followed(choose: Callable[[], Path | None], going: Callable[[], bool]) -> Iterator[bytes]:
    """The content of the log that `choose` returns, and what is added to it, until nothing is `going` any more.

    When another log is chosen, it comes after the whole of the former one. Raises OSError.
    """
    with contextlib.ExitStack() as stack:
        file: IO[bytes] | None = None
        while True:
            over, path = not going(), choose()
            if file is not None:
                while data := file.read(1 << 16):
                    yield data
            if path is not None and (file is None or _other(file, path)):
                stack.close()
                file = stack.enter_context(opened(path))
                continue
            if over:
                return
            time.sleep(_PAUSE)


def _other(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is no longer the one at `path`."""
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


class Flow(io.RawIOBase):
    """Parts of a content as a file to read: each part can be read as soon as it comes."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts, self.rest = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer with what is there, or with the next part; 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self.rest or next(self.parts, b"")
        self.rest = data[len(view) :]
        view[: len(data) - len(self.rest)] = data[: len(view)]
        return len(data) - len(self.rest)
