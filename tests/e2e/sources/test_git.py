"""Distfiles that are a commit of a git repository: the same archive whoever serves it and however git is set up."""

from __future__ import annotations

import re
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from tests.e2e.kit import look, pack, people
from tests.e2e.kit.site import Site

WHEN = "1600000000 +0200"


class Repository:
    """A repository of P's, made by hand; `commit` is of files of every kind."""

    def __init__(self, site: Site) -> None:
        self.site, self.path = site, site.land.folder("repository")
        self.git("init", "-q", "-b", "main")
        for name, text in {"hello": "#!/bin/sh\necho hi\n", "plain.txt": "a\nb\n", ".gitattributes": ""}.items():
            (self.path / name).write_text(text)
        (self.path / "hello").chmod(0o755)
        (self.path / "link").symlink_to("plain.txt")
        deep = self.path / ("d" * 70) / ("e" * 70)
        deep.mkdir(parents=True)
        (deep / "f").write_bytes(bytes(range(256)) * 999)
        # what would change it in a checkout, or in git's own archive
        (self.path / ".gitattributes").write_text("*.txt text eol=crlf\nhello export-ignore\nlink export-subst\n")
        self.commit = self.save("one")

    def git(self, *words: str) -> str:
        self.site.land.own(self.path)
        env = {"GIT_AUTHOR_DATE": WHEN, "GIT_COMMITTER_DATE": WHEN, "GIT_CONFIG_NOSYSTEM": "1"}
        who = ("-c", "user.name=P", "-c", "user.email=p@example.org")
        return self.site.land.run("git", *who, *words, cwd=self.path, env=env).ok().out.strip()

    def save(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def plainly(self) -> str:
        """The address of its files, as a server that knows nothing of git has them."""
        self.git("gc", "-q")
        self.git("update-server-info")
        top = f"{self.path.name}.git"
        for path, _ in look.walk(self.path / ".git"):
            if (file := self.path / ".git" / path).is_file():
                address = self.site.serve(f"{top}/{path}", file.read_bytes())
                if path == "info/refs":  # a server of files takes no notice of what git asks besides
                    self.site.serve(f"{top}/{path}?service=git-upload-pack", file.read_bytes())
        return address.partition(top)[0] + top


@contextmanager
def daemon(repository: Repository) -> Iterator[str]:
    """The address of a repository at git's own server."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = ("--listen=127.0.0.1", f"--port={port}", f"--base-path={repository.path.parent}")
    argv = ("git", "daemon", "--export-all", *listen)
    user, null = repository.site.land.user, subprocess.DEVNULL
    with people.ended(people.start(user, argv, cwd=repository.path, stdout=null, stderr=null)):

        def answers() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        look.until(answers, "git daemon answers", 20)
        yield f"git://127.0.0.1:{port}/{repository.path.name}/.git"


def template(site: Site, address: str, commit: str, sha256: str) -> None:
    table = f'[[distfiles]]\ngit = "{address}"\ncommit = "{commit}"\nsha256 = "{sha256}"\n'
    install = "mkdir -p $DESTDIR/usr; cp -a . $DESTDIR/usr/g; date -r plain.txt +%s >$DESTDIR/usr/g/when\n"
    site.script("g", install, tables=table)


@pytest.fixture
def repository(site: Site) -> Repository:
    return Repository(site)


def test_commit_is_one_archive_however_it_comes(site: Site, repository: Repository) -> None:
    settings = '[core]\n\tautocrlf = true\n[tar]\n\tumask = 0777\n[url "file:///nowhere/"]\n\tinsteadOf = git://\n'
    site.write("home/.gitconfig", settings)
    with daemon(repository) as address:
        template(site, address, repository.commit, "0" * 64)
        refused = site.xsrc("fetch", "g").ended(1, "its sha256 is")
        sha256 = re.findall(r"its sha256 is ([0-9a-f]{64})", refused.err)[0]
        template(site, address, repository.commit, sha256)
        site.build("g", env={"HOME": str(site.root / "home")})
    (kept,) = (path for path in (site.masterdir / "pkg-srcdistdir").rglob("*.tar"))
    assert kept.name == f"{repository.path.name}-{repository.commit[:12]}.tar"
    assert pack.sha256(kept.read_bytes()) == sha256
    with tarfile.open(kept) as archive:
        assert {(m.name.partition("/")[0], m.mtime, m.uid, m.uname) for m in archive} == {
            (repository.commit, 1600000000, 0, "")
        }
    root = site.destdir("g-1.0_1") / "usr/g"
    assert (root / "plain.txt").read_text() == "a\nb\n" and (root / "hello").stat().st_mode & 0o111
    assert str((root / "link").readlink()) == "plain.txt" and (root / "when").read_text() == "1600000000\n"
    assert (root / ("d" * 70) / ("e" * 70) / "f").read_bytes() == bytes(range(256)) * 999
    # the commit is no branch's any more, and the server is another
    repository.git("tag", "kept")
    (repository.path / "plain.txt").write_text("c\n")
    repository.save("two")
    kept.unlink()
    template(site, repository.plainly(), repository.commit, sha256)
    site.xsrc("fetch", "g").ok()
    (again,) = kept.parent.glob("*.tar")
    assert pack.sha256(again.read_bytes()) == sha256
    assert not list((site.masterdir / "pkg-srcdistdir").rglob("*.git"))


def test_what_git_does_not_give_is_said(site: Site, repository: Repository) -> None:
    with daemon(repository) as address:
        template(site, address, "2" * 40, "0" * 64)
        site.xsrc("fetch", "g").ended(1, "there is no commit 2222")
        template(site, f"{address}/none", repository.commit, "0" * 64)
        site.xsrc("fetch", "g").ended(1, "none of 1 addresses gave it", "git says: fatal: ")
    assert not list((site.masterdir / "pkg-srcdistdir").rglob("*.git"))
    site.settings(f'[sites]\nGITHUB_SITE = "file://{repository.path.parent}"\n')
    template(site, f"{{GITHUB_SITE}}/{repository.path.name}/.git", repository.commit, "0" * 64)
    refused = site.xsrc("fetch", "g", env={"HOME": str(site.root / "home")}).ended(1)
    assert "want an http, https or git address" in refused.err
