"""`xsrc test`: runs the `test` of templates in the stowed root."""

from __future__ import annotations

import time
from collections.abc import Iterable

from plumbum import cli

from xsrc.commands.verb import NAMES, WithBase, WithVerbose
from xsrc.commands.words import select
from xsrc.core.errors import BuildFailed, UsageError
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import stowed_root
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.sandbox.acts.helpers import helpers_of
from xsrc.sandbox.disk.enter import ended, run
from xsrc.sandbox.environment import PEOPLE
from xsrc.sandbox.roots import limited
from xsrc.sandbox.sandbox import Sandbox
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load
from xsrc.unix.files import ENDING, last_lines
from xsrc.unix.process import LimitReached, Watch

_SECONDS = 300
"""How long a test may run if the settings have no limit."""
_PLACE = "/tmp"  # noqa: S108 - the sandbox's own


class Test(WithVerbose, WithBase):
    """Run the tests that templates bring, on what is stowed; exit code 1 where one fails"""

    takes = NAMES
    example = "test dash"
    more = "selectors"

    every = cli.Flag(["--all"], help="all that is stowed")

    def go(self, session: Session) -> int:
        chosen, loose = select(session, self.given, "test", every=self.every)
        with farm_at_rest(session) as farm:
            stowed = {pkgver.name: pkgver for pkgver, _ in farm.stowed().values()}
        if absent := [name for name in chosen if name not in stowed and name not in loose]:
            raise UsageError(f"{absent[0]} is not stowed", hint=f"xsrc stow {absent[0]}")
        # a test changes nothing of the user's: it writes to a /tmp of its own, and that is its home too
        sandbox = stowed_root(session, {**PEOPLE, "HOME": _PLACE}, _PLACE)
        none, failed = 0, 0
        for name in (name for name in chosen if name in stowed):
            text = package_of(session, load(session.tree, name), {}).raw.get("test")
            if not text:
                none += 1
                continue
            begun = time.monotonic()
            how, tail = _tried(session, sandbox, text)
            seconds = time.monotonic() - begun
            session.ui.output(f"{stowed[name]}: {how or 'works'} ({seconds:.1f} s)")
            for line in tail if how else ():
                session.ui.output(f"  | {line}")
            failed += bool(how)
        if none:
            session.ui.note(f"{none} without a test")
        if failed:
            raise BuildFailed(f"{failed} failed", hint="xsrc chroot opens a shell in the stowed root")
        return 0


def _tried(session: Session, sandbox: Sandbox, text: str) -> tuple[str, Iterable[str]]:
    """How a test failed, "" if it did not, and the end of its output."""
    limits = session.settings.limits
    said = b""

    def keep(data: bytes) -> None:
        nonlocal said
        said = (said + data)[-ENDING:]
        if session.flags.verbose:
            session.ui.stream(data)

    try:
        argv, watch = limited(("/bin/sh", "-euc", text), limits), Watch.of(limits, _SECONDS)
        code = run(helpers_of(session), sandbox, argv, keep, watch=watch)
        how = f"failed: {ended(code)}" if code else ""
    except LimitReached as error:
        how = f"failed: {error}"
    return how, last_lines(said)
