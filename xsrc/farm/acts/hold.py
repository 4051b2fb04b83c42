"""Holds stowed packages: they keep their builds until they are released."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.core.layout import Masterdir
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.held import write_held


def hold(masterdir: Masterdir, farm: Farm, names: Iterable[str], *, held: bool = True) -> None:
    """Hold stowed packages, or release them; the caller holds the lock of the farm. Raises OSError."""
    farm.hold(names, held=held)
    write_held(masterdir, farm.held())
