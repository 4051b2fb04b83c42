"""Finds the packages that the words of a command line mean: names, globs, and selections by history or git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from xsrc.core.errors import UsageError
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.disk.database import Farm
from xsrc.tree.acts.closure import homes_of, index_of
from xsrc.tree.disk.templates import names as all_names
from xsrc.tree.disk.templates import part_names
from xsrc.tree.graph import all_dependents


def select(
    session: Session, words: Iterable[str], verb: str, *, every: bool = False
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names that words mean, each once, and those of them that were not written out.

    A word is a name, a glob, `status:failed` (or skipped, built: what the last build came to), `git:REV..`,
    `git:REV..REV` or `git:REV...REV` (templates that differ), `needs:NAME` (all that need it, directly or not),
    `bootstrap:N` (those of stage N of the base set); no word: the folder's.
    Raises UsageError for a word that means nothing.
    """
    chosen: dict[str, bool] = dict.fromkeys(all_names(session.tree) if every else (), True)
    for word in session.names(words, verb) if not every or tuple(words) else ():
        kind, colon, rest = word.partition(":")
        if colon and kind in _KINDS:
            found = _KINDS[kind](session, rest)
        elif colon:
            raise UsageError(f"{word}: want one of {', '.join(f'{k}:' for k in _KINDS)}", hint=nearest(kind, _KINDS))
        elif any(sign in word for sign in "*?["):
            found = tuple(name for name in all_names(session.tree) if fnmatchcase(name, word))
            # a subpackage has a name as well; to know all of them, every template is read
            found = found or tuple(name for name in part_names(session.tree) if fnmatchcase(name, word))
            if not found:
                raise UsageError(f"no template matches {word}", hint=f"ls {session.tree.templates}")
        else:
            chosen[word] = False
            continue
        for name in found:
            chosen.setdefault(name, True)
    if not chosen:
        raise UsageError(f"{verb}: {' '.join(words) or '--all'} means no package now")
    return tuple(chosen), frozenset(name for name, pattern in chosen.items() if pattern)


def _status(session: Session, word: str) -> tuple[str, ...]:
    from xsrc.runs.disk.journal import Journal  # mostly words are names: what others ask for is imported by them
    from xsrc.runs.run import State

    states = (State.FAILED, State.SKIPPED, State.BUILT)
    if word not in states:
        raise UsageError(f"status:{word}: want one of {', '.join(states)}", hint=nearest(word, states))
    journal = Journal(session.masterdir, session.ui.warn)
    if word == State.SKIPPED:
        found = {job.name for run in journal.runs(1) for job in run.jobs if job.state is State.SKIPPED}
    else:
        found = {name for name, job in journal.last().items() if job.state == word}
    return tuple(name for name in all_names(session.tree) if name in found)


def _git(session: Session, word: str) -> tuple[str, ...]:
    from xsrc.tree.disk.revisions import differing

    touched = differing(session.tree, word, session.host.env, session.believed)
    return tuple(name for name in all_names(session.tree) if name in touched)


def _needing(session: Session, name: str) -> tuple[str, ...]:
    from xsrc.build.acts.outlines import outlines

    try:
        home = homes_of(session.tree, (name,))
    except UsageError as error:
        raise UsageError(f"needs:{name}: {error.message}", hint=error.hint) from error
    with index_of(session):
        return all_dependents(home, outlines(session))


def _stage(session: Session, word: str) -> tuple[str, ...]:
    if not word.isdecimal():
        raise UsageError(f"bootstrap:{word}: want the number of a stage")
    with index_of(session) as index:
        return tuple(name for name in index.names() if str(index.template(name).raw.get("bootstrap")) == word)


_KINDS: Mapping[str, Callable[[Session, str], tuple[str, ...]]] = {
    "status": _status,
    "git": _git,
    "needs": _needing,
    "bootstrap": _stage,
}


def parse_pkgver(text: str) -> tuple[str, str | None]:
    """`NAME` or `NAME@VERSION[_REVISION]` as name and version."""
    name, _, version = text.partition("@")
    return name, version or None


def means(version: str, pkgver: PkgVer) -> bool:
    """Whether a version of a command line means a package: 5.3 means 5.3.6_1 too, 5.3.6_1 only itself.

    >>> means("5.3", PkgVer("lua", "5.3.6", 1)), means("5.3", PkgVer("lua", "5.30", 1))
    (True, False)
    """
    return version in (pkgver.version, pkgver.version_revision) or pkgver.version.startswith(version + ".")


def meant(farm: Farm, text: str) -> tuple[list[PkgVer], list[PkgVer]]:
    """The built versions of a package, and those of them that `NAME[@VERSION]` means; newest last."""
    name, version = parse_pkgver(text)
    versions = farm.versions(name)
    return versions, [pkgver for pkgver in versions if version is None or means(version, pkgver)]


def choose_version(farm: Farm, text: str, in_tree: Callable[[str], PkgVer | None] | None = None) -> PkgVer:
    """The built package that `NAME[@VERSION]` means: without a version, that of the tree, else the newest.

    Raises UsageError if none is built.
    """
    name, version = parse_pkgver(text)
    versions, fitting = meant(farm, text)
    if version is None and in_tree is not None and len(fitting) > 1:
        wanted = in_tree(name)
        fitting.sort(key=lambda v: v == wanted)
    if fitting:
        return fitting[-1]
    if versions:
        known = ", ".join(f"{v.version}_{v.revision}" for v in versions)
        raise UsageError(f"{text}: of {name} there is {known}", hint=f"xsrc build {name}")
    raise UsageError(f"{name} is not built", hint=f"xsrc build {name}")
