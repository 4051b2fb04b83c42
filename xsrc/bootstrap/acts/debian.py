"""Makes a base of Debian's packages: resolves, fetches, unpacks, links and seals them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xsrc.base.acts.choose import exists
from xsrc.base.disk import shelf
from xsrc.bootstrap import debian
from xsrc.bootstrap.debian import Deb, Wish
from xsrc.bootstrap.disk.apt import Apt, keyring, postinst
from xsrc.core.errors import ChecksumError, HostError, UsageError
from xsrc.core.session import Session
from xsrc.core.settings import Settings
from xsrc.core.ui import counted
from xsrc.sources.disk.distdir import present, verified
from xsrc.sources.disk.fetch import Supply, fetch
from xsrc.sources.distfile import Distfile
from xsrc.unix import machine
from xsrc.unix.trees import make_folder

_FETCHERS = 4


def make_debian(session: Session, origin: str, *, force: bool, plan_only: bool) -> None:
    """Make the base that `origin` names, or print which packages it needs; the caller holds the lock of the bases.

    An existing base stays, unless `force` is given. Raises UsageError, HostError, FetchFailed, ChecksumError,
    ArchiveError and ConflictError; ValueError for output of apt that it cannot read.
    """
    begun = time.monotonic()
    wish = read_wish(origin)
    if not force and exists(session, wish.name):
        return
    ui, new = session.ui, session.bases / shelf.NEW
    ui.note(f"{origin}: resolve")
    make_folder(new)
    apt = Apt(new / ".apt", session.host.env)
    text = debian.sources(read_mirror(session.settings), wish.suite, str(keyring()))
    name, release = debian.release(apt.update(text, debian.configuration(str(apt.folder), wish.arch)))
    wish = Wish(name or wish.suite, wish.arch)
    if not force and exists(session, wish.name):  # the name of a suite, for a word such as stable
        return
    found = debian.debs(apt.resolve(debian.PACKAGES))
    if plan_only:
        for deb in found:
            what = "keep " if present(distfile_of(deb), session.srcdistdir) else "fetch"
            ui.output(f"{what} {deb.name} {deb.version} {deb.size >> 10} KiB")
        return
    bring_debs(session, wish, found)
    ui.note(f"{wish.name}: unpack")
    shutil.rmtree(apt.folder)
    unpack_debs(session, new, found)
    ui.note(f"{wish.name}: seal")
    packages = {deb.name: deb.version for deb in found}
    record = shelf.finish(session.bases, wish.name, machine.arch().name, release, packages)
    took = f"{time.monotonic() - begun:.0f} s"
    ui.note(f"{record.summary}: made in {took}; xsrc build --base debian NAME builds on it")


def read_wish(text: str) -> Wish:
    """The base that `--from` names. Raises UsageError for a bad word, HostError for a base that cannot run here."""
    native = debian.MACHINES.get(machine.arch().name)
    if native is None:
        raise HostError(f"Debian has nothing for {machine.arch().name}", hint="--base host")
    try:
        wish = debian.wish(text, machine.debian_release() or "stable", native)
    except ValueError as error:
        raise UsageError(f"bootstrap --from: {error}, or source", hint="xsrc bootstrap --from debian") from error
    if wish.arch != native:
        raise HostError(f"this machine runs {native}, not {wish.arch}", hint=f"--from debian:{wish.suite}/{native}")
    return wish


def read_mirror(settings: Settings) -> str:
    """The address of Debian's archive; raises HostError where neither the machine's apt nor the user named one."""
    site = machine.known_sites(("DEBIAN_SITE",), settings.sites).get("DEBIAN_SITE")
    if site is None:
        raise HostError(
            "no mirror of Debian is known: this machine's apt names none",
            hint="set one in ~/.config/xsrc/config.toml: [sites] DEBIAN_SITE, an address that ends in /debian/pool",
        )
    return site.rstrip("/").removesuffix("/pool")


def distfile_of(deb: Deb) -> Distfile:
    """The package file of a Debian package, as a distfile with its address and checksum."""
    return Distfile((deb.url,), deb.sha256, deb.file)


def bring_debs(session: Session, wish: Wish, found: Iterable[Deb]) -> None:
    """Fetch missing packages, several at a time.

    Raises FetchFailed, ChecksumError for a file that is not the signed one, HostError if the folder of distfiles cannot
    be used, and OSError.
    """
    found = tuple(found)
    srcdistdir = session.srcdistdir
    srcdistdir.mkdir(parents=True, exist_ok=True)
    todo = sum(deb.size for deb in found if not present(distfile_of(deb), srcdistdir))
    session.ui.note(f"{wish.name}: fetch {counted(len(found), 'package')}, {todo >> 20} MiB of them missing")

    supply = Supply.of(session, session.bases)

    def bring(deb: Deb) -> None:
        try:
            fetch(distfile_of(deb), (deb.url,), supply, lambda text: None)
        except ChecksumError as error:
            raise ChecksumError(
                f"{deb.file}: it is not the file that the signed lists of {wish.suite} speak of: refused",
                detail=[f"  want sha256 {deb.sha256}", *error.detail],
                hint="xsrc bootstrap again; if it stays so, do not trust this mirror",
            ) from error

    _in_threads(_FETCHERS, bring, found)


def unpack_debs(session: Session, new: Path, found: Iterable[Deb]) -> None:
    """Unpack packages into a new base and make its links.

    Raises ArchiveError for a bad package, ChecksumError and HostError for a distfile that has changed or is missing.
    """
    limits = session.settings.limits
    links: dict[str, str] = {}
    choices: list[debian.DebianAlternative] = []

    def unpack(deb: Deb) -> None:
        with verified(distfile_of(deb), session.srcdistdir, session.bases, limits) as file:
            links.update(shelf.unpack(file, new, limits, debian.place, debian.relative))
            file.file.seek(0)
            choices.extend(debian.alternatives(deb.name, postinst(file, limits)))

    # the largest first, so that none is left to one thread at the end
    _in_threads(min(session.host.cpus, 4), unpack, sorted(found, key=lambda deb: -deb.size))
    present = {*links, *shelf.paths(new)}
    shelf.link(new, {**debian.links(choices, present), **links})


def _in_threads(count: int, work: Callable[[Deb], None], found: Iterable[Deb]) -> None:
    """Do the work of each package, `count` at a time; the first failure ends all."""
    with ThreadPoolExecutor(count) as pool:
        jobs = [pool.submit(work, deb) for deb in found]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
