"""`xsrc bootstrap`: makes, lists, removes, exports and imports bases."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plumbum import cli

from xsrc.effects import bases, machine
from xsrc.effects.debian import Apt, keyring, postinst
from xsrc.effects.distdir import present, verified
from xsrc.effects.fetch import fetch
from xsrc.effects.lock import locked
from xsrc.errors import ChecksumError, HostError, UsageError
from xsrc.model.base import Record
from xsrc.model.package import Distfile
from xsrc.plan import debian
from xsrc.plan.debian import Deb, Wish
from xsrc.verbs import source
from xsrc.verbs.context import Context
from xsrc.verbs.verb import Verb

_FETCHERS = 4


class Bootstrap(Verb):
    """Make a base, of the packages of Debian or from source; list, remove, export and import bases

    After `--from source`, names of further packages: built by both of the last stages, and compared.
    """

    origin = cli.SwitchAttr(
        ["--from"], str, argname="debian[:SUITE[/ARCH]]|source", help="make a base of this release, or from source"
    )
    jobs = cli.SwitchAttr(
        ["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="with --from source: packages side by side"
    )
    force = cli.Flag(["-f", "--force"], help="make or import it although it is there")
    plan_only = cli.Flag(["-n", "--plan"], help="print what would be done, and stop")
    listing = cli.Flag(["--list"], help="list the bases that are there")
    json = cli.Flag(["--json"], help="with --list: as JSON, with all their packages")
    drop = cli.SwitchAttr(["--remove"], str, argname="NAME", help="remove a base")
    export = cli.SwitchAttr(["--export"], str, argname="FILE", help="write the base that --base names to one file")
    bring = cli.SwitchAttr(["--import"], str, argname="FILE", help="make a base of what --export wrote")

    def go(self, context: Context) -> int:
        asked = (self.origin, self.listing or None, self.drop, self.export, self.bring)
        if sum(word is not None for word in asked) != 1 or (self.given and self.origin != source.NAME):
            raise UsageError(
                "bootstrap: want one of --from, --list, --remove, --export, --import",
                hint="xsrc bootstrap --from debian",
            )
        if self.listing:
            return self.show(context)
        if self.export:
            return self.write(context, context.host.cwd / self.export)
        try:
            if context.bases == context.masterdir.bases:
                context.make_masterdir()
            context.bases.mkdir(parents=True, exist_ok=True)
            with locked(context.bases / ".lock", "xsrc bootstrap", context.ui.note):
                bases.sweep(context.bases)
                try:
                    return self.change(context)
                finally:
                    bases.sweep(context.bases)
        except OSError as error:
            hint = "set basedir to another place, or choose one with -m DIR" if self.bring is None else None
            raise HostError(f"{error.filename or context.bases}: {error.strerror}", hint=hint) from error

    def change(self, context: Context) -> int:
        """What changes which bases there are; the lock of their folder is held."""
        if self.drop:
            record = bases.choose(self.drop, context.bases)
            if self.plan_only:
                context.ui.output(f"- {record.name}")
                return 0
            bases.remove(context.bases, record.name)
            if record.name == source.base_name():
                source.remove_stages(context)
            context.ui.note(f"{record.name}: removed")
            return 0
        if self.bring:
            file, limits = context.host.cwd / self.bring, context.settings.limits
            record = bases.bring_in(file, context.bases, limits, replace=self.force)
            context.ui.note(told(record))
            return 0
        return self.make_source(context) if self.origin == source.NAME else self.make(context)

    def make_source(self, context: Context) -> int:
        """A base from source: the stages, each on the one before."""
        context.override(jobs=self.jobs)
        if not self.force and not self.given and self.is_there(context, source.base_name()):
            return 0
        if self.plan_only:
            chosen = source.base_set(context)
            for number in source.STAGES:
                context.ui.output(f"stage {number}: {' '.join(source.names_of(number, chosen, self.given))}")
            return 0
        record = source.make_source(context, self.given)
        context.ui.note(f"{told(record)}; xsrc build --base source NAME builds on it")
        return 0

    def show(self, context: Context) -> int:
        """Print the bases."""
        found = bases.every(context.bases)
        if self.json:
            context.ui.json([vars(record) for record in found])
            return 0
        for record in found:
            context.ui.output(told(record))
        return 0

    def write(self, context: Context, file: Path) -> int:
        """Export the base that was chosen, else the only one that there is."""
        record = bases.choose(context.flags.base or context.host.env.get("XSRC_BASE") or "debian", context.bases)
        bases.hold(context.bases / record.name)
        try:
            bases.export(context.bases / record.name, file)
        except OSError as error:
            raise HostError(f"{error.filename or file}: {error.strerror}", hint="choose another file") from error
        context.ui.note(f"{file}: {told(record)}")
        return 0

    def make(self, context: Context) -> int:
        """A base of Debian: resolve, fetch, unpack, link, seal."""
        begun = time.monotonic()
        wish = read_wish(context, self.origin or "")
        if not self.force and self.is_there(context, wish.name):
            return 0
        ui, new = context.ui, context.bases / bases.NEW
        ui.note(f"{self.origin}: resolve")
        new.mkdir()
        apt = Apt(new / ".apt", context.host.env)
        text = debian.sources(read_mirror(context), wish.suite, str(keyring()))
        listed = apt.update(text, debian.configuration(str(apt.folder), wish.arch))
        name, release = debian.release(listed)
        wish = Wish(name or wish.suite, wish.arch)
        if not self.force and self.is_there(context, wish.name):  # where stable was asked for
            return 0
        found = debian.debs(apt.resolve(debian.PACKAGES))
        if self.plan_only:
            for deb in found:
                what = "keep " if present(_distfile(deb), context.srcdistdir) else "fetch"
                ui.output(f"{what} {deb.name} {deb.version} {deb.size >> 10} KiB")
            return 0
        bring_debs(context, wish, found)
        ui.note(f"{wish.name}: unpack")
        shutil.rmtree(apt.folder)
        unpack_debs(context, new, found)
        ui.note(f"{wish.name}: seal")
        packages = {deb.name: deb.version for deb in found}
        record = bases.finish(context.bases, wish.name, machine.arch().name, release, packages)
        ui.note(f"{told(record)}: made in {time.monotonic() - begun:.0f} s; xsrc build --base debian NAME builds on it")
        return 0

    def is_there(self, context: Context, name: str) -> bool:
        """Whether a base is there already; the user is told."""
        record = next((record for record in bases.every(context.bases) if record.name == name), None)
        if record is not None:
            context.ui.note(f"{told(record)}: there already (-f makes it again)")
        return record is not None


def told(record: Record) -> str:
    """A base in one line."""
    held = f"{len(record.packages)} packages, {record.size >> 20} MiB"
    return f"{record.name} {record.release} ({held}, {record.digest[:12]})"


def read_wish(context: Context, text: str) -> Wish:
    """What `--from` asks for; raises UsageError for what is nothing, HostError for what this machine cannot run."""
    native = debian.MACHINES.get(machine.arch().name)
    if native is None:
        raise HostError(f"Debian has nothing for {machine.arch().name}", hint="--base host")
    try:
        wish = debian.wish(text, machine.debian_release() or "stable", native)
    except ValueError as error:
        raise UsageError(f"bootstrap --from: {error}", hint="xsrc bootstrap --from debian") from error
    if wish.arch != native:
        raise HostError(f"this machine runs {native}, not {wish.arch}", hint=f"--from debian:{wish.suite}/{native}")
    return wish


def read_mirror(context: Context) -> str:
    """The address of Debian's archive; raises HostError where neither the machine's apt nor the user named one."""
    site = context.settings.sites.get("DEBIAN_SITE")
    if site is None:
        raise HostError(
            "no mirror of Debian is known: this machine's apt names none",
            hint="set one in ~/.config/xsrc/config.toml: [sites] DEBIAN_SITE, an address that ends in /debian/pool",
        )
    return site.rstrip("/").removesuffix("/pool")


def _distfile(deb: Deb) -> Distfile:
    return Distfile((deb.url,), deb.sha256, deb.file)


def bring_debs(context: Context, wish: Wish, found: Iterable[Deb]) -> None:
    """Fetch what is missing, several at a time; raises FetchFailed, or ChecksumError for what nobody signed."""
    found = tuple(found)
    srcdistdir = context.srcdistdir
    srcdistdir.mkdir(parents=True, exist_ok=True)
    todo = sum(deb.size for deb in found if not present(_distfile(deb), srcdistdir))
    context.ui.note(f"{wish.name}: fetch {len(found)} packages, {todo >> 20} MiB of them missing")

    def bring(deb: Deb) -> None:
        try:
            fetch(_distfile(deb), (deb.url,), srcdistdir, context.bases, context.settings.limits, lambda text: None)
        except ChecksumError as error:
            raise ChecksumError(
                f"{deb.file}: it is not the file that the signed lists of {wish.suite} speak of: refused",
                detail=[f"  want sha256 {deb.sha256}", *error.detail],
                hint="xsrc bootstrap again; if it stays so, do not trust this mirror",
            ) from error

    _in_threads(_FETCHERS, bring, found)


def unpack_debs(context: Context, new: Path, found: Iterable[Deb]) -> None:
    """Unpack packages into a new base and make its links. Raises ArchiveError."""
    limits = context.settings.limits
    links: dict[str, str] = {}
    choices: list[debian.Alternative] = []

    def unpack(deb: Deb) -> None:
        with verified(_distfile(deb), context.srcdistdir, context.bases, limits) as file:
            links.update(bases.unpack(file, new, limits, debian.place, debian.relative))
            file.file.seek(0)
            choices.extend(debian.alternatives(deb.name, postinst(file, limits)))

    # the largest first, so that none is left to one thread at the end
    _in_threads(min(context.host.cpus, 4), unpack, sorted(found, key=lambda deb: -deb.size))
    present = {*links, *bases.paths(new)}
    bases.link(new, {**debian.links(choices, present), **links})


def _in_threads(count: int, work: Callable[[Deb], None], found: Iterable[Deb]) -> None:
    """Do the work of each package, `count` at a time; the first that fails ends them all."""
    with ThreadPoolExecutor(count) as pool:
        jobs = [pool.submit(work, deb) for deb in found]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
