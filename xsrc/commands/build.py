"""`xsrc build` and the verbs of single phases: plan, build, stow."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from plumbum import cli

from xsrc.build.acts.build import build
from xsrc.build.request import BuildRequest
from xsrc.commands.verb import NAMES, WithBase, WithCaches, WithCutoff, WithJobs, WithOptions, WithPlan, WithVerbose
from xsrc.commands.words import select
from xsrc.core.phase import Phase
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.options import options_by_name


class _BuildVerb(WithPlan, WithJobs, WithCutoff, WithCaches, WithOptions, WithVerbose, WithBase):
    """Switches that building and the single phases share."""

    takes = NAMES
    more = "selectors rebuild"

    every = cli.Flag(["--all"], help="all packages of the tree")
    keep_going = cli.Flag(["-k", "--keep-going"], help="go on with packages that do not need a failed one")
    force = cli.Flag(["-f", "--force"], help="build again although nothing has changed")
    no_check = cli.Flag(["--no-check"], help="leave the check phase out, and what only it needs")

    verb: ClassVar[str] = "build"

    def request(self, session: Session) -> BuildRequest:
        """The request. Raises UsageError as `select` and `options_by_name` do, TemplateError as `homes_of` does."""
        names, patterns = select(session, self.given, self.verb, every=self.every)
        return BuildRequest(
            names=names,
            patterns=patterns,
            keep_going=self.keep_going,
            check=not self.no_check,
            force=self.force,
            plan_only=self.plan_only,
            options=options_by_name(homes_of(session.tree, names), self.words) if self.words else {},
        )

    def go(self, session: Session) -> int:
        session = session.over(jobs=self.jobs, cutoff=self.rung, caches=self.caches)
        return build(session, self.request(session))


_REPRODUCE = "build each named package once more, under other conditions, and compare; nothing is stowed"


class Build(_BuildVerb):
    """Fetch, build and install packages and all that they need, then stow them"""

    example = "build -n dash  # shows the plan"

    keep = cli.Flag(["-K", "--keep"], help="keep the work directory of what succeeds")
    no_stow = cli.Flag(["--no-stow"], help="stop before stowing")
    reproduce = cli.Flag(["--check-reproducible"], excludes=["--to"], help=_REPRODUCE)
    to = cli.SwitchAttr(["--to"], cli.Set(*Phase), argname="PHASE", help="stop after this phase")

    def request(self, session: Session) -> BuildRequest:
        """The request, with its last phase and what to keep. Raises UsageError and TemplateError."""
        base = super().request(session)
        to = Phase(str(self.to)) if self.to else Phase.INSTALL
        stow = not self.no_stow and not self.reproduce
        return replace(base, keep=self.keep, stow=stow, to=to, reproduce=self.reproduce)


class _PhaseVerb(_BuildVerb):
    phase: ClassVar[Phase]

    def request(self, session: Session) -> BuildRequest:
        return replace(super().request(session), to=self.phase, keep=True, stow=False)


class Fetch(_PhaseVerb):
    """Fetch the distfiles and verify them"""

    example = "fetch dash"

    verb, phase = "fetch", Phase.FETCH
    mirror = cli.SwitchAttr(
        ["--mirror"], str, argname="DIR", help="copy them into DIR by checksum, for source_mirrors of the settings"
    )

    def go(self, session: Session) -> int:
        code = super().go(session)
        if self.mirror and not self.plan_only:
            from xsrc.build.acts.mirror import mirror  # few need it

            code = mirror(session, self.request(session), session.host.cwd / self.mirror) or code
        return code


class Extract(_PhaseVerb):
    """Go as far as the unpacked sources"""

    example = "extract dash"

    verb, phase = "extract", Phase.EXTRACT


class Patch(_PhaseVerb):
    """Go as far as the patched sources"""

    example = "patch dash"

    verb, phase = "patch", Phase.PATCH


class Configure(_PhaseVerb):
    """Go as far as the configure phase"""

    example = "configure dash"

    verb, phase = "configure", Phase.CONFIGURE


class Check(_PhaseVerb):
    """Go as far as the package's own tests"""

    example = "check dash"

    verb, phase = "check", Phase.CHECK


class InstallDestdir(_PhaseVerb):
    """Go as far as the sealed destdir, without stowing"""

    example = "install-destdir dash"

    verb, phase = "install-destdir", Phase.INSTALL
