"""`xsrc build` and the verbs of single phases: plan, build what is to be built, stow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from plumbum import cli

from xsrc.errors import TemplateError
from xsrc.model.outcome import Rung
from xsrc.model.package import pkgvers
from xsrc.model.pkgver import PkgVer
from xsrc.plan.build import BuildPlan, Step, otherwise
from xsrc.plan.graph import run_closure
from xsrc.plan.jobs import Job
from xsrc.plan.phases import Phase
from xsrc.verbs.context import Context
from xsrc.verbs.deciding import make_plan, read_jobs, refused, what_is_built
from xsrc.verbs.farming import farm_locked
from xsrc.verbs.options import options_by_name, split_options
from xsrc.verbs.select import select
from xsrc.verbs.showing import plan_lines
from xsrc.verbs.stowing import closure, stow
from xsrc.verbs.verb import Verb


@dataclass(frozen=True)
class Request:
    """What the command line of `build` asks for."""

    names: tuple[str, ...]
    named: frozenset[str] = frozenset()
    """What is to be stowed: packages with all their subpackages, or subpackages alone; filled in by `build`."""
    patterns: frozenset[str] = frozenset()
    """Those of the names that only a pattern stands for: one that must not be built is left out, and no error."""
    to: Phase = Phase.INSTALL
    stow: bool = True
    check: bool = True
    force: bool = False
    keep: bool = False
    keep_going: bool = False
    reproduce: bool = False
    """Whether what is built is built once more, and compared."""
    plan_only: bool = False
    options: tuple[str, ...] = ()


def build(context: Context, request: Request) -> int:
    """Build and stow the packages of a request; gives the exit code."""
    homes = context.homes(request.names)
    request = replace(request, names=homes, named=frozenset(request.names))
    options = options_by_name(request.names, request.options)
    planned = read_jobs(context, request.names, options)
    request = leave_out(context, request, planned)
    force = request.force or request.to is not Phase.INSTALL
    with context.farm_to_read() if request.plan_only else context.farm() as farm:
        look, untested = request.plan_only, _untested(request, planned)
        plan = make_plan(context, farm, planned, request.names, force=force, look=look, untested=untested)
    if request.plan_only:
        return show_plan(context, plan, request)
    # only what follows fetch needs what a package depends on
    todo = tuple(step for step in plan.todo if request.to is not Phase.FETCH or step.name in request.names)
    code, failed = carry_out(context, request, plan, todo, options) if todo else (0, frozenset())
    there = tuple(name for name in request.names if name not in failed)
    if request.to is not Phase.INSTALL or not there or (code and not request.keep_going):
        return code
    versions = pkgvers(job.package for job in planned.values())
    if request.reproduce:
        from xsrc.effects.journal import Journal
        from xsrc.verbs.reproduce import reproduce

        last = Journal(context.masterdir, context.ui.warn).last()
        makejobs = {name: last[name].makejobs for name in there if name in last}
        return reproduce(context, (planned[name] for name in there), versions, options, makejobs) or code
    return finish(context, plan, replace(request, names=there), versions) or code


def _untested(request: Request, planned: Iterable[str]) -> frozenset[str]:
    """Those of the packages whose tests a request does not come to."""
    if not request.check:
        return frozenset(planned)
    return frozenset() if request.to in (Phase.CHECK, Phase.INSTALL) else frozenset(request.names)


def leave_out(context: Context, request: Request, planned: Mapping[str, Job]) -> Request:
    """The request without what a pattern stands for and must not be built."""
    bad = refused(context, (planned[name] for name in request.names if name in request.patterns))
    for name, error in bad.items():
        context.ui.note(f"{planned[name].package.pkgver}: left out: {error.diagnostics[0].message}")
    return replace(request, names=tuple(name for name in request.names if name not in bad))


def carry_out(
    context: Context,
    request: Request,
    plan: BuildPlan,
    todo: tuple[Step, ...],
    options: Mapping[str, tuple[str, ...]],
) -> tuple[int, frozenset[str]]:
    """Build the packages of a plan; gives the exit code and what is not there now. Raises TemplateError first."""
    # imported here: with nothing to do, as most often, what fetches and builds is not even read
    from xsrc.verbs.job import Wish
    from xsrc.verbs.run import Orders, Runner

    bad = refused(context, (step.job for step in todo))
    if bad and not request.keep_going:
        raise TemplateError(diagnostic for error in bad.values() for diagnostic in error.diagnostics)
    versions = pkgvers(step.job.package for step in plan.steps)
    for step in todo:
        if reason := step.job.package.raw.get("restricted"):
            why = f": {reason}" if isinstance(reason, str) else ""
            context.ui.note(f"{step.job.package.pkgver}: restricted: what is built of it is not to be given away{why}")

    def wish(step: Step) -> Wish:
        asked = step.name in request.names
        return Wish(
            planned=versions,
            to=request.to if asked else Phase.INSTALL,
            force=request.force and asked,
            keep=request.keep,
            check=request.check,
            options=options.get(step.name, ()),
        )

    def again(step: Step) -> str | None:
        with context.farm() as farm:
            built = what_is_built(context, farm, {step.name: step.job})
            reason = otherwise(step.job, built, plan.rung, versions)
            if reason is None:
                farm.note_keys((pkgver, step.job.key) for pkgver in step.job.package.outputs)
        return reason

    orders = Orders(context.jobs, wish, again, bad, request.keep_going, request.to is Phase.FETCH, context.command)
    result = Runner(context, todo, orders).go()
    return result.code, result.failed


def finish(context: Context, plan: BuildPlan, request: Request, versions: Mapping[str, PkgVer]) -> int:
    """Stow what was asked for, and say what there was nothing to do for."""
    idle = {step.name: step.job for step in plan.steps if step.reason is None}
    state = "up to date"
    if request.stow:
        asked = [pkgver for step in plan.steps if step.name in request.names for pkgver in _asked(step, request)]
        if not _stowed_already(context, asked):
            with farm_locked(context, "stow") as farm:
                change, _ = stow(context, farm, asked)
            for pkgver in change.add:
                context.ui.note(f"{pkgver}: stowed into {context.masterdir.root}")
        state = "up to date and stowed"
    for name in request.names:
        if name in idle:
            context.ui.note(f"{versions[name]}: {state}: nothing it is made of has changed (key {idle[name].key[:12]})")
    return 0


def _asked(step: Step, request: Request) -> tuple[PkgVer, ...]:
    """What of a package that was asked for is to be stowed: all that it makes, or the parts that were named."""
    whole = step.name in request.named
    return tuple(pkgver for pkgver in step.job.package.outputs if whole or pkgver.name in request.named)


def _stowed_already(context: Context, asked: Iterable[PkgVer]) -> bool:
    """Whether nothing is left for stow to do, without taking the lock of the farm."""
    with context.farm() as farm:
        stowed = farm.stowed()
        versions = {name: pkgver for name, (pkgver, _) in stowed.items()}
        if farm.begun() is not None or any(stowed.get(v.name) != (v, True) for v in asked):
            return False
        needed, missing = closure(farm, asked, versions)
        return not missing and all(versions.get(name) == pkgver for name, pkgver in needed.items())


def show_plan(context: Context, plan: BuildPlan, request: Request) -> int:
    """Print what would be done, a line a package."""
    to = "" if request.to is Phase.INSTALL else f" (to {request.to})"
    for line in plan_lines(context, plan, dict.fromkeys(request.names, to)):
        context.ui.output(line)
    if request.stow and request.to is Phase.INSTALL:
        packages = {step.name: step.job.package for step in plan.steps}
        steps = {step.name: step for step in plan.steps}
        for name in run_closure(request.names, packages):
            for pkgver in _asked(steps[name], request) if name in request.names else (packages[name].pkgver,):
                context.ui.output(f"stow  {pkgver}")
    return 0


class _BuildVerb(Verb):
    """Switches that building and the single phases share."""

    jobs = cli.SwitchAttr(
        ["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="packages side by side; each make has a share of N"
    )
    every = cli.Flag(["--all"], help="all packages of the tree")
    keep_going = cli.Flag(["-k", "--keep-going"], help="go on with what does not need what failed")
    cutoff = cli.SwitchAttr(
        ["--cutoff"],
        cli.Set(*Rung),
        argname="RUNG",
        help="build again for whatever differs of a need (exact), for its interface, or for its sonames only",
    )
    options = cli.SwitchAttr(
        ["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off: a,~b or NAME.a; may be repeated"
    )
    force = cli.Flag(["-f", "--force"], help="build again although nothing has changed")
    plan_only = cli.Flag(["-n", "--plan"], help="print what would be done, and stop")
    no_check = cli.Flag(["--no-check"], help="leave the check phase out, and what only it needs")

    verb: ClassVar[str] = "build"

    def request(self, context: Context) -> Request:
        """What is asked for."""
        names, patterns = select(context, self.given, self.verb, every=self.every)
        return Request(
            names=names,
            patterns=patterns,
            keep_going=self.keep_going,
            check=not self.no_check,
            force=self.force,
            plan_only=self.plan_only,
            options=tuple(word for text in self.options for word in split_options(text)),
        )

    def go(self, context: Context) -> int:
        context.override(jobs=self.jobs, cutoff=Rung(str(self.cutoff)) if self.cutoff else None)
        return build(context, self.request(context))


_REPRODUCE = """build each named package once more and compare: in another directory, on another file system where one \
has room, with entries of directories in another order, a minute later at least, with MAKEJOBS=1 (all, where it was \
1), on one processor, in the other mode of isolation where both work, with another umask and other limits, without its \
checks; nothing is stowed, exit code 1 where something differs"""


class Build(_BuildVerb):
    """Fetch, build and install packages and all that they need, then stow them"""

    keep = cli.Flag(["-K", "--keep"], help="keep the work directory of what succeeds")
    no_stow = cli.Flag(["--no-stow"], help="stop before stowing")
    reproduce = cli.Flag(["--check-reproducible"], excludes=["--to"], help=_REPRODUCE)
    to = cli.SwitchAttr(
        ["--to"], cli.Set(*(phase.value for phase in Phase)), argname="PHASE", help="stop after this phase"
    )

    def request(self, context: Context) -> Request:
        """What is asked for, with how far to go and what to keep."""
        base = super().request(context)
        to = Phase(self.to) if self.to else Phase.INSTALL
        stow = not self.no_stow and not self.reproduce
        return replace(base, keep=self.keep, stow=stow, to=to, reproduce=self.reproduce)


class _PhaseVerb(_BuildVerb):
    phase: ClassVar[Phase]

    def request(self, context: Context) -> Request:
        return replace(super().request(context), to=self.phase, keep=True, stow=False)


class Fetch(_PhaseVerb):
    """Fetch the distfiles and verify them"""

    verb, phase = "fetch", Phase.FETCH


class Extract(_PhaseVerb):
    """Go as far as the unpacked sources"""

    verb, phase = "extract", Phase.EXTRACT


class Patch(_PhaseVerb):
    """Go as far as the patched sources"""

    verb, phase = "patch", Phase.PATCH


class Configure(_PhaseVerb):
    """Go as far as the configure phase"""

    verb, phase = "configure", Phase.CONFIGURE


class Check(_PhaseVerb):
    """Go as far as the package's own tests"""

    verb, phase = "check", Phase.CHECK


class InstallDestdir(_PhaseVerb):
    """Go as far as the sealed destdir, without stowing"""

    verb, phase = "install-destdir", Phase.INSTALL
