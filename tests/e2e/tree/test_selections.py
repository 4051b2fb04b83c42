"""The words that choose packages by what git knows, in every clone, and by every name that other commands know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.e2e.kit.land import Land
from tests.e2e.kit.site import Site


def names(site: Site, *words: str) -> list[str]:
    table = json.loads(site.xsrc("plan", "--json", *words).ok().out)
    return sorted(step["name"] for step in table["steps"])


def test_three_dots_mean_since_the_last_common_commit(site: Site) -> None:
    """As in `git diff`, and in every forge's comparison; they were taken for a bad name of a commit."""
    who = ("-c", "user.name=P", "-c", "user.email=p@example.org", "-c", "init.defaultBranch=main")
    git = ("git", "-C", site.root, *who)
    site.script("a")
    site.script("b")
    site.land.run(*git, "init", "-q").ok()
    site.land.run(*git, "add", "templates").ok()
    site.land.run(*git, "commit", "-qm", "one").ok()
    site.land.run(*git, "switch", "-qc", "mine").ok()
    site.script("b", version="1.1")
    site.land.run(*git, "commit", "-qam", "two").ok()
    site.land.run(*git, "switch", "-q", "main").ok()
    site.script("a", version="1.1")
    site.land.run(*git, "commit", "-qam", "three").ok()
    assert names(site, "git:main..mine") == ["a", "b"]
    assert names(site, "git:main...mine") == ["b"]
    site.land.run(*git, "switch", "-q", "mine").ok()
    assert names(site, "git:main...") == ["b"]


def test_a_clone_of_somebody_who_is_trusted_and_a_worktree_can_be_asked(site: Site, as_root: Land) -> None:
    """git took root's clone for nobody's: https://github.com/actionless/pikaur/pull/655"""
    who = ("-c", "user.name=P", "-c", "user.email=p@example.org", "-c", "init.defaultBranch=main")
    root = ("git", "-c", "safe.directory=*", "-C", site.root, *who)
    site.script("a")
    site.script("b")
    subprocess.run([*root, "init", "-q"], check=True)
    subprocess.run([*root, "add", "templates"], check=True)
    subprocess.run([*root, "commit", "-qm", "one"], check=True)
    site.script("b", version="1.1")
    for folder, folders, files in os.walk(site.root):
        for name in (".", *folders, *files):
            os.chown(Path(folder, name), 0, 0, follow_symlinks=False)
    own = site.land.folder("masterdir")
    assert '"name": "b"' in site.xsrc("-m", own, "plan", "--json", "git:HEAD..").ok().out
    tree = site.land.root / f"{site.root.name}-worktree"
    subprocess.run([*root, "worktree", "add", "-q", tree], check=True)
    for name in ("a", "c"):
        shutil.copytree(site.root / "templates/a", tree / f"templates/{name}", dirs_exist_ok=True)
    shutil.copytree(site.root / "masterdir-skel", tree / "masterdir-skel", symlinks=True)
    (tree / "templates/c/template.toml").write_text(
        (tree / "templates/a/template.toml").read_text().replace('"a"', '"c"')
    )
    said = site.xsrc("-m", own, "plan", "--json", "git:HEAD..", cwd=tree).ok().out
    assert '"name": "c"' in said and '"name": "a"' not in said


def test_a_tree_without_a_repository_says_so(site: Site) -> None:
    site.script("a")
    site.xsrc("plan", "git:HEAD..").ended(2, "is in no git repository")


def test_selections_know_the_names_of_subpackages(site: Site) -> None:
    """Every other command knows them."""
    tables = '[subpackages.lib-devel]\nfiles = ["usr/share/devel"]\n'
    site.script("lib", "mkdir -p $DESTDIR/usr/share/devel; >$DESTDIR/usr/share/devel/a; >$DESTDIR/usr/a", tables=tables)
    site.script("user", top='makedepends = ["lib-devel"]')
    site.build("--no-stow", "lib")
    assert names(site, "needs:lib-devel") == ["lib", "user"]
    assert "keep  lib-1.0_1: up to date" in site.xsrc("plan", "*-devel").ok().out
