"""Builds one package: phase by phase in its build root, then scan, seal, record."""

from __future__ import annotations

import contextlib
import errno
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from xsrc.effects import extract, work
from xsrc.effects.cgroup import Group, limited_group
from xsrc.effects.distdir import OpenFile, present, verified
from xsrc.effects.enter import ended, run
from xsrc.effects.fetch import fetch
from xsrc.effects.files import begun, ending
from xsrc.effects.libraries import cache_libraries, forget_libraries
from xsrc.effects.lock import locked
from xsrc.effects.machine import check_room
from xsrc.effects.proc import LimitReached, Quiet, Sink, Watch, adopt_orphans
from xsrc.errors import BuildFailed, ConflictError, HostError, Interrupted
from xsrc.model.arch import Dep
from xsrc.model.layout import INSIDE_TEMPLATE, inside_destdir, inside_wrksrc
from xsrc.model.outcome import Outcome
from xsrc.model.package import Distfile
from xsrc.model.pkgver import PkgVer
from xsrc.model.sandbox import Sandbox
from xsrc.plan.jobs import Job
from xsrc.plan.phases import ACCESS, Access, Phase, remaining
from xsrc.plan.root import build_root, limited
from xsrc.plan.sources import addresses
from xsrc.verbs.context import Context
from xsrc.verbs.record import record
from xsrc.verbs.roots import Closure, read_closure

EPOCH = 315532800
"""SOURCE_DATE_EPOCH of what has no distfile: 1980-01-01, the earliest time that a zip archive can say."""

_NOT_TWICE = (Phase.EXTRACT.value, Phase.PATCH.value)
"""Phases that cannot be done again on what they left behind."""

TAIL = 30
"""Lines of a log that are shown when a phase fails."""


@dataclass(frozen=True)
class Wish:
    """How far to build one package, and what to keep."""

    planned: Mapping[str, PkgVer]
    """What is or was built for this plan, by name: the packages that build roots are made of."""
    to: Phase = Phase.INSTALL
    force: bool = False
    keep: bool = False
    check: bool = True
    options: tuple[str, ...] = ()
    makejobs: int = 1
    """How many processes its own make may run at once."""


def build_job(context: Context, job: Job, wish: Wish) -> bool:
    """Bring one package up to `wish.to`; gives whether its destdir was sealed by this call.

    Raises BuildFailed, FetchFailed, ChecksumError, ArchiveError, HostError or ConflictError.
    """
    pkgver = job.package.pkgver
    adopt_orphans()
    check_room(context.masterdir)
    with locked(context.masterdir.work_lock(pkgver), f"xsrc build {pkgver.name}", context.ui.note) as waited:
        if waited and not wish.force and _sealed(context, job):
            context.ui.note(f"{pkgver}: built meanwhile")
            return False
        return Builder(context, job, wish).go()


def _sealed(context: Context, job: Job) -> bool:
    with context.farm() as farm:
        key = farm.built().get(str(job.package.pkgver))
    return key == job.key and context.masterdir.destdir(job.package.pkgver).is_dir()


