"""Finds out the checksums of distfiles by fetching them from every address."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from xsrc.author.edit import with_sums
from xsrc.core.errors import ChecksumError, FetchFailed
from xsrc.core.session import Session
from xsrc.sources.addresses import addresses
from xsrc.sources.disk.fetch import Supply, digests, fetch, sites_of
from xsrc.sources.distfile import Distfile
from xsrc.tree.acts.closure import package_of
from xsrc.tree.template import Template, parse


def with_new_sums(session: Session, template: Template) -> str:
    """The text of a template with the checksums of what the addresses of its distfiles send now.

    Raises ChecksumError if two addresses send different files, FetchFailed if none sends one, TemplateError for a
    template that cannot be built here, HostError.
    """
    package = package_of(session, template, {})
    sums: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="xsrc-sum-", dir=_room(session.srcdistdir)) as folder:
        for distfile in package.distfiles:
            sums[distfile.sha256] = got = _agreed(session, distfile, Path(folder))
            _keep(session, replace(distfile, sha256=got), Path(folder))
            session.ui.note(f"{distfile.name}: sha256 {got}")
    text = with_sums(template.text, sums)
    parse(template.name, text, template.file)  # a text that no template may have is refused before it is written
    return text


def _room(srcdistdir: Path) -> Path | None:
    """A folder with room for large files: that of the distfiles, if there is one."""
    return srcdistdir if srcdistdir.is_dir() else None


def _agreed(session: Session, distfile: Distfile, folder: Path) -> str:
    """The sha256 that all addresses of a distfile agree on."""
    urls, unknown = addresses(distfile, sites_of(distfile, session.settings.sites))
    for site in unknown:
        session.ui.warn(f"{distfile.name}: {site} is not known on this machine")
    supply = replace(Supply.of(session, folder), srcdistdir=folder)
    found = digests(distfile, urls, supply, session.ui.note)
    if not found:
        raise FetchFailed(f"{distfile.name}: none of {len(urls)} addresses gave it", hint="correct its url")
    if len(set(found.values())) > 1:
        raise ChecksumError(
            f"{distfile.name}: its addresses send different files",
            detail=[f"  {got}  {url}" for url, got in found.items()],
            hint="look at the files, and remove the address that differs from upstream's",
        )
    return next(iter(found.values()))


def _keep(session: Session, distfile: Distfile, folder: Path) -> None:
    """Put a fetched distfile where builds look for it, if there is such a place already."""
    if session.srcdistdir.is_dir():
        supply = replace(Supply.of(session, folder), mirrors=(f"file://{folder}",))
        fetch(distfile, (), supply, lambda text: None)
