"""`xsrc build` and the verbs of single phases: plan, build what is to be built, stow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from plumbum import cli

from xsrc.effects.builds import read_build
from xsrc.effects.proc import capture
from xsrc.effects.store import Farm
from xsrc.effects.tree import tidy_text
from xsrc.errors import Diagnostic, TemplateError, UsageError
from xsrc.model.arch import allows
from xsrc.model.command import Command
from xsrc.model.pkgver import PkgVer
from xsrc.model.schema import nearest
from xsrc.plan.build import BuildPlan, Job, Step, jobs, plan_build
from xsrc.plan.graph import run_closure
from xsrc.plan.phases import Phase
from xsrc.plan.resolve import refusal
from xsrc.verbs.context import Context
from xsrc.verbs.farming import farm_locked
from xsrc.verbs.stowing import closure, stow
from xsrc.verbs.verb import Verb


@dataclass(frozen=True)
class Request:
    """What the command line of `build` asks for."""

    names: tuple[str, ...]
    to: Phase = Phase.INSTALL
    stow: bool = True
    check: bool = True
    force: bool = False
    keep: bool = False
    plan_only: bool = False
    options: tuple[str, ...] = ()


def build(context: Context, request: Request) -> int:
    """Build and stow the packages of a request; gives the exit code."""
    options = options_by_name(request.names, request.options)
    packages = context.read_closure(request.names, options)
    planned = jobs(packages, request.names, context.styles, tidy_text(), context.settings, context.base, context.arch)
    with context.farm_to_read() if request.plan_only else context.farm() as farm:
        plan = make_plan(context, farm, planned, request)
    if request.plan_only:
        return show_plan(context, plan, request)
    # only what follows fetch needs what a package depends on
    todo = [step for step in plan.todo if request.to is not Phase.FETCH or step.job.name in request.names]
    for step in todo:
        refuse(context, step.job)
    versions = {name: job.package.pkgver for name, job in planned.items()}
    if todo:
        carry_out(context, request, todo, versions, options)
    if request.to is not Phase.INSTALL:
        context.ui.step("", "")
        return 0
    return finish(context, plan, request, versions)


def carry_out(
    context: Context,
    request: Request,
    todo: Iterable[Step],
    versions: Mapping[str, PkgVer],
    options: Mapping[str, tuple[str, ...]],
) -> None:
    """Build the packages of a plan, one after the other."""
    # imported here: with nothing to do, as most often, what fetches and builds is not even read
    from xsrc.verbs.job import Wish, build_job

    for step in todo:
        asked = step.job.name in request.names
        wish = Wish(
            planned=versions,
            to=request.to if asked else Phase.INSTALL,
            force=request.force and asked,
            keep=request.keep,
            check=request.check,
            options=options.get(step.job.name, ()),
        )
        if build_job(context, step.job, wish):
            context.ui.step("", "")
            context.ui.note(f"{step.job.package.pkgver}: built ({step.reason})")


def finish(context: Context, plan: BuildPlan, request: Request, versions: Mapping[str, PkgVer]) -> int:
    """Stow what was asked for, and say what there was nothing to do for."""
    idle = {step.job.name: step.job for step in plan.steps if step.reason is None}
    state = "up to date"
    if request.stow:
        asked = [versions[name] for name in request.names]
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


def _stowed_already(context: Context, asked: Iterable[PkgVer]) -> bool:
    """Whether nothing is left for stow to do, without taking the lock of the farm."""
    with context.farm() as farm:
        stowed = farm.stowed()
        versions = {name: pkgver for name, (pkgver, _) in stowed.items()}
        if farm.begun() is not None or any(stowed.get(v.name) != (v, True) for v in asked):
            return False
        needed, missing = closure(farm, asked, versions)
        return not missing and all(versions.get(name) == pkgver for name, pkgver in needed.items())


def make_plan(context: Context, farm: Farm, planned: dict[str, Job], request: Request) -> BuildPlan:
    """What is to do, by the farm's records and by what is on disk."""
    built = {}
    for text, key in farm.built().items():
        if (context.masterdir.destdirs / text).is_dir():
            built[text] = key
    for job in planned.values():
        if built.get(str(job.package.pkgver)) != job.key and adopt(context, farm, job, note=not request.plan_only):
            built[str(job.package.pkgver)] = job.key
    force = request.force or request.to is not Phase.INSTALL
    preimages = {}
    for job in planned.values():
        if built.get(text := str(job.package.pkgver)) not in (None, job.key):
            props = farm.props(job.package.pkgver)
            preimages[text] = props.preimage if props else ""
    return plan_build(planned, request.names, built, preimages, force=force)


