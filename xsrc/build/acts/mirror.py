"""Collects the distfiles of packages in a mirror."""

from __future__ import annotations

from pathlib import Path

from xsrc.build.acts.decide import read_jobs
from xsrc.build.request import BuildRequest
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.sources.disk.distdir import present, verified
from xsrc.sources.disk.mirror import Mirror
from xsrc.tree.acts.closure import homes_of


def mirror(session: Session, request: BuildRequest, path: Path) -> int:
    """Copy the distfiles of a request that are there into a mirror; return 1 if one is missing, else 0.

    Raises UsageError and TemplateError for the request, HostError for the mirror, and ChecksumError for a distfile that
    has changed.
    """
    homes = homes_of(session.tree, request.names)
    planned = read_jobs(session, homes, request.options)
    wanted = {file.sha256: file for name in homes for file in planned[name].package.distfiles}
    found = {digest: file for digest, file in wanted.items() if present(file, session.srcdistdir)}
    new = 0
    with Mirror.open(path) as place:
        for distfile in found.values():
            if not place.has(distfile):
                folder, limits = session.masterdir.builddir, session.settings.limits
                with verified(distfile, session.srcdistdir, folder, limits) as file:
                    place.add(distfile, file.file)
                new += 1
    missing = len(wanted) - len(found)
    more = f", {missing} could not be fetched" if missing else ""
    session.ui.note(f"{path}: {counted(new, 'distfile')} more, {len(found) - new} were there{more}")
    return 1 if missing else 0
