"""Asks git which templates differ between two commits, or between a commit and the folder of templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from xsrc.core.command import Command
from xsrc.core.errors import UsageError, XsrcError
from xsrc.core.layout import Tree
from xsrc.core.trust import Trust
from xsrc.unix import trust
from xsrc.unix.git import ENVIRONMENT
from xsrc.unix.process import Result, capture

_DIFF = ("--name-only", "-z", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv")
_FORMS = "REV.., REV..REV, REV... or REV...REV"


def differing(tree: Tree, word: str, env: Mapping[str, str], believed: Trust) -> frozenset[str]:
    """The names of folders of templates with a difference that `word` means.

    `REV..` means since that commit, uncommitted and unknown files included; `REV..REV` means between two commits. With
    three dots, the first commit is the last one that both have in common, as in git diff.

    Raises UsageError for a word that means no commits, and for a tree without a repository. Raises HostError if
    somebody else could have written the repository, or if there is no git.
    """
    old, dots, new = word.partition("...")
    if not dots:
        old, dots, new = word.partition("..")
    if not old or not dots or new.startswith("."):
        raise UsageError(f"git:{word}: want {_FORMS}", hint="git:HEAD.. is what is not committed yet")
    repository = _Asked(tree, env, believed)
    first = repository.commit(word, old)
    second = repository.commit(word, new) if new else ""
    if dots == "...":
        first = repository.common(word, first, second or repository.commit(word, "HEAD"))
    found = repository.out(word, "diff", *_DIFF, *filter(None, (first, second)), "--", ".")
    if not new:  # what git does not know yet is new as well
        found += repository.out(word, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    return frozenset(path.partition("/")[0] for path in found.split("\0") if path)


def commit_of(tree: Tree, name: str, env: Mapping[str, str], believed: Trust) -> str:
    """The commit of the tree, with a `+` if the folder of a template differs from it; "" if git cannot tell."""
    try:
        repository = _Asked(tree, env, believed)
        word = f"{name} of HEAD"
        changed = repository.out(word, "status", "--porcelain", "-z", "--untracked-files=all", "--", name)
        return repository.commit(word, "HEAD") + ("+" if changed else "")
    except XsrcError:
        return ""


class _Asked:
    """The repository of the templates. xsrc itself has checked who could have written it; so git need not."""

    def __init__(self, tree: Tree, env: Mapping[str, str], believed: Trust) -> None:
        """Raises UsageError if there is none, HostError if somebody else could have written it."""
        self.folder = tree.templates
        real = Path(os.path.realpath(self.folder))
        top = next((up for up in real.parents if os.path.lexists(up / ".git")), None)
        if top is None:
            raise UsageError(
                f"git: asks git, and {self.folder} is in no git repository", hint="name the templates, or use a glob"
            )
        trust.check("the git repository", top, believed)
        home = env.get("HOME", "")  # root's is closed to the user who builds for root
        own = {"HOME": home} if home and os.access(home, os.R_OK | os.X_OK) else {}
        self.env = {**ENVIRONMENT, "GIT_OPTIONAL_LOCKS": "0", **own}
        self.settings = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", f"safe.directory={top}")
        # a worktree, or a submodule, has its settings elsewhere
        place = self._run("rev-parse", "--path-format=absolute", "--git-common-dir")
        if place.code:
            raise UsageError(
                f"git: git cannot read the repository {top}: {_last(place.err)}", hint=f"git -C {top} status"
            )
        trust.check("the git repository", Path(place.out.strip()), believed)

    def commit(self, word: str, rev: str) -> str:
        """The commit that a word of the user means; git never takes the word for an option."""
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        if found.code:
            why = f": {_last(found.err)}" if found.err.strip() else ""
            hint = f"git -C {self.folder} log --oneline --all"
            raise UsageError(f'git:{word}: git knows no commit "{rev}"{why}', hint=hint)
        return found.out.strip()

    def common(self, word: str, one: str, other: str) -> str:
        """The last commit that two have in common."""
        found = self._run("merge-base", one, other)
        if found.code:
            raise UsageError(f"git:{word}: the two commits have no common one", hint=f"git:{word.replace('...', '..')}")
        return found.out.strip()

    def out(self, word: str, *words: str) -> str:
        """The output of a command. Raises UsageError if git refuses."""
        result = self._run(*words)
        if result.code:
            raise UsageError(f"git:{word}: git says: {_last(result.err)}", hint=f"git -C {self.folder} status")
        return result.out

    def _run(self, *words: str) -> Result:
        return capture(Command(("git", *self.settings, "-C", str(self.folder), *words), self.env))


def _last(text: str) -> str:
    """The line of git's words that says why."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[-1] if lines else "nothing")
