"""A base of Debian: made by an ordinary user from signed packages, the same twice, and what is built on it."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site
from xsrc.base.disk import essential
from xsrc.unix import machine

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Made:
    """One base in two masterdirs; the first was killed while it was made, and made again."""

    land: Land
    masterdirs: tuple[Path, Path]
    results: tuple[Result, Result]
    left: tuple[str, ...]
    """What the kill left in the folder of bases."""

    @property
    def bases(self) -> Path:
        return self.masterdirs[0] / "pkg-base"

    @property
    def name(self) -> str:
        (name,) = (path.name for path in self.bases.glob("debian-*"))
        return name

    @property
    def base(self) -> Path:
        return self.bases / self.name


@pytest.fixture(scope="module")
def made(land: Land) -> Iterator[Made]:
    if shutil.which("apt-get", path="/usr/bin") is None or not KEYS.is_file():
        pytest.skip("no apt-get, or no keys of Debian, on this machine")
    one, two = (land.folder(f"base-{n}") / "masterdir" for n in "12")
    command = ("bootstrap", "--from", "debian")
    with people.ended(land.start("-m", one, *command, cwd=land.clone)) as running:
        look.until(lambda: (one / "pkg-base/.new/usr/bin").is_dir() or running.process.poll() is not None, "unpacking")
        running.signal(signal.SIGKILL)
        running.wait().ended(-signal.SIGKILL)
    left = tuple(sorted(os.listdir(one / "pkg-base")))
    first = land.xsrc("-m", one, *command, cwd=land.clone)
    tree = land.folder("tree-2")
    (tree / "templates").symlink_to(land.clone / "templates")
    shutil.copytree(land.clone / "masterdir-skel", tree / "masterdir-skel", symlinks=True)
    config = tree / "config/xsrc/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'srcdistdir = "{one}/pkg-srcdistdir"\n')
    second = land.xsrc("-m", two, *command, cwd=tree, env={"XDG_CONFIG_HOME": str(tree / "config")})
    yield Made(land, (one, two), (first, second), left)


def test_what_was_killed_is_made_by_the_same_command(made: Made) -> None:
    assert ".new" in made.left and not any(name.startswith("debian") for name in made.left)
    made.results[0].ok(", 0 MiB of them missing", ": made in ")
    assert {path.name for path in made.bases.iterdir()} == {".lock", made.name}


def test_two_bootstraps_are_the_same_base_bit_for_bit(made: Made) -> None:
    made.results[1].ok(": made in ")
    one, two = (look.tree(masterdir / "pkg-base" / made.name) for masterdir in made.masterdirs)
    assert len(one) > 3000
    assert one == two


def test_a_base_is_listed_with_its_packages_and_sealed(made: Made) -> None:
    said = made.land.xsrc("-m", made.masterdirs[0], "bootstrap", "--list", "--json", cwd=made.land.clone).ok().out
    (record,) = json.loads(said)
    assert record["name"] == made.name
    assert {"gcc", "make", "dash", "build-essential", "coreutils"} <= record["packages"].keys()
    assert len(record["digest"]) == 64
    for path in (made.base, made.base / "usr/bin", made.base / "usr/bin/dash"):
        assert not path.stat().st_mode & 0o222, path
    for name in ("sh", "awk", "cc", "c++", "which", "pager", "lzcat"):
        assert (made.base / "usr/bin" / name).resolve().is_relative_to(made.base), name
    dangling = [path for path in (made.base / "usr/bin").iterdir() if not path.exists()]
    assert dangling == []
    again = made.land.xsrc("-m", made.masterdirs[0], "bootstrap", "--from", "debian", cwd=made.land.clone)
    again.ok("there already")


def on_base(made: Made, site: Site) -> Site:
    """A site whose user builds on the base."""
    site.settings(f'base = "debian"\nbasedir = "{made.bases}"\n')
    return site


def test_packages_of_the_tree_are_built_on_it(made: Made, site_in_mode: Site) -> None:
    site = on_base(made, site_in_mode)
    name, command, says = {
        "caps": ("dash", ("bin/dash", "-c", "echo $((6 * 7))"), "42\n"),
        "userns": (
            "zlib",
            ("chroot", "sh", "-c", "ls /usr/lib/libz.so.1; type gcc"),
            "/usr/lib/libz.so.1\ngcc is /usr/bin/gcc\n",
        ),
    }[site.mode or ""]
    shutil.copytree(made.land.clone / "templates" / name, site.root / "templates" / name)
    made.land.own(site.root / "templates")
    site.build(name)
    run = site.xsrc(*command) if command[0] == "chroot" else site.land.run(site.masterdir / command[0], *command[1:])
    assert run.ok().out == says
    (destdir,) = (site.masterdir / "pkg-destdir").glob(f"{name}-*")
    props = plistlib.loads((destdir / "props.plist").read_bytes())
    assert props["build"]["base"] == made.name
    assert (
        json.loads((made.land.xsrc("-m", made.masterdirs[0], "bootstrap", "--list", "--json", cwd=site.root)).ok().out)[
            0
        ]["digest"]
        in props["preimage"]
    )


def test_a_build_root_has_the_base_and_nothing_of_the_host(made: Made, site: Site) -> None:
    host = next(
        path for path in sorted(Path("/usr/bin").iterdir()) if not (made.base / f"usr/bin/{path.name}").exists()
    )
    script = f"""mkdir -p $DESTDIR/usr/share/x