class Builder:
    """The state of one build; `go` is the story."""

    def __init__(self, context: Context, job: Job, wish: Wish) -> None:
        self.context, self.job, self.wish = context, job, wish
        self.package = job.package
        self.pkgver = job.package.pkgver
        self.tested = wish.check and self.package.make_check and wish.to.number >= Phase.CHECK.number
        self.work = context.masterdir.work(self.pkgver)
        self.state = work.State(job.key, options=wish.options)
        self.laid: Closure | None = None
        self.covered: list[str] = []
        self.closures: dict[tuple[Dep, ...], Closure] = {}

    def go(self) -> bool:
        self.resume()
        if self.wish.to is Phase.FETCH:  # asked for by name: the template may have come to name other addresses
            done = tuple(phase for phase in self.state.done if phase != Phase.FETCH.value)
            self.state = replace(self.state, done=done)
        if Phase.FETCH.value not in self.state.done:
            self.phase(Phase.FETCH)
        todo = remaining(self.state.done, self.wish.to)
        if todo:
            self.make_root()
        for phase in todo:
            self.phase(phase)
        if self.wish.to is not Phase.INSTALL:
            return False
        self.record()
        if self.wish.keep:
            work.write_state(self.work, replace(self.state, running=""))
        else:
            self.context.remove(self.work.path)
        return True

    def resume(self) -> None:
        """Go on where an earlier build of the same key and the same needs failed; begin anew after any other end."""
        state = work.read_state(self.work)
        if (
            state is not None
            and state.key == self.job.key
            and not (state.running or self.wish.force)
            and state.failed not in _NOT_TWICE
            and self.sees(state.saw)
        ):
            self.state = replace(state, failed="", options=self.wish.options)
            return
        try:
            work.renew(self.work)
        except OSError as error:
            raise _host(error, self.work.path) from error
        self.context.remove(self.context.masterdir.logs(self.pkgver))

    def sees(self, saw: Mapping[str, Outcome]) -> bool:
        """Whether all that was seen in the build roots is what it was then, as far as it will be seen again."""
        if not saw or self.wish.to is Phase.FETCH:
            return True
        now = self.depends(ACCESS[Phase.INSTALL]).outcomes
        if self.tested and not saw.keys() <= now.keys():
            now = self.depends(ACCESS[Phase.CHECK]).outcomes
        return all(now[name].exact == seen.exact if name in now else not self.tested for name, seen in saw.items())

    def make_root(self) -> None:
        """Make the top layer of the build root anew."""
        self.laid, self.covered = None, []
        scripts = {phase: tuple((s.name, s.text) for s in parts) for phase, parts in self.job.scripts.items()}
        points = (inside_wrksrc(self.pkgver), inside_destdir(self.pkgver), *self.context.base.binds)
        try:
            work.make_root(
                self.context.tree, self.work, self.package.template, points, scripts, self.context.base.libdirs
            )
        except OSError as error:
            raise _host(error, self.work.root) from error

    def phase(self, phase: Phase) -> None:
        """Run one phase; its state says how far it came, whatever ends it."""
        if phase is Phase.CHECK and not self.tested:
            return
        if phase in (Phase.FETCH, Phase.EXTRACT) or phase.value in self.job.scripts:
            self.context.ui.step(str(self.pkgver), phase.value)
        started = time.monotonic()
        # what stands there now is what counts, also where another build takes its place meanwhile
        seen = {} if phase is Phase.FETCH else self.depends(ACCESS[phase]).outcomes
        try:
            self.state = replace(self.state, running=phase.value, saw={**seen, **self.state.saw})
            work.write_state(self.work, self.state)
            self.context.masterdir.logs(self.pkgver).mkdir(parents=True, exist_ok=True)
            with begun(self.context.masterdir.log(self.pkgver, phase.value)) as log:
                {Phase.FETCH: self.fetch, Phase.EXTRACT: self.extract}.get(phase, self.scripts)(phase, log)
        except BuildFailed:
            self.stopped(phase)
            raise
        except OSError as error:
            raise _host(error, self.work.path) from error
        except KeyboardInterrupt as error:
            if isinstance(error, Quiet):  # else half a file may lie there, which make(1) would take for a whole one
                self.stopped(phase)
            raise Interrupted(
                f"{self.pkgver}: interrupted in {phase}", hint=f"xsrc build {self.pkgver.name}"
            ) from error
        took = (*self.state.seconds, (phase.value, round(time.monotonic() - started, 3)))
        self.state = replace(self.state, running="", done=(*self.state.done, phase.value), seconds=took)
        work.write_state(self.work, self.state)

    def stopped(self, phase: Phase) -> None:
        """Note that a phase has not come to its end, and that it can go on from what it left."""
        self.state = replace(self.state, running="", failed=phase.value)
        with contextlib.suppress(OSError):  # a full disk is not the news
            work.write_state(self.work, self.state)

    def fetch(self, phase: Phase, log: IO[bytes]) -> None:
        """Bring and verify the distfiles; the one phase that has the network, and runs nothing of the package's."""
        ui = self.context.ui

        def say(text: str) -> None:
            log.write(text.encode() + b"\n")
            ui.note(f"{self.pkgver}: {text}")

        def progress(now: int, total: int | None) -> None:
            ui.detail(f"{now >> 10} of {total >> 10} KiB" if total else f"{now >> 10} KiB")

        for distfile in self.package.distfiles:
            urls, unknown = addresses(distfile, self.context.sites_of(distfile))
            for site in unknown:
                log.write(f"{site} is not known on this machine\n".encode())
            if not urls and not present(distfile, self.context.srcdistdir):
                raise HostError(
                    f"{distfile.name}: no address: {', '.join(unknown)} unknown on this machine",
                    hint="set it in ~/.config/xsrc/config.toml: [sites]",
                )
            limits = self.context.settings.limits
            path = fetch(distfile, urls, self.context.srcdistdir, self.work.path, limits, say, progress)
            log.write(f"{path}: sha256 {distfile.sha256}\n".encode())

    def extract(self, phase: Phase, log: IO[bytes]) -> None:
        """Unpack the distfiles into an empty wrksrc, with the scripts around it."""
        newest = 0
        self.scripts(phase, log, only="pre_extract")
        own = "do_extract" in self.package.phases
        for distfile in () if own else self.package.distfiles:
            limits = self.context.settings.limits
            with verified(distfile, self.context.srcdistdir, self.work.path, limits) as file:
                newest = max(newest, self.unpack(distfile, file, log))
        self.state = replace(self.state, epoch=newest or EPOCH)
        if own:
            self.scripts(phase, log, only="do_extract")
        self.scripts(phase, log, only="post_extract")
        folder = self.package.build_wrksrc
        if folder and not work.has_folder(self.work, folder):
            inside = ", ".join(work.names(self.work)[:20])
            message = f'build_wrksrc: want a folder of the sources, got "{folder}"'
            raise self.package.template.error(("build_wrksrc",), message, f"there is {inside}")

    def unpack(self, distfile: Distfile, file: OpenFile, log: IO[bytes]) -> int:
        """Unpack one open distfile by tar inside the build root; gives the newest time of its files."""
        newest = 0

        def feed(out: IO[bytes]) -> None:
            nonlocal newest
            if distfile.extract:
                strip = 0 if self.package.create_wrksrc else distfile.strip
                limits = self.context.settings.limits
                newest = extract.repack(file, out, limits, distfile.dest, strip, distfile.inner)
            else:
                extract.file_entry(file.file, out, f"{distfile.dest}/{distfile.name}".lstrip("/"))

        sandbox = self.sandbox(Phase.EXTRACT)
        code = run(self.context.helpers, sandbox, ("/bin/sh", "-c", "exec tar -xf -"), log.write, feed)
        if code:
            log.flush()
            raise self.failed(Phase.EXTRACT, code)
        return newest

    def sandbox(self, phase: Phase) -> Sandbox:
        """The sandbox of a phase, with what it must not find hidden and what it loads indexed."""
        needed = self.depends(ACCESS[phase])
        env = {**self.job.env, "SOURCE_DATE_EPOCH": str(self.state.epoch or EPOCH)}
        env["MAKEJOBS"] = str(self.wish.makejobs if self.package.parallel else 1)
        env |= {name: self.package.env[name] for name in ("SOURCE_DATE_EPOCH", "MAKEJOBS") if name in self.package.env}
        masterdir, base, tmp = self.context.masterdir, self.context.base, self.context.settings.tmp_mib
        sandbox = build_root(self.package, phase, masterdir, needed.layers, base, env, tmp, needed.within)
        if needed != self.laid:  # the scripts of a phase, and most phases, want the same top layer
            self.covered = work.cover(self.work.root, base.root, needed.hidden, needed.links, self.covered)
            self.cache_libraries(sandbox, needed)
            self.laid = needed
        return sandbox

    def sandbox_for_person(self, phase: Phase, term: str) -> Sandbox:
        """The sandbox of a phase as `xsrc shell` enters it, made again where it is missing."""
        if phase is Phase.INSTALL:
            self.work.destdir.mkdir(mode=0o755, exist_ok=True)
        self.make_root()
        sandbox = self.sandbox(phase)
        prompt = f"({self.pkgver.work} {phase}) $ "
        directory = sandbox.directory if work.has_folder(self.work, self.package.build_wrksrc) else "/"
        return replace(sandbox, env={**sandbox.env, "TERM": term, "PS1": prompt}, directory=directory)

    def depends(self, access: Access) -> Closure:
        """The destdirs that a phase may see; raises ConflictError when they do not fit into one root."""
        if access.depends not in self.closures:
            with self.context.farm() as farm:
                found = read_closure(self.context, farm, self.package, access.depends, self.wish.planned)
            self.closures[access.depends] = found
        return self.closures[access.depends]

    def cache_libraries(self, sandbox: Sandbox, needed: Closure) -> None:
        """Make ld.so.cache where declared packages bring libraries, so that theirs come before the base's."""
        forget_libraries(self.work)
        if any(needed.sonames.values()):
            watch = Watch.of(self.context.settings.limits)
            try:
                cache_libraries(self.context.helpers, sandbox, self.work, self.context.base.root, watch)
            except LimitReached as error:
                raise HostError(f"{self.pkgver}: ldconfig of the base: {error}", hint="xsrc doctor") from error

    def scripts(self, phase: Phase, log: IO[bytes], only: str | None = None) -> None:
        """Run the scripts of a phase, each in a shell of its own; raises BuildFailed for the first that fails."""
        if phase is Phase.INSTALL:
            self.context.remove(self.work.destdir)
            self.work.destdir.mkdir(mode=0o755)
        for number, script in enumerate(self.job.scripts.get(phase.value, ())):
            if only not in (None, script.name):
                continue
            sandbox = self.sandbox(phase)
            file = f"/{INSIDE_TEMPLATE}/scripts/{work.script_file(phase.value, number, script.name)}"
            shell = "-eux" if self.context.flags.verbose else "-eu"
            limits = self.context.settings.limits
            with limited_group(self.context.cgroups, limits) as group:
                own = replace(limits, processes=0, memory_mib=0) if group else limits
                argv = limited(("/bin/sh", shell, file), own)
                before = self.before(group)
                try:
                    code = run(
                        self.context.helpers, sandbox, argv, self.sink(log), watch=Watch.of(limits), before=before
                    )
                except LimitReached as error:
                    log.flush()
                    hit = group.reached(limits) if group else ""
                    raise self.failed(phase, 0, "; ".join(filter(None, (str(error), hit)))) from error
                if code:
                    log.flush()
                    raise self.failed(phase, code, group.reached(limits) if group else "")

    def before(self, group: Group | None) -> Callable[[], None] | None:
        """What the process of a script does before it becomes the helper."""
        return group.join if group else None

    def sink(self, log: IO[bytes]) -> Sink:
        """Where the output of a phase goes: its log, and with -v the user too."""
        if not self.context.flags.verbose:
            return log.write

        def both(data: bytes) -> None:
            log.write(data)
            self.context.ui.stream(data)

        return both

    def failed(self, phase: Phase, code: int, why: str = "") -> BuildFailed:
        """What a person needs to know of a failed phase."""
        path = self.context.masterdir.log(self.pkgver, phase.value)
        how = why or ended(code)
        tail = ending(path, 65536).decode(errors="replace").splitlines()[-TAIL:]
        limits = self.context.settings.limits
        for limit, value, signs in (
            ("processes", limits.processes, ("Cannot fork", "fork: Resource temporarily unavailable", "can't fork")),
            ("memory_mib", limits.memory_mib, ("Cannot allocate memory", "memory exhausted", "out of memory")),
        ):
            if value and f"limits.{limit}" not in how and any(sign in line for line in tail for sign in signs):
                how += f" (limits.{limit} = {value})"
        option = "".join(f" -o {shlex.quote(word)}" for word in self.wish.options)
        return BuildFailed(
            f"{self.pkgver}: {phase} failed: {how}",
            detail=[*(f"  | {line}" for line in tail), f"  log: {path}"],
            hint=f"xsrc shell{option} {self.pkgver.name} opens a shell there",
        )

    def record(self) -> None:
        """Make a package of what the install phase left; a refusal lets the next build begin with that phase."""
        self.state = replace(self.state, epoch=self.state.epoch or EPOCH, running="seal")
        try:
            work.write_state(self.work, self.state)
            record(self.context, self.job, self.state, self.depends(ACCESS[Phase.INSTALL]))
        except (BuildFailed, ConflictError, OSError) as error:
            done = tuple(phase for phase in self.state.done if phase != Phase.INSTALL.value)
            self.state = replace(self.state, done=done, running="", failed=Phase.INSTALL.value)
            with contextlib.suppress(OSError):
                work.write_state(self.work, self.state)
            if isinstance(error, OSError):
                raise _host(error, self.work.destdir) from error
            raise


def _host(error: OSError, path: Path) -> HostError:
    where = error.filename or path
    hint = (
        "make room, or choose another place with -m DIR"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "xsrc doctor"
    )
    return HostError(f"{where}: {error.strerror}", hint=hint)
