"""`xsrc chroot`: the stowed root from inside; `xsrc shell`: the build root of a package, also after a failure."""

from __future__ import annotations

import shlex

from plumbum import cli

from xsrc.effects import work
from xsrc.effects.enter import interact
from xsrc.effects.lock import locked
from xsrc.errors import ConflictError, UsageError
from xsrc.model.package import pkgvers
from xsrc.plan.phases import Phase
from xsrc.verbs.build import Request, build
from xsrc.verbs.context import Context
from xsrc.verbs.deciding import read_jobs
from xsrc.verbs.job import Builder, Wish
from xsrc.verbs.options import options_by_name, split_options
from xsrc.verbs.verb import Verb

_SHELL = "/bin/sh"

ENVIRONMENT = {
    "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
    "HOME": "/root",
    "SHELL": _SHELL,
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
"""What programs in the stowed root find."""


def _session(command: tuple[str, ...], terminal: bool) -> tuple[str, ...]:
    """A command that owns the terminal it is given, where the base has a program for that."""
    words = shlex.join(command)
    own = f"if command -v setsid >/dev/null; then exec setsid -cw {words}; fi; exec {words}"
    return (_SHELL, "-c", own if terminal else f"exec {words}")


class Chroot(Verb):
    """Run a command, or a shell, in the stowed root: chroot [CMD…]"""

    def go(self, context: Context) -> int:
        command = self.given or (_SHELL, "-i")
        env = {
            **ENVIRONMENT,
            "TERM": context.host.env.get("TERM", "dumb"),
            "PS1": "(xsrc chroot) \\w \\$ " if "bash" in command[0] else "(xsrc chroot) $ ",
        }
        sandbox = context.stowed_root(env, "/", writable=True)
        return interact(context.helpers, sandbox, _session(command, context.host.terminal), context.host.terminal)


class Shell(Verb):
    """Open a shell in the build root of a package, at the phase where it failed: shell NAME [CMD…]"""

    options = cli.SwitchAttr(["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off")
    phase = cli.SwitchAttr(
        ["--phase"], cli.Set(*(p.value for p in Phase if p is not Phase.FETCH)), argname="PHASE", help="at this phase"
    )

    def go(self, context: Context) -> int:
        if not self.given and context.here() is None:
            raise UsageError("shell: of which package?", hint="xsrc shell NAME")
        (name,), command = context.homes(context.names(self.given[:1], "shell")), self.given[1:]
        words = tuple(word for text in self.options for word in split_options(text))
        builder = self.builder(context, name, words)
        if work.read_state(builder.work) is None:
            build(context, Request((name,), to=Phase.PATCH, stow=False, keep=True, options=words))
            builder = self.builder(context, name, words)
        lock = context.masterdir.work_lock(builder.pkgver)
        with locked(lock, f"xsrc shell {name}", context.ui.note, wait=False) as waited:
            if waited is None:
                raise ConflictError(f"{builder.pkgver} is being built now", hint=f"xsrc log {name}")
            return self.enter(context, builder, command)

    def enter(self, context: Context, builder: Builder, command: tuple[str, ...]) -> int:
        """Enter the build root; the lock of the work directory is held by the caller."""
        state = work.read_state(builder.work)
        failed = state.failed if state else ""
        phase = Phase(self.phase or failed or Phase.BUILD.value)
        sandbox = builder.sandbox_for_person(phase, context.host.env.get("TERM", "dumb"))
        if not command:
            scripts = ", ".join(
                f"/pkg-template/scripts/{work.script_file(phase.value, number, script.name)}"
                for number, script in enumerate(builder.job.scripts.get(phase.value, ()))
            )
            context.ui.note(f"{builder.pkgver}: the build root of {phase}; its scripts: {scripts or 'none'}")
        argv = _session(command or (_SHELL, "-i"), context.host.terminal)
        return interact(context.helpers, sandbox, argv, context.host.terminal)

    def builder(self, context: Context, name: str, words: tuple[str, ...]) -> Builder:
        """The build of a package as it stands in its work directory, with the options that it was begun with."""
        probe = context.read_closure((name,), options_by_name((name,), words))
        state = work.read_state(context.masterdir.work(probe[name].pkgver))
        words = words or (state.options if state else ())
        planned = read_jobs(context, (name,), options_by_name((name,), words))
        versions = pkgvers(job.package for job in planned.values())
        builder = Builder(context, planned[name], Wish(versions, options=words))
        if state is not None:
            builder.state = state
        return builder
