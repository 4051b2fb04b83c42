"""Plans, builds and stows packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from xsrc.build.acts.decide import note, present, read_jobs
from xsrc.build.acts.offers import has_caches, with_offers
from xsrc.build.acts.refused import refusals
from xsrc.build.job import Job
from xsrc.build.request import BuildRequest
from xsrc.build.steps import BuildPlan, Step, plan_build
from xsrc.core.errors import TemplateError
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import Ui
from xsrc.farm.acts.masterdir import open_farm
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.acts.wanted import held_back, wanted
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import Farm
from xsrc.tree.acts.closure import homes_of, version_in_tree
from xsrc.tree.graph import run_closure
from xsrc.tree.package import pkgvers


def build(session: Session, request: BuildRequest) -> int:
    """Build and stow the packages of a request; return the exit code.

    Raises UsageError and TemplateError for the request, HostError for the machine, ConflictError if a package cannot be
    stowed, Interrupted; and the errors of a second build as `reproduce` does.
    """
    homes = homes_of(session.tree, request.names)
    request = replace(request, names=homes, named=frozenset(request.names))
    planned = read_jobs(session, request.names, request.options)
    # a shell reads each script once: first those of the patterns, then the rest of the builds
    judged = refusals(session.tree, (planned[name] for name in request.names if name in request.patterns))
    request = leave_out(session.ui, request, planned, judged)
    force = request.force or request.to is not Phase.INSTALL
    plan = decided(session, request, planned, force=force)
    if request.plan_only:
        return show_plan(session, plan, request)
    if has_caches(session, plan):
        # imported here: most users have no caches, and most often there is nothing to do
        from xsrc.build.acts.fetched import fetch_builds

        if fetch_builds(session, request, plan):
            plan = decided(session, request, planned, force=force)
    todo = plan.todo
    judged |= refusals(session.tree, (step.job for step in todo if step.name not in judged))
    refused = {step.name: error for step in todo if (error := judged[step.name]) is not None}
    code, failed = run_plan(session, request, plan, todo, refused) if todo else (0, frozenset())
    late = tuple(step.name for step in todo if is_late(step, request) and step.name not in failed)
    if late and not code:
        code, failed = test_late(session, request, planned, late)
    there = tuple(name for name in request.names if name not in failed)
    if request.to is not Phase.INSTALL or not there or (code and not request.keep_going):
        return code
    versions = pkgvers(job.package for job in planned.values())
    if request.reproduce:
        from xsrc.build.acts.reproduce import reproduce
        from xsrc.runs.disk.journal import Journal

        last = Journal(session.masterdir, session.ui.warn).last()
        makejobs = {name: last[name].makejobs for name in there if name in last}
        return reproduce(session, (planned[name] for name in there), versions, request.options, makejobs) or code
    built = tuple(step for step in todo if step.name not in failed)
    return stow_built(session, plan, replace(request, names=there), versions, built) or code


def decided(session: Session, request: BuildRequest, planned: Mapping[str, Job], *, force: bool) -> BuildPlan:
    """The plan of a request; the builds that it found on the disk are recorded, unless it is only shown.

    Raises HostError, and ConflictError for a held package.
    """
    with farm_at_rest(session) if request.plan_only else open_farm(session) as farm:
        found = present(session.masterdir, farm, planned)
        cutoff, untested = session.settings.cutoff, _untested(request, planned)
        to = max(request.to, request.root, key=lambda phase: phase.number)
        plan = plan_build(planned, request.names, found.built, cutoff, force=force, untested=untested, to=to)
        refuse_to_stow(farm, request, plan)
        if not request.plan_only:
            note(farm, plan, found)
    return plan


def is_late(step: Step, request: BuildRequest) -> bool:
    """Whether the tests of a package run after packages that need it are built."""
    tests = request.check and step.job.package.make_check
    return bool(step.job.late and tests and (request.to is Phase.INSTALL or step.name not in request.names))


def test_late(
    session: Session, request: BuildRequest, planned: Mapping[str, Job], late: tuple[str, ...]
) -> tuple[int, frozenset[str]]:
    """Build packages again with the tests that came too early; return the exit code and those that failed.

    Raises as `run_plan` does.
    """
    # they come last, so that they are no reason to build what they are tested with once more
    others = {name: job for name, job in planned.items() if name not in late}
    whole = {**others, **{name: replace(planned[name], late=False) for name in late}}
    with open_farm(session) as farm:
        built = present(session.masterdir, farm, whole).built
    plan = plan_build(whole, late, built, session.settings.cutoff, force=True, untested=others)
    steps = tuple(replace(step, reason="its tests need what needs it") for step in plan.steps if step.name in late)
    return run_plan(session, replace(request, to=Phase.INSTALL, force=True, names=late), plan, steps, {})


def refuse_to_stow(farm: Farm, request: BuildRequest, plan: BuildPlan) -> None:
    """Raise ConflictError before anything is built for a held package that was asked for by name."""
    if not request.stow or request.to is not Phase.INSTALL or not (held := farm.held()):
        return
    named = [step for step in plan.steps if step.name in request.names and step.name not in request.patterns]
    built = [pkgver for step in named if step.reason for pkgver in _asked(step, request) if pkgver.name in held]
    there = [pkgver for step in named if not step.reason for pkgver in _asked(step, request)]
    known = KnownBuilds(farm)
    bad = [pkgver.name for pkgver in (*built, *held_back(known, known.stowed(), held, there))]
    if bad:
        # imported here, like all that stows: most often nothing is held
        from xsrc.farm.acts.requests import refuse_held

        refuse_held("build " + " ".join(request.names), bad)


def _untested(request: BuildRequest, planned: Iterable[str]) -> frozenset[str]:
    """The packages whose tests a request does not run."""
    if not request.check:
        return frozenset(planned)
    return frozenset() if request.to in (Phase.CHECK, Phase.INSTALL) else frozenset(request.names)


def leave_out(
    ui: Ui,
    request: BuildRequest,
    planned: Mapping[str, Job],
    judged: Mapping[str, TemplateError | None],
) -> BuildRequest:
    """The request without those packages of its patterns that must not be built."""
    refused = {name: error for name, error in judged.items() if error is not None}
    for name, error in refused.items():
        ui.note(f"{planned[name].package.pkgver}: left out: {error.diagnostics[0].message}")
    return replace(request, names=tuple(name for name in request.names if name not in refused))


def run_plan(
    session: Session,
    request: BuildRequest,
    plan: BuildPlan,
    todo: tuple[Step, ...],
    refused: Mapping[str, TemplateError],
) -> tuple[int, frozenset[str]]:
    """Build the packages of a plan; return the exit code and the packages that are missing now.

    Raises TemplateError, before it builds, for `refused` packages. Raises HostError and Interrupted.
    """
    # imported here: with nothing to do, as most often, what fetches and builds is not even read
    from xsrc.build.acts.runner import Runner
    from xsrc.build.orders import RunOptions

    if refused and not request.keep_going:
        raise TemplateError(diagnostic for error in refused.values() for diagnostic in error.diagnostics)
    versions = pkgvers(step.job.package for step in plan.steps)
    for step in todo:
        if reason := step.job.package.raw.get("restricted"):
            why = f": {reason}" if isinstance(reason, str) else ""
            session.ui.note(f"{step.job.package.pkgver}: restricted: what is built of it is not to be given away{why}")

    command, keep_going = session.command, request.keep_going
    orders = RunOptions(session.jobs, request, versions, plan.rung, refused, keep_going, command)
    result = Runner(session, todo, orders).go()
    return result.code, result.failed


def stow_built(
    session: Session, plan: BuildPlan, request: BuildRequest, versions: Mapping[str, PkgVer], built: Iterable[Step]
) -> int:
    """Stow the packages of a request and the stowed ones that were built again, and report those that are up to date.

    Raises ConflictError and HostError as `stow` does.
    """
    idle = {step.name: step.job for step in plan.steps if step.reason is None}
    state = "up to date"
    if request.stow:
        asked = [pkgver for step in plan.steps if step.name in request.names for pkgver in _asked(step, request)]
        made = [pkgver for step in built for pkgver in step.job.package.outputs]
        if made or not _stowed_already(session, asked):
            # imported here, like what builds: most often there is nothing to do
            from xsrc.farm.acts.commit import farm_locked
            from xsrc.farm.acts.requests import stow

            with farm_locked(session, "stow") as farm:
                aside = _held_back(session.ui, farm, (*asked, *made))
                again = [pkgver for pkgver in made if farm.is_stowed(pkgver)]
                coming = [pkgver for pkgver in asked if pkgver not in aside]
                change, _ = stow(session, farm, coming, partial(version_in_tree, session.tree), again=again)
            for pkgver in change.add:
                session.ui.note(f"{pkgver}: stowed into {session.masterdir.root}")
        state = "up to date and stowed"
    for name in request.names:
        if name in idle:
            session.ui.note(f"{versions[name]}: {state}: nothing it is made of has changed (key {idle[name].key[:12]})")
    return 0


def _held_back(ui: Ui, farm: Farm, pkgvers: Iterable[PkgVer]) -> frozenset[PkgVer]:
    """Those packages whose new builds are kept aside, because they are held; report them."""
    held, known = farm.held(), KnownBuilds(farm)
    found = held_back(known, known.stowed() if held else {}, held, pkgvers)
    for pkgver in found:
        ui.note(f"{pkgver}: not stowed: {pkgver.name} is held (xsrc hold --release {pkgver.name})")
    return frozenset(found)


def _asked(step: Step, request: BuildRequest) -> tuple[PkgVer, ...]:
    """The pkgvers of a requested package to stow: all that it makes, or the named subpackages."""
    whole = step.name in request.named
    return tuple(pkgver for pkgver in step.job.package.outputs if whole or pkgver.name in request.named)


def _stowed_already(session: Session, asked: Iterable[PkgVer]) -> bool:
    """Whether stow has nothing to do; takes no lock of the farm."""
    asked = tuple(asked)
    with open_farm(session) as farm:
        stowed = farm.stowed()
        if farm.begun() is not None or any(stowed.get(v.name) != (v, True) for v in asked):
            return False
        known = KnownBuilds(farm)
        before = known.stowed()
        found = wanted(known, before, asked, partial(version_in_tree, session.tree), farm.held())
        return not found.unmet and found.packages == before


def show_plan(session: Session, plan: BuildPlan, request: BuildRequest) -> int:
    """Print what would be done, a line a package."""
    from xsrc.build.acts.words import plan_lines

    to = "" if request.to is Phase.INSTALL else f" (to {request.to})"
    plan, offers = with_offers(session, request, plan)
    for line in plan_lines(session, plan, dict.fromkeys(request.names, to), offers):
        session.ui.output(line)
    for step in plan.todo:
        if is_late(step, request):
            session.ui.output(f"build {step.job.package.pkgver}: once more: its tests need what needs it")
    if request.stow and request.to is Phase.INSTALL:
        packages = {step.name: step.job.package for step in plan.steps}
        steps = {step.name: step for step in plan.steps}
        for name in run_closure(request.names, packages):
            for pkgver in _asked(steps[name], request) if name in request.names else (packages[name].pkgver,):
                session.ui.output(f"stow  {pkgver}")
    return 0
