"""`xsrc build dash`, from upstream's tarball to a link that runs, as an ordinary user."""

from __future__ import annotations

import json
import os
import plistlib
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.conftest import DASH, Dash
from tests.e2e.kit import look
from tests.e2e.kit.land import Land

LINK = f"../../pkg-destdir/{DASH}/usr/bin/dash"


def test_build_says_each_phase_in_order_and_where_it_was_stowed(dash: Dash) -> None:
    dash.built.ok(f"{DASH}: built (first build)", f"{DASH}: stowed into {dash.masterdir}")
    assert dash.built.out == ""
    said = [line for line in dash.built.lines if line in {f"{DASH}: {p}" for p in _PHASES}]
    assert said == [f"{DASH}: {phase}" for phase in _PHASES]


_PHASES = ("fetch", "extract", "configure", "build", "install")


def test_second_build_does_nothing_and_says_why(dash: Dash) -> None:
    dash.again.ok(f"{DASH}: up to date and stowed", "nothing it is made of has changed")
    assert dash.again.out == ""
    assert len(dash.again.lines) == 1
    files = [*dash.destdir.rglob("*"), *(dash.masterdir / "var/db/xsrc").rglob("*.log")]
    before = {path: path.lstat().st_mtime_ns for path in files}
    dash.xsrc("build", "dash").ok("up to date")
    assert {path: path.lstat().st_mtime_ns for path in files} == before


def test_link_is_relative_and_directories_are_real(dash: Dash) -> None:
    usr = dash.masterdir / "usr"
    assert str((usr / "bin/dash").readlink()) == LINK
    assert (usr / "bin").is_dir() and not (usr / "bin").is_symlink()
    assert str((dash.masterdir / "bin").readlink()) == "usr/bin"
    assert (dash.masterdir / "bin/dash").resolve() == dash.destdir / "usr/bin/dash"


def test_runs_from_the_host(dash: Dash) -> None:
    result = dash.land.run(dash.masterdir / "bin/dash", "-c", "echo hi").ok()
    assert result.out == "hi\n"


def test_runs_inside(dash: Dash, mode: str) -> None:
    result = dash.xsrc("chroot", "dash", "-c", "echo hi; echo $0; pwd; readlink /bin/dash", mode=mode).ok()
    assert result.out == f"hi\ndash\n/\n{LINK}\n"


def test_destdir_is_sealed(dash: Dash) -> None:
    assert list(look.walk(dash.destdir))
    for path, status in look.walk(dash.destdir):
        if not stat.S_ISLNK(status.st_mode):
            assert status.st_mode & 0o222 == 0, f"{path}: {status.st_mode:o}"
        assert status.st_uid == dash.land.user.uid, path
    assert stat.S_IMODE(dash.destdir.stat().st_mode) == 0o555
    assert dash.land.run("touch", dash.destdir / "usr/bin/new").code != 0
    assert dash.land.run("sh", "-c", f"echo x >>{dash.destdir}/usr/bin/dash").code != 0


def test_files_plist_is_true(dash: Dash) -> None:
    """Each path that is on disk, and no other, with what it is."""
    lists = plistlib.loads((dash.destdir / "files.plist").read_bytes())
    listed = {item["file"]: item for items in lists.values() for item in items}
    found = {f"/{p}": s for p, s in look.walk(dash.destdir) if p not in ("files.plist", "props.plist")}
    assert listed.keys() == found.keys()
    assert {"/usr/bin/dash", "/usr/share/man/man1/dash.1", "/usr/share/licenses/dash/COPYING"} <= listed.keys()
    for path, status in found.items():
        item = listed[path]
        on_disk = dash.destdir / path[1:]
        if stat.S_ISREG(status.st_mode):
            assert item["sha256"] == sha256(on_disk.read_bytes()).hexdigest()
            assert item["size"] == status.st_size
            assert int(item["mode"], 8) & 0o555 == stat.S_IMODE(status.st_mode), path
        elif stat.S_ISLNK(status.st_mode):
            assert item["target"] == str(on_disk.readlink())


def test_props_plist_says_how_it_was_built(dash: Dash) -> None:
    props = plistlib.loads((dash.destdir / "props.plist").read_bytes())
    assert props["pkgver"] == DASH
    assert (props["pkgname"], props["version"]) == ("dash", "0.5.12_1")
    assert props["architecture"].startswith(os.uname().machine)
    assert props["license"] == "BSD-3-Clause"
    assert len(props["build-key"]) == 64
    lines = [line for line in props["preimage"].splitlines(keepends=True) if not line.startswith('"depends"')]
    assert props["build-inputs"] == sha256("".join(lines).encode()).hexdigest()
    made_of = json.dumps([props["build-inputs"], json.loads(props["preimage"])["depends"]])
    assert props["build-key"] == sha256(made_of.encode()).hexdigest()
    assert props["build-options"] == {"libedit": False}
    assert props["build"]["base"] == "host"
    total = sum(f["size"] for f in plistlib.loads((dash.destdir / "files.plist").read_bytes())["files"])
    assert props["installed_size"] == total


def test_no_file_is_newer_than_the_sources(dash: Dash) -> None:
    epoch = plistlib.loads((dash.destdir / "props.plist").read_bytes())["build"]["source-date-epoch"]
    for path, status in look.walk(dash.destdir):
        assert status.st_mtime <= epoch, path


