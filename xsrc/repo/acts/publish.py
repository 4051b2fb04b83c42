"""Keeps the indexes of a repository: adds packages, signs, checks, cleans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from xsrc.core.errors import ConflictError, HostError, UsageError
from xsrc.core.pkgver import PkgVer
from xsrc.core.ui import Ui, counted
from xsrc.repo import check
from xsrc.repo.blocks import Blocks, props_of
from xsrc.repo.disk import keys, repodata
from xsrc.repo.disk.repodata import Repodata
from xsrc.repo.plan import Tables, add
from xsrc.repo.signed import NAMESPACE, line_of, stale


@dataclass(frozen=True)
class Repository:
    """A folder of packages, and whom to report to."""

    folder: Path
    ui: Ui

    def archs(self) -> list[str]:
        """The architectures that it has packages or an index for. Raises HostError if there is no such folder."""
        if not self.folder.is_dir():
            raise HostError(f"{self.folder}: no folder", hint="xsrc pkg NAME writes packages")
        indexed = (path.name.removesuffix("-repodata") for path in self.folder.glob("*-repodata"))
        return sorted({*indexed, *(arch for arch, _ in repodata.packages(self.folder))})


def index(repository: Repository, given: Iterable[Path] = (), *, force: bool = False) -> int:
    """Add the packages of the folder, or the given ones, to the index; return the exit code.

    Raises ConflictError, with nothing changed, if a package has the name and version of an indexed one and another key
    or other bytes. Raises ArchiveError for a file that is no package, and OSError.
    """
    folder, chosen = repository.folder, [*given]
    if outside := [path for path in chosen if path.parent != folder]:
        raise UsageError(f"{outside[0]}: is not in {folder}", hint=f"copy it into {folder}")
    for arch in repository.archs():
        with repodata.held(folder, arch, repository.ui.note):
            paths = [path for a, path in repodata.packages(folder) if a == arch]
            _index(repository, arch, [path for path in paths if not chosen or path in chosen], force)
    return 0


def _index(repository: Repository, arch: str, paths: list[Path], force: bool) -> None:
    data = repodata.read(repository.folder, arch)
    tables = Tables({}, {}) if force else data.tables
    known = tables.all
    found = {}
    for path in paths:
        pkgver = PkgVer.parse(path.name.removesuffix(f".{arch}.xbps"))
        sign = f"<key>pkgver</key>\n\t\t<string>{pkgver}</string>\n".encode()
        size = f"<key>filename-size</key>\n\t\t<integer>{path.stat().st_size}</integer>".encode()
        block = known.get(pkgver.name, b"")
        if not (sign in block and size in block):
            found[path] = repodata.read_package(path)
    result = add(tables, [one.entry for one in found.values()])
    if result.refused:
        raise ConflictError(f"{repository.folder}: nothing was changed", detail=result.refused)
    if not result.added and not force:
        repository.ui.note(f"{arch}: {counted(len(known), 'package')}, nothing new")
        return
    lines = {} if force else dict(data.own.lines)
    for one in found.values():
        if one.entry["pkgver"] in result.added:
            name = PkgVer.parse(one.entry["pkgver"]).name
            lines[name] = line_of(name, one.entry, one.tree)
    repodata.write(repository.folder, arch, Repodata(result.tables, data.own.grown(lines), data.meta))
    for text in result.added:
        repository.ui.note(f"{text}: added")
    if result.waiting:
        waiting = counted(len(result.tables.stage), "package")
        repository.ui.warn(f"{arch}: {waiting} in the stage, until these are built again:")
        for line in result.waiting:
            repository.ui.warn(line)


def sign(repository: Repository, ssh_key: Path | None, rsa_key: Path | None, signer: str, expires: str) -> int:
    """Sign the packages for xbps, and xsrc's own index until a time; return the exit code.

    Raises UsageError if a key cannot be used, ArchiveError and OSError.
    """
    if ssh_key is None and rsa_key is None:
        raise UsageError("repo sign: with which key?", hint="--key FILE of OpenSSH, --rsa-key FILE for xbps, or both")
    folder = repository.folder
    for arch in repository.archs():
        with repodata.held(folder, arch, repository.ui.note):
            data = repodata.read(folder, arch)
            if rsa_key is not None:
                paths = [path for a, path in repodata.packages(folder) if a == arch]
                for path in keys.sign_packages(rsa_key, paths):
                    repository.ui.note(f"{path.name}: signed")
                data = replace(data, meta=keys.public_key(rsa_key, signer))
            if ssh_key is not None:
                own = data.own.grown(data.own.lines, expires)
                data = replace(data, own=replace(own, signature=keys.sign(ssh_key, own.text, NAMESPACE)))
                repository.ui.note(f"{arch}: version {data.own.version} of the index, until {expires}")
            repodata.write(folder, arch, data)
    return 0


def problems(repository: Repository, arch: str, templates: frozenset[str], now: str, allowed: Path | None) -> list[str]:
    """What is wrong with an index and its packages, a line each. Raises ArchiveError, HostError and OSError."""
    folder = repository.folder
    data = repodata.read(folder, arch)
    entries = {name: props_of(block) for name, block in data.tables.all.items()}
    found = [*check.unmet(entries), *check.gone(entries, templates)]
    paths: list[tuple[str, str]] = []
    for name, entry in sorted(entries.items()):
        file = folder / f"{entry['pkgver']}.{arch}.xbps"
        if not file.exists():
            found.append(f"{entry['pkgver']}: is in the index, and {file.name} is gone")
            continue
        if _sha256(file) != entry.get("filename-sha256"):
            found.append(f"{entry['pkgver']}: {file.name} is not the file of the index")
            continue
        paths += [(path, name) for path in repodata.paths_of(file)]
    found += check.shared_paths(sorted(paths), entries)
    if allowed is not None:
        who = keys.signer_of(data.own.text, data.own.signature, allowed, NAMESPACE)
        why = stale(data.own, now) or ("" if who else f"nobody of {allowed} signed it")
        found += [f"{repodata.own_index(folder, arch).name}: {why}"] if why else []
    return found


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def clean(repository: Repository, *, plan_only: bool = False) -> list[Path]:
    """Remove files of packages that no index has, and entries whose file is gone; return the files. Raises OSError."""
    folder, going = repository.folder, []
    for arch in repository.archs():
        with repodata.held(folder, arch, repository.ui.note):
            data = repodata.read(folder, arch)
            # an older version stays while the newer one waits
            tables = (data.tables.index, data.tables.stage)
            kept = {f"{props_of(b)['pkgver']}.{arch}.xbps" for table in tables for b in table.values()}
            files = [path for a, path in repodata.packages(folder) if a == arch and path.name not in kept]
            signatures = [path.with_name(f"{path.name}.sig2") for path in files]
            going += [*files, *(path for path in signatures if path.exists())]
            left = [_left(folder, arch, table) for table in tables]
            if plan_only:
                continue
            for path in going:
                path.unlink(missing_ok=True)
            if [len(table) for table in tables] != [len(table) for table in left]:
                names = left[0].keys() | left[1].keys()
                own = data.own.grown({name: line for name, line in data.own.lines.items() if name in names})
                repodata.write(folder, arch, Repodata(Tables(*left), own, data.meta))
    return going


def _left(folder: Path, arch: str, table: Blocks) -> dict[str, bytes]:
    return {n: b for n, b in table.items() if (folder / f"{props_of(b)['pkgver']}.{arch}.xbps").exists()}
