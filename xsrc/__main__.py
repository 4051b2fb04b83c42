"""The one place where exceptions become words and exit codes."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
import traceback

from xsrc.errors import HostError, XsrcError

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
"""Errors of the system that are the machine's to mend; any other one that comes this far is a bug."""


def main() -> int:
    """Run the command line of this process."""
    open_streams()
    gc.disable()  # a command is short, and a plan is many values that live to its end: looking for cycles costs more
    try:
        from xsrc import cli

        return cli.main(sys.argv[1:])
    except XsrcError as error:
        report(error.render())
        return error.code
    except KeyboardInterrupt:
        report(["interrupted"])
        return 130
    except BrokenPipeError:
        # the reader of our output has gone; nothing more can be said to it
        sys.stderr.close()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in MACHINE:
            where = f"{error.filename}: " if error.filename else ""
            report([f"error: {where}{error.strerror}", "  hint: xsrc doctor"])
            return HostError.code
        lines = traceback.format_exc().rstrip("\n").split("\n")
        report([*lines, "this is a bug of xsrc; please report it with the lines above"])
        return 70
    finally:
        gc.freeze()  # nor is it looked for them at the end: what is still there goes with the process


def open_streams() -> None:
    """Give every standard stream that was closed to /dev/null: else the first files opened would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # no name of a file is a reason to stop, whatever the locale knows
        sys.stdout.reconfigure(errors="backslashreplace")


def report(lines: list[str]) -> None:
    """Say what went wrong, in colour where there is any."""
    from xsrc.cli import can_be_live
    from xsrc.ui import for_streams

    ui = for_streams(can_be_live())
    ui.error(lines)
    ui.close()


if __name__ == "__main__":
    sys.exit(main())
