"""What is cut off at every point: a name, a function that prepares a masterdir, and the words of the command.

To add a scenario, add a line to SCENARIOS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.world import ALPHA1, ALPHA2, BETA, GAMMA, ONE, STRANGERS, ZERO, Command, Package, World
from tests.unit.builders import a_job
from xsrc.base.acts.choose import chosen_base
from xsrc.build.acts.finish import record
from xsrc.build.disk.work import WorkState
from xsrc.build.root import Layers
from xsrc.farm.acts.masterdir import open_farm, stowed_root

USERS = {"etc/alpha.conf": "setting = of my own\n"}
"""A conf file of alpha's that the user has changed."""


@dataclass(frozen=True)
class Scenario:
    """One command that is cut off at every point."""

    name: str
    prepare: Callable[[World], None]
    command: Command
    mine: Mapping[str, str]
    """Files of the user's with what is in them: none may be gone or changed at any moment."""
    again: Command | None = None
    """What is done after it was cut off, where that is not the same command."""
    leaves: str = "nothing"
    """What may be there beyond the state before when the command was undone; a regular expression."""
    gradual: bool = False
    """Whether it repairs or sweeps: when it fails half way, each path may be as it was or as it shall be."""


def built(world: World) -> None:
    """Everything is built and hardly anything stowed; somebody has files of their own in the root."""
    world.record(ALPHA1, BETA, GAMMA, ZERO, ONE)
    world.done("stow", "one")
    for path, text in STRANGERS.items():
        world.write(path, text)


def stowed(world: World) -> None:
    """A set is stowed, and somebody has changed one of its conf files."""
    built(world)
    world.done("stow", "beta", "gamma")
    for path, text in USERS.items():
        world.write(path, text)


def damaged(world: World) -> None:
    """Links are missing or lead elsewhere, a directory is gone."""
    stowed(world)
    for path in ("usr/lib/alpha/lib.so", "usr/lib/alpha/nested/deep/data", "usr/share/common/shared", "usr/bin/alpha"):
        (world.masterdir / path).unlink()
    (world.masterdir / "usr/lib/alpha/nested/deep").rmdir()
    (world.masterdir / "usr/lib/alpha/lib.so").symlink_to("elsewhere")
    (world.masterdir / "usr/share/alpha/plugin").unlink()
    (world.masterdir / "usr/share/alpha/plugin").symlink_to("/nonexistent")
    chosen_base(world.session())  # the layer is there: else each verification reads all of the machine's packages


def newer(world: World) -> None:
    """One version is stowed and a newer one built."""
    stowed(world)
    world.record(ALPHA2)


def replaced(world: World) -> None:
    """One version was stowed, and then a newer one in its place."""
    newer(world)
    world.done("stow", "alpha")


def offered(world: World) -> None:
    """Two stowed packages offer one link."""
    built(world)
    world.record(VI, NVI)
    world.done("stow", "vi", "nvi")


def offering(world: World) -> None:
    """A package with an account, a shell and an alternative is built, and the link that it offers is somebody's."""
    built(world)
    world.record(VI, NVI)
    world.write("usr/bin/ex", "#!/bin/sh of somebody")


def _editor(name: str, priority: int) -> Package:
    return Package(
        f"{name}-1.0_1",
        {f"usr/bin/{name}": "#!/bin/sh\n", **({"usr/bin/ex": "#!/bin/sh\n"} if name == "vi" else {})},
        rules={
            "accounts": [{"name": f"_{name}", "home": "/var/empty"}],
            "shells": (f"/usr/bin/{name}",),
            "alternatives": [
                {"group": "editor", "link": "/usr/bin/editor", "target": name, "priority": priority},
                {"group": "editor", "link": "/usr/bin/view", "target": name, "priority": priority},
            ],
        },
    )


VI, NVI = _editor("vi", 20), _editor("nvi", 10)


def triggering(world: World) -> None:
    """A package with a library is built: stowing it makes the loader's cache."""
    built(world)
    world.record(LIBRARY)
    session = world.session()
    stowed_root(session, {}, "/")
    session.masterdir.made.mkdir()


