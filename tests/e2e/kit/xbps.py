"""A strict reader of binary packages, written from the description of the format and from no code of xsrc.

It refuses whatever some client of xbps refuses, warns of, or carries out in another way than it says.
"""

from __future__ import annotations

import hashlib
import plistlib
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

PKGVER = re.compile(r"(?P<name>.{1,63})-(?P<version>[^-_]*[0-9][^-_]*_[0-9]+)")
BOUND = r"[A-Za-z0-9.+~]+(?:_[0-9]+)?"
PATTERN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9+._-]*?(?:>=?{BOUND}(?:<=?{BOUND})?|<=?{BOUND}|-[^-_]*[0-9][^-_]*_[0-9]+)")
LISTS = ("run_depends", "conflicts", "replaces", "provides", "shlib-requires", "shlib-provides", "conf_files")
TEXTS = (
    *("pkgver", "pkgname", "version", "architecture", "short_desc", "homepage", "license", "maintainer"),
    *("sourcepkg", "source-revisions", "build-options", "packaged-with", "build-key", "build-base"),
)
PAX = {"path", "linkpath", "size", "mtime", "SCHILY.xattr.security.capability"}
HEADS = ("./INSTALL", "./REMOVE", "./props.plist", "./files.plist")


class Refused(Exception):
    """What is wrong with a package."""


def want(right: object, why: str) -> None:
    if not right:
        raise Refused(why)


@dataclass(frozen=True)
class Package:
    """A package that is right."""

    props: dict[str, Any]
    files: dict[str, list[dict[str, Any]]]
    scripts: dict[str, bytes]
    members: dict[str, tarfile.TarInfo]
    """By path in the root, the members that are installed."""
    contents: dict[str, bytes]

    def entry(self, path: str) -> dict[str, Any]:
        """What files.plist says of a path."""
        return next(entry for entries in self.files.values() for entry in entries if entry["file"] == path)


def read(file: Path) -> Package:
    """Read a package; raise Refused for the first thing that is wrong."""
    members = _members(_unpacked(file.read_bytes()))
    names: list[str] = [member.name for member, _ in members]
    heads = [name for name in names if name in HEADS]
    want(heads == [name for name in HEADS if name in names], f"the order is {heads}")
    want(names[: len(heads)] == heads, "files before files.plist")
    want(heads[-2:] == ["./props.plist", "./files.plist"], "a property list is missing")
    for member, text in members[: len(heads)]:
        want(member.isreg() and member.mtime == 0, f"{member.name}: a time of its own")
        want(text, f"{member.name}: it is empty")
    data = dict(zip(names, (data for _, data in members), strict=True))
    props, files = _plist(data["./props.plist"]), _plist(data["./files.plist"])
    found = Package(
        props,
        files,
        {name[2:]: data[name] for name in heads[:-2]},
        {member.name[1:]: member for member, _ in members[len(heads) :]},
        {member.name[1:]: content for member, content in members[len(heads) :]},
    )
    _check_props(found, file)
    _check_files(found)
    return found


def _unpacked(data: bytes) -> bytes:
    want(data[:4] == b"\x28\xb5\x2f\xfd", "not compressed by zstd")
    want(zstandard.get_frame_parameters(data).window_size <= 1 << 27, "a window that is too large")
    reader = zstandard.ZstdDecompressor().decompressobj()
    plain = reader.decompress(data)
    want(reader.eof and not reader.unused_data, "cut off, or something after the end")
    return plain


