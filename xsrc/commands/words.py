"""Finds the packages that the words of a command line mean: names, globs, and selections by history or git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.disk.database import Farm
from xsrc.tree.acts.closure import index_of
from xsrc.tree.disk.templates import names as all_names
from xsrc.tree.graph import all_dependents


def select(
    session: Session, words: Iterable[str], verb: str, *, every: bool = False
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names that words mean, each once, and those of them that were not written out.

    A word is a name, a glob, `status:failed` (or skipped, built: what the last build came to), `git:REV..` or
    `git:REV..REV` (templates that differ), `needs:NAME` (all that need it, directly or not), `bootstrap:N` (those of
    stage N of the base set); no word: the folder's.
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
    tree = session.tree
    old, dots, new = word.partition("..")
    if not old or not dots:
        raise UsageError(f"git:{word}: want REV.. or REV..REV", hint="git:HEAD.. is what is not committed yet")
    commits = [_commit(tree, rev) for rev in (old, new) if rev]
    said = _asked(tree, "diff", *_DIFF, *commits, "--", ".")
    if not new:  # what git does not know yet is new as well
        said += _asked(tree, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    touched = {path.partition("/")[0] for path in said.split("\0")}
    return tuple(name for name in all_names(tree) if name in touched)


_DIFF = ("--name-only", "-z", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv")


def _commit(tree: Tree, rev: str) -> str:
    """The commit that a word of the user means; git never takes the word for an option."""
    return _asked(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}").strip()


def _asked(tree: Tree, *words: str) -> str:
    """The output of git for the repository of the templates. Raises UsageError if git refuses."""
    from xsrc.core.command import Command
    from xsrc.unix.git import ENVIRONMENT
    from xsrc.unix.process import capture

    env = {**ENVIRONMENT, "GIT_OPTIONAL_LOCKS": "0"}
    settings = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    result = capture(Command(("git", *settings, "-C", str(tree.templates), *words), env))
    if result.code:
        why = result.err.strip() or "it knows no such commit"
        raise UsageError(f"git {' '.join(words)}: git says: {why}", hint=f"git -C {tree.templates} log --oneline")
    return result.out


def _needing(session: Session, name: str) -> tuple[str, ...]:
    from xsrc.build.acts.outlines import outlines

    known = all_names(session.tree)
    if name not in known:
        raise UsageError(f"needs:{name}: no such template", hint=nearest(name, known))
    with index_of(session):
        return all_dependents([name], outlines(session))


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
