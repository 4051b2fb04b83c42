"""The jobs of a plan: scripts, environment, inputs and key of each package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from xsrc.build.key import DEPENDS, digest, joined, keyed, preimage, written
from xsrc.build.phases import ACCESS
from xsrc.build.styles.expand import Script, Style, scripts, style_of
from xsrc.core.arch import Arch, Machine
from xsrc.core.base import Base
from xsrc.core.dep import BUILD, UNTESTED, Dep
from xsrc.core.layout import inside_wrksrc
from xsrc.core.phase import Phase
from xsrc.core.settings import Settings
from xsrc.sandbox.environment import SCRIPTS, SHELL
from xsrc.tree.format import NEUTRAL
from xsrc.tree.graph import ordered, sort
from xsrc.tree.package import Package

_ELSEWHERE = ("name", "version", "revision", "distfiles", "options", "phases", "env", "flags", "vars", "patch")
"""Keys that a pre-image has in their resolved form, not as written."""

_REASONS = frozenset(("make_check", "nostrip", "disable_parallel_build"))
"""Keys that mean yes or no; a reason in their place is prose."""

_TESTS = ("make_check", "make_check_args", "make_check_target", "checkdepends")
"""Keys that matter from the tests on."""
_RESULT = (
    *("make_install_args", "make_install_target", "install", "subpackages", "stow", "conf_files", "make_dirs"),
    *(
        "system_accounts",
        "shells",
        "alternatives",
        "triggers",
        "depends",
        "provides",
        "conflicts",
        "replaces",
        "nostrip",
    ),
)
"""Keys that matter from the install phase on."""

SANDBOX = {"access": repr(sorted((phase.value, repr(access)) for phase, access in ACCESS.items())), "hostname": "xsrc"}
"""The policy of the sandbox, as far as a build can notice it."""


@dataclass(frozen=True)
class Job:
    """A package with everything that decides how it is built."""

    package: Package
    ground: Ground
    inputs: str
    """The digest of its own inputs."""
    key: str
    depends: Mapping[str, str]
    """The part of its key from other packages: a digest for each direct need of the build."""
    late: bool = False
    """Whether its tests come after packages that need it; until then it is built without them."""

    @property
    def name(self) -> str:
        return self.package.name

    @cached_property
    def _build(self) -> tuple[Mapping[str, tuple[Script, ...]], Mapping[str, str]]:
        return self.ground.build_of(self.package)

    @property
    def scripts(self) -> Mapping[str, tuple[Script, ...]]:
        """The scripts of every phase."""
        return self._build[0]

    @property
    def env(self) -> Mapping[str, str]:
        """Their environment."""
        return self._build[1]

    @cached_property
    def phase_keys(self) -> dict[Phase, str]:
        """For the end of the phases build and check, the digest of all that decides what is in the sources then.

        All scripts of phases are beside the sources, but only those that have run count.
        """
        return {
            Phase.BUILD: self._key_at(Phase.BUILD, UNTESTED, (*_TESTS, *_RESULT)),
            Phase.CHECK: self._key_at(Phase.CHECK, BUILD, _RESULT),
        }

    def _key_at(self, end: Phase, kinds: tuple[Dep, ...], later: Collection[str]) -> str:
        """The digest of what counts up to a phase: without the keys of the template that are for `later`."""
        own, package = parts(self.package, self.scripts, self.env), self.package
        own["template"] = {key: value for key, value in own["template"].items() if key not in later}
        own["scripts"] = {p: text for p, text in own["scripts"].items() if Phase(p).number <= end.number}
        unseen = {*package.needs(*BUILD)} - {*package.needs(*kinds)}
        own[DEPENDS] = {name: key for name, key in self.depends.items() if name not in unseen}
        return digest(joined({**written(own), **self.ground.shared}))

    @cached_property
    def preimage(self) -> str:
        """The pre-image of the key: its own inputs, and a digest for each direct need of the build."""
        return joined({**self.ground.input_texts(self.package), **written({DEPENDS: dict(self.depends)})})


@dataclass(frozen=True)
class Ground:
    """The conditions that are the same for every package of a plan."""

    styles: Mapping[str, Style]
    tidy: str
    """The text in the place where a destdir is tidied; it differs for each version of the program that does it."""
    settings: Settings
    base: Base
    arch: Arch

    def identity(self) -> str:
        """The digest of these conditions: while it is the same, unchanged templates have the same inputs."""
        settings = {"flags": dict(self.settings.flags), "options": dict(self.settings.options)}
        styles = {name: repr(style) for name, style in self.styles.items()}
        base = [self.base.name, dict(self.base.identity), dict(self.base.flags), dict(self.base.env)]
        return digest(preimage({"styles": styles, "tidy": self.tidy, "base": base, "arch": self.arch.name} | settings))

    def inputs(self, package: Package) -> str:
        """The digest of a package's own inputs. Raises TemplateError for an unknown style."""
        return digest(joined(self.input_texts(package)))

    def build_of(self, package: Package) -> tuple[dict[str, tuple[Script, ...]], dict[str, str]]:
        """The scripts of every phase, and their environment. Raises TemplateError for an unknown style."""
        style = style_of(package, self.styles)
        env = environment(package, style, self.settings, self.base)
        return scripts(package, style, self.tidy), env

    def input_texts(self, package: Package) -> dict[str, str]:
        """The canonical texts of the inputs of a package, by name. Raises TemplateError for an unknown style."""
        own = {**parts(package, *self.build_of(package)), "arch": package.machine.arch.name}
        return {**written(own), **self.shared}

    @cached_property
    def shared(self) -> dict[str, str]:
        """The canonical texts of the inputs that are the same for all packages."""
        base = {"name": self.base.name, **self.base.identity}
        return written({"base": base, "sandbox": SANDBOX})


