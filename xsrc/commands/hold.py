"""`xsrc hold`: lets stowed packages keep their builds."""

from __future__ import annotations

from plumbum import cli

from xsrc.commands.stow import stowed_names
from xsrc.commands.verb import Takes, WithJson
from xsrc.core.errors import UsageError
from xsrc.core.session import Session
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.hold import hold
from xsrc.farm.acts.rest import farm_at_rest


class Hold(WithJson):
    """Let stowed packages keep their builds until they are released; no name: print those that do"""

    takes = Takes("[NAME[@VERSION]…]", None)
    example = "hold openssl"

    release = cli.Flag(["--release"], help="let them get other builds again")

    def go(self, session: Session) -> int:
        if not self.given and not self.release:
            return self.show(session)
        if self.json:
            raise UsageError("hold: --json is for the list", hint="xsrc hold --json")
        given = session.names(self.given, "hold")
        with farm_locked(session, "hold") as farm:
            names = stowed_names(farm, given)
            if self.release and (free := [name for name in names if name not in farm.held()]):
                raise UsageError(f"{', '.join(free)}: not held", hint="xsrc hold")
            hold(session.masterdir, farm, names, held=not self.release)
            stowed = farm.stowed()
        for name in names:
            session.ui.note(f"{stowed[name][0]}: {'released' if self.release else 'held'}")
        return 0

    def show(self, session: Session) -> int:
        """Print the held packages. Raises HostError."""
        with farm_at_rest(session) as farm:
            stowed, held = farm.stowed(), sorted(farm.held())
        if self.json:
            session.ui.json([{"name": name, "pkgver": str(stowed[name][0])} for name in held])
            return 0
        if not held:
            session.ui.note("no package is held")
        for name in held:
            session.ui.output(str(stowed[name][0]))
        return 0
