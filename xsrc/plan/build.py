"""What has to be built, in which order and why; keys of packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xsrc.model.arch import Arch
from xsrc.model.base import Base
from xsrc.model.buildkey import difference, digest, preimage
from xsrc.model.keys import NEUTRAL
from xsrc.model.package import Package
from xsrc.model.settings import Settings
from xsrc.plan.graph import build_closure, order, run_closure
from xsrc.plan.phases import ACCESS
from xsrc.styles.expand import Script, Style, scripts, style_of


@dataclass(frozen=True)
class Job:
    """A package with everything that decides how it is built."""

    package: Package
    scripts: Mapping[str, tuple[Script, ...]]
    env: Mapping[str, str]
    key: str
    preimage: str

    @property
    def name(self) -> str:
        return self.package.name


@dataclass(frozen=True)
class Step:
    """One package of a plan; `reason` is None where nothing is to do."""

    job: Job
    reason: str | None


@dataclass(frozen=True)
class BuildPlan:
    """Steps in an order in which each comes after what it needs."""

    steps: tuple[Step, ...]
    requested: tuple[str, ...]

    @property
    def todo(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.reason)


def environment(package: Package, style: Style, settings: Settings, base: Base, arch: Arch) -> dict[str, str]:
    """The environment of every phase but for what changes from phase to phase; made from nothing."""
    flags: dict[str, str] = {}
    for source in (base.flags, settings.flags, package.flags):
        for name, value in source.items():
            flags[name] = f"{flags[name]} {value}" if name in flags else value
    return {
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "SHELL": "/bin/sh",
        "USER": "xbuild",
        "LOGNAME": "xbuild",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "CC": "cc",
        "CXX": "c++",
        "AR": "ar",
        "STRIP": "strip" if package.strip else "",
        "BUILD_TRIPLET": arch.triplet,
        "HOST_TRIPLET": arch.triplet,
        "PKGNAME": package.name,
        "VERSION": package.pkgver.version,
        "REVISION": str(package.pkgver.revision),
        "PKGVER": str(package.pkgver),
        "INSTALL_KEEP": " ".join(package.install.keep),
        **base.env,
        **flags,
        **style.env,
        **package.vars,
        **package.env,
    }


def parts(package: Package, run: Mapping[str, tuple[Script, ...]], env: Mapping[str, str]) -> dict[str, Any]:
    """The parts of a key that come from the package itself."""
    kept = {key: value for key, value in package.raw.items() if key not in NEUTRAL and key not in _ELSEWHERE}
    for key in _REASONS & kept.keys():
        kept[key] = kept[key] is True if key == "make_check" else bool(kept[key])
    for name, body in kept.get("subpackages", {}).items():
        kept["subpackages"] = {**kept["subpackages"], name: {k: v for k, v in body.items() if k != "short_desc"}}
    return {
        "template": kept,
        "pkgver": str(package.pkgver),
        "distfiles": [
            {"sha256": d.sha256, "extract": d.extract, "dest": d.dest, "strip": d.strip, "name": d.name}
            if not d.extract
            else {"sha256": d.sha256, "dest": d.dest, "strip": d.strip}
            for d in package.distfiles
        ],
        "patches": [[name, package.template.patches[name]] for name in package.patches],
        "files": dict(package.template.files),
        "options": dict(package.options),
        "scripts": {phase: [[script.name, script.text] for script in run[phase]] for phase in run},
        "env": dict(env),
    }


_ELSEWHERE = ("name", "version", "revision", "distfiles", "options", "phases", "env", "flags", "vars", "patch")
"""Keys that stand in a pre-image in their resolved form, not as they were written."""

_REASONS = frozenset(("make_check", "nostrip", "disable_parallel_build"))
"""Keys that say yes or no; a reason that stands for one of the two is prose."""

_SHOWN = 3

SANDBOX = {"access": repr(sorted((phase.value, repr(access)) for phase, access in ACCESS.items())), "hostname": "xsrc"}
"""The policy of the sandbox, as far as a build can tell."""


def jobs(
    packages: Mapping[str, Package],
    names: Iterable[str],
    styles: Mapping[str, Style],
    tidy: str,
    settings: Settings,
    base: Base,
    arch: Arch,
) -> dict[str, Job]:
    """The jobs of `names` and of all that they need, in build order, with their keys."""
    result: dict[str, Job] = {}
    for name in order(names, packages):
        package = packages[name]
        style = style_of(package, styles)
        run = scripts(package, style, tidy)
        env = environment(package, style, settings, base, arch)
        depends = {other: result[other].key for other in build_closure(package, packages)}
        text = preimage(
            {
                **parts(package, run, env),
                "arch": arch.name,
                "base": {"name": base.name, **base.identity},
                "sandbox": SANDBOX,
                "depends": depends,
            }
        )
        result[name] = Job(package, run, env, digest(text), text)
    return result


def changed(old: str, new: str) -> str:
    """The reason of a build whose key differs, from the pre-images of both keys."""
    paths = difference(old, new)
    return "changed: " + ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def plan_build(
    jobs: dict[str, Job],
    requested: tuple[str, ...],
    built: Mapping[str, str],
    preimages: Mapping[str, str] | None = None,
    *,
    force: bool = False,
) -> BuildPlan:
    """Which of the jobs are to do; what nothing unfinished needs to build is not in the plan.

    `built` gives for each pkgver that has a sealed destdir the key that it was built with, `preimages` what those keys
    were made of.
    `force` builds the requested ones again, whatever their keys.
    """
    packages = {name: job.package for name, job in jobs.items()}
    needed = set(run_closure(requested, packages))
    steps: list[Step] = []
    for name, job in reversed(jobs.items()):
        if name not in needed:
            continue
        key = built.get(str(job.package.pkgver))
        reason = None
        if key is None:
            reason = "not built yet"
        elif key != job.key:
            reason = changed((preimages or {}).get(str(job.package.pkgver), ""), job.preimage)
        elif force and name in requested:
            reason = "forced"
        if reason:
            needed.update(build_closure(job.package, packages))
        steps.insert(0, Step(job, reason))
    return BuildPlan(tuple(steps), requested)
