"""From a template to a package: conditions are applied, options chosen, strings made final."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from xsrc.core.arch import CROSS_COMPILER, Arch, Machine, allows
from xsrc.core.braces import interpolate
from xsrc.core.dep import Dep
from xsrc.core.errors import Diagnostic, TemplateError, UsageError
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.core.schema import nearest
from xsrc.sources.distfile import Distfile
from xsrc.store.rules import Directory
from xsrc.tree.conditions import holds, listed
from xsrc.tree.format import FILE_NAME, KEYS, STYLE_LISTS, STYLE_TEXTS
from xsrc.tree.package import Install, Package, StowRules, Subpackage
from xsrc.tree.template import LITERAL, Template


def resolve(template: Template, machine: Machine | Arch, wanted: Iterable[str] = ()) -> Package:
    """The package that a template describes for one machine, which also builds it where an Arch is given.

    `wanted` holds options to switch on (`libedit`) or off (`~libedit`); a later word wins.
    Raises UsageError for an option that the template does not have, TemplateError for a package that cannot be built.
    """
    machine = machine if isinstance(machine, Machine) else Machine(machine, machine)
    options = choose(template, wanted)
    raw = dict(template.raw)
    for option, chosen in options.items():
        body = raw["options"][option]
        overlay = {key: body[key] for key in ("env", *(d.value for d in Dep)) if chosen and key in body}
        overlay["configure_args"] = body.get("configure", {}).get("on" if chosen else "off", [])
        raw = merge(raw, overlay)
    for when in template.raw.get("when", []):
        if holds(when["if"], machine, options):
            raw = merge(raw, {key: value for key, value in when.items() if key != "if"})
    raw.pop("when", None)
    names = {"name": raw["name"], "version": raw["version"]}
    names |= {f"vars.{key}": interpolate(value, dict(names)) for key, value in raw.get("vars", {}).items()}
    filled = {key: value if key in LITERAL else interpolate(value, names) for key, value in raw.items()}
    changed = [key for key, value in filled.items() if value != raw[key]]
    problems = [
        Diagnostic(template.span(*path), message, hint)
        for key in changed
        for path, message, hint in KEYS[key].problems(filled[key], (key,))
    ]
    return _package(template, filled, options, machine, problems)


def choose(template: Template, wanted: Iterable[str]) -> dict[str, bool]:
    """Each option of a template, on or off. Raises UsageError for unknown ones and for ones that conflict."""
    declared = template.raw.get("options", {})
    options = {name: bool(body.get("default", False)) for name, body in declared.items()}
    for word in wanted:
        name = word.removeprefix("~")
        if name not in declared:
            known = f"it has {', '.join(declared)}" if declared else "it has none"
            raise UsageError(f"{template.name}: no option {name!r}: {known}", hint=nearest(name, declared))
        options[name] = not word.startswith("~")
    for name, body in declared.items():
        for other in body.get("conflicts", []):
            if options[name] and options[other]:
                raise UsageError(
                    f"{template.name}: options {name} and {other} exclude each other",
                    hint=f"add -o ~{other} or -o ~{name}",
                )
    return options


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: lists append, tables merge, everything else replaces.

    >>> merge({"a": [1], "t": {"x": 1}, "s": 1}, {"a": [2], "t": {"y": 2}, "s": 3})
    {'a': [1, 2], 't': {'x': 1, 'y': 2}, 's': 3}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, list) and isinstance(old, list):
            merged[key] = [*old, *value]
        elif isinstance(value, dict) and isinstance(old, dict):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _package(
    template: Template,
    raw: dict[str, Any],
    options: Mapping[str, bool],
    machine: Machine,
    problems: list[Diagnostic],
) -> Package:
    """The package of a template whose words in braces are filled in; `problems` are those of the filling."""
    version = str(raw["version"])
    distfiles = tuple(_distfile(entry) for entry in raw.get("distfiles", []))
    problems += _named_wrongly(template, raw, distfiles)
    patch, nostrip = raw.get("patch", {}), raw.get("nostrip", False)
    series = tuple(patch.get("series", template.patches))
    for index, name in enumerate(series):
        if name not in template.patches:
            problems.append(
                Diagnostic(
                    template.span("patch", "series", index),
                    f"patch.series[{index}]: no file patches/{name}",
                    nearest(name, template.patches),
                )
            )
    if problems:
        raise TemplateError(problems)
    if machine.cross:  # what compiles for another machine is a tool of everything that is built for it
        raw[Dep.TOOL.value] = [*raw.get(Dep.TOOL.value, ()), CROSS_COMPILER]
    # a bootstrap runs no tests, and where none are run, nothing is built for them
    if machine.stage is not None or raw.get("make_check", True) is not True:
        raw.pop(Dep.CHECK.value, None)
    return Package(
        template=template,
        pkgver=PkgVer(template.name, version, raw["revision"]),
        machine=machine,
        build_style=raw["build_style"],
        depends=MappingProxyType(
            {kind: tuple(Pattern.parse(text) for text in raw.get(kind.value, ())) for kind in Dep}
        ),
        distfiles=distfiles,
        options=MappingProxyType(dict(options)),
        style=MappingProxyType({key: raw[key] for key in (*STYLE_TEXTS, *STYLE_LISTS) if key in raw}),
        phases=MappingProxyType(raw.get("phases", {})),
        env=MappingProxyType(raw.get("env", {})),
        flags=MappingProxyType(raw.get("flags", {})),
        vars=MappingProxyType(raw.get("vars", {})),
        install=Install(**_frozen(raw.get("install", {}))),
        stow=StowRules(**_frozen(raw.get("stow", {}))),
        conf_files=tuple(raw.get("conf_files", ())),
        make_dirs=tuple(map(Directory.of, raw.get("make_dirs", ()))),
        patch_strip=patch.get("strip", 1),
        patch_binary=patch.get("binary", False),
        patches=series,
        build_wrksrc=raw.get("build_wrksrc", ""),
        create_wrksrc=raw.get("create_wrksrc", False),
        make_check=raw.get("make_check", True) is True,
        parallel=not raw.get("disable_parallel_build", False),
        strip=isinstance(nostrip, list) or not nostrip,
        unstripped=tuple(nostrip) if isinstance(nostrip, list) else (),
        raw=MappingProxyType(raw),
        subpackages=tuple(_subpackage(name, body) for name, body in raw.get("subpackages", {}).items()),
    )


def _subpackage(name: str, body: Mapping[str, Any]) -> Subpackage:
    return Subpackage(
        name=name,
        short_desc=body.get("short_desc", ""),
        files=tuple(body.get("files", ())),
        but=tuple(body.get("except", ())),
        presets=tuple(listed(body.get("preset", []))),
        depends=tuple(Pattern.parse(text) for text in body.get("depends", ())),
        provides=tuple(body.get("provides", ())),
        conflicts=tuple(body.get("conflicts", ())),
        conf_files=tuple(body.get("conf_files", ())),
    )


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a table, its lists as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _named_wrongly(template: Template, raw: Mapping[str, Any], distfiles: Iterable[Distfile]) -> Iterator[Diagnostic]:
    """Distfiles whose address does not end in the name of a file."""
    for index, distfile in enumerate(distfiles):
        path = ("distfiles", index, "name")
        if "name" not in raw["distfiles"][index]:
            for _, message, hint in FILE_NAME.problems(distfile.name, path):
                yield Diagnostic(template.span(*path), message, hint)


def _distfile(entry: Mapping[str, Any]) -> Distfile:
    urls, commit = tuple(listed(entry.get("git") or entry["url"])), entry.get("commit", "")
    path = urls[0].partition("?")[0].rstrip("/")
    last = (path.removesuffix(".git").rstrip("/") if commit else path).rpartition("/")[2]
    name = entry.get("name") or (f"{last}-{commit[:12]}.tar" if commit else last)
    return Distfile(
        url=urls,
        sha256=entry["sha256"],
        name=name,
        extract=entry.get("extract", True),
        dest=entry.get("dest", ""),
        strip=entry.get("strip", 1),
        inner=entry.get("inner", ""),
        commit=commit,
    )


def refusal(package: Package) -> TemplateError | None:
    """Why a package must not be built: it is broken, or not for its machine type."""
    template, arch = package.template, package.machine.arch.name
    if not allows(package.raw.get("archs", []), arch):
        return template.error(("archs",), f"archs: {template.name} is not for {arch}")
    if package.machine.cross and (reason := package.raw.get("nocross")):
        why = f": {reason}" if isinstance(reason, str) else ""
        build = package.machine.build.name
        return template.error(("nocross",), f"nocross: {template.name} for {arch} cannot be built on {build}{why}")
    if reason := package.raw.get("broken"):
        why = reason if isinstance(reason, str) else "no reason given"
        return template.error(("broken",), f"broken: {template.name} is marked broken: {why}")
    return None
