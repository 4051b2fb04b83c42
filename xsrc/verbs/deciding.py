"""What has to be built: gathers all that the plan has to know, and refuses what must not be built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from xsrc.effects.builds import read_build
from xsrc.effects.proc import bounded, capture
from xsrc.effects.store import Farm
from xsrc.errors import Diagnostic, TemplateError
from xsrc.model.command import Command
from xsrc.model.pkgver import PkgVer
from xsrc.plan.build import BuildPlan, Built, keeps, plan_build
from xsrc.plan.jobs import Job, jobs
from xsrc.plan.resolve import refusal
from xsrc.verbs.context import FEW, Context
from xsrc.verbs.world import world

_LONGEST = 1 << 20
"""Characters of one script of a template."""
_SECONDS, _MEMORY = 10, 1 << 30
"""What the shell that reads a script may use; it is the one program that sees a template's text outside a sandbox."""


def read_jobs(context: Context, names: Iterable[str], options: Mapping[str, tuple[str, ...]]) -> dict[str, Job]:
    """The jobs of packages and of all that they need, in build order; raises as `read_closure` and `jobs` do."""
    names = tuple(names)
    packages, same = context.read_closure(names, options), world(context)
    if len(packages) <= FEW:
        return jobs(packages, names, same)
    from xsrc.verbs.leaves import leaves

    with context.index:
        known = leaves(context)
        # the first few were not read by way of the index, which may have seen another text of them
        later = (package for package in list(packages.values())[FEW:] if package.machine == context.machine)
        remembered = {package.name: known[package.name].inputs for package in later if package.name not in options}
    return jobs(packages, names, same, remembered)


def make_plan(
    context: Context,
    farm: Farm,
    planned: Mapping[str, Job],
    names: tuple[str, ...],
    *,
    force: bool,
    look: bool,
    untested: Collection[str] = (),
) -> BuildPlan:
    """What is to do, by the farm's records and by what is on disk; with `look` nothing is noted."""
    built = what_is_built(context, farm, planned, look=look)
    plan = plan_build(planned, names, built, context.settings.cutoff, force=force, untested=untested)
    if not look:
        farm.note_keys(keeps(plan, built))
    return plan


def what_is_built(context: Context, farm: Farm, planned: Mapping[str, Job], *, look: bool = True) -> Built:
    """What there is of the packages of a plan."""
    keys, lost = {}, set()
    for text, key in farm.built().items():
        if (context.masterdir.destdirs / text).is_dir():
            keys[text] = key
        else:
            lost.add(text)
    there = {path.name for path in context.masterdir.destdirs.glob("*")}
    for job in planned.values():
        for pkgver in job.package.outputs:
            text = str(pkgver)
            if keys.get(text) != job.key and text in there and adopt(context, farm, pkgver, job.key, note=not look):
                keys[text] = job.key
    inputs = farm.inputs()
    preimages = {}
    for job in planned.values():
        text = str(job.package.pkgver)
        if text in keys and keys[text] != job.key and inputs.get(text) != job.inputs:
            props = farm.props(job.package.pkgver)
            preimages[text] = props.preimage if props else ""
    saw = farm.saw(str(job.package.pkgver) for job in planned.values())
    return Built(keys, frozenset(lost), inputs, preimages, farm.outcomes(), saw)


def adopt(context: Context, farm: Farm, pkgver: PkgVer, key: str, *, note: bool) -> bool:
    """Whether there is a sealed destdir of a very key that the database does not know; note it, if asked.

    A build that was cut off in its last moment leaves one, and so does a lost database.
    """
    folder = context.masterdir.destdir(pkgver)
    try:
        props, manifest, which = read_build(folder)
    except (OSError, ValueError):
        return False
    if props.key != key or farm.is_stowed(pkgver):
        return False
    if note:
        farm.record(props, manifest, build=which)
    return True


def refused(context: Context, planned: Iterable[Job]) -> dict[str, TemplateError]:
    """By name, what forbids that a package is built: its template says so, or no shell can read its scripts."""
    found = {job.name: _refusal(context, job) for job in planned}
    return {name: error for name, error in found.items() if error is not None}


def _refusal(context: Context, job: Job) -> TemplateError | None:
    package = job.package
    if (error := refusal(package)) is not None:
        return error
    problems = []
    for part in package.subpackages:
        if context.tree.template(part.name).is_file():
            span = package.template.span("subpackages", part.name)
            problems.append(Diagnostic(span, f"subpackages.{part.name}: there is a template of that name"))
    for name, text in package.phases.items():
        if len(text) > _LONGEST:
            span, message = package.template.span("phases", name), f"want at most {_LONGEST >> 10} KiB, got more"
            problems.append(Diagnostic(span, f"phases.{name}: {message}", "put it into a script in files/"))
            continue
        # the shell only reads; it runs nothing (sh -n)
        result = capture(Command(("/bin/sh", "-n")), text, bounded(_SECONDS, _MEMORY, 0))
        if 0 < result.code < 128:  # one that was killed has said nothing of the text
            words = result.err.strip().splitlines()[0] if result.err.strip() else "no sh text"
            span = package.template.span("phases", name)
            message = words.split(": ", 1)[-1]
            problems.append(Diagnostic(span, f"phases.{name}: no sh text: line {message}"))
    return TemplateError(problems) if problems else None
