"""Finds the packages that the words of a command line mean: names, globs, and selections by history or git."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from xsrc.core.errors import NothingToDo, UsageError
from xsrc.core.layout import Tree
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.disk.database import Farm
from xsrc.tree.acts.closure import homes_of, index_of, version_in_tree
from xsrc.tree.disk.templates import names as all_names
from xsrc.tree.disk.templates import part_names
from xsrc.tree.graph import all_dependents


def select(
    session: Session, words: Iterable[str], verb: str, *, every: bool = False
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names that words mean, each once, and those of them that were not written out.

    A word is a name, as `in_tree` reads it, a glob, `status:failed` (or skipped, built: what the last build came to),
    `git:REV..`, `git:REV..REV` or `git:REV...REV` (templates that differ), `needs:NAME` (all that need it, directly or
    not), `bootstrap:N` (those of stage N of the base set); no word: the folder's.
    Raises UsageError for a word that means nothing, NothingToDo for selections that match no package.
    """
    where = session.tree
    chosen: dict[str, bool] = dict.fromkeys(all_names(where) if every else (), True)
    for word in session.names(words, verb) if not every or tuple(words) else ():
        kind, colon, rest = word.partition(":")
        if colon and kind in _KINDS:
            found = _KINDS[kind](session, rest)
        elif colon:
            raise UsageError(f"{word}: want one of {', '.join(f'{k}:' for k in _KINDS)}", hint=nearest(kind, _KINDS))
        elif any(sign in word for sign in "*?["):
            found = tuple(name for name in all_names(where) if fnmatchcase(name, word))
            # a subpackage has a name as well; to know all of them, every template is read
            found = found or tuple(name for name in part_names(where) if fnmatchcase(name, word))
            if not found:
                raise UsageError(f"no template matches {word}", hint="xsrc list --available")
        else:
            chosen[in_tree(where, word)] = False
            continue
        for name in found:
            chosen.setdefault(name, True)
    if not chosen:
        raise NothingToDo(f"{' '.join(words) or '--all'} matches no package: nothing to do")
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
    """The name and version of `NAME`, `NAME@VERSION[_REVISION]`, or `NAME-VERSION_REVISION` as `xsrc list` prints it.

    Raises UsageError for a text without a name, and for one with an @ and no version.
    """
    name, at, version = text.partition("@")
    if not name or (at and not version):
        raise UsageError(
            f"want NAME or NAME@VERSION, got {text!r}", hint="xsrc list" if not name else f"leave out the @: {name}"
        )
    if not at:
        with contextlib.suppress(ValueError):
            pkgver = PkgVer.parse(text)
            return pkgver.name, pkgver.version_revision
    return name, version or None


def in_tree(tree: Tree, word: str) -> str:
    """The name of a package of the tree; a version in the word must be that of the tree. Raises UsageError."""
    name, version = parse_pkgver(word)
    has = version_in_tree(tree, name) if version is not None else None
    if version is not None and has is not None and not means(version, has):
        raise UsageError(f"{word}: the tree has {has}", hint=f"leave out the version: {name}")
    return name


def names_in_tree(session: Session, given: Iterable[str], verb: str) -> tuple[str, ...]:
    """The packages of the tree that words name, each once; no word: that of the folder. Raises UsageError."""
    tree = session.tree
    return tuple(dict.fromkeys(in_tree(tree, word) for word in session.names(given, verb)))


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


def choose_version(tree: Tree, farm: Farm, text: str) -> PkgVer:
    """The built package that `NAME[@VERSION]` means: without a version, that of the tree, else the newest.

    Raises UsageError if none is built.
    """
    name, version = parse_pkgver(text)
    versions, fitting = meant(farm, text)
    if version is None and len(fitting) > 1:
        wanted = version_in_tree(tree, name)
        fitting.sort(key=lambda v: v == wanted)
    if fitting:
        return fitting[-1]
    if versions:
        known = ", ".join(f"{v.version}_{v.revision}" for v in versions)
        raise UsageError(f"{text}: of {name} there is {known}", hint=f"xsrc build {name}")
    raise not_built(tree, farm, name)


def choose_each(tree: Tree, farm: Farm, given: Iterable[str]) -> list[PkgVer]:
    """The built packages that words mean, for a root that has one version of each. Raises UsageError as above.

    Raises UsageError for two versions of one package.
    """
    chosen: dict[str, tuple[str, PkgVer]] = {}
    for text in given:
        pkgver = choose_version(tree, farm, text)
        other, before = chosen.setdefault(pkgver.name, (text, pkgver))
        if before != pkgver:
            raise UsageError(f"{other} and {text}: the root has one version of {pkgver.name}", hint="name one of them")
    return [pkgver for _, pkgver in chosen.values()]


def not_built(tree: Tree, farm: Farm, name: str) -> UsageError:
    """The error for a name that is not built: the hint builds it if the tree has it, else names the nearest."""
    known = {PkgVer.parse(built).name for built in farm.built()}
    has = version_in_tree(tree, name) is not None
    hint = f"xsrc build {name}" if has else nearest(name, sorted({*known, *all_names(tree)})) or "xsrc list"
    return UsageError(f"{name} is not built", hint=hint)
