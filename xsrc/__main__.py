"""Turns exceptions into messages and exit codes; no other module does."""

from __future__ import annotations

import codecs
import contextlib
import errno
import gc
import io
import os
import sys

from xsrc.core.errors import HostError, XsrcError

MACHINE = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EINTR,
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EBUSY,
        errno.ESTALE,
        errno.ETXTBSY,
        errno.EFBIG,
        errno.EMLINK,
        errno.ENODEV,
        errno.ENXIO,
    )
)
"""Errors of the system whose cause is the machine; any other one that comes this far is a bug."""


START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from xsrc.__main__ import main; sys.exit(main())"
"""The program of a Python that is given the folder of xsrc before the words of a command."""


def start() -> int:
    """Run `main` in a Python that neither variables of the user nor the locale change; the launcher starts such a one.

    The names of files are then UTF-8, with other bytes as they are, under every locale.
    """
    if not (sys.flags.isolated and sys.flags.utf8_mode):
        program = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        os.execv(sys.executable, (sys.executable, "-I", "-X", "utf8", "-c", START, program, *sys.argv[1:]))  # noqa: S606
    return main()


def main() -> int:
    """Run the command line of this process; return the exit code."""
    open_streams()
    gc.disable()  # a command is short, and a plan has many values that live to its end: a search for cycles costs more
    try:
        from xsrc.commands import main as cli

        return cli.main(sys.argv[1:])
    except XsrcError as error:
        report(error.render())
        return error.code
    except KeyboardInterrupt:
        report(["interrupted"])
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            report([f"error: {where}{error.strerror}", f"  hint: {_look(error)}"])
            return HostError.code
        import traceback

        lines = traceback.format_exc().rstrip("\n").split("\n")
        report([*lines, "this is a bug of xsrc; please report it with the lines above"])
        return 70
    finally:
        gc.freeze()  # no search for cycles at the end either: the kernel frees everything with the process


def _look(error: OSError) -> str:
    """Return the command that shows more of what the machine refused."""
    if isinstance(error.filename, str) and error.errno in (errno.EACCES, errno.EPERM):
        import shlex

        return f"namei -l {shlex.quote(error.filename)}"
    return "xsrc doctor"


def open_streams() -> None:
    """Open closed standard streams as /dev/null: else the first opened files would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no name of a file is a reason to stop, whatever the locale knows
            stream.reconfigure(encoding=encoding_of(stream), errors="backslashreplace")


def encoding_of(stream: io.TextIOWrapper) -> str:
    """The encoding of a stream: on a terminal that of the locale, unless that is mere ASCII; elsewhere UTF-8."""
    if stream.isatty():
        import locale

        with contextlib.suppress(LookupError):
            encoding = codecs.lookup(locale.getencoding()).name
            return "utf-8" if encoding == "ascii" else encoding
    return "utf-8"


def report(lines: list[str]) -> None:
    """Show an error, in colour if possible."""
    from xsrc.commands.main import can_be_live
    from xsrc.unix.ui import for_streams

    ui = for_streams(can_be_live())
    ui.error(lines)
    ui.close()


if __name__ == "__main__":
    sys.exit(start())
