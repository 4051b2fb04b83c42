"""Tidies an unfinished destdir, and says each change."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from xsrc.build.disk import tidy as disk
from xsrc.build.tidy.draft import Draft, Untidy
from xsrc.build.tidy.leave import drop_empty, leave_out
from xsrc.build.tidy.merge import merge
from xsrc.build.tidy.pages import pages
from xsrc.build.tidy.places import RULE, misplaced
from xsrc.build.tidy.strip import strip_script, stripping, unmatched
from xsrc.core.settings import Limits
from xsrc.core.visible import visible
from xsrc.tree.package import Package
from xsrc.unix.process import Feed, Sink

_Say = Callable[[str], object]
_Shell = Callable[[Feed], object]


def tidy(destdir: Path, package: Package, limits: Limits, sink: Sink, shell: _Shell) -> None:
    """Give a destdir its final shape: plan everything, refuse or do all, strip.

    `sink` gets each change, and each reason of a refusal, as a line. `shell` runs a shell in the build root, which
    reads its commands from its standard input. Raises Untidy, BuildFailed, HostError and OSError.
    """

    def say(line: str) -> None:
        sink(f"xsrc: {visible(line)}\n".encode())

    try:
        draft = planned(Draft(disk.survey(destdir)), package)
        for edit in draft.edits:
            disk.apply(destdir, edit, limits.installed_mib << 20)
            if edit.words:
                say(edit.words)
        _strip(destdir, draft, package, say, shell)
    except Untidy as error:
        for reason in error.args:
            say(reason)
        raise Untidy("what it installed cannot be a package") from error


def planned(draft: Draft, package: Package) -> Draft:
    """Plan every edit of a destdir. Raises Untidy with all reasons why that cannot be."""
    keep = package.install.keep
    merge(draft)
    leave_out(draft, keep)
    pages(draft)
    if "empty" not in keep:
        drop_empty(draft)
    if RULE not in package.excused:
        draft.bad += misplaced(draft.tree)
    draft.bad += unmatched(draft.tree, package.unstripped)
    if draft.bad:
        raise Untidy(*draft.bad)
    return draft


def _feed(script: str, out: IO[bytes]) -> None:
    out.write(os.fsencode(script))


def _strip(destdir: Path, draft: Draft, package: Package, say: _Say, shell: _Shell) -> None:
    """Strip the files of a destdir by the strip(1) of its build root, and say which changed and which did not."""
    if not package.strip:
        say("nothing is stripped: nostrip")
        return
    chosen = stripping(draft.tree, package.unstripped)
    for line in chosen.left:
        say(line)
    if not chosen.paths:
        return
    before = disk.sizes(destdir, chosen.paths)
    with disk.unlocked(destdir, chosen.paths):
        shell(partial(_feed, strip_script(chosen.files)))
    for path, size in disk.sizes(destdir, chosen.paths).items():
        if size != before[path]:
            say(f"stripped /{path}: {before[path]} bytes, now {size}")
