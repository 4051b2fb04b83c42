"""Plans the builds: their order and their reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.build.job import Job
from xsrc.build.key import DEPENDS, difference
from xsrc.build.phases import kinds_up_to
from xsrc.core.outcome import Outcome, Rung, same
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.tree.graph import build_closure, run_closure
from xsrc.tree.package import pkgvers

_SHOWN = 3
FIRST = "first build"
"""The reason of a first build."""


@dataclass(frozen=True)
class Built:
    """The existing builds of packages, by pkgver."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """The keys of sealed destdirs."""
    lost: frozenset[str] = frozenset()
    """The packages that were built and have lost their destdirs."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    preimages: Mapping[str, str] = field(default_factory=dict)
    """The pre-images of inputs that differ from those of the plan."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    saw: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    """The packages in the build root of each, by name, with their outcomes."""


@dataclass(frozen=True)
class Step:
    """One package of a plan; `reason` is None if it is up to date."""

    job: Job
    reason: str | None
    because: tuple[str, ...] = ()
    """Packages whose results decide whether it is built at all; none if that is certain."""
    same_key: bool = False
    """Whether a build of the same key is there."""
    within: tuple[str, ...] = ()
    """The declared content of its build roots; if no tests run, without the packages for tests."""
    afterwards: tuple[str, ...] = ()
    """What its late tests need."""

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
    # a change of a key that also changes the scripts is reported by the key alone
    if not (shown := [path for path in paths if not path.startswith("scripts.")] or paths):
        return None
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"changed: {', '.join(shown[:_SHOWN])}{more}"


def plan_build(
    jobs: Mapping[str, Job],
    requested: tuple[str, ...],
    built: Built,
    rung: Rung = Rung.EXACT,
    *,
    force: bool = False,
    untested: Collection[str] = (),
    to: Phase = Phase.INSTALL,
) -> BuildPlan:
    """The jobs (in build order) to do; a package that no unfinished job needs is not in the plan.

    A package is up to date if its inputs are the same, and everything in its build root has the same outcome on `rung`.
    If something there has to be built first, the package *may* be built. `force` always builds the requested ones
    again. For the `untested`, no tests run, and packages that only their tests need are not in the plan. The requested
    ones are built up to `to`: what only later phases need, or the stowed root, is not in the plan.
    """
    packages = {name: job.package for name, job in jobs.items()}
    versions = pkgvers(packages.values())
    homes = {pkgver.name: name for name, package in packages.items() for pkgver in package.outputs}
    steps: dict[str, Step] = {}
    gone: set[str] = set()
    for name, job in jobs.items():
        text = str(job.package.pkgver)
        tested = job.package.make_check and name not in untested
        end = to if name in requested else Phase.INSTALL
        roots = [
            build_closure(job.package, packages, kinds_up_to(end, job.package.phases, tested=tested and not late))
            for late in (job.late, False)
        ]
        # late tests have what needs the package, and so its earlier build
        closure, whole = (tuple(need for need in root if need != name) for root in roots)
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
        steps[name] = Step(job, reason, because, key == job.key, closure, whole if job.late else ())
    wanted = set(run_closure(requested, packages) if to is Phase.INSTALL else requested)
    queue = [*wanted]
    while queue:
        step = steps[queue.pop()]
        further = {*step.within, *step.afterwards} - wanted if step.reason else ()
        wanted.update(further)
        queue += further
    return BuildPlan(tuple(step for name, step in steps.items() if name in wanted), requested, rung)


def _own(job: Job, built: Built, *, forced: bool) -> str | None:
    text = str(job.package.pkgver)
    key = built.keys.get(text)
    if key is None:
        return "output missing" if text in built.lost else FIRST
    for part in job.package.outputs:
        if built.keys.get(str(part)) != key:
            return f"{part} is {'of another build' if str(part) in built.keys else 'not there'}"
    if forced:
        return "forced"
    if key == job.key or built.inputs.get(text) == job.inputs:
        return None
    return changed(built.preimages.get(text, ""), job.preimage)


def _chain(step: Step) -> str:
    """Why the dependents of a package may be built: the end of the chain is the change."""
    return step.reason or "" if step.because else f"{step.name}: {step.reason}"


def otherwise(job: Job, built: Built, rung: Rung, versions: Mapping[str, PkgVer]) -> str | None:
    """Why a package has to be built: the first of `versions` that differs from its last build root."""
    for name, saw in built.saw.get(str(job.package.pkgver), {}).items():
        now = built.outcomes.get(str(versions[name])) if name in versions else None
        if now is not None and not same(rung, saw, now):
            return f"{name}: another result"
    return None


def keeps(plan: BuildPlan, built: Built) -> Iterable[tuple[PkgVer, str]]:
    """Packages that are up to date although their keys differ, with their new keys."""
    for step in plan.steps:
        package = step.job.package
        if step.reason is None and built.keys.get(str(package.pkgver)) != step.job.key:
            yield from ((pkgver, step.job.key) for pkgver in package.outputs)
