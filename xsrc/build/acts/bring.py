"""Fetches the distfiles of a package and verifies them; runs nothing of the package."""

from __future__ import annotations

from typing import IO

from xsrc.core.errors import HostError
from xsrc.core.layout import WorkDir
from xsrc.core.session import Session
from xsrc.sources.addresses import addresses
from xsrc.sources.disk.distdir import present
from xsrc.sources.disk.fetch import Supply, fetch, sites_of
from xsrc.tree.package import Package


def bring(session: Session, package: Package, folder: WorkDir, log: IO[bytes]) -> None:
    """Fetch what is not in the distfile folder; copies of files that others could change come into the work directory.

    Raises FetchFailed, ChecksumError, and HostError if no address is known.
    """
    ui = session.ui

    def say(text: str) -> None:
        log.write(text.encode() + b"\n")
        ui.note(f"{package.pkgver}: {text}")

    def progress(now: int, total: int | None) -> None:
        ui.detail(f"{now >> 10} of {total >> 10} KiB" if total else f"{now >> 10} KiB")

    supply = Supply.of(session, folder.path)
    for distfile in package.distfiles:
        urls, unknown = addresses(distfile, sites_of(distfile, session.settings.sites))
        for site in unknown:
            log.write(f"{site} is not known on this machine\n".encode())
        if not (urls or supply.mirrors or present(distfile, session.srcdistdir)):
            raise HostError(
                f"{distfile.name}: no address: {', '.join(unknown)} unknown on this machine",
                hint="set it in ~/.config/xsrc/config.toml: [sites]",
            )
        path = fetch(distfile, urls, supply, say, progress)
        log.write(f"{path}: sha256 {distfile.sha256}\n".encode())
