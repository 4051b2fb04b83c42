"""The shape of a verb: plumbum reads its switches, `go` does its work after plumbum has returned."""

from __future__ import annotations

from typing import Any

from plumbum import cli

from xsrc.verbs.context import Context, Flags


class Common(cli.Application):
    """The switches that may stand before a verb and after it."""

    masterdir = cli.SwitchAttr(["-m", "--masterdir"], str, argname="DIR", help="the masterdir to work in")
    verbose = cli.Flag(["-v", "--verbose"], help="show what a build says, and each command")
    base = cli.SwitchAttr(["--base"], str, argname="BASE", help="the base: host, debian, debian:SUITE, source")


class Verb(Common):
    """One command. plumbum swallows some exceptions, so nothing is done while it runs: it only keeps what was said."""

    CALL_MAIN_IF_NESTED_COMMAND = False

    given: tuple[str, ...] = ()

    @property
    def flags(self) -> Flags:
        """The flags that every verb takes, before it or after it."""
        before: Any = self.parent
        return Flags(self.masterdir or before.masterdir, self.verbose or before.verbose, self.base or before.base)

    def main(self, *names: str) -> int:
        """Keep the words of the command line."""
        self.given = names
        return 0

    # plumbum would give every sub-command -v for its version
    @cli.switch(["--version"], group="Meta-switches", help="print the version and quit")
    def version(self) -> None:
        """Print the version."""
        super().version()

    def go(self, context: Context) -> int:
        """Do the work; gives the exit code. Raises XsrcError."""
        raise NotImplementedError


# switches that plumbum gives every sub-command, though they belong to the whole command
Verb.unbind_switches("--help-all", "--completions")