def _members(plain: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    import io

    found = []
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        for member in tar:
            want(member.name.startswith("./"), f"{member.name}: a name without ./")
            want(".." not in member.name.split("/") and "//" not in member.name, f"{member.name}: a bad name")
            want(member.isreg() or member.issym() or member.islnk(), f"{member.name}: neither file nor link")
            want((member.uid, member.gid, member.uname, member.gname) == (0, 0, "", ""), f"{member.name}: an owner")
            want(set(member.pax_headers) <= PAX, f"{member.name}: {member.pax_headers}")
            content = tar.extractfile(member) if member.isreg() else None
            found.append((member, content.read() if content else b""))
    names = [member.name for member, _ in found]
    want(len(names) == len(set(names)), "a name twice")
    return found


def _plist(data: bytes) -> dict[str, Any]:
    want(data.startswith(b"<?xml") and b"&#" not in data, "no plain XML")
    want(b"<date>" not in data and b"<real>" not in data, "a value that xbps cannot read")
    want(b"<data></data>" not in data and b"<data/>" not in data, "empty data, which xbps cannot read again")
    found = plistlib.loads(data)
    want(isinstance(found, dict), "no dictionary")
    assert isinstance(found, dict)
    return found


def _check_props(package: Package, file: Path) -> None:
    props = package.props
    for key, value in props.items():
        if key in LISTS:
            want(isinstance(value, list) and value and all(isinstance(v, str) for v in value), f"{key}: {value}")
        elif key in TEXTS:
            want(isinstance(value, str) and value, f"{key}: {value!r}")
        elif key == "alternatives":
            for links in value.values():
                want(all(re.fullmatch(r"/[^:]+:/[^:]+", link) for link in links), f"{key}: {links}")
        else:
            want(key == "installed_size" and isinstance(value, int), f"{key}: what is it?")
    for key in ("pkgver", "architecture", "short_desc", "installed_size"):
        want(key in props, f"{key} is missing")
    pkgver = PKGVER.fullmatch(props["pkgver"])
    want(pkgver and len(pkgver["name"].encode()) <= 63, f"pkgver: {props['pkgver']}")
    assert pkgver is not None
    want((props["pkgname"], props["version"]) == pkgver.groups(), "name and version are not those of pkgver")
    want(file.name == f"{props['pkgver']}.{props['architecture']}.xbps", f"the file is called {file.name}")
    for key in ("run_depends", "conflicts", "replaces"):
        for text in props.get(key, ()):
            want(PATTERN.fullmatch(text), f"{key}: {text}")
    for text in props.get("provides", ()):
        want(PKGVER.fullmatch(text), f"provides: {text}")


def _check_files(package: Package) -> None:
    want(set(package.files) <= {"files", "conf_files", "links", "dirs"}, f"lists: {set(package.files)}")
    listed: dict[str, str] = {}
    for key, entries in package.files.items():
        want(entries, f"{key}: an empty list")
        paths = [entry["file"] for entry in entries]
        want(paths == sorted(paths), f"{key}: not in order")
        for path in paths:
            want(path.startswith("/") and path not in listed, f"{path}: listed twice, or not from the root")
            listed[path] = key
    payload = {path for path, key in listed.items() if key != "dirs"}
    want(payload == package.members.keys(), f"listed or there: {payload ^ package.members.keys()}")
    above = {parent for path in listed for parent in _parents(path)}
    want(above <= {path for path, key in listed.items() if key == "dirs"}, f"folders that are not listed: {above}")
    seen: set[str] = set()
    size = 0
    for path, member in package.members.items():
        entry = package.entry(path)
        if member.issym():
            want(listed[path] == "links" and entry["target"] == member.linkname, f"{path}: another link")
            continue
        first = member.linkname[1:] if member.islnk() else path
        want(first == path or first in seen, f"{path}: a hard link to what comes later")
        want(not member.islnk() or package.members[first].isreg(), f"{path}: a hard link to no file")
        content = package.contents[first]
        want(hashlib.sha256(content).hexdigest() == entry["sha256"], f"{path}: another content")
        want(entry.get("size", 0) == len(content), f"{path}: another size")
        size += len(content) if first == path else 0
        seen.add(path)
    want(size == package.props["installed_size"], "installed_size is not that of the files")
    conf = [entry["file"] for entry in package.files.get("conf_files", ())]
    want(sorted(package.props.get("conf_files", ())) == conf, "conf_files differ")
    for links in package.props.get("alternatives", {}).values():
        for link in links:
            want(link.split(":")[0] not in listed, f"{link}: the package has the link itself")


def _parents(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
