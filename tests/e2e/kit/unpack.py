"""Packages made of programs that this machine's dpkg installed, so that real ones are stowed without building them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site
from xsrc.base import dpkg

NEVER = tuple(f"/usr/share/{part}/*" for part in ("bug", "doc", "doc-base", "info", "lintian", "locale", "man"))
COPY = 'cp -a "$WRKSRC/usr" "$DESTDIR"; chmod -R u+w "$DESTDIR"\n'
MARK = "printf '{}' >>\"$DESTDIR/{}\"\n"
"""An ELF file that is longer than its tables say works as before."""


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def program(name: str) -> Path:
    """The real file of a program of this machine that a Debian package owns; without one the test is skipped."""
    path = Path("/usr/bin", name)
    if shutil.which("dpkg-query") is None:
        pytest.skip("no dpkg-query: what belongs to a program is known on Debian and its kin only")
    if not path.exists():
        pytest.skip(f"no /usr/bin/{name}: helpers/setup --test installs it")
    if not _owner(path.resolve()):
        pytest.skip(f"{path.resolve()} belongs to no Debian package")
    return path.resolve()


def _owner(path: Path) -> str:
    """The binary package of a file, as dpkg names it."""
    names = (str(path), str(path).removeprefix("/usr"))  # of a time before /usr was merged
    return next((said.partition(": ")[0].split(",")[0] for name in names if (said := _said("dpkg", "-S", name))), "")


@cache
def _packages() -> dict[str, str]:
    """Every installed binary package with its source package."""
    rows = _said("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${binary:Package}|${source:Package}\n").splitlines()
    return {name: source for state, name, source in (row.split("|") for row in rows) if state.startswith("ii")}


def _links_to(name: str) -> Iterator[Path]:
    """/usr/bin/NAME and the links that it goes by; what leads by way of /etc/alternatives is no link of a package."""
    path = Path("/usr/bin", name)
    while path.is_symlink() and path.is_relative_to("/usr"):
        yield path
        path = path.parent / path.readlink()


def _siblings(name: str) -> list[str]:
    """The installed binary packages of the source package that the program NAME is of."""
    source = _packages()[_owner(program(name))]
    return sorted(other for other, one in _packages().items() if one == source)


def files(name: str, keep: Iterable[str] = ("*",), leave: Iterable[str] = ()) -> list[str]:
    """All paths of the source package that the program NAME is of, as installed, of `keep` but for those of `leave`."""
    return _files(_siblings(name), _links_to(name), keep, leave)


def _files(names: Iterable[str], more: Iterable[Path], keep: Iterable[str], leave: Iterable[str]) -> list[str]:
    """The paths of Debian packages as installed, and `more`, of `keep` but for those of `leave`."""
    listed = _said("dpkg", "-L", *names).splitlines()
    keep, leave, found = tuple(keep), (*NEVER, *leave), set[str]()
    for path in (*more, *map(Path, listed)):
        real = path.parent.resolve() / path.name
        wanted = any(fnmatchcase(str(real), glob) for glob in keep)
        if not wanted or not real.is_relative_to("/usr") or any(fnmatchcase(str(real), glob) for glob in leave):
            continue
        if real.is_symlink():
            if not real.readlink().is_relative_to("/etc"):
                found.add(str(real))
        elif real.is_file() and real.stat().st_mode & 0o004:
            found.add(str(real))
    return sorted(path.lstrip("/") for path in found)


def _needs(names: Iterable[str]) -> list[str]:
    """What Debian packages need beside themselves and what the base `host` shows."""
    known = dpkg.installed(Path("/var/lib/dpkg/status").read_text(encoding="utf-8"))
    shown, todo = {*dpkg.essential(known)}, [name.partition(":")[0] for name in names]
    own, found = {*todo}, set[str]()
    while todo:
        name = todo.pop()
        if name in known and name not in found and name not in shown:
            found.add(name)
            todo += [need for clause in known[name].needs for need in clause]
    return sorted(found - own)


def _source(site: Site, name: str, paths: Iterable[str]) -> str:
    """The [[distfiles]] table of an archive of files of this machine."""
    words = ("tar", "-C", "/", "--hard-dereference", "--transform=flags=rh;s,^,top/,", "-cf", "-", "-T", "-")
    done = subprocess.run(words, input="\n".join(paths).encode(), capture_output=True, check=True)
    return pack.distfile(site.serve(f"{name}.tar", done.stdout), done.stdout)


def tools(site: Site, name: str, *debian: str) -> None:
    """Write the template NAME of Debian packages of this machine, with all that they need beside the base `host`.

    python looks for its modules beside the file that its link leads to, so it is stowed as a file. Where one of the
    packages is not installed, the test is skipped.
    """
    for one in debian:
        if one not in _packages():
            pytest.skip(f"Debian's {one} is not installed: helpers/setup --test brings most of what is asked for")
    paths = _files([*debian, *_needs(debian)], (), ("*",), ("*.a", "/usr/include/*"))
    stow = '[stow]\nhardlink = ["usr/bin/python3*"]\n' if "usr/bin/python3" in paths else ""
    site.script(name, COPY, top="nostrip = true", tables=_source(site, name, paths) + stow)


def mark(package: str) -> str:
    """What stands at the end of the programs of a package that `package` made, and nowhere on this machine."""
    return f"<xsrc {package}>"


def package(
    site: Site,
    name: str,
    of: str,
    *,
    keep: Iterable[str] = ("*",),
    leave: Iterable[str] = (),
    more: str = "",
    hardlink: Iterable[str] = (),
    revision: int = 1,
) -> str:
    """Write the template NAME of the program `of`, which will end with a mark; gives its pkgver.

    `more` is a script that adds files of its own.
    """
    real, listed = str(program(of)).lstrip("/"), files(of, keep, leave)
    assert real in listed
    libraries = _files(_needs(_siblings(of)), (), ("/usr/lib/*/lib*.so.*", "/usr/lib/lib*.so.*"), ("/usr/lib/*/*/*",))
    if libraries:
        site.script(f"{name}-libs", COPY, top="nostrip = true", tables=_source(site, f"{name}-libs", libraries))
    site.script(
        name,
        COPY + MARK.format(mark(name), real) + more,
        revision=revision,
        top=f"nostrip = true\ndepends = {[f'{name}-libs'] if libraries else []}",  # a mark would be stripped
        tables=_source(site, name, listed) + (f"[stow]\nhardlink = {list(hardlink)}\n" if hardlink else ""),
    )
    return f"{name}-1.0_{revision}"


@contextlib.contextmanager
def linked(site: Site, pkgver: str, path: Path) -> Iterator[None]:
    """A symbolic link in the place of a hard link inside the block: what a test must be able to tell apart."""
    name = str(path).lstrip("/")
    stands = site.masterdir / name
    assert not stands.is_symlink() and stands.samefile(site.destdir(pkgver) / name), f"{path} is no hard link"
    stands.unlink()
    stands.symlink_to("../" * name.count("/") + f"pkg-destdir/{pkgver}/{name}")
    yield
    site.xsrc("restow", pkgver.partition("-")[0]).ok()
    assert not stands.is_symlink()


def runs(site: Site, name: str, path: str | Path) -> None:
    """Assert that what stands at a path of the stowed root, seen from inside, is the marked program of a package."""
    said = site.xsrc("chroot", "tail", "-c", str(len(mark(name))), str(path)).ok().out
    assert said == mark(name), f"{path} is not of {name}"
