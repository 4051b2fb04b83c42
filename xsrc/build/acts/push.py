"""Chooses the builds to share: those of the present keys of a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from xsrc.base.acts.choose import base_name
from xsrc.build.acts.decide import read_jobs
from xsrc.build.job import Job
from xsrc.core.errors import UsageError
from xsrc.core.session import Session
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.disk.database import Farm
from xsrc.repo.acts.share import Gift, share
from xsrc.repo.trace import Trace
from xsrc.runs.disk.journal import Journal
from xsrc.runs.run import JobRecord, State
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.disk.templates import names as all_names
from xsrc.unix.users import this_user


def push(session: Session, given: tuple[str, ...], folder: Path, key: Path | None) -> int:
    """Write builds to a cache: of the given packages, or all that are what the tree says now; return the exit code.

    Raises UsageError for a given package that is not built as the tree has it, and as `share` does.
    """
    with farm_at_rest(session) as farm:
        built = {pkgver.name for pkgver in farm.in_place()}
        names = homes_of(session.tree, given) if given else tuple(n for n in all_names(session.tree) if n in built)
        planned = read_jobs(session, names, {})
        last = Journal(session.masterdir, session.ui.warn).last()
        gifts = []
        for name in names:
            why = _unfit(farm, planned[name])
            if why and given:
                raise UsageError(f"{name}: {why}", hint=f"xsrc build {name}")
            if why:
                session.ui.note(f"{planned[name].package.pkgver}: left out: {why}")
            else:
                gifts.append(_gift(session, farm, planned[name], last))
        return share(folder, gifts, key, session.ui)


def _unfit(farm: Farm, job: Job) -> str:
    """Why a package cannot be shared, "" if it can."""
    records = [farm.props(pkgver) for pkgver in job.package.outputs]
    if any(props is None for props in records):
        return "it is not built as the tree has it"
    for props in records:
        if props is not None and props.key != job.key:
            return "it was built from another key"
        if props is not None and props.untested:
            return "its tests did not run"
    return ""


def _gift(session: Session, farm: Farm, job: Job, last: Mapping[str, JobRecord]) -> Gift:
    pkgver, record = job.package.pkgver, last.get(job.name)
    order = (pkgver, *(other for other in job.package.outputs if other != pkgver))
    folders = tuple(session.masterdir.destdirs / farm.folder(one) for one in order)
    trace = Trace(job.key, base_name(session), builder=this_user())
    if record is not None and record.state is State.BUILT and record.pkgver == str(pkgver):
        trace = replace(trace, seconds=round(record.took, 3), peak=record.peak)
    return Gift(trace, folders)
