"""What has to be built, in which order and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.model.buildkey import DEPENDS, difference
from xsrc.model.outcome import Outcome, Rung, same
from xsrc.model.package import pkgvers
from xsrc.model.pkgver import PkgVer
from xsrc.plan.graph import BUILD, UNTESTED, build_closure, run_closure
from xsrc.plan.jobs import Job

_SHOWN = 3


@dataclass(frozen=True)
class Built:
    """What there is of packages, each by its pkgver."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """The keys of sealed destdirs."""
    lost: frozenset[str] = frozenset()
    """What was built, and has no destdir any more."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    preimages: Mapping[str, str] = field(default_factory=dict)
    """What inputs were made of, where they differ from those of the plan."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    saw: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    """What stood in the build root of each, by name, and as what it had come out."""


@dataclass(frozen=True)
class Step:
    """One package of a plan; `reason` is None where nothing is to do."""

    job: Job
    reason: str | None
    because: tuple[str, ...] = ()
    """Packages on whose results it depends whether it is built at all; none where that is certain."""
    within: tuple[str, ...] = ()
    """What its build roots hold by declaration, without what only its tests see where none are run."""

    @property
    def name(self) -> str:
        return self.job.name


@dataclass(frozen=True)
class BuildPlan:
    """Steps in an order in which each comes after what it needs."""

    steps: tuple[Step, ...]
    requested: tuple[str, ...]
    rung: Rung = Rung.EXACT

    @property
    def todo(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.reason)


def changed(old: str, new: str) -> str | None:
    """The reason of a build whose inputs differ, from both pre-images; None where they differ in dependencies only.

    >>> changed('{"env": {"CC": "a"}, "arch": "x"}', '{"env": {"CC": "b"}, "arch": "x"}')
    'changed: env.CC'
    """
    paths = [path.removeprefix("template.") for path, _, _ in difference(old, new) if not path.startswith(DEPENDS)]
    # what a template's key makes of the scripts is told by that key
    if not (told := [path for path in paths if not path.startswith("scripts.")] or paths):
        return None
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"changed: {', '.join(told[:_SHOWN])}{more}"


def plan_build(
    jobs: Mapping[str, Job],
    requested: tuple[str, ...],
    built: Built,
    rung: Rung = Rung.EXACT,
    *,
    force: bool = False,
    untested: Collection[str] = (),
) -> BuildPlan:
    """Which of the jobs (in build order) are to do; what nothing unfinished needs to build is not in the plan.

    A package is up to date when its inputs are what they were and everything that stood in its build root has come
    out, at `rung` of the ladder, as it was then. Where that is to be built first, it *may* be built.
    `force` builds the requested ones again, whatever there is; of the `untested` no tests are run, and what only
    these need is not in the plan.
    """
    packages = {name: job.package for name, job in jobs.items()}
    versions = pkgvers(packages.values())
    homes = {pkgver.name: name for name, package in packages.items() for pkgver in package.outputs}
    steps: dict[str, Step] = {}
    gone: set[str] = set()
    for name, job in jobs.items():
        text = str(job.package.pkgver)
        tested = job.package.make_check and name not in untested
        closure = build_closure(job.package, packages, BUILD if tested else UNTESTED)
        key = built.keys.get(text)
        reason = _own(job, built, forced=force and name in requested)
        because: tuple[str, ...] = ()
        if key is None:
            gone.add(name)
        if reason is None:
            seen = built.saw.get(text, {})
            # with equal keys a need that is only missing would come out as before: it matters to nobody
            needed = {*(homes.get(n, n) for n in seen), *closure}
            ready = {n for n in needed if n in steps and steps[n].reason and (key != job.key or n not in gone)}
            reason = otherwise(job, built, rung, {n: v for n, v in versions.items() if homes[n] not in ready})
            if reason is None and ready:
                because = tuple(n for n in steps if n in ready)
                reason = _chain(steps[because[0]])
            elif reason is None and key != job.key and closure and not seen:
                reason = "what it was built with is not known"
        steps[name] = Step(job, reason, because, closure)
    wanted = set(run_closure(requested, packages))
    for name, step in reversed(steps.items()):
        if name in wanted and step.reason:
            wanted.update(step.within)
    return BuildPlan(tuple(step for name, step in steps.items() if name in wanted), requested, rung)


def _own(job: Job, built: Built, *, forced: bool) -> str | None:
    text = str(job.package.pkgver)
    key = built.keys.get(text)
    if key is None:
        return "output missing" if text in built.lost else "not built yet"
    for part in job.package.outputs:
        if built.keys.get(str(part)) != key:
            return f"{part} is {'of another build' if str(part) in built.keys else 'not there'}"
    if forced:
        return "forced"
    if key == job.key or built.inputs.get(text) == job.inputs:
        return None
    return changed(built.preimages.get(text, ""), job.preimage)


def _chain(step: Step) -> str:
    """Why what needs a package may be built: the end of the chain is what was changed."""
    return step.reason or "" if step.because else f"{step.name}: {step.reason}"


def otherwise(job: Job, built: Built, rung: Rung, versions: Mapping[str, PkgVer]) -> str | None:
    """Why a package has to be built for what it needs: the first of `versions` that is not what its build root held."""
    for name, saw in built.saw.get(str(job.package.pkgver), {}).items():
        now = built.outcomes.get(str(versions[name])) if name in versions else None
        if now is not None and not same(rung, saw, now):
            return f"{name}: another result"
    return None


def keeps(plan: BuildPlan, built: Built) -> Iterable[tuple[PkgVer, str]]:
    """Packages that are up to date although their keys are not, with the keys that they would get."""
    for step in plan.steps:
        package = step.job.package
        if step.reason is None and built.keys.get(str(package.pkgver)) != step.job.key:
            yield from ((pkgver, step.job.key) for pkgver in package.outputs)
