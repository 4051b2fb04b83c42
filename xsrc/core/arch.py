"""Machine types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

CROSS_COMPILER = "cross-gcc"
"""The package that compiles for another machine than the one that builds; every cross build needs it."""


@dataclass(frozen=True)
class Arch:
    """A machine type: `x86_64` with glibc, `x86_64-musl` with musl."""

    name: str
    wordsize: int
    endian: str
    libc: str

    @property
    def machine(self) -> str:
        """The processor alone."""
        return self.name.removesuffix("-musl")

    @property
    def triplet(self) -> str:
        """GNU's name for it."""
        machine = self.machine.replace("ppc64", "powerpc64")
        abi = "eabihf" if machine == "armv7l" else ""
        return f"{machine}-unknown-linux-{'musl' if self.libc == 'musl' else 'gnu'}{abi}"

    @classmethod
    def named(cls, name: str) -> Arch:
        """The machine type of a name such as `aarch64-musl`; raises ValueError for an unknown one."""
        machine = name.removesuffix("-musl")
        if machine not in _MACHINES:
            raise ValueError(f"want one of {', '.join(_MACHINES)}, each perhaps with -musl, got {name!r}")
        wordsize, endian = _MACHINES[machine]
        return cls(name, wordsize, endian, "musl" if name.endswith("-musl") else "glibc")

    @classmethod
    def every(cls) -> tuple[Arch, ...]:
        """All machine types."""
        return tuple(cls.named(machine + libc) for machine in _MACHINES for libc in ("", "-musl"))


@dataclass(frozen=True)
class Machine:
    """The machine that a package is for, the machine that builds it, and the stage of a bootstrap."""

    arch: Arch
    """What the result runs on."""
    build: Arch
    """What runs the compiler."""
    stage: int | None = None
    """0 for packages that a bootstrap needs on the building machine; None outside of a bootstrap."""

    @property
    def cross(self) -> bool:
        """Whether the building machine may be unable to run the result."""
        return self.arch != self.build

    @property
    def cross_root(self) -> str:
        """The directory of a build root where a cross compiler finds headers and libraries; else the root itself."""
        return f"usr/{self.arch.triplet}" if self.cross else ""


_MACHINES = {
    "x86_64": (64, "little"),
    "i686": (32, "little"),
    "aarch64": (64, "little"),
    "armv7l": (32, "little"),
    "riscv64": (64, "little"),
    "ppc64le": (64, "little"),
    "ppc64": (64, "big"),
    "s390x": (64, "big"),
    "loongarch64": (64, "little"),
}


def allows(archs: Sequence[str], name: str) -> bool:
    """Whether a list of globs allows a machine type: the first match decides, `!` excludes, empty means all.

    A list of exclusions only lets everything else in.

    >>> allows(["!*-musl", "x86_64*"], "x86_64"), allows(["!*-musl"], "i686"), allows(["arm*"], "i686")
    (True, True, False)
    """
    for glob in archs:
        if fnmatchcase(name, glob.removeprefix("!")):
            return not glob.startswith("!")
    return all(glob.startswith("!") for glob in archs)