def jobs(
    packages: Mapping[str, Package],
    names: Iterable[str],
    ground: Ground,
    known: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Job]:
    """The jobs of `names` and everything that they need, in build order, with their keys.

    `known` are digests of inputs by name, which need no new computation. Raises TemplateError for a cycle and for an
    unknown style.
    """
    row = sort(names, packages)
    inputs = {name: known.get(name) or ground.inputs(packages[name]) for name in ordered(row.groups, packages)}
    return {
        name: Job(packages[name], ground, inputs[name], *key, late=name in row.late)
        for name, key in keyed(row.groups, row.packages, inputs.__getitem__).items()
    }


def environment(package: Package, style: Style, settings: Settings, base: Base) -> dict[str, str]:
    """The environment of every phase, made from nothing, without the variables that differ between phases."""
    machine = package.machine
    wrksrc = f"{inside_wrksrc(package.pkgver)}/{package.build_wrksrc}".rstrip("/")
    flags: dict[str, str] = {}
    # what a base says is for its own compiler
    for source in ({} if machine.cross else base.flags, settings.flags, package.flags):
        for name, value in source.items():
            flags[name] = f"{flags[name]} {value}" if name in flags else value
    found = {
        **SCRIPTS,
        "SHELL": SHELL,
        "USER": "xbuild",
        "LOGNAME": "xbuild",
        "TERM": "dumb",
        "CC": "cc",
        "CXX": "c++",
        "AR": "ar",
        "STRIP": "strip",
        "BUILD_TRIPLET": machine.build.triplet,
        "HOST_TRIPLET": machine.arch.triplet,
        "PKGNAME": package.name,
        "VERSION": package.pkgver.version,
        "REVISION": str(package.pkgver.revision),
        "PKGVER": str(package.pkgver),
        **(_crossing(machine) if machine.cross else base.env),
        **flags,
        **{name: value.replace("{wrksrc}", wrksrc) for name, value in style.env.items()},
        **package.vars,
        **package.env,
    }
    # upstream's own rules may strip everything: with exceptions, xsrc alone does it, at the end of the install phase
    own = {} if package.strip and not package.unstripped else {"STRIP": "true", **package.env}
    return {**found, "INSTALL_STRIP": found["STRIP"], **own}


def _crossing(machine: Machine) -> dict[str, str]:
    """The variables that differ in a cross build."""
    triplet, cross_root = machine.arch.triplet, f"/{machine.cross_root}"
    tools = {"CC": "gcc", "CXX": "g++", "AR": "ar", "RANLIB": "ranlib", "NM": "nm", "STRIP": "strip"}
    return {
        **{name: f"{triplet}-{program}" for name, program in tools.items()},
        "CC_FOR_BUILD": "cc",
        "PKG_CONFIG_LIBDIR": f"{cross_root}/usr/lib/pkgconfig:{cross_root}/usr/share/pkgconfig",
        "PKG_CONFIG_SYSROOT_DIR": cross_root,
    }


def parts(package: Package, run: Mapping[str, tuple[Script, ...]], env: Mapping[str, str]) -> dict[str, Any]:
    """The parts of a key that come from the package itself."""
    kept = {key: value for key, value in package.raw.items() if key not in NEUTRAL and key not in _ELSEWHERE}
    for key in _REASONS & kept.keys():
        if not isinstance(kept[key], list):
            kept[key] = kept[key] is True if key == "make_check" else bool(kept[key])
    for number, (name, body) in enumerate(kept.get("subpackages", {}).items()):
        # which comes first decides: a pre-image is sorted, so it says the order itself
        part = {k: v for k, v in body.items() if k != "short_desc"} | {"order": number}
        kept["subpackages"] = {**kept["subpackages"], name: part}
    return {
        "template": kept,
        "pkgver": str(package.pkgver),
        "distfiles": [
            {"sha256": d.sha256, "extract": d.extract, "dest": d.dest, "strip": d.strip, "name": d.name}
            if not d.extract
            else {"sha256": d.sha256, "dest": d.dest, "strip": d.strip} | ({"inner": d.inner} if d.inner else {})
            for d in package.distfiles
        ],
        "patches": [[name, package.template.patches[name]] for name in package.patches],
        "files": dict(package.template.files),
        "options": dict(package.options),
        "scripts": {phase: [[script.name, script.text] for script in run[phase]] for phase in run},
        "env": dict(env),
    }