def test_nothing_of_the_build_is_left(dash: Dash) -> None:
    assert [p.name for p in (dash.masterdir / "pkg-builddir").iterdir() if p.is_dir()] == []
    assert [p.name for p in (dash.masterdir / "pkg-destdir").iterdir()] == [DASH]
    assert not look.mounts_with(str(dash.masterdir))


def test_unstow_restores_the_skeleton_and_stow_the_farm(dash: Dash, land: Land) -> None:
    full = look.farm(dash.masterdir)
    fresh = land.folder("fresh")
    land.xsrc("-m", fresh, "chroot", "true", cwd=land.clone).ok()
    dash.xsrc("unstow", "dash").ok("dash: unstowed")
    assert _root(dash.masterdir) == _root(fresh)
    assert dash.destdir.is_dir()
    listed = dash.xsrc("list").ok()
    assert listed.out.startswith(f"  {DASH}")
    dash.xsrc("stow", "dash").ok(f"{DASH}: stowed")
    assert look.farm(dash.masterdir) == full
    assert dash.xsrc("stow", "dash").ok(f"{DASH}: already stowed").out == ""
    assert look.farm(dash.masterdir) == full


def _root(masterdir: Path) -> dict[str, str]:
    """The stowed root alone."""
    return look.tree(masterdir, lambda path: path.startswith(("pkg-", "var/db/xsrc")))


def test_unstow_twice_is_a_usage_error(dash: Dash) -> None:
    dash.xsrc("unstow", "dash").ok()
    dash.xsrc("unstow", "dash").ended(2, "dash is not stowed")
    dash.xsrc("build", "dash").ok(f"{DASH}: stowed into")


def test_restow_mends_links_that_were_removed_or_replaced(dash: Dash) -> None:
    full = look.farm(dash.masterdir)
    program, page = dash.masterdir / "usr/bin/dash", dash.masterdir / "usr/share/man/man1/dash.1"
    program.unlink()
    page.unlink()
    page.symlink_to("/nowhere")
    planned = dash.xsrc("restow", "-n", "dash").ok().out
    assert f"usr/bin/dash -> {LINK}" in planned
    assert not program.is_symlink()
    dash.xsrc("restow").ok("2 paths mended")
    assert look.farm(dash.masterdir) == full


def test_restow_does_not_touch_a_file_of_the_user(dash: Dash) -> None:
    program = dash.masterdir / "usr/bin/dash"
    program.unlink()
    program.write_text("mine\n")
    dash.xsrc("restow", "dash").ended(5, "usr/bin/dash", "nothing was changed")
    assert program.read_text() == "mine\n"
    program.unlink()
    dash.xsrc("restow", "dash").ok()
    assert str(program.readlink()) == LINK


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/dash",
        "/bin/dash",
        "usr/bin/dash",
        "masterdir/usr/bin/dash",
        f"masterdir/pkg-destdir/{DASH}/usr/bin/dash",
    ],
)
def test_owner_knows_a_path_by_each_of_its_names(dash: Dash, path: str) -> None:
    assert dash.xsrc("owner", path).ok().out == f"/usr/bin/dash: {DASH}\n"


def test_json_of_each_query(dash: Dash) -> None:
    (listed,) = json.loads(dash.xsrc("list", "--json").ok().out)
    assert (listed["pkgver"], listed["stowed"], listed["asked"]) == (DASH, True, True)
    files = json.loads(dash.xsrc("files", "dash", "--json").ok().out)[DASH]
    (program,) = [f for f in files if f["path"] == "/usr/bin/dash"]
    assert program["kind"] == "file" and program["mode"] == "0755"
    assert program["sha256"] == sha256((dash.destdir / "usr/bin/dash").read_bytes()).hexdigest()
    owners = json.loads(dash.xsrc("owner", "/usr/bin/dash", "--json").ok().out)
    assert owners == [{"path": "/usr/bin/dash", "pkgver": DASH, "stowed": True}]
    shown = json.loads(dash.xsrc("show", "dash", "--json").ok().out)["dash"]
    assert shown["pkgver"] == DASH and shown["options"]["libedit"]["on"] is False
    depends = json.loads(dash.xsrc("deps", "dash", "--json").ok().out)
    assert set(depends["dash"]) == {"hostmakedepends", "makedepends", "checkdepends", "depends"}


def test_both_modes_give_the_same_files(dash: Dash, land: Land) -> None:
    """File by file, with modes, times and both property lists; the first build took the better mode."""
    for name, reason in land.modes.items():
        if reason:
            pytest.skip(f"{name}: {reason}")
    other = land.folder("dash-userns")
    distfiles = next((dash.masterdir / "pkg-srcdistdir").iterdir())
    land.xsrc("-m", other, "chroot", "true", cwd=land.clone).ok()
    land.run("cp", "-a", distfiles, other / "pkg-srcdistdir").ok()
    land.xsrc("build", "-m", other, "dash", cwd=land.clone, mode="userns").ok(f"{DASH}: stowed into {other}")
    twin = other / "pkg-destdir" / DASH
    assert look.tree(twin) == look.tree(dash.destdir)
    assert _times(twin) == _times(dash.destdir)
    assert land.run(other / "bin/dash", "-c", "echo hi").ok().out == "hi\n"


def _times(top: Path) -> dict[str, int]:
    return {path: int(status.st_mtime) for path, status in look.walk(top)}


def test_verify_is_clean_after_all_of_this(dash: Dash) -> None:
    dash.xsrc("restow", "dash").ok()
    assert dash.xsrc("verify").ok("no problems").out == ""