LIBRARY = Package("delta-1.0_1", {"usr/lib/libdelta.so.1": "no library at all", "usr/share/delta": "text"})
AGAIN = replace(ALPHA1, files={**ALPHA1.files, "usr/bin/alpha": "#!/bin/sh\necho again\n", "usr/share/alpha/more": "m"})


def rebuilt(package: Package) -> Callable[[World], None]:
    """The install phase of a package that is stowed has ended."""

    def prepare(world: World) -> None:
        stowed(world)
        world.unfinished(package)
        chosen_base(world.session())  # as the build has done for its root

    return prepare


def end_of_build(package: Package, *, renew: bool = False) -> Callable[[World], int]:
    """What a build does after its install phase: look, seal, put in place, note, and mend the links.

    A build that was cut off there is done again from the first phase on: `renew`.
    """

    def command(world: World) -> int:
        if renew:
            world.unfinished(package)
        session = world.session()
        name, _, version = package.pkgver.removesuffix("_1").partition("-")
        rules = dict(package.rules)
        keys: dict[str, Any] = {
            "name": name,
            "version": version,
            "conf_files": list(rules["conf_files"]),
            "stow": {"hardlink": list(rules["hardlink"]), "copy": list(rules["copy"])},
        }
        job = replace(a_job(**keys), inputs="1" * 64, key="1" * 64)
        record(session, job, WorkState("1" * 64, epoch=1_600_000_000), Layers((), {}))
        return 0

    return command


_BOTH = {**STRANGERS, **USERS}
KEPT_ASIDE = r"pkg-destdir/\..*|database: (built|package|entry): .*"
"""A build that could not be brought into its place stands aside."""

SCENARIOS = (
    Scenario("stow", built, ("stow", "beta", "gamma"), STRANGERS),
    Scenario("unstow", stowed, ("unstow", "--force", "alpha", "gamma"), _BOTH),
    Scenario("restow", damaged, ("restow",), _BOTH, gradual=True),
    Scenario("upgrade", newer, ("stow", "alpha"), _BOTH),
    Scenario("replace", rebuilt(AGAIN), end_of_build(AGAIN), _BOTH, end_of_build(AGAIN, renew=True), KEPT_ASIDE),
    Scenario("rollback", replaced, ("rollback",), _BOTH),
    Scenario("gc", replaced, ("gc", "--keep", "1"), _BOTH, gradual=True),
    Scenario("verify", damaged, ("verify", "--repair"), _BOTH, gradual=True),
    Scenario("choose", offered, ("alternatives", "editor=nvi"), STRANGERS),
    Scenario("adopt", offering, ("stow", "--adopt", "vi"), {**STRANGERS, "usr/bin/ex": "#!/bin/sh of somebody"}),
    Scenario("trigger", triggering, ("stow", "delta"), STRANGERS, leaves=r"var/db/xsrc/made/.*"),
    Scenario("accounts", offered, ("unstow", "vi", "nvi"), STRANGERS),
)


# ---- commands that must not survive, or nothing would be found


def careless(world: World) -> int:
    """An upgrade that unlinks before it links, and notes what it did at the end."""
    root = world.masterdir
    old, new = f"pkg-destdir/{ALPHA1.pkgver}/", f"pkg-destdir/{ALPHA2.pkgver}/"
    for path in sorted(ALPHA1.files):
        link = root / path
        if link.is_symlink() and old in (text := os.readlink(link)):  # noqa: PTH115
            link.unlink()
            link.symlink_to(text.replace(old, new))
    with open_farm(world.session()) as farm:
        farm.db.execute(
            "UPDATE stowed SET package = (SELECT id FROM package WHERE pkgver = ?) WHERE name = 'alpha'",
            (ALPHA2.pkgver,),
        )
    return 0


def tidy(world: World) -> int:
    """Moves a stranger's file out of its way, and back when it has done."""
    mine = world.masterdir / "usr/share/alpha/mine"
    aside = mine.rename(world.masterdir / "tmp/aside")
    code = careless(world)
    aside.rename(mine)
    return code


CONTROLS = (Scenario("careless", newer, careless, _BOTH), Scenario("tidy", newer, tidy, _BOTH))
