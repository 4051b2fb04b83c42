"""A second masterdir takes what the first one built from a cache, and builds what the cache cannot give."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import zstandard

from tests.e2e.kit.server import Act
from tests.e2e.kit.site import Site
from xsrc.repo.trace import Trace
from xsrc.store.manifest import Props, tree_digest
from xsrc.store.rules import Rules

RICH = """
mkdir -p $DESTDIR/usr/bin $DESTDIR/etc $DESTDIR/usr/include/rich $DESTDIR/usr/share/rich/empty
echo '#!/bin/sh' >$DESTDIR/usr/bin/rich; chmod 755 $DESTDIR/usr/bin/rich
ln $DESTDIR/usr/bin/rich $DESTDIR/usr/bin/zwin
ln -s rich $DESTDIR/usr/bin/link
echo conf >$DESTDIR/etc/rich.conf
echo secret >$DESTDIR/usr/share/rich/secret
touch -d 1970-03-04 $DESTDIR/usr/share/rich/secret
echo >"$DESTDIR/usr/share/rich/ü $(printf %0120d 7)"
echo '#define RICH' >$DESTDIR/usr/include/rich/a.h
ln $DESTDIR/usr/include/rich/a.h $DESTDIR/usr/include/rich/b.h
"""
TOP = """
hostmakedepends = ["tool"]
depends = ["hello"]
conf_files = ["/etc/rich.conf"]
system_accounts = ["_rich"]
"""
TABLES = """
[install]
keep = ["empty"]
[install.modes]
"usr/bin/rich" = "4755"
"usr/share/rich/secret" = "0640 root:_rich"
[subpackages.rich-devel]
short_desc = "Headers"
preset = "devel"
"""
RICH_PARTS = ("rich-1.0_1", "rich-devel-1.0_1", "hello-1.0_1")


def rich(site: Site) -> Path:
    """A cache with a package that has a bit of everything, with what it needs; built once."""
    site.script("tool")
    site.hello()
    site.script("rich", RICH, top=TOP, tables=TABLES)
    site.build("rich")
    cache = site.root / "cache"
    said = site.xsrc("push", "--to", cache).ok().err
    assert "3 builds more, 0 were there" in said
    again = site.xsrc("push", "--to", f"file://{cache}", "rich", "hello", "tool").ok().err
    assert "0 builds more, 3 were there" in again
    return cache


def seen(folder: Path) -> dict[str, object]:
    """Everything that two equal destdirs have in common."""
    found: dict[str, object] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        inode = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.lstat().st_ino == status.st_ino)
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content, inode)
    return found


def elsewhere(site: Site, name: str, *words: str) -> tuple[Path, str]:
    """Another masterdir of the same tree, and what a build there said."""
    masterdir = site.root / name
    return masterdir, site.xsrc("-m", masterdir, "build", *words).ok().err


def told_otherwise(cache: Path, name: str) -> None:
    """Put a build into a cache whose record has a rule that its template does not have; all digests are right."""
    (path,) = (p for p in cache.glob("trace/*.json") if f'"pkgver": "{name}-' in p.read_text())
    trace = Trace.parse(path.read_bytes())
    (piece,) = trace.pieces
    plain = zstandard.ZstdDecompressor().decompressobj().decompress((cache / piece.path).read_bytes())
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(plain)) as old, tarfile.open(fileobj=out, mode="w") as new:
        listed = b""
        for member in old.getmembers():
            file = old.extractfile(member) if member.isreg() else None
            data = file.read() if file else b""
            if member.name == "./props.plist":
                props = replace(
                    Props.parse(data), homepage="http://evil", rules=Rules.of({"shells": ["/usr/bin/evil"]})
                )
                data = props.render()
                member.size = len(data)
            elif member.name == "./files.plist":
                listed = data
            new.addfile(member, io.BytesIO(data))
    packed = zstandard.ZstdCompressor().compress(out.getvalue())
    sha256 = hashlib.sha256(packed).hexdigest()
    piece = replace(piece, tree=tree_digest(props, listed), sha256=sha256, size=len(packed))
    (cache / piece.path).write_bytes(packed)
    path.write_bytes(replace(trace, pieces=(piece,)).render())


def test_a_second_masterdir_runs_no_phase_and_has_the_same_destdirs(site: Site) -> None:
    cache = rich(site)
    before = len(site.server.log)
    site.settings(f'caches = ["file://{cache}"]\n')
    plan = site.xsrc("-m", site.root / "second", "plan", "rich").ok().out.splitlines()
    assert sorted(line.split(" (")[0] for line in plan[:2]) == [
        f"fetch {name}-1.0_1: from file://{cache}" for name in ("hello", "rich")
    ]
    assert plan[2].startswith("2 to fetch, ")
    assert len(plan) == 3, plan
    said = site.xsrc("-m", site.root / "second", "build", "-n", "--no-cache", "rich").ok().out
    assert "build tool-1.0_1" in said
    masterdir, said = elsewhere(site, "second", "rich")
    assert f"rich-1.0_1: fetched from file://{cache} (" in said
    assert "tool-1.0_1" not in said, "what only a build needs is not fetched"
    assert not list((masterdir / "var/db/xsrc").glob("logs/*"))
    assert not [path for path in (masterdir / "pkg-builddir").iterdir() if path.is_dir()]
    assert len(site.server.log) == before, "no distfile was fetched"
    for part in RICH_PARTS:
        assert seen(masterdir / "pkg-destdir" / part) == seen(site.destdir(part)), part
    assert (masterdir / "usr/bin/rich").is_symlink()
    shutil.rmtree(cache)
    assert "up to date" in elsewhere(site, "second", "rich")[1]
    site.xsrc("-m", masterdir, "verify").ok()
    site.xsrc("-m", masterdir, "plan", "rich").ok()
    missing = elsewhere(site, "third", "tool")[1]
    assert "no such folder: it is asked no more" in missing
    assert "tool-1.0_1: built" in missing


def test_what_a_cache_cannot_give_is_built(site: Site) -> None:
    """Another file, a trace that is none, no permission to look: each is named, and the package is built."""
    cache = rich(site)
    site.settings(f'caches = ["file://{cache}"]\n')
    assert "fetched" not in elsewhere(site, "without", "--no-cache", "tool")[1]
    told_otherwise(cache, "tool")
    said = elsewhere(site, "untrue", "tool")[1]
    assert "tool-1.0_1: its record differs from that of a build here: homepage, rules" in said
    assert "tool-1.0_1: built" in said
    site.xsrc("push", "--to", cache, "tool").ended(1, "tool-1.0_1: not reproducible")
    for path in (cache / "file").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    masterdir, said = elsewhere(site, "second", "rich")
    assert "rich-1.0_1: not taken from the cache" in said
    assert "another file: its sha256 is" in said
    assert "rich-1.0_1: built" in said
    assert "tool-1.0_1: built" in said, "a build needs it now"
    for part in RICH_PARTS:
        assert seen(masterdir / "pkg-destdir" / part) == seen(site.destdir(part)), part
    for path in (cache / "trace").iterdir():
        path.write_text("{}")
    said = elsewhere(site, "third", "tool")[1]
    assert "refused the trace of tool-1.0_1: no trace" in said
    (cache / "trace").chmod(0o777)
    refused = site.xsrc("-m", site.root / "fourth", "build", "tool")
    refused.ended(4, "can be written by everybody", "chmod")


def test_a_web_server_gives_what_a_known_key_signed(site: Site) -> None:
    cache, key = rich(site), site.root / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    site.land.own(site.root)
    address = f"{site.server.address}/cache"

    def serve(*acts: Act) -> None:
        """`acts` are for the files, not for the traces."""
        for path in cache.glob("*/*"):
            more = acts if path.parent.name == "file" else ()
            site.server.serve(f"/cache/{path.relative_to(cache)}", path.read_bytes(), *more)

    serve()
    site.settings(f'caches = ["{address}"]\n')
    site.xsrc("build", "tool").ended(3, "caches[0]: want allowed_signers too")
    public = (site.root / "id.pub").read_text()
    signers = site.write("home/signers", f"me@example.org {public}")
    site.settings(f'caches = ["{address}"]\nallowed_signers = "{signers}"\n')
    said = elsewhere(site, "second", "tool")[1]
    assert f"refused the trace of tool-1.0_1: nobody of {signers} signed it" in said
    assert "tool-1.0_1: built" in said
    site.xsrc("push", "--to", cache, "--key", key).ok()
    serve()
    masterdir, said = elsewhere(site, "third", "rich")
    assert "signed by me@example.org)" in said
    assert not list((masterdir / "var/db/xsrc").glob("logs/*"))
    for part in RICH_PARTS:
        assert seen(masterdir / "pkg-destdir" / part) == seen(site.destdir(part)), part
    serve(Act(stall=60))
    before = len(site.server.log)
    fifth = site.start("-m", site.root / "fifth", "build", "rich")
    while not any(request.path.startswith("/cache/file/") for request in site.server.log[before:]):
        assert fifth.process.poll() is None
        time.sleep(0.02)
    fifth.kill()
    serve()
    masterdir, said = elsewhere(site, "fifth", "rich")
    assert "rich-1.0_1: fetched from" in said
    assert not [path for path in (masterdir / "pkg-builddir").iterdir() if path.is_dir()]
    for path in cache.glob("file/*"):
        site.server.files.pop(f"/cache/{path.relative_to(cache)}")
    said = elsewhere(site, "fourth", "tool")[1]
    assert "tool-1.0_1: not taken from the cache" in said
    assert "HTTP 404" in said
