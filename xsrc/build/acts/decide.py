"""Gathers the data that decides what has to be built, and records the builds that a plan found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.base.acts.choose import chosen_machine
from xsrc.build.acts.ground import ground
from xsrc.build.job import Job, jobs
from xsrc.build.steps import BuildPlan, Built, Step, keeps, otherwise
from xsrc.core.layout import Masterdir
from xsrc.core.outcome import Rung
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import open_farm
from xsrc.farm.disk.database import Farm
from xsrc.store.disk.shelf import read_build
from xsrc.store.manifest import Manifest, Props
from xsrc.tree.acts.closure import index_of, read_closure


def read_jobs(session: Session, names: Iterable[str], options: Mapping[str, tuple[str, ...]]) -> dict[str, Job]:
    """The jobs of packages and everything that they need, in build order.

    Raises TemplateError and UsageError as `read_closure` and `jobs` do, HostError as `chosen_base` does.
    Raises ConflictError as `chosen_base` does.
    """
    names = tuple(names)
    closure, same = read_closure(session, names, options), ground(session)
    if not closure.indexed:
        return jobs(closure.packages, names, same)
    from xsrc.build.acts.outlines import outlines

    machine = chosen_machine(session)
    with index_of(session):
        known = outlines(session)
        # of what was read by itself, the index may have seen another text
        remembered = {
            name: known[name].inputs
            for name in closure.indexed
            if closure.packages[name].machine == machine and name not in options
        }
    return jobs(closure.packages, names, same, remembered)


@dataclass(frozen=True)
class Present:
    """The existing builds of the packages of a plan."""

    built: Built
    unknown: tuple[tuple[Props, Manifest, str], ...] = ()
    """Sealed destdirs of these keys that the database does not know: after an interruption at the end of a build, or
    after the loss of the database."""
    former: tuple[tuple[PkgVer, str], ...] = ()
    """Builds of these keys that were replaced by later ones, and are still kept aside."""


def present(masterdir: Masterdir, farm: Farm, planned: Mapping[str, Job]) -> Present:
    """Look for builds of the packages of a plan, in the database and on the disk."""
    keys, lost = {}, set()
    folders = farm.folders()
    for text, key in farm.built().items():
        if (masterdir.destdirs / folders[text]).is_dir():
            keys[text] = key
        else:
            lost.add(text)
    there = {path.name for path in masterdir.destdirs.glob("*")}
    outcomes, inputs = farm.outcomes(), farm.inputs()
    saw = farm.saw(str(job.package.pkgver) for job in planned.values())
    unknown, former = [], []
    for job in planned.values():
        for pkgver in job.package.outputs:
            text = str(pkgver)
            if keys.get(text) == job.key:
                continue
            if text in there and (found := _sealed(masterdir, farm, pkgver, job.key)):
                unknown.append(found)
                keys[text] = job.key
            elif older := _former(masterdir, farm, pkgver, job.key):
                build, props = older
                former.append((pkgver, build))
                keys[text], inputs[text], outcomes[text] = job.key, props.inputs, props.outcome
                saw[text] = dict(props.saw)
    preimages = {}
    for job in planned.values():
        text = str(job.package.pkgver)
        if text in keys and keys[text] != job.key and inputs.get(text) != job.inputs:
            latest = farm.props(job.package.pkgver)
            preimages[text] = latest.preimage if latest else ""
    built = Built(keys, frozenset(lost), inputs, preimages, outcomes, saw)
    return Present(built, tuple(unknown), tuple(former))


def _former(masterdir: Masterdir, farm: Farm, pkgver: PkgVer, key: str) -> tuple[str, Props] | None:
    """An older build of this key that is still there, and its record."""
    build = farm.with_key(pkgver, key)
    if not build or build == farm.latest(pkgver):
        return None
    here = build == farm.build(pkgver)
    folder = masterdir.destdir(pkgver) if here else masterdir.kept(str(pkgver), build)
    try:
        return build, read_build(folder)[0]
    except (OSError, ValueError):
        return None


def _sealed(masterdir: Masterdir, farm: Farm, pkgver: PkgVer, key: str) -> tuple[Props, Manifest, str] | None:
    """A sealed destdir of this key that the database does not know."""
    try:
        props, manifest, which = read_build(masterdir.destdir(pkgver))
    except (OSError, ValueError):
        return None
    return (props, manifest, which) if props.key == key and not farm.is_stowed(pkgver) else None


def note(farm: Farm, plan: BuildPlan, found: Present) -> None:
    """Record the builds that a plan found on the disk, and the new keys of builds that stay."""
    for props, manifest, which in found.unknown:
        farm.record(props, manifest, build=which)
    farm.be_latest(found.former)
    farm.note_keys(keeps(plan, found.built))


def again(session: Session, step: Step, rung: Rung, versions: Mapping[str, PkgVer]) -> str | None:
    """The reason to build a package, now that its needs are built; None if it is up to date. Raises HostError."""
    text = str(step.job.package.pkgver)
    with open_farm(session) as farm:
        saw = farm.saw((text,))
        seen = {versions[name] for name in saw.get(text, ()) if name in versions}
        outcomes = {str(pkgver): props.outcome for pkgver in seen if (props := farm.props(pkgver))}
    return otherwise(step.job, Built(outcomes=outcomes, saw=saw), rung, versions)
