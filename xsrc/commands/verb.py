"""The shape of a verb: plumbum reads its switches, `go` does its work after plumbum has returned."""

from __future__ import annotations

from typing import Any

from plumbum import cli

from xsrc.core.outcome import Rung
from xsrc.core.session import Flags, Session
from xsrc.tree.options import split_options


class Common(cli.Application):
    """The switches that are allowed before a verb and after it."""

    masterdir = cli.SwitchAttr(
        ["-m", "--masterdir"], str, argname="DIR", help="the masterdir to work in", overridable=True
    )
    verbose = cli.Flag(["-v", "--verbose"], help="show the output of a build, with each command of its scripts")
    base = cli.SwitchAttr(["--base"], str, argname="BASE", help="the base: host, debian, debian:SUITE, source")


class Verb(Common):
    """One command. plumbum swallows some exceptions, so `main` only stores the words; `go` works later."""

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

    def go(self, session: Session) -> int:
        """Do the work; return the exit code. Raises XsrcError."""
        raise NotImplementedError


# switches that plumbum adds to every sub-command, though they belong to the whole command
Verb.unbind_switches("--help-all", "--completions")


class WithJson(Verb):
    """A command whose answer programs can read."""

    json = cli.Flag(["--json"], help="print JSON")


class WithOptions(Verb):
    """A command that asks for options of packages."""

    options = cli.SwitchAttr(
        ["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off: a,~b or NAME.a; may be repeated"
    )

    @property
    def words(self) -> tuple[str, ...]:
        """The options one by one, as they were given."""
        return tuple(word for text in self.options for word in split_options(text))


class WithPlan(Verb):
    """A command that can print its plan instead of carrying it out."""

    plan_only = cli.Flag(["-n", "--plan"], help="print what would be done, and stop")


class WithAdopt(Verb):
    """A command that puts files into the stowed root."""

    adopt = cli.Flag(["--adopt"], help="keep files that no package owns as .orig until the package goes")


class WithCutoff(Verb):
    """A command that decides what has to be built."""

    cutoff = cli.SwitchAttr(
        ["--cutoff"],
        cli.Set(*Rung),
        argname="RUNG",
        help="build again for whatever differs of a need (exact), for its interface, or for its sonames only",
    )

    @property
    def rung(self) -> Rung | None:
        """The rung that was given."""
        return Rung(str(self.cutoff)) if self.cutoff else None


class WithJobs(Verb):
    """A command that builds, or says how long it takes."""

    jobs = cli.SwitchAttr(
        ["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="packages side by side; each make has a share of N"
    )