sha256sum </usr/bin/cc >$DESTDIR/usr/share/x/cc
if test -e {host}; then echo host; else echo base; fi >$DESTDIR/usr/share/x/sees
"""

    def base() -> str:
        return str(plistlib.loads((site.destdir("x-1.0_1") / "props.plist").read_bytes())["build"]["base"])

    site.script("x", script)
    on_base(made, site).build("x")
    assert base() == made.name
    shown = site.masterdir / "usr/share/x"
    digest = machine_sum((made.base / "usr/bin/cc").resolve())
    assert (shown / "cc").read_text().split()[0] == digest
    assert (shown / "sees").read_text() == "base\n"
    assert "changed: base." in site.xsrc("build", "-n", "x", "--base", "host").ok().out
    site.build("x", "--base", "host")
    assert base() == "host"
    hidden = essential.has_database()  # host too shows essential packages alone then
    assert (shown / "sees").read_text() == ("base\n" if hidden else "host\n")
    assert site.xsrc("chroot", "test", "-e", str(host)).code == 1
    assert site.xsrc("--base", "host", "chroot", "test", "-e", str(host)).code == hidden
    site.xsrc("build", "-n", "x", env={"XSRC_BASE": "host"}).ok()
    site.xsrc("build", "x", "--base", "debian:nosuch").ended(
        2, "no base debian:nosuch", "bootstrap --from debian:nosuch"
    )


def machine_sum(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_that_was_changed_is_refused(made: Made) -> None:
    (deb,) = (made.masterdirs[0] / "pkg-srcdistdir").glob("*/build-essential_*.deb")
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.chmod(0o644)
    deb.write_bytes(data)
    before = look.tree(made.base / "etc")
    result = made.land.xsrc("-m", made.masterdirs[0], "bootstrap", "-f", "--from", "debian", cwd=made.land.clone)
    result.ended(1, "build-essential_", "refused", "want sha256 ")
    assert not deb.exists()
    assert look.tree(made.base / "etc") == before


@pytest.mark.parametrize(
    ("tampered", "words"),
    [
        ("InRelease", ("BADSIG", "invalid signature", "not signed")),
        ("Packages.xz", ("Hash Sum mismatch", "unexpected size")),
    ],
)
def test_lists_that_were_changed_are_refused(made: Made, site: Site, tampered: str, words: tuple[str, ...]) -> None:
    suite, arch = made.name.split("-")[1:]
    mirror = (machine.debian_site() or "").removesuffix("/pool")
    with urllib.request.urlopen(f"{mirror}/dists/{suite}/InRelease") as answer:
        release = answer.read()
    if tampered == "InRelease":
        assert b"Origin: Debian\n" in release
        release = release.replace(b"Origin: Debian\n", b"Origin: debian\n", 1)
    site.serve(f"debian/dists/{suite}/InRelease", release)
    path = f"main/binary-{arch}/Packages.xz"
    signed = next(
        line.split() for line in release.decode().splitlines() if line.endswith(f" {path}") and len(line) > 100
    )
    lists = bytes(int(signed[1]))
    for name in (path, f"main/binary-{arch}/by-hash/SHA256/{signed[0]}"):
        site.serve(f"debian/dists/{suite}/{name}", lists)
    address = site.serve("debian/pool", b"")
    site.settings(f'[sites]\nDEBIAN_SITE = "{address}"\n')
    result = site.xsrc("bootstrap", "--from", f"debian:{suite}", env={"HOME": str(site.root / "home")})
    result.ended(1, "were refused")
    assert any(word in result.err for word in words), str(result)
    assert site.xsrc("bootstrap", "--list").ok().out == ""


def test_a_base_is_removed_unless_it_is_in_use(made: Made, site: Site) -> None:
    two = made.masterdirs[1]
    site.script("slow", scripts={"do_build": "sleep 297.25\n"})
    site.settings(f'basedir = "{two}/pkg-base"\n')
    with people.ended(site.start("--base", "debian", "build", "slow")) as running:
        look.until(lambda: look.processes("sleep 297.25"), "the build")
        site.xsrc("bootstrap", "--remove", "debian").ended(5, "in use")
        running.signal(signal.SIGTERM)
        running.wait()
    site.xsrc("bootstrap", "--remove", made.name).ok("removed")
    assert os.listdir(two / "pkg-base") == [".lock"]
    site.xsrc("--base", "debian", "build", "slow").ended(2, "there is none but host")
