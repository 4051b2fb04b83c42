"""The shape of a verb: plumbum reads its switches, `go` does its work after plumbum has returned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from plumbum import cli
from plumbum.cli.application import ShowHelp, ShowVersion
from plumbum.cli.switches import SwitchError

from xsrc.commands.start import begin
from xsrc.commands.usage import Refused, dashed, explain, refuse_value
from xsrc.core.errors import UsageError
from xsrc.core.outcome import Rung
from xsrc.core.session import Flags, Host, Session
from xsrc.core.ui import Ui
from xsrc.tree.options import split_options


@dataclass(frozen=True)
class Takes:
    """The words that a verb takes beside its switches, as its usage line shows them."""

    shown: str = ""
    most: int | None = 0
    """How many it takes; None means any number."""


NAMES = Takes("NAME…", None)
SOME_NAMES = Takes("[NAME…]", None)
BUILT = Takes("NAME[@VERSION]…", None)


class Common(cli.Application):
    """What the whole command and each verb have in common: how they read switches, and how they ask for help."""

    help_wanted = False
    version_wanted = False

    masterdir = cli.SwitchAttr(
        ["-m", "--masterdir"], str, argname="DIR", help="the masterdir to work in", overridable=True
    )

    @classmethod
    def autocomplete(cls, argv: list[str]) -> None:
        """Nothing: the completion of plumbum knows neither verbs nor their values."""

    def _parse_args(self, argv: list[str]) -> tuple[dict[Callable[..., None], Any], list[str]]:
        words = tuple(argv)
        try:
            return super()._parse_args(argv)
        except (SwitchError, Refused) as error:
            raise explain(self, error, words) from None

    def _validate_args(self, *given: Any) -> tuple[list[tuple[Callable[..., Any], tuple[Any, ...]]], list[str]]:
        try:
            return super()._validate_args(*given)
        except (ShowHelp, ShowVersion):
            raise
        except SwitchError as error:
            raise explain(self, error, ()) from None

    @staticmethod
    def _handle_argument(val: str, argtype: Callable[[str], Any] | None, name: str) -> Any:
        if argtype is None:
            return NotImplemented  # so plumbum marks a switch without a value
        try:
            return argtype(val)
        except (TypeError, ValueError):
            raise refuse_value(name, argtype, val) from None

    @cli.switch(["-h", "--help"], overridable=True, group="Meta-switches")
    def help(self) -> None:
        """Print the help, and stop."""
        self.help_wanted = True

    @cli.switch(["--version"], overridable=True, group="Meta-switches")
    def version(self) -> None:
        """Print the version, and stop."""
        self.version_wanted = True


Common.unbind_switches("--help-all", "--completions")


class Verb(Common):
    """One command. plumbum swallows some exceptions, so `main` only stores the words; `go` works later."""

    CALL_MAIN_IF_NESTED_COMMAND = False

    takes: ClassVar[Takes] = Takes()
    example: ClassVar[str] = ""
    """A command line that shows the verb, after `xsrc`, and perhaps a remark after two blanks."""
    more: ClassVar[str] = ""
    """The topics of `xsrc help` that say more."""

    speaks: ClassVar[bool] = True
    """Whether silence of a successful command would leave people in doubt."""

    given: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """The verb as it is written on the command line."""
        return str(self.PROGNAME).removeprefix("xsrc ")

    @property
    def flags(self) -> Flags:
        """The flags that every verb takes, before it or after it."""
        before: Any = self.parent
        verbose = getattr(self, "verbose", False) or before.verbose
        return Flags(self.masterdir or before.masterdir, verbose, getattr(self, "base", None) or before.base)

    def main(self, *names: str) -> int:
        """Keep the words of the command line."""
        self.given = names
        return 0

    def refuse_words(self) -> None:
        """Raise UsageError for a word that the verb does not use."""
        most = self.takes.most
        if most is None or len(self.given) <= most:
            return
        word = self.given[most]
        takes = "no names" if most == 0 else f"only {self.takes.shown}"
        hint = f"did you mean {dashed(word)}?" if word in self._switches_by_name else usage(self)
        raise UsageError(f"{self.called} takes {takes}, got {word!r}", hint=hint)

    def run_with(self, host: Host, ui: Ui) -> int:
        """Begin a session and do the work; return the exit code. Raises XsrcError."""
        return self.go(begin(host, self.flags, ui))

    def go(self, session: Session) -> int:
        """Do the work; return the exit code. Raises XsrcError."""
        raise NotImplementedError


def usage(verb: Verb) -> str:
    """The usage line of a verb: `xsrc log [FLAG…] NAME [PHASE]`."""
    return " ".join(filter(None, ("xsrc", verb.called, "[FLAG…]", verb.takes.shown)))


class WithVerbose(Verb):
    """A command that can show the output of what it runs."""

    verbose = cli.Flag(["-v", "--verbose"], help="show the output of a build, with each command of its scripts")


class WithBase(Verb):
    """A command that has to do with the lowest layer of a root."""

    base = cli.SwitchAttr(["--base"], str, argname="BASE", help="the base: host, debian, debian:SUITE, source")


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

    plan_only = cli.Flag(["-n", "--dry-run"], help="print what would be done, and stop")


class WithAdopt(Verb):
    """A command that puts files into the stowed root."""

    adopt = cli.Flag(["--adopt"], help="rename unowned files that are in the way to NAME.orig until the package goes")


class WithCutoff(Verb):
    """A command that decides what has to be built."""

    cutoff = cli.SwitchAttr(
        ["--cutoff"],
        cli.Set(*Rung),
        argname="RUNG",
        help="how much a rebuilt dependency must differ before its dependents are rebuilt: exact, interface, soname",
    )

    @property
    def rung(self) -> Rung | None:
        """The rung that was given."""
        return Rung(str(self.cutoff)) if self.cutoff else None


class WithCaches(Verb):
    """A command that asks caches for builds."""

    no_cache = cli.Flag(["--no-cache"], help="ask no cache for builds")

    @property
    def caches(self) -> tuple[()] | None:
        """No caches if that was asked for, else None: those of the settings."""
        return () if self.no_cache else None


class WithJobs(Verb):
    """A command that builds, or says how long it takes."""

    jobs = cli.SwitchAttr(
        ["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="packages side by side; each make has a share of N"
    )
