"""Builds one package: phase by phase in its build root, then scan, seal, record."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import IO

from xsrc.base.acts.choose import chosen_base
from xsrc.build.acts.bring import bring
from xsrc.build.acts.failure import host_error, phase_failed
from xsrc.build.acts.finish import is_untested, note_tested, record
from xsrc.build.acts.layers import layers_of
from xsrc.build.acts.tidy import tidy
from xsrc.build.acts.verdict import judged
from xsrc.build.disk import logs, work
from xsrc.build.job import Job
from xsrc.build.jobresult import JobResult
from xsrc.build.phases import kinds, kinds_up_to, remaining, still_done
from xsrc.build.request import BuildOptions
from xsrc.build.root import Layers, build_root
from xsrc.build.styles.expand import TIDY
from xsrc.build.tidy.draft import Untidy
from xsrc.core.dep import Dep
from xsrc.core.errors import BuildFailed, ConflictError, HostError, Interrupted, TemplateError
from xsrc.core.layout import INSIDE_TEMPLATE, inside_destdir, inside_wrksrc
from xsrc.core.outcome import Outcome
from xsrc.core.phase import Phase
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import open_farm
from xsrc.sandbox.acts.helpers import cgroups, helpers_of
from xsrc.sandbox.disk.cgroup import Group, limited_group
from xsrc.sandbox.disk.enter import ended, run
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.disk.libraries import cache_libraries, forget_libraries
from xsrc.sandbox.roots import limited
from xsrc.sandbox.sandbox import Sandbox
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile, verified
from xsrc.sources.distfile import Distfile
from xsrc.unix.lock import locked
from xsrc.unix.machine import check_free, check_room
from xsrc.unix.process import Feed, LimitReached, Quiet, Sink, Watch, adopt_orphans
from xsrc.unix.trees import remove_tree

EPOCH = 315532800
"""SOURCE_DATE_EPOCH of a package without distfiles: 1980-01-01, the earliest time of a zip archive."""

_NOT_TWICE = (Phase.EXTRACT, Phase.PATCH)
"""Phases that cannot be repeated on their own remains."""


def build_job(session: Session, job: Job, wish: BuildOptions) -> JobResult:
    """Build one package up to `wish.to`; return what came of it.

    Raises BuildFailed, FetchFailed, ChecksumError, ArchiveError, TemplateError, UsageError, HostError, ConflictError,
    Interrupted and OSError.
    """
    pkgver = job.package.pkgver
    adopt_orphans()
    check_room(session.masterdir)
    with locked(session.masterdir.work_lock(pkgver), f"xsrc build {pkgver.name}", session.ui.note):
        if not wish.again and is_sealed(session, job):
            session.ui.note(f"{pkgver}: built meanwhile")
            return JobResult.PRESENT
        return Builder(session, job, wish).go()


def is_sealed(session: Session, job: Job) -> bool:
    """Whether the latest build of a package has its key. Raises HostError."""
    pkgver = job.package.pkgver
    with open_farm(session) as farm:
        return farm.built().get(str(pkgver)) == job.key and (session.masterdir.destdirs / farm.folder(pkgver)).is_dir()


class Builder:
    """The state of one build; begin reading at `go`. Methods raise what `build_job` does."""

    def __init__(self, session: Session, job: Job, wish: BuildOptions, state: work.WorkState | None = None) -> None:
        """`state` is that of the work directory, if a build was begun there."""
        self.session, self.job, self.wish = session, job, wish
        self.package, self.pkgver = job.package, job.package.pkgver
        self.tested = wish.check and self.package.make_check and wish.to.number >= Phase.CHECK.number
        self.work = session.masterdir.work(self.pkgver)
        self.state = state or work.WorkState(job.key, options=wish.options, keys=job.phase_keys)
        self.laid: Layers | None = None
        self.covered: list[str] = []
        self.layers: dict[tuple[Dep, ...], Layers] = {}

    @property
    def helpers(self) -> Helpers:
        """The helpers that enter its sandboxes. Raises HostError."""
        return helpers_of(self.session)

    def go(self) -> JobResult:
        """Build; return what came of it. Raises what `build_job` does."""
        self.resume()
        if self.wish.to is Phase.INSTALL:  # else the logs of an earlier, whole build stay
            logs.forget(self.session.masterdir.logs(self.pkgver), self.state.done)
        if self.wish.to is Phase.FETCH:  # asked for by name: the template may have come to name other addresses
            done = tuple(phase for phase in self.state.done if phase != Phase.FETCH)
            self.state = replace(self.state, done=done)
        if Phase.FETCH not in self.state.done:
            self.phase(Phase.FETCH)
        todo = remaining(self.state.done, self.wish.to)
        if todo:
            self.make_root()
        for phase in todo:
            self.phase(phase)
        if self.wish.to is not Phase.INSTALL:
            if self.tested:
                note_tested(self.session, self.job)
            return JobResult.PART
        self.record()
        if self.wish.keep:
            work.write_state(self.work, replace(self.state, running=None))
        else:
            remove_tree(self.work.path)
        return JobResult.UNTESTED if is_untested(self.job, self.state) else JobResult.SEALED

    def resume(self) -> None:
        """Continue a failed build with what its template still says; else start over. Raises HostError and OSError."""
        found = work.read_state(self.work)
        sound = found is not None and not (found.running or self.wish.force) and found.failed not in _NOT_TWICE
        if found and sound and (state := self.continued(found)) and self.unchanged(state.saw):
            self.state = replace(state, failed=None, options=self.wish.options)
            return
        try:
            work.renew(self.work)
        except OSError as error:
            raise host_error(error, self.work.path) from error

    def continued(self, state: work.WorkState) -> work.WorkState | None:
        """The state with the phases that count for the present template; None if there are none."""
        if state.key == self.job.key:
            return state
        if not (done := still_done(state.done, state.keys, self.job.phase_keys)):
            return None
        seen = state.saw if Phase.CHECK in done else self.depends(Phase.BUILD).outcomes
        seconds = tuple(pair for pair in state.seconds if pair[0] in done)
        saw = {name: outcome for name, outcome in state.saw.items() if name in seen}
        return replace(self.state, done=done, seconds=seconds, epoch=state.epoch, saw=saw)

    def unchanged(self, saw: Mapping[str, Outcome]) -> bool:
        """Whether the packages seen in the build roots are unchanged, as far as this build will see them again."""
        untested = kinds_up_to(self.wish.to, self.package.phases, tested=False)
        now = self.depends_on(untested).outcomes if saw else {}
        if self.tested and not saw.keys() <= now.keys():
            now = self.depends(Phase.CHECK).outcomes
        return all(now[name].exact == seen.exact if name in now else not self.tested for name, seen in saw.items())

    def make_root(self) -> None:
        """Make the top layer of the build root anew. Raises TemplateError, HostError, UsageError."""
        self.laid, self.covered = None, []
        scripts = {phase: tuple((s.name, s.text) for s in parts) for phase, parts in self.job.scripts.items()}
        points = (inside_wrksrc(self.pkgver), inside_destdir(self.pkgver), *chosen_base(self.session).binds)
        try:
            work.make_root(
                self.session.tree, self.work, self.package.template, points, scripts, chosen_base(self.session).libdirs
            )
        except OSError as error:
            raise host_error(error, self.work.root) from error

    def phase(self, phase: Phase) -> None:
        """Run one phase, and record its result in the state.

        Raises what the phase raises, HostError for an error of the system, Interrupted.
        """
        if phase is Phase.CHECK and not self.tested:
            return
        if phase in (Phase.FETCH, Phase.EXTRACT) or phase in self.job.scripts:
            self.session.ui.step(str(self.pkgver), phase)
        started = time.monotonic()
        # the present builds count, even if others take their places meanwhile
        seen = {} if phase is Phase.FETCH else self.depends(phase).outcomes
        try:
            self.state = replace(self.state, running=phase, saw={**seen, **self.state.saw})
            work.write_state(self.work, self.state)
            with logs.begin_log(self.session.masterdir.log(self.pkgver, phase), self.wish.run) as log:
                {Phase.FETCH: self.fetch, Phase.EXTRACT: self.extract}.get(phase, self.scripts)(phase, log)
        except BuildFailed:
            self.stopped(phase)
            raise
        except OSError as error:
            raise host_error(error, self.work.path) from error
        except KeyboardInterrupt as error:
            if isinstance(error, Quiet):  # else half a file may lie there, which make(1) would take for a whole one
                self.stopped(phase)
            raise Interrupted(
                f"{self.pkgver}: interrupted in {phase}", hint=f"xsrc build {self.pkgver.name}"
            ) from error
        took = (*self.state.seconds, (phase, round(time.monotonic() - started, 3)))
        self.state = replace(self.state, running=None, done=(*self.state.done, phase), seconds=took)
        try:
            work.write_state(self.work, self.state)
        except OSError as error:
            raise host_error(error, self.work.path) from error

    def stopped(self, phase: Phase) -> None:
        """Record that a phase was interrupted and can continue from its remains."""
        self.state = replace(self.state, running=None, failed=phase)
        with contextlib.suppress(OSError):  # a full disk is not the news
            work.write_state(self.work, self.state)

    def fetch(self, phase: Phase, log: IO[bytes]) -> None:
        """Fetch and verify the distfiles: the only phase with a network; it runs nothing of the package.

        Raises FetchFailed, ChecksumError, HostError.
        """
        bring(self.session, self.package, self.work, log)

    def extract(self, phase: Phase, log: IO[bytes]) -> None:
        """Unpack the distfiles into an empty wrksrc, with the scripts around it.

        Raises ArchiveError, ChecksumError, BuildFailed, HostError; TemplateError for a missing build_wrksrc.
        """
        newest, limits = 0, self.session.settings.limits
        self.scripts(phase, log, only="pre_extract")
        own = "do_extract" in self.package.phases
        for distfile in () if own else self.package.distfiles:
            with verified(distfile, self.session.srcdistdir, self.work.path, limits) as file:
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
        """Unpack one open distfile by tar inside the build root; return the newest time of its files.

        Raises ArchiveError, HostError; BuildFailed if tar fails.
        """
        newest = 0

        def say(text: str) -> None:
            log.write(f"{text}\n".encode(errors="surrogateescape"))

        def feed(out: IO[bytes]) -> None:
            nonlocal newest
            if distfile.extract:
                strip = 0 if self.package.create_wrksrc else distfile.strip
                limits = self.session.settings.limits
                newest = archives.repack(file, out, limits, distfile.dest, strip, distfile.inner, say)
            else:
                archives.file_entry(file.file, out, f"{distfile.dest}/{distfile.name}".lstrip("/"))

        self.lay(Phase.EXTRACT)
        sandbox = self.sandbox(Phase.EXTRACT)
        code = run(self.helpers, sandbox, ("/bin/sh", "-c", "exec tar -xf -"), log.write, feed)
        if code:
            raise self.failed(Phase.EXTRACT, ended(code))
        return newest

    def sandbox(self, phase: Phase) -> Sandbox:
        """The sandbox of a phase; `lay` prepares its top layer. Raises ConflictError, HostError, UsageError."""
        needed = self.depends(phase)
        env = {**self.job.env, "SOURCE_DATE_EPOCH": str(self.state.epoch or EPOCH)}
        env["MAKEJOBS"] = str(self.wish.makejobs if self.package.parallel else 1)
        env |= {name: self.package.env[name] for name in ("SOURCE_DATE_EPOCH", "MAKEJOBS") if name in self.package.env}
        masterdir, base, tmp = self.session.masterdir, chosen_base(self.session), self.session.settings.tmp_mib
        return build_root(self.package, phase, masterdir, needed, base, env, tmp)

    def lay(self, phase: Phase) -> None:
        """Hide files from a phase in the top layer, and index the libraries that it loads.

        Raises ConflictError, HostError, OSError.
        """
        needed = self.depends(phase)
        if needed != self.laid:  # the scripts of a phase, and most phases, want the same top layer
            base = chosen_base(self.session)
            self.covered = work.cover(self.work.root, base.root, needed.hidden, needed.links, self.covered)
            self.cache_libraries(self.sandbox(phase), needed)
            self.laid = needed

    def sandbox_for_person(self, phase: Phase, term: str) -> Sandbox:
        """The sandbox of a phase for `xsrc shell`; make it if it is missing. Raises as `make_root` and `lay`."""
        if phase is Phase.INSTALL:
            self.work.destdir.mkdir(mode=0o755, exist_ok=True)
        self.make_root()
        self.lay(phase)
        sandbox = self.sandbox(phase)
        prompt = f"({self.pkgver.work} {phase}) $ "
        directory = sandbox.directory if work.has_folder(self.work, self.package.build_wrksrc) else "/"
        return replace(sandbox, env={**sandbox.env, "TERM": term, "PS1": prompt}, directory=directory)

    def depends(self, phase: Phase) -> Layers:
        """The destdirs that a phase may see.

        Raises ConflictError if they do not fit into one root, HostError if one is missing.
        """
        return self.depends_on(kinds(phase, self.package.phases))

    def depends_on(self, wanted: tuple[Dep, ...]) -> Layers:
        """The destdirs of these kinds of needs. Raises as `depends` does."""
        if wanted not in self.layers:
            with open_farm(self.session) as farm:
                self.layers[wanted] = layers_of(self.session, farm, self.package, wanted, self.wish.planned)
        return self.layers[wanted]

    def cache_libraries(self, sandbox: Sandbox, needed: Layers) -> None:
        """Make ld.so.cache if declared packages have libraries, so that theirs precede the base's.

        Raises HostError and OSError.
        """
        forget_libraries(self.work)
        if any(one.exports for one in needed.providers.values()):
            watch = Watch.of(self.session.settings.limits)
            try:
                cache_libraries(self.helpers, sandbox, self.work, chosen_base(self.session).root, watch)
            except LimitReached as error:
                raise HostError(f"{self.pkgver}: ldconfig of the base: {error}", hint="xsrc doctor") from error

    def scripts(self, phase: Phase, log: IO[bytes], only: str | None = None) -> None:
        """Run the scripts of a phase, each in its own shell. Raises BuildFailed for the first failure, HostError."""
        if phase is Phase.INSTALL:
            remove_tree(self.work.destdir)
            self.work.destdir.mkdir(mode=0o755)
        for number, script in enumerate(self.job.scripts.get(phase, ())):
            if only not in (None, script.name):
                continue
            if script.name == TIDY:
                self.tidy(phase, log)
                continue
            file = f"/{INSIDE_TEMPLATE}/scripts/{work.script_file(phase, number, script.name)}"
            self.shell(phase, log, ("/bin/sh", "-eux" if self.session.flags.verbose else "-eu", file))
        if words := judged(self.job, phase, self.session.masterdir.log(self.pkgver, phase), log, self.session.ui):
            raise self.failed(phase, words)

    def shell(self, phase: Phase, log: IO[bytes], words: tuple[str, ...], feed: Feed | None = None) -> None:
        """Run one shell of a phase. Raises BuildFailed if it fails, HostError."""
        self.lay(phase)
        sandbox, limits = self.sandbox(phase), self.session.settings.limits
        with limited_group(cgroups(), limits) as group:
            argv = limited(words, replace(limits, processes=0, memory_mib=0) if group else limits)
            before = partial(self.become_caller, group)
            try:
                code = run(self.helpers, sandbox, argv, self.sink(log), feed, Watch.of(limits), before)
            except LimitReached as error:
                hit = group.reached(limits) if group else ""
                raise self.failed(phase, "; ".join(filter(None, (str(error), hit)))) from error
            if code:
                raise self.failed(phase, (group.reached(limits) if group else "") or ended(code))

    def tidy(self, phase: Phase, log: IO[bytes]) -> None:
        """Give the destdir its final shape; the log has each change. Raises BuildFailed and HostError."""
        limits, shell = self.session.settings.limits, partial(self.shell, phase, log, ("/bin/sh", "-eu", "-s"))
        try:
            tidy(self.work.destdir, self.package, limits, self.sink(log), shell)
        except Untidy as error:
            raise self.failed(phase, str(error)) from error

    def become_caller(self, group: Group | None) -> None:
        """Join the cgroup of a phase; the process of a script does this before it becomes the helper."""
        if group:
            group.join()

    def sink(self, log: IO[bytes]) -> Sink:
        """The sink for the output of a phase: its log, and with -v the user too."""
        if not self.session.flags.verbose:
            return log.write

        def both(data: bytes) -> None:
            log.write(data)
            self.session.ui.stream(data)

        return both

    def failed(self, phase: Phase, how: str) -> BuildFailed:
        """The error for a failed phase, with the end of its log. Raises OSError if the disk is full: that is why."""
        log = self.session.masterdir.log(self.pkgver, phase)
        check_free(log)
        return phase_failed(self.pkgver, phase, how, log, self.session.settings.limits, self.wish.options)

    def record(self) -> None:
        """Make a package of the result of the install phase; after a refusal, the next build begins with that phase.

        Raises BuildFailed, TemplateError, ConflictError, HostError.
        """
        self.state = replace(self.state, epoch=self.state.epoch or EPOCH, running=Phase.INSTALL)
        try:
            work.write_state(self.work, self.state)
            record(self.session, self.job, self.state, self.depends(Phase.INSTALL))
        except (BuildFailed, ConflictError, TemplateError, OSError) as error:
            done = tuple(phase for phase in self.state.done if phase != Phase.INSTALL)
            self.state = replace(self.state, done=done, running=None, failed=Phase.INSTALL)
            with contextlib.suppress(OSError):
                work.write_state(self.work, self.state)
            if isinstance(error, OSError):
                raise host_error(error, self.work.destdir) from error
            raise
