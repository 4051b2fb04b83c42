"""Caches on the disk: what a writer leaves there, once, twice, and after kill -9."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.integration.export.destdir import EPOCH, file, sealed
from xsrc.core.errors import BuildFailed, HostError
from xsrc.core.pkgver import PkgVer
from xsrc.repo.acts.share import Gift, share
from xsrc.repo.disk import cache, keys
from xsrc.repo.trace import NAMESPACE, Trace, place
from xsrc.store.manifest import Props
from xsrc.unix.ui import PlainUi

KEY = "a" * 64


def fill(top: Path, text: str = "x") -> None:
    """A bit of everything that a package may have."""
    program = file(top, "usr/bin/x", text, 0o4755)
    os.link(program, top / "usr/bin/y")
    (top / "usr/bin/link").symlink_to("/usr/bin/x")
    file(top, "usr/share/x/secret", "s", 0o400)
    (top / "usr/share/x/empty").mkdir(mode=0o700)
    os.utime(top / "usr/share/x/empty", (EPOCH - 500, EPOCH - 500))
    os.utime(top / "usr/bin/link", (EPOCH - 600, EPOCH - 600), follow_symlinks=False)
    file(top, f"usr/share/x/ü {'n' * 120}", "long")


def built(top: Path, text: str = "x", key: str = KEY) -> Path:
    """A sealed destdir, as a build leaves it."""
    props = Props(PkgVer("x", "1.0", 1), "x86_64", key, build={"source-date-epoch": EPOCH})
    return sealed(top, lambda folder: fill(folder, text), props)[1]


def gift(top: Path, text: str = "x", key: str = KEY) -> Gift:
    return Gift(Trace(key, "host", builder="me@here", seconds=1.5, peak=100), (built(top, text, key),))


def pushed(folder: Path, *gifts: Gift, key: Path | None = None) -> tuple[int, str]:
    """The exit code, and what was said."""
    said = io.StringIO()
    return share(folder, gifts, key, PlainUi(said, said)), said.getvalue()


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All files of a cache, with what tells whether they were written again."""
    found = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): (s.st_ino, s.st_mtime_ns, path.read_bytes()) for path, s in found}


def test_a_build_becomes_two_files(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    code, said = pushed(folder, gift(tmp_path / "m"))
    assert (code, "x-1.0_1: pushed" in said) == (0, True)
    trace = Trace.parse((folder / place(KEY)).read_bytes())
    (piece,) = trace.pieces
    data = (folder / piece.path).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (piece.sha256, piece.size)
    assert (trace.key, trace.builder, trace.seconds, trace.peak) == (KEY, "me@here", 1.5, 100)
    assert sorted(snapshot(folder)) == [piece.path, place(KEY)]
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members[:2]] == ["./props.plist", "./files.plist"]
    kinds = {member.name: member for member in members}
    assert kinds["./usr/share/x/empty"].isdir()
    assert kinds["./usr/share/x/empty"].mtime == EPOCH - 500
    assert kinds["./usr/bin/link"].mtime == EPOCH - 600
    assert kinds["./usr/bin/y"].linkname == "./usr/bin/x"
    assert {(one.uid, one.gid, one.uname, one.mode & 0o7222) for one in members if not one.issym()} == {(0, 0, "", 0)}


def test_equal_builds_make_equal_files_and_the_second_push_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    pushed(folder, gift(tmp_path / "one"))
    before = snapshot(folder)
    code, said = pushed(folder, gift(tmp_path / "two"))
    assert (code, "0 builds more, 1 were there" in said) == (0, True)
    assert snapshot(folder) == before
    pushed(tmp_path / "other", gift(tmp_path / "three"))
    assert {name: data for name, (_, _, data) in snapshot(tmp_path / "other").items()} == {
        name: data for name, (_, _, data) in before.items()
    }


