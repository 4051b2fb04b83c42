"""Refuses packages that must not be built: their templates say so, or no shell can read their scripts."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.build.job import Job
from xsrc.core.command import Command
from xsrc.core.errors import Diagnostic, TemplateError
from xsrc.core.layout import Tree
from xsrc.tree.resolve import refusal
from xsrc.unix.process import bounded, capture

_LONGEST = 1 << 20
"""Characters of one script of a template."""
_SECONDS, _MEMORY = 10, 1 << 30
"""Limits of the shell that reads a script: the only program that sees a template's text outside a sandbox."""


def refusals(tree: Tree, planned: Iterable[Job]) -> dict[str, TemplateError | None]:
    """By name, why a package must not be built; None for one that may be. Raises HostError if no shell starts."""
    return {job.name: _refusal(tree, job) for job in planned}


def _refusal(tree: Tree, job: Job) -> TemplateError | None:
    package = job.package
    if (error := refusal(package)) is not None:
        return error
    problems = []
    for part in package.subpackages:
        if tree.template(part.name).is_file():
            span = package.template.span("subpackages", part.name)
            problems.append(Diagnostic(span, f"subpackages.{part.name}: there is a template of that name"))
    for name, text in package.phases.items():
        if len(text) > _LONGEST:
            span, message = package.template.span("phases", name), f"want at most {_LONGEST >> 10} KiB, got more"
            problems.append(Diagnostic(span, f"phases.{name}: {message}", "put it into a script in files/"))
            continue
        # the shell only reads; it runs nothing (sh -n)
        result = capture(Command(("/bin/sh", "-n")), text, bounded(_SECONDS, _MEMORY, 0))
        if 0 < result.code < 128:  # one that was killed has said nothing of the text
            words = result.err.strip().splitlines()[0] if result.err.strip() else "no sh text"
            span = package.template.span("phases", name)
            message = words.split(": ", 1)[-1]
            problems.append(Diagnostic(span, f"phases.{name}: no sh text: line {message}"))
    return TemplateError(problems) if problems else None