def adopt(context: Context, farm: Farm, job: Job, *, note: bool) -> bool:
    """Whether there is a sealed destdir of this very key that the database does not know; note it, if asked.

    A build that was cut off in its last moment leaves one, and so does a lost database.
    """
    pkgver = job.package.pkgver
    folder = context.masterdir.destdir(pkgver)
    try:
        props, manifest, which = read_build(folder)
    except (OSError, ValueError):
        return False
    if props.key != job.key or farm.is_stowed(pkgver):
        return False
    if note:
        farm.record(props, manifest, build=which)
    return True


def show_plan(context: Context, plan: BuildPlan, request: Request) -> int:
    """Print what would be done, a line a package."""
    for step in plan.steps:
        if step.reason:
            to = "" if request.to is Phase.INSTALL or step.job.name not in request.names else f" (to {request.to})"
            context.ui.output(f"build {step.job.package.pkgver}: {step.reason}{to}")
        else:
            context.ui.output(f"keep  {step.job.package.pkgver}: up to date")
    if request.stow and request.to is Phase.INSTALL:
        packages = {step.job.name: step.job.package for step in plan.steps}
        for name in run_closure(request.names, packages):
            context.ui.output(f"stow  {packages[name].pkgver}")
    return 0


def refuse(context: Context, job: Job) -> None:
    """Raise TemplateError for a package that must not be built, or whose scripts no shell can read."""
    package = job.package
    allowed = allows(package.raw.get("archs", []), context.arch.name)
    if (error := refusal(package, context.arch, allowed)) is not None:
        raise error
    problems = []
    for name, text in package.phases.items():
        # the shell only reads; it runs nothing (sh -n)
        result = capture(Command(("/bin/sh", "-n")), text)
        if result.code:
            words = result.err.strip().splitlines()[0] if result.err.strip() else "no sh text"
            span = package.template.span("phases", name)
            message = words.split(": ", 1)[-1]
            problems.append(Diagnostic(span, f"phases.{name}: no sh text: line {message}"))
    if problems:
        raise TemplateError(problems)


def options_by_name(names: Iterable[str], words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The options of a command line by package: `opt` is for every named package, `NAME.opt` for one."""
    names = tuple(names)
    result: dict[str, tuple[str, ...]] = {}
    for word in words:
        mark = "~" if word.startswith("~") else ""
        name, dot, option = word.removeprefix("~").rpartition(".")
        if dot and not name:
            raise UsageError(f"-o {word}: want OPTION or NAME.OPTION", hint=nearest(word, names))
        for target in (name,) if dot else names:
            result[target] = (*result.get(target, ()), mark + option)
    return result


def split_options(text: str) -> tuple[str, ...]:
    """`a,~b` as words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


class _BuildVerb(Verb):
    """Switches that building and the single phases share."""

    jobs = cli.SwitchAttr(["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="jobs that make may run at once")
    options = cli.SwitchAttr(
        ["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off: a,~b or NAME.a; may be repeated"
    )
    force = cli.Flag(["-f", "--force"], help="build again although nothing has changed")
    plan_only = cli.Flag(["-n", "--plan"], help="print what would be done, and stop")
    no_check = cli.Flag(["--no-check"], help="leave the check phase out")

    verb: ClassVar[str] = "build"

    def request(self, context: Context) -> Request:
        """What is asked for."""
        return Request(
            names=context.names(self.given, self.verb),
            check=not self.no_check,
            force=self.force,
            plan_only=self.plan_only,
            options=tuple(word for text in self.options for word in split_options(text)),
        )

    def go(self, context: Context) -> int:
        if self.jobs:
            context.settings = replace(context.settings, jobs=self.jobs)
        return build(context, self.request(context))


class Build(_BuildVerb):
    """Fetch, build and install packages and all that they need, then stow them"""

    keep = cli.Flag(["-K", "--keep"], help="keep the work directory of what succeeds")
    no_stow = cli.Flag(["--no-stow"], help="stop before stowing")
    to = cli.SwitchAttr(
        ["--to"], cli.Set(*(phase.value for phase in Phase)), argname="PHASE", help="stop after this phase"
    )

    def request(self, context: Context) -> Request:
        """What is asked for, with how far to go and what to keep."""
        base = super().request(context)
        to = Phase(self.to) if self.to else Phase.INSTALL
        return replace(base, keep=self.keep, stow=not self.no_stow, to=to)


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
