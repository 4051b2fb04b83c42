"""Repositories on the disk: what clients of xbps read, many writers, real keys, and how long one package takes."""

from __future__ import annotations

import io
import multiprocessing
import plistlib
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.bench.measure import at_usual_speed
from tests.integration.export.destdir import file, packed, sealed
from xsrc.core.errors import ArchiveError, ConflictError, UsageError
from xsrc.core.pkgver import PkgVer
from xsrc.repo.acts.publish import Repository, clean, index, problems, sign
from xsrc.repo.blocks import block_of
from xsrc.repo.disk import keys, repodata
from xsrc.repo.disk.repodata import Repodata
from xsrc.repo.plan import Tables
from xsrc.repo.signed import SignedIndex, line_of
from xsrc.store.manifest import Props
from xsrc.unix.ui import PlainUi

NOW, LATER, END = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def a_package(folder: Path, text: str, content: str = "x", **more: Any) -> Path:
    """A package file in a folder, of a destdir beside it."""
    pkgver = PkgVer.parse(text)
    props = Props(pkgver, "x86_64", more.pop("key", "f" * 64), short_desc="Test", **more)
    top = folder.parent / f"made-{len(list(folder.parent.iterdir()))}"
    masterdir, destdir = sealed(top, lambda top: file(top, f"usr/share/{pkgver.name}", content), props)
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(packed(masterdir, destdir), folder))


def repository(folder: Path) -> Repository:
    silent = io.StringIO()
    return Repository(folder, PlainUi(silent, silent))


