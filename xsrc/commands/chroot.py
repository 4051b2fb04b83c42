"""`xsrc chroot`: the stowed root from inside; `xsrc shell`: the build root of a package, also after a failure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from plumbum import cli

from xsrc.build.acts.build import build
from xsrc.build.acts.decide import read_jobs
from xsrc.build.disk import work
from xsrc.build.request import BuildOptions, BuildRequest
from xsrc.commands.verb import Takes, WithBase, WithOptions, WithVerbose
from xsrc.commands.words import names_in_tree
from xsrc.core.errors import ConflictError, UsageError
from xsrc.core.phase import ORDER, Phase
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import stowed_root
from xsrc.farm.acts.rest import settle
from xsrc.sandbox.acts.helpers import helpers_of
from xsrc.sandbox.disk.enter import interact
from xsrc.sandbox.environment import PEOPLE, SHELL
from xsrc.tree.acts.closure import homes_of, read_closure
from xsrc.tree.options import options_by_name
from xsrc.tree.package import pkgvers
from xsrc.unix.lock import locked

if TYPE_CHECKING:
    from xsrc.build.acts.builder import Builder


def _session(command: tuple[str, ...], terminal: bool) -> tuple[str, ...]:
    """A command with its own session and terminal, if the base has a program for that."""
    words = shlex.join(command)
    own = f"if command -v setsid >/dev/null; then exec setsid -cw {words}; fi; exec {words}"
    return (SHELL, "-c", own if terminal else f"exec {words}")


class Chroot(WithBase):
    """Run a command, or a shell, in the stowed root"""

    takes = Takes("[CMD…]", None)
    example = "chroot dash -c 'echo hi'"
    more = "sandbox"
    speaks = False

    def go(self, session: Session) -> int:
        command = self.given or (SHELL, "-i")
        env = {
            **PEOPLE,
            "TERM": session.host.env.get("TERM", "dumb"),
            "PS1": "(xsrc chroot) \\w \\$ " if "bash" in command[0] else "(xsrc chroot) $ ",
        }
        settle(session)
        sandbox = stowed_root(session, env, "/", writable=True)
        return interact(
            helpers_of(session),
            sandbox,
            _session(command, session.host.terminal),
            session.host.terminal,
        )


class Shell(WithOptions, WithVerbose, WithBase):
    """Open a shell in the build root of a package, at the phase where it failed"""

    takes = Takes("NAME [CMD…]", None)
    example = "shell dash ls"
    more = "sandbox"
    speaks = False

    phase = cli.SwitchAttr(
        ["--phase"], cli.Set(*(p for p in Phase if p is not Phase.FETCH)), argname="PHASE", help="at this phase"
    )

    fresh = False
    """Whether this command made the work directory."""

    def go(self, session: Session) -> int:
        if not self.given and session.here() is None:
            raise UsageError("shell: of which package?", hint="xsrc shell NAME")
        (name,), command = homes_of(session.tree, names_in_tree(session, self.given[:1], "shell")), self.given[1:]
        words = self.words
        builder = self.builder(session, name, words)
        state = work.read_state(builder.work)
        # after a fetch alone, no sources are there
        self.fresh = state is None or not {*state.done, state.running, state.failed} - {Phase.FETCH, None}
        if self.fresh:
            root = Phase(str(self.phase)) if self.phase else Phase.BUILD
            options = options_by_name((name,), words)
            wish = BuildRequest((name,), to=Phase.PATCH, root=root, stow=False, keep=True, options=options)
            if code := build(session, wish):
                return code  # what failed has been said
            builder = self.builder(session, name, words)
        lock = session.masterdir.work_lock(builder.pkgver)
        with locked(lock, f"xsrc shell {name}", session.ui.note, wait=False) as waited:
            if waited is None:
                raise ConflictError(f"{builder.pkgver} is being built now", hint=f"xsrc log {name}")
            return self.enter(session, builder, command)

    def enter(self, session: Session, builder: Builder, command: tuple[str, ...]) -> int:
        """Enter the build root; the caller holds the lock of the work directory. Raises as Builder does."""
        state = work.read_state(builder.work)
        phase = Phase(str(self.phase)) if self.phase else _phase(state, self.fresh)
        sandbox = builder.sandbox_for_person(phase, session.host.env.get("TERM", "dumb"))
        if not command:
            scripts = ", ".join(
                f"/pkg-template/scripts/{work.script_file(phase, number, script.name)}"
                for number, script in enumerate(builder.job.scripts.get(phase, ()))
            )
            session.ui.note(f"{builder.pkgver}: the build root of {phase}; its scripts: {scripts or 'none'}")
        argv = _session(command or (SHELL, "-i"), session.host.terminal)
        return interact(helpers_of(session), sandbox, argv, session.host.terminal)

    def builder(self, session: Session, name: str, words: tuple[str, ...]) -> Builder:
        """The build of a package in its work directory, with the options of its begin.

        Raises UsageError and TemplateError as `read_closure` does.
        Raises HostError as `read_jobs` does.
        """
        probe = read_closure(session, (name,), options_by_name((name,), words)).packages
        state = work.read_state(session.masterdir.work(probe[name].pkgver))
        words = words or (state.options if state else ())
        planned = read_jobs(session, (name,), options_by_name((name,), words))
        versions = pkgvers(job.package for job in planned.values())
        from xsrc.build.acts.builder import Builder

        return Builder(session, planned[name], BuildOptions(versions, options=words), state)


def _phase(state: work.WorkState | None, fresh: bool) -> Phase:
    """The phase to look at: the failed one, or else that of a build; where there are only sources, the last one.

    Sources can be looked at without the packages that a build needs.
    """
    if state is None or state.failed or fresh:
        return (state.failed if state else None) or Phase.BUILD
    done = max((phase.number for phase in state.done), default=0)
    return Phase.BUILD if done >= Phase.CONFIGURE.number else ORDER[max(done, Phase.EXTRACT.number)]
