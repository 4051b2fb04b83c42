"""The command line: reads it, asks the system once for the data that verbs need, and returns an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from plumbum import cli

from xsrc import __version__
from xsrc.commands.verb import Common, Verb
from xsrc.core.errors import HostError, UsageError
from xsrc.core.schema import nearest
from xsrc.core.session import Host
from xsrc.core.ui import Ui
from xsrc.unix.ui import for_streams

VERBS = {
    "build": "build.Build",
    "fetch": "build.Fetch",
    "extract": "build.Extract",
    "patch": "build.Patch",
    "configure": "build.Configure",
    "check": "build.Check",
    "install-destdir": "build.InstallDestdir",
    "stow": "stow.Stow",
    "unstow": "stow.Unstow",
    "restow": "stow.Restow",
    "autoremove": "tidy.Autoremove",
    "hold": "hold.Hold",
    "alternatives": "alternatives.Alternatives",
    "list": "query.ListPackages",
    "files": "query.Files",
    "owner": "query.Owner",
    "verify": "verify.Verify",
    "history": "history.History",
    "rollback": "history.Rollback",
    "gc": "gc.Gc",
    "remove": "tidy.Remove",
    "purge": "tidy.Purge",
    "plan": "plan.Plan",
    "why": "plan.Why",
    "graph": "graph.Graph",
    "show": "show.Show",
    "deps": "deps.Deps",
    "check-deps": "check_deps.CheckDeps",
    "chroot": "chroot.Chroot",
    "shell": "chroot.Shell",
    "test": "test.Test",
    "status": "status.Status",
    "log": "log.Log",
    "report": "report.Report",
    "clean": "clean.Clean",
    "distclean": "distclean.DistClean",
    "search": "search.Search",
    "doctor": "doctor.Doctor",
    "push": "push.Push",
    "pkg": "pkg.Pkg",
    "repo": "repo.Repo",
    "whence": "pkg.Whence",
    "fmt": "fmt.Fmt",
    "sum": "bump.Sum",
    "bump": "bump.Bump",
    "revbump": "bump.Revbump",
    "bootstrap": "bootstrap.Bootstrap",
    "help": "help.Help",
}
_COMMAND_FOLLOWS = ("chroot", "shell")
_GIVEN_A_WORD = ("-o", "--options", "--phase", "--base", "-m", "--masterdir")
"""Switches of these commands, and of all commands, that take the next word."""


class Xsrc(Common):
    """A ports tree in the manner of xbps-src, with a stow-based masterdir."""

    PROGNAME = "xsrc"
    VERSION = __version__

    verbose = cli.Flag(["-v", "--verbose"], help="show the output of builds")
    base = cli.SwitchAttr(["--base"], str, argname="BASE", help="the base: host, debian, debian:SUITE, source")

    def main(self, *words: str) -> int:
        """Without a verb, print the help."""
        if words:
            raise UsageError(f"no command {words[0]!r}", hint=nearest(words[0], VERBS) or "xsrc help")
        self.help_wanted = True
        return 0


for _name, _place in VERBS.items():
    Xsrc.subcommand(_name, f"xsrc.commands.{_place}")


def parse(argv: Sequence[str]) -> Common:
    """The verb of a command line with its switches, or the whole command. Raises UsageError."""
    app, _ = Xsrc.run(["xsrc", *_protected(argv)], exit=False)
    if isinstance(app, Verb) and not app.help_wanted and not app.version_wanted:
        app.refuse_words()
    return app


def _protected(argv: Sequence[str]) -> list[str]:
    """The words with `--` before a command for a sandbox: its switches are not ours."""
    words = list(argv)
    verb = _after_switches(words, 0)
    if "--" in words or verb >= len(words) or words[verb] not in _COMMAND_FOLLOWS:
        return words
    first = _after_switches(words, verb + 1)
    return [*words[:first], "--", *words[first:]] if first < len(words) else words


def _after_switches(words: Sequence[str], at: int) -> int:
    """The index of the first word from `at` on that is neither a switch nor the value of one."""
    while at < len(words) and words[at].startswith("-"):
        at += 2 if _takes_the_next(words[at]) else 1
    return at


def _takes_the_next(word: str) -> bool:
    """Whether the value of a switch is the next word; of joined short switches, the rest is the value of the first.

    >>> [_takes_the_next(word) for word in ("-m", "-vm", "--base", "-mv", "-v", "--base=host")]
    [True, True, True, False, False, False]
    """
    if word.startswith("--"):
        return word in _GIVEN_A_WORD
    valued = [at for at, letter in enumerate(word) if f"-{letter}" in _GIVEN_A_WORD]
    return bool(valued) and valued[0] == len(word) - 1


def can_be_live() -> bool:
    """Whether standard error can show a table that changes; NO_COLOR only takes the colours of it."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def read_host(argv: Sequence[str]) -> Host:
    """Ask the system once for the data of all verbs. Raises HostError if the present folder is gone."""
    env = dict(os.environ)
    return Host(
        env=env,
        uid=os.getuid(),
        cpus=len(os.sched_getaffinity(0)),
        cwd=_cwd(env),
        argv=tuple(argv),
        now=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        live=can_be_live(),
    )


def _cwd(env: dict[str, str]) -> Path:
    """The present folder by the user's name for it if that is correct, else by the kernel's."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise HostError("the folder that this was started in is gone", hint="cd to another one") from None
    named = Path(env.get("PWD", "/"))
    with contextlib.suppress(OSError):
        if named.is_absolute() and named.samefile(here):
            return named
    return here


def main(argv: Sequence[str], ui: Ui | None = None) -> int:
    """Run one command; return its exit code. Raises XsrcError."""
    os.umask(0o022)
    app = parse(argv)
    if app.help_wanted or app.version_wanted or not isinstance(app, Verb):
        ui = ui or for_streams(False)
        for line in answer(app):
            ui.output(line)
        ui.close()
        return 0
    host = read_host(argv)
    ui = ui or for_streams(host.live)
    try:
        code = app.run_with(host, ui)
        if code == 0 and not ui.said and app.speaks:
            ui.note("nothing to do")
        return code
    finally:
        ui.close()


def answer(app: Common) -> Iterable[str]:
    """The version, or the help of the whole command or of a verb."""
    from xsrc.commands.help import all_help, columns, verb_help

    if app.version_wanted:
        return (f"xsrc {__version__}",)
    return verb_help(app, columns()) if isinstance(app, Verb) else all_help(VERBS, columns())