def members(folder: Path) -> dict[str, Any]:
    """What a client reads: three members in this order, with no path before their names; an empty one is no text."""
    data = zstandard.ZstdDecompressor().decompressobj().decompress((folder / "x86_64-repodata").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = archive.getmembers()
        assert [one.name for one in found] == ["index.plist", "index-meta.plist", "stage.plist"]
        assert {(one.mode, one.uid, one.mtime, one.uname) for one in found} == {(0o644, 0, 0, "")}
        texts = [archive.extractfile(one) for one in found]
        data_of = {one.name: text.read() if text else b"" for one, text in zip(found, texts, strict=True)}
        return {name: plistlib.loads(data) if data else {} for name, data in data_of.items()}


def pkgvers(folder: Path) -> list[str]:
    return [one["pkgver"] for one in members(folder)["index.plist"].values()]


def test_an_index_is_what_clients_read(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    one = a_package(folder, "a-1_1")
    a_package(folder, "b-1_1", run_depends=("a",))
    index(repository(folder))
    found = members(folder)["index.plist"]
    assert found["b"]["run_depends"] == ["a>=0"]
    assert found["a"]["filename-size"] == one.stat().st_size
    assert "pkgname" not in found["a"]
    before = (folder / "x86_64-repodata").stat().st_ino
    index(repository(folder))
    assert (folder / "x86_64-repodata").stat().st_ino == before, "nothing new, nothing written"
    a_package(folder, "a-1.1_1")
    index(repository(folder))
    assert pkgvers(folder) == ["a-1.1_1", "b-1_1"]
    assert [path.name for path in clean(repository(folder))] == ["a-1_1.x86_64.xbps"]
    assert sorted(path.name for path in folder.glob("*.xbps")) == ["a-1.1_1.x86_64.xbps", "b-1_1.x86_64.xbps"]
    (folder / "b-1_1.x86_64.xbps").unlink()
    assert clean(repository(folder)) == []
    assert pkgvers(folder) == ["a-1.1_1"]
    assert list(repodata.read(folder, "x86_64").own.lines) == ["a"]


def test_another_key_of_one_version_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    a_package(folder, "a-1_1")
    index(repository(folder))
    before = (folder / "x86_64-repodata").read_bytes()
    a_package(folder, "a-1_1", "another content", key="0" * 64)
    a_package(folder, "b-1_1")
    with pytest.raises(ConflictError, match="nothing was changed") as caught:
        index(repository(folder))
    assert "raise the revision" in caught.value.detail[0]
    assert (folder / "x86_64-repodata").read_bytes() == before
    (folder / "c-1_1.x86_64.xbps").write_bytes(b"no package")
    with pytest.raises(ArchiveError, match="c-1_1"):
        index(repository(folder))
    shutil.move(folder / "b-1_1.x86_64.xbps", folder / "c-1_1.x86_64.xbps")
    with pytest.raises(ArchiveError, match="want the name b-1_1"):
        index(repository(folder))


def _add(folder: Path, number: int) -> None:
    index(repository(folder), [folder / f"p{number}-1_1.x86_64.xbps"])


def test_writers_at_the_same_time_lose_no_package(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    for number in range(8):
        a_package(folder, f"p{number}-1_1")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add, args=(folder, number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert pkgvers(folder) == [f"p{number}-1_1" for number in range(8)]
    assert repodata.read(folder, "x86_64").own.version == 8
    assert not [path for path in folder.iterdir() if path.name.endswith(".new")]


@pytest.fixture(scope="module")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(["openssl", "genrsa", "-out", folder / "rsa", "2048"], check=True, capture_output=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "ssh"], check=True)
    public = (folder / "ssh.pub").read_text()
    (folder / "allowed").write_text(f"me@example.org {public}")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "other"], check=True)
    (folder / "strangers").write_text(f"other@example.org {(folder / 'other.pub').read_text()}")
    return folder


def test_signatures_hold_and_an_old_index_does_not(tmp_path: Path, made_keys: Path) -> None:
    folder, allowed = tmp_path / "repo", made_keys / "allowed"
    package = a_package(folder, "a-1_1")
    here = repository(folder)
    index(here)
    check = {"templates": frozenset({"a"}), "now": NOW, "allowed": allowed}
    assert problems(here, "x86_64", **check) == ["x86_64-index.json: it is not signed"]  # type: ignore[arg-type]
    sign(here, made_keys / "ssh", made_keys / "rsa", "me", END)
    assert problems(here, "x86_64", **check) == []  # type: ignore[arg-type]
    signature, public = f"{package}.sig2", str(tmp_path / "public")
    argv = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, str(package)]
    meta = members(folder)["index-meta.plist"]
    Path(public).write_bytes(meta["public-key"])
    subprocess.run(argv, check=True, capture_output=True)
    assert (meta["public-key-size"], meta["signature-by"], meta["signature-type"]) == (2048, "me", "rsa")
    assert Path(signature).stat().st_size == 256
    (line,) = problems(here, "x86_64", **{**check, "now": LATER})  # type: ignore[arg-type]
    assert "it ended at" in line
    (line,) = problems(here, "x86_64", **{**check, "allowed": made_keys / "strangers"})  # type: ignore[arg-type]
    assert line.endswith("strangers signed it")
    # one word of the signed text is another
    own = repodata.own_index(folder, "x86_64")
    own.write_bytes(own.read_bytes().replace(b'"version": 2', b'"version": 9'))
    (line,) = problems(here, "x86_64", **check)  # type: ignore[arg-type]
    assert line.endswith("allowed signed it")
    package.write_bytes(package.read_bytes() + b"x")
    assert "a-1_1: a-1_1.x86_64.xbps is not the file of the index" in problems(here, "x86_64", **check)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        keys.public_key(made_keys / "ssh.pub", "me")


def test_one_package_joins_ten_thousand_in_a_moment(tmp_path: Path) -> None:
    """The text of an index of that size takes seconds to read as a tree of elements."""
    folder = tmp_path / "repo"
    paths = [a_package(folder, f"p{number}-2_1") for number in (9997, 9998, 9999)]
    known = dict(repodata.read_package(paths[-1]).entry)
    more = {"run_depends": [f"library{n}>=1.{n}_1" for n in range(8)], "shlib-requires": ["libc.so.6", "libm.so.6"]}
    entries = [{**known, **more, "pkgver": f"p{number}-1_1"} for number in range(10_000)]
    blocks = dict(block_of(one) for one in entries)
    lines = {one["pkgver"].split("-")[0]: line_of(one["pkgver"].split("-")[0], one, "t" * 64) for one in entries}
    repodata.write(folder, "x86_64", Repodata(Tables(blocks, {}), replace(SignedIndex("x86_64"), lines=lines)))
    todo = iter(paths)
    assert at_usual_speed(lambda: index(repository(folder), [next(todo)]), len(paths)) <= 0.3
    assert repodata.read(folder, "x86_64").tables.index["p9999"] != blocks["p9999"]
    assert len(repodata.read(folder, "x86_64").tables.index) == 10_000
