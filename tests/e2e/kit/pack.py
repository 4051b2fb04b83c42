"""Archives made by hand, with every time fixed: a small C project, and hostile things."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import zstandard

EPOCH = 1_600_000_000
"""The time of the newest member of every archive made here."""

CONFIGURE = """#!/bin/sh
set -eu
prefix=/usr/local
for word; do case $word in --prefix=*) prefix=${word#*=} ;; esac; done
echo "prefix = $prefix" >config.mk
echo "configured with $*"
"""
MAKEFILE = """include config.mk
all: hello
hello: hello.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ hello.c
check: hello
	./hello | grep '^hello'
install: hello
	mkdir -p $(DESTDIR)$(prefix)/bin
	cp hello $(DESTDIR)$(prefix)/bin/hello
"""
SOURCE = '#include <stdio.h>\nint main(void) { return puts("hello VERSION") < 0; }\n'


@dataclass(frozen=True)
class Member:
    """One member of an archive, by default a plain file."""

    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    mtime: int = EPOCH


def hello(version: str = "1.0", name: str = "hello", **changed: str) -> list[Member]:
    """The members of a small C project; `changed` replaces one file: configure, Makefile, hello_c, COPYING."""
    files = {
        "configure": CONFIGURE,
        "Makefile": MAKEFILE,
        "hello.c": SOURCE.replace("VERSION", version),
        "COPYING": "Do what you want.\n",
    }
    files |= {key.replace("_c", ".c"): text for key, text in changed.items()}
    top = f"{name}-{version}"
    members = [Member(f"{top}/", type=tarfile.DIRTYPE, mode=0o755, mtime=EPOCH - 100)]
    for number, (path, text) in enumerate(files.items()):
        mode = 0o755 if text.startswith("#!") else 0o644
        members.append(Member(f"{top}/{path}", text.encode(), mode=mode, mtime=EPOCH - number))
    return members


def tar(members: Iterable[Member]) -> bytes:
    """A plain tar of exactly these members, whatever they are."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.linkname, entry.mode, entry.mtime = member.type, member.target, member.mode, member.mtime
            entry.size = len(member.data) if member.type == tarfile.REGTYPE else 0
            entry.devmajor, entry.devminor = 1, 3
            archive.addfile(entry, io.BytesIO(member.data) if entry.size else None)
    return raw.getvalue()


def zipped(members: Iterable[Member]) -> bytes:
    """The same as a zip archive."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one name twice, which some tests want
        for member in members:
            entry = zipfile.ZipInfo(member.name, (2020, 9, 13, 12, 26, 40))  # EPOCH, in UTC
            kind = {tarfile.DIRTYPE: 0o040000, tarfile.SYMTYPE: 0o120000}.get(member.type, 0o100000)
            entry.external_attr = (kind | member.mode) << 16
            archive.writestr(entry, member.target if member.type == tarfile.SYMTYPE else member.data)
    return raw.getvalue()


def lzipped(data: bytes) -> bytes:
    """A lzip file, made as its format is described: lzma of the library between its own header and trailer."""
    model = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 2}
    body = lzma.compress(data, format=lzma.FORMAT_ALONE, filters=[model])[13:]
    return b"LZIP\1\x14" + body + struct.pack("<LQQ", zlib.crc32(data), len(data), len(body) + 26)


def packed(members: Iterable[Member], form: str = "tar.gz") -> bytes:
    """An archive of one of the forms that a distfile may have."""
    if form == "zip":
        return zipped(members)
    plain = tar(members)
    match form:
        case "tar":
            return plain
        case "tar.gz":
            return gzip.compress(plain, mtime=0)
        case "tar.bz2":
            return bz2.compress(plain)
        case "tar.xz":
            return lzma.compress(plain)
        case "tar.zst":
            return zstandard.compress(plain)
        case "tar.lz":
            return lzipped(plain)
    raise ValueError(form)


FORMS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "tar.lz", "zip")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def template(
    name: str = "hello",
    version: str = "1.0",
    *,
    revision: int = 1,
    style: str = "gnu-configure",
    top: str = "",
    tables: str = "",
) -> str:
    """The text of a template: `top` are further keys, `tables` what follows them."""
    return (
        f'name = "{name}"\nversion = "{version}"\nrevision = {revision}\nshort_desc = "Test package"\n'
        f'license = "BSD-2-Clause"\nhomepage = "http://example.org/"\nbuild_style = "{style}"\n{top}\n{tables}\n'
    )


def distfile(url: str | Iterable[str], data: bytes, **more: object) -> str:
    """A [[distfiles]] table of `data`, at one address or several."""
    urls = [url] if isinstance(url, str) else list(url)
    lines = ["[[distfiles]]", f"url = {urls!r}", f'sha256 = "{sha256(data)}"']
    lines += [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in more.items()
    ]
    return "\n".join(lines) + "\n"


def phases(scripts: Mapping[str, str]) -> str:
    """A [phases] table; scripts hold no triple quotes."""
    return "[phases]\n" + "".join(f"{name} = '''\n{text}'''\n" for name, text in scripts.items())
