"""A fuzzer by changes of bytes: it runs one reader of hostile bytes in a process of its own, and watches it.

The rule for each input: the reader ends within LIMIT seconds and MEMORY bytes, raises nothing but what it documents,
and touches no file outside its folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
CORPUS = CHECKOUT / "tests/fuzz/corpus"
LIMIT = 5.0
"""Seconds of processor time that one input may take."""
STUCK = 60.0
"""Seconds after which a process that is at one input is ended; the machine may be busy."""
MEMORY = 1 << 30
"""Bytes that the readers may have beside what the process has when it begins."""
LARGEST = 1 << 18
"""Bytes of an input; no corpus file needs more."""
_HEAD = struct.Struct("QQ")
"""How many inputs were begun, and the length of the last, at the beginning of the shared memory."""
_SYSTEM = ("/usr/lib", "/usr/local/lib", "/usr/share", "/lib", "/proc/self", "/dev/null", "/dev/urandom", "/etc")
"""What any program reads."""


@dataclass(frozen=True)
class Target:
    """A reader of bytes that others wrote."""

    name: str
    run: Callable[[bytes, Path], object]
    """Reads an input; the folder is its own."""
    seeds: Callable[[], Iterable[bytes]]
    """Sound inputs, from which the others are made."""
    raises: tuple[type[Exception], ...] = ()
    """What it documents to raise."""
    words: tuple[bytes, ...] = ()
    """What an input may be made of."""
    programs: tuple[str, ...] = ()
    """What it may start."""


@dataclass(frozen=True)
class Found:
    """What one run came to."""

    inputs: int
    trouble: str = ""
    """What is wrong, with the input, "" for nothing."""
    data: bytes = b""


class Touched(BaseException):
    """A reader went where it must not go; no reader may catch it."""


# ---- changes

_NUMBERS = (0, 1, -1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_WORDS = (b"..", b"/", b"../..", b"\0", b"\n", b"\x1b[2J", b"\xff", b"-1", b"9" * 20, b"1e999", b"[" * 200, b"a" * 300)


def changed(rng: random.Random, pool: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """An input of the pool with some changes, or two of them joined."""
    data = bytearray(rng.choice(pool))
    for _ in range(1 << rng.randrange(5)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + (1 << rng.randrange(9)))
        match rng.randrange(9):
            case 0 if data:
                data[at - 1] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at - 1] = rng.randrange(256)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * (1 if rng.randrange(8) else 200)
            case 4:
                word = rng.choice((*words, *_WORDS))
                data[at : at + (len(word) if rng.randrange(2) else 0)] = word
            case 5:
                size, order = rng.choice((1, 2, 4, 8)), rng.choice(("<", ">"))
                number = rng.choice(_NUMBERS) % (1 << 8 * size)
                data[at : at + size] = struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], number)
            case 6:
                other = rng.choice(pool)
                start = rng.randrange(len(other) + 1)
                data[at:end] = other[start : start + (1 << rng.randrange(12))]
            case 7:
                data[at:end] = str(rng.choice(_NUMBERS)).encode()
            case 8 if data:
                del data[at:]
    return bytes(data[:LARGEST])


# ---- the process of a reader


def watch(place: Path, programs: tuple[str, ...]) -> None:
    """Raise Touched in this process, for good, where it writes or starts anything that is not its own to touch."""
    own = os.path.realpath(place)
    readable = tuple(os.path.realpath(top) for top in (own, CHECKOUT, sys.prefix, sys.base_prefix, *_SYSTEM))
    busy = False

    def below(path: object, tops: tuple[str, ...], folder: int = -1) -> bool:
        if isinstance(path, int):
            return True
        text = os.fsdecode(path)  # type: ignore[arg-type]
        if folder >= 0 and not text.startswith("/"):
            text = f"{os.path.realpath(f'/proc/self/fd/{folder}')}/{text}"
        head, _, last = os.path.abspath(text).rpartition("/")  # noqa: PTH100 - links stay
        real = f"{os.path.realpath(head)}/{last}"
        return any(f"{real}/".startswith(f"{top.rstrip('/')}/") for top in tops)

    def sees(event: str, args: tuple[object, ...]) -> bool:
        match event, args:
            case "open", (path, _, int(flags)):
                writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                # in which open folder a name is looked up the event does not say; a walk goes up by `..` alone
                if isinstance(path, str | bytes) and not os.fsdecode(path).startswith("/"):
                    return ".." not in os.fsdecode(path).split("/") or (not writes and os.fsdecode(path) == "..")
                return path is None or below(path, (own, "/dev/null") if writes else readable)
            case "os.mkdir" | "os.chmod" | "os.rmdir" | "os.remove" | "os.mkfifo" | "os.mknod", (path, *_, folder):
                return below(path, (own,), folder if isinstance(folder, int) and event != "os.mkfifo" else -1)
            case "os.rename" | "os.link", (one, two, first, second):
                return below(one, (own,), int(str(first))) and below(two, (own,), int(str(second)))
            case "os.symlink", (_, path, folder):
                return below(path, (own,), int(str(folder)))
            case "os.truncate" | "os.utime" | "os.setxattr" | "os.chown" | "shutil.rmtree" | "sqlite3.connect", (
                path,
                *_,
            ):
                return below(str(path).removeprefix("file:").partition("?")[0], (own,)) or event == "os.utime"
            case "subprocess.Popen", (_, argv, *_):
                return isinstance(argv, list | tuple) and os.fsdecode(argv[0]).rpartition("/")[2] in programs
            case "os.system" | "os.exec" | "os.posix_spawn" | "os.fork" | "ctypes.dlopen", _:
                return bool(programs)
            case "socket.connect", (_, (str(host), *_)):
                return host == "127.0.0.1" and bool(programs)
        return True

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            if not sees(event, args):
                raise Touched(f"{event}{args!a}")
        finally:
            busy = False

    sys.addaudithook(hook)


def tried(target: Target, data: bytes, place: Path) -> tuple[str, tuple[object, ...]]:
    """Run one input: what is wrong, "" for nothing, and what tells it from other inputs: where it ended, and how."""
    begun = time.process_time()
    end: tuple[object, ...] = ()
    try:
        target.run(data, place)
    except target.raises as error:
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        end = (type(error), last and (last.tb_frame.f_code.co_filename, last.tb_lineno))
    except (Exception, Touched):
        return traceback.format_exc(), ()
    took = time.process_time() - begun
    return (f"took {took:.1f} s of processor time, want at most {LIMIT}" if took > LIMIT else ""), end


def _child(target: Target, seconds: float, seed: str, place: Path, shared: mmap.mmap) -> str:
    """Try seeds, the corpus, then changes of them, for so long; what is wrong, "" for nothing."""
    rng = random.Random(seed)
    pool = [*map(bytes, target.seeds()), *(path.read_bytes() for path in sorted((CORPUS / target.name).glob("*")))]
    for data in pool:  # what is imported on the way is no reader's doing
        with contextlib.suppress(Exception):
            target.run(data, place)
    os.chdir(place)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    watch(place, target.programs)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seen: set[tuple[object, ...]] = set()
    waiting, last, count = list(pool), time.monotonic() + seconds, 0
    while waiting or time.monotonic() < last:
        data = waiting.pop() if waiting else changed(rng, pool, target.words)
        count += 1
        shared[_HEAD.size : _HEAD.size + len(data)] = data
        shared[: _HEAD.size] = _HEAD.pack(count, len(data))
        trouble, end = tried(target, data, place)
        if trouble:
            return trouble
        if end not in seen:  # it ended where none did before: what is made of it may go further
            seen.add(end)
            pool.append(data)
    return ""


def fuzz(target: Target, seconds: float, seed: str, place: Path) -> Found:
    """Run a target in a child process; the folder is the child's own, and must be empty."""
    shared = mmap.mmap(-1, _HEAD.size + (1 << 20))
    told = place.with_name(f"{place.name}.told")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            faulthandler.disable()
            with told.open("w", errors="backslashreplace") as file:
                file.write(_child(target, seconds, seed, place, shared))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    count, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        now, length = _HEAD.unpack(shared[: _HEAD.size])
        if ended:
            break
        if now != count:
            count, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Found(now, f"not at its end after {STUCK} seconds", shared[_HEAD.size : _HEAD.size + length])
        time.sleep(0.02)
    data = shared[_HEAD.size : _HEAD.size + length]
    code = os.waitstatus_to_exitcode(status)
    if code:
        return Found(now, f"its process ended with {code}" + (" (a signal)" if code < 0 else ""), data)
    trouble = told.read_text()
    return Found(now, trouble, data if trouble else b"")
