"""`xsrc test`: what a template has to show that its package works, run in the stowed root."""

from __future__ import annotations

import time
from collections.abc import Iterable

from plumbum import cli

from xsrc.effects.enter import ended, run
from xsrc.effects.proc import LimitReached, Watch
from xsrc.effects.tree import load
from xsrc.errors import BuildFailed, UsageError
from xsrc.model.sandbox import Sandbox
from xsrc.plan.root import limited
from xsrc.verbs.chroot import ENVIRONMENT
from xsrc.verbs.context import Context
from xsrc.verbs.select import select
from xsrc.verbs.verb import Verb

_SECONDS = 300
"""How long a test may run where the settings give no limit."""
_TAIL = 30
_PLACE = "/tmp"  # noqa: S108 - the sandbox's own


class Test(Verb):
    """Run the tests that templates bring, on what is stowed: test NAME…; exit code 1 where one fails"""

    every = cli.Flag(["--all"], help="all that is stowed")

    def go(self, context: Context) -> int:
        chosen, loose = select(context, self.given, "test", every=self.every)
        with context.farm_to_read() as farm:
            stowed = {pkgver.name: pkgver for pkgver, _ in farm.stowed().values()}
        if absent := [name for name in chosen if name not in stowed and name not in loose]:
            raise UsageError(f"{absent[0]} is not stowed", hint=f"xsrc stow {absent[0]}")
        # a test changes nothing of the user's: it writes to a /tmp of its own, and that is its home too
        sandbox = context.stowed_root({**ENVIRONMENT, "HOME": _PLACE}, _PLACE)
        none, failed = 0, 0
        for name in (name for name in chosen if name in stowed):
            text = context.package(load(context.tree, name), {}).raw.get("test")
            if not text:
                none += 1
                continue
            begun = time.monotonic()
            how, tail = _tried(context, sandbox, text)
            seconds = time.monotonic() - begun
            context.ui.output(f"{stowed[name]}: {how or 'works'} ({seconds:.1f} s)")
            for line in tail if how else ():
                context.ui.output(f"  | {line}")
            failed += bool(how)
        if none:
            context.ui.note(f"{none} without a test")
        if failed:
            raise BuildFailed(f"{failed} failed", hint="xsrc chroot opens a shell in the stowed root")
        return 0


def _tried(context: Context, sandbox: Sandbox, text: str) -> tuple[str, Iterable[str]]:
    """How a test failed, nothing where it did not, and the end of what it said."""
    limits = context.settings.limits
    said = b""

    def keep(data: bytes) -> None:
        nonlocal said
        said = (said + data)[-65536:]
        if context.flags.verbose:
            context.ui.stream(data)

    try:
        argv, watch = limited(("/bin/sh", "-euc", text), limits), Watch.of(limits, _SECONDS)
        code = run(context.helpers, sandbox, argv, keep, watch=watch)
        how = f"failed: {ended(code)}" if code else ""
    except LimitReached as error:
        how = f"failed: {error}"
    return how, said.decode(errors="replace").splitlines()[-_TAIL:]