def test_the_first_result_stays_and_another_one_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    pushed(folder, gift(tmp_path / "one"))
    first = (folder / place(KEY)).read_bytes()
    for _ in range(2):
        code, said = pushed(folder, gift(tmp_path / f"two-{_}", "y"))
        assert (code, "not reproducible: it differs from the first build of its key of me@here" in said) == (1, True)
    assert (folder / place(KEY)).read_bytes() == first
    (other,) = folder.glob("trace/*.other-*")
    trace = Trace.parse(other.read_bytes())
    assert other.name == f"{KEY}.json.other-{trace.digest}"
    assert cache.whole(folder, trace)


def test_a_trace_is_signed_also_later(tmp_path: Path) -> None:
    folder, key = tmp_path / "cache", tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    pushed(folder, gift(tmp_path / "one"))
    pushed(folder, gift(tmp_path / "two"), key=key)
    trace = Trace.parse((folder / place(KEY)).read_bytes())
    (tmp_path / "allowed").write_text(f"me@example.org {(tmp_path / 'id.pub').read_text()}")
    assert keys.signer_of(trace.text, trace.signature, tmp_path / "allowed", NAMESPACE) == "me@example.org"
    assert keys.signer_of(trace.text, trace.signature, tmp_path / "allowed", "xsrc-index") == ""
    before = snapshot(folder)
    pushed(folder, gift(tmp_path / "three"))
    assert snapshot(folder) == before, "a push without a key takes no signature away"


def test_a_lost_file_is_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    pushed(folder, gift(tmp_path / "one"))
    (path,) = (folder / "file").iterdir()
    path.unlink()
    assert pushed(folder, gift(tmp_path / "two"))[0] == 0
    assert path.exists()


def test_a_damaged_destdir_is_not_pushed(tmp_path: Path) -> None:
    one = gift(tmp_path / "m")
    path = one.destdirs[0] / "usr/share/x/secret"
    path.chmod(0o600)
    path.write_text("t")
    with pytest.raises(BuildFailed, match="is not the file that was built"):
        pushed(tmp_path / "cache", one)
    assert snapshot(tmp_path / "cache") == {}


def test_a_damaged_trace_and_a_folder_that_cannot_be_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    (folder / "trace").mkdir(parents=True)
    (folder / place(KEY)).write_text("{")
    with pytest.raises(HostError, match="no trace"):
        pushed(folder, gift(tmp_path / "m"))
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="no cache can be here"):
        pushed(tmp_path / "file", gift(tmp_path / "n"))


def _killed(folder: Path, top: Path, call: int) -> None:
    """Push, and be killed before the rename of this number."""
    count = 0

    def rename(*args: Any, **more: Any) -> None:
        nonlocal count
        count += 1
        if count == call:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **more)

    real = os.rename
    setattr(os, "rename", rename)  # noqa: B010
    pushed(folder, Gift(Trace(KEY, "host"), (top,)))


def test_a_killed_push_leaves_no_half_file_and_the_next_one_ends_it(tmp_path: Path) -> None:
    """Nobody sees a trace whose files are not there."""
    destdir, context = built(tmp_path / "m"), multiprocessing.get_context("fork")
    ends = []
    for call in range(1, 6):
        folder = tmp_path / f"cache-{call}"
        worker = context.Process(target=_killed, args=(folder, destdir, call))
        worker.start()
        worker.join()
        ends.append(worker.exitcode)
        for path in folder.glob("trace/*.json"):
            assert cache.whole(folder, Trace.parse(path.read_bytes()))
        assert pushed(folder, Gift(Trace(KEY, "host"), (destdir,)))[0] == 0
        (trace,) = (Trace.parse(path.read_bytes()) for path in folder.glob("trace/*"))
        assert cache.whole(folder, trace)
        assert sorted(snapshot(folder)) == [trace.pieces[0].path, place(KEY)]
        assert not stat.S_IMODE((folder / trace.pieces[0].path).stat().st_mode) & 0o022
    assert ends[0] == -signal.SIGKILL
    assert ends[-1] == 0, "more renames than there are"
