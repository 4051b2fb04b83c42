"""Which packages the words of a command line stand for: names, globs, and what history or git say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from xsrc.effects.tree import names as all_names
from xsrc.errors import UsageError
from xsrc.model.schema import nearest
from xsrc.plan.graph import all_dependents
from xsrc.verbs.context import Context


def select(
    context: Context, words: Iterable[str], verb: str, *, every: bool = False
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names that words stand for, each once, and those of them that were not written out.

    A word is a name, a glob, `status:failed` (or skipped, built: what the last build came to), `git:REV..` or
    `git:REV..REV` (templates that differ), `needs:NAME` (all that need it, directly or not), `bootstrap:N` (those of
    stage N of the base set); no word: the folder's.
    Raises UsageError for a word that stands for nothing.
    """
    chosen: dict[str, bool] = dict.fromkeys(all_names(context.tree) if every else (), True)
    for word in context.names(words, verb) if not every or tuple(words) else ():
        kind, colon, rest = word.partition(":")
        if colon and kind in _KINDS:
            found = _KINDS[kind](context, rest)
        elif colon:
            raise UsageError(f"{word}: want one of {', '.join(f'{k}:' for k in _KINDS)}", hint=nearest(kind, _KINDS))
        elif any(sign in word for sign in "*?["):
            found = tuple(name for name in all_names(context.tree) if fnmatchcase(name, word))
            if not found:
                raise UsageError(f"no template matches {word}", hint=f"ls {context.tree.templates}")
        else:
            chosen[word] = False
            continue
        for name in found:
            chosen.setdefault(name, True)
    if not chosen:
        raise UsageError(f"{verb}: {' '.join(words) or '--all'} stands for no package now")
    return tuple(chosen), frozenset(name for name, pattern in chosen.items() if pattern)


def _status(context: Context, word: str) -> tuple[str, ...]:
    from xsrc.effects.journal import Journal  # mostly words are names: what others ask for is imported by them
    from xsrc.model.run import State

    states = (State.FAILED, State.SKIPPED, State.BUILT)
    if word not in states:
        raise UsageError(f"status:{word}: want one of {', '.join(states)}", hint=nearest(word, states))
    journal = Journal(context.masterdir, context.ui.warn)
    if word == State.SKIPPED:
        found = {job.name for run in journal.runs(1) for job in run.jobs if job.state is State.SKIPPED}
    else:
        found = {name for name, job in journal.last().items() if job.state == word}
    return tuple(name for name in all_names(context.tree) if name in found)


def _git(context: Context, word: str) -> tuple[str, ...]:
    old, dots, new = word.partition("..")
    if not old or not dots:
        raise UsageError(f"git:{word}: want REV.. or REV..REV", hint="git:HEAD.. is what is not committed yet")
    commits = [_commit(context, rev) for rev in (old, new) if rev]
    said = _asked(context, "diff", *_DIFF, *commits, "--", ".")
    if not new:  # what git does not know yet is new as well
        said += _asked(context, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    touched = {path.partition("/")[0] for path in said.split("\0")}
    return tuple(name for name in all_names(context.tree) if name in touched)


_DIFF = ("--name-only", "-z", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv")


def _commit(context: Context, rev: str) -> str:
    """The name of the commit that a word of the user's means; whatever it begins with, git takes it for no option."""
    return _asked(context, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}").strip()


def _asked(context: Context, *words: str) -> str:
    """What git says of the repository that the templates are in; raises UsageError where it refuses."""
    from xsrc.effects.proc import capture
    from xsrc.model.command import Command

    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    settings = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    result = capture(Command(("git", *settings, "-C", str(context.tree.templates), *words), env))
    if result.code:
        why = result.err.strip() or "it knows no such commit"
        raise UsageError(
            f"git {' '.join(words)}: git says: {why}", hint=f"git -C {context.tree.templates} log --oneline"
        )
    return result.out


def _needing(context: Context, name: str) -> tuple[str, ...]:
    from xsrc.verbs.leaves import leaves

    known = all_names(context.tree)
    if name not in known:
        raise UsageError(f"needs:{name}: no such template", hint=nearest(name, known))
    with context.index:
        return all_dependents([name], leaves(context))


def _stage(context: Context, word: str) -> tuple[str, ...]:
    if not word.isdecimal():
        raise UsageError(f"bootstrap:{word}: want the number of a stage")
    with context.index as index:
        return tuple(name for name in index.names() if str(index.template(name).raw.get("bootstrap")) == word)


_KINDS: Mapping[str, Callable[[Context, str], tuple[str, ...]]] = {
    "status": _status,
    "git": _git,
    "needs": _needing,
    "bootstrap": _stage,
}
