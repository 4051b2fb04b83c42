"""Readers of files: databases, archives, bases, work directories, indexes, files of packages, a git server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.fuzz.kit import values
from tests.fuzz.kit.engine import Target
from tests.unit.records import small
from xsrc.base.disk import shelf
from xsrc.build.disk import work
from xsrc.core.errors import ArchiveError, ConflictError, HostError, TemplateError, UsageError
from xsrc.core.layout import Masterdir, Tree, WorkDir
from xsrc.core.outcome import Outcome
from xsrc.core.phase import Phase
from xsrc.core.pkgver import Pattern
from xsrc.core.settings import Limits
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import opened
from xsrc.runs.disk.journal import Journal
from xsrc.runs.disk.pages import render
from xsrc.runs.package_page import package_page
from xsrc.runs.run import State
from xsrc.runs.run_page import run_page
from xsrc.runs.text import Neighbours
from xsrc.sources.disk import git
from xsrc.sources.disk.archives import repack
from xsrc.sources.disk.distdir import OpenFile
from xsrc.sources.disk.web import Bounds, Unanswered
from xsrc.store.disk import needs
from xsrc.store.manifest import Manifest
from xsrc.tree.disk.cache import Cache, sealed, sha
from xsrc.tree.disk.index import Index
from xsrc.unix.trees import remove_tree

LIMITS = Limits(unpacked_mib=8, unpacked_members=2000)


def _silent(text: str) -> None:
    """Nobody hears it."""


def _fresh(place: Path, name: str) -> Path:
    """An empty folder of a name."""
    folder = place / name
    if folder.exists():
        remove_tree(folder)
    folder.mkdir(parents=True)
    return folder


def _small(path: Path) -> bytes:
    """A database in as few bytes as it can be."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 512")
        db.execute("VACUUM")
    return path.read_bytes()


# ---- the journal


def _journal(place: Path) -> Journal:
    masterdir = Masterdir(_fresh(place, "journal"))
    masterdir.db.mkdir(parents=True)
    return Journal(masterdir, _silent)


def _look(journal: Journal) -> None:
    """Ask a journal all that it can be asked, and make the pages of it."""
    journal.last()
    expected = journal.expected()
    tallies = journal.tallies(5)
    for run in journal.runs(5):
        render(run_page(run, tallies, expected, 1.8e9, Neighbours(logs={}, to_logs="..", known=(), pages=())))
    for name, builds in journal.history().items():
        render(package_page(name, builds, Neighbours(logs={}, to_logs="..", pages=set())))
    number = journal.begin("build", 1, 1.0, ())
    journal.end(number, 2.0, State.BUILT)


def journal_file(data: bytes, place: Path) -> None:
    journal = _journal(place)
    journal.path.write_bytes(data)
    _look(journal)


def journal_rows(data: bytes, place: Path) -> None:
    """Rows of any values: what a JSON list says, in the columns of the table of jobs."""
    journal = _journal(place)
    journal.path.write_bytes(_sound_journal())
    _laid(journal.path, data)
    _look(journal)


@cache
def _sound_journal() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        journal = _journal(Path(folder))
        number = journal.begin("build", 1, 1.0, small().jobs)
        journal.end(number, 2.0, State.BUILT)
        return _small(journal.path)


def _laid(path: Path, data: bytes) -> None:
    """Change a database as JSON says: {table: {column: value}} changes all rows, {table: null} removes them."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        try:
            tables = json.loads(data)
            for table, columns in tables.items():
                if columns is None:
                    db.execute(f'DELETE FROM "{table}"')
                    continue
                for column, value in columns.items():
                    kept = value if isinstance(value, str | int | float | None) else json.dumps(value)
                    with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
                        db.execute(f'UPDATE "{table}" SET "{column}" = ?', (kept,))  # of any type: SQLite takes it
        except (ValueError, AttributeError, RecursionError, sqlite3.Error):
            pass


def _changes(path: Path, *tables: str) -> Iterator[bytes]:
    """Every column of the tables, with the values that it has."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for table in tables:
            for row in db.execute(f'SELECT * FROM "{table}" LIMIT 1'):
                columns = {key: row[key] for key in row.keys() if not isinstance(row[key], bytes)}  # noqa: SIM118
                yield json.dumps({table: columns}).encode()
                for key, value in columns.items():
                    yield json.dumps({table: {key: value}}).encode()


def _journal_changes(place: Path) -> Iterator[bytes]:
    (place / "x.sqlite").write_bytes(_sound_journal())
    yield from _changes(place / "x.sqlite", "run", "job")


# ---- the database of the farm


@cache
def _sound_farm() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "farm.sqlite")
        with opened(path, new=True) as farm:
            farm.record(values.PROPS, Manifest.of(values.ENTRIES), build="0" * 20)
            farm.finish(values.CHANGE, 1)
            farm.begin(values.CHANGE)
            farm.forget([], ["pkg-destdir/.x"])
        return _small(path)


def _ask(path: Path) -> None:
    """Ask a farm all that it can be asked."""
    with opened(path, read=True) as farm:
        for ask in ("check", "built", "inputs", "outcomes", "saw", "builds", "stowed", "stowed_builds", "ruled"):
            getattr(farm, ask)()
        for ask in ("records", "made", "generation", "begun", "going"):
            getattr(farm, ask)()
        farm.versions("dash")
        known = KnownBuilds(farm)
        known.named(Pattern.parse("sh"))
        known.with_soname("libz.so.1")
        for one in (*known.stowed().values(), *known.candidates("dash")):
            known.exports(one, "libz.so.1")
            known.imports(one, "libz.so.1")
        farm.props(values.DASH)
        farm.run_depends(values.DASH)
        farm.entries(values.DASH)
        if member := farm.member(values.DASH):
            _ = member.places
        farm.sharers(["usr/bin/dash"], [])
        farm.owners("usr/bin/dash")
        farm.concerns("info-dir", ["usr/*"], [], ["dash-0.5.12_1"])


def farm_file(data: bytes, place: Path) -> None:
    path = _fresh(place, "farm") / "farm.sqlite"
    path.write_bytes(data)
    _ask(path)


def farm_rows(data: bytes, place: Path) -> None:
    path = _fresh(place, "farm") / "farm.sqlite"
    path.write_bytes(_sound_farm())
    _laid(path, data)
    _ask(path)


def _farm_changes(place: Path) -> Iterator[bytes]:
    path = place / "farm.sqlite"
    path.write_bytes(_sound_farm())
    yield from _changes(path, "package", "entry", "begun", "conf", "aside", "made", "going", "choice", "generation")


# ---- archives


def archive(data: bytes, place: Path) -> None:
    name = "x-1.gz" if len(data) % 4 == 0 else "x-1.tar"  # of the first, what is no tar is a single file
    file = OpenFile(name, io.BufferedReader(cast("io.RawIOBase", io.BytesIO(data))))
    with open(os.devnull, "wb") as out:  # noqa: PTH123
        repack(file, out, LIMITS)


_MEMBERS = (
    *pack.hello(),
    Member("hello-1.0/link", type=tarfile.SYMTYPE, target="../x"),
    Member("hello-1.0/hard", type=tarfile.LNKTYPE, target="hello-1.0/COPYING"),
    Member("hello-1.0/late", type=tarfile.LNKTYPE, target="hello-1.0/" + "n" * 150),
    Member("hello-1.0/" + "n" * 150, b"long"),
    Member("hello-1.0/linked", type=tarfile.LNKTYPE, target="hello-1.0/link"),
)


def _archives() -> Iterator[bytes]:
    for form in pack.FORMS:
        yield pack.packed(_MEMBERS if form != "zip" else _MEMBERS[:6], form)
    inner = pack.tar(_MEMBERS)
    yield b"!<arch>\n" + b"data.tar        0           0     0     100644  %-10d`\n" % len(inner) + inner
    yield b"BZh9" + b"\x17\x72\x45\x38\x50\x90" + bytes(4)


def exported_base(data: bytes, place: Path) -> None:
    folder = _fresh(place, "bases")
    (place / "base.tar").write_bytes(data)
    try:
        shelf.bring_in(place / "base.tar", folder, LIMITS)
        shelf.every(folder)
    finally:
        remove_tree(folder)


def _bases(place: Path) -> Iterator[bytes]:
    folder = _fresh(place, "bases")
    top = folder / shelf.NEW
    (top / "usr/bin").mkdir(parents=True)
    (top / "usr/bin/sh").write_text("x")
    (top / "usr/bin/ash").symlink_to("sh")
    shelf.finish(folder, "mine", "x86_64", "1", {"dash": "1"})
    shelf.export(folder / "mine", place / "out.tar.zst")
    data = (place / "out.tar.zst").read_bytes()
    remove_tree(folder)
    import zstandard

    yield data
    yield zstandard.ZstdDecompressor().decompressobj().decompress(data)


# ---- work directories, indexes, files of packages


def state(data: bytes, place: Path) -> None:
    folder = WorkDir(place / "work")
    folder.path.mkdir(exist_ok=True)
    folder.state.write_bytes(data)
    if found := work.read_state(folder):
        work.write_state(folder, found)


def _states(place: Path) -> Iterator[bytes]:
    folder = WorkDir(place / "work")
    folder.path.mkdir(exist_ok=True)
    whole = work.WorkState(
        "k", (Phase.FETCH,), Phase.BUILD, None, 3, ("x",), ((Phase.FETCH, 1.5),), {"musl": Outcome("a", "b", "c")}
    )
    work.write_state(folder, whole)
    yield folder.state.read_bytes()


def _tree(place: Path) -> Tree:
    tree = Tree(place / "tree")
    file = tree.template("dash")
    if not file.exists():
        file.parent.mkdir(parents=True)
        file.write_bytes(values.TEMPLATE)
    return tree


def _index(place: Path) -> None:
    index = Index.open(_tree(place), place / "index")
    outlines = index.outlines(
        "world", lambda template: cast("Any", SimpleNamespace(template=template)), lambda _: "inputs"
    )
    index.names()
    index.template("dash")
    with contextlib.suppress(AttributeError):  # our package is none, where a leaf is made anew
        _ = outlines["dash"]
    for name in ("other", "..", "dash-doc"):
        with contextlib.suppress(UsageError):
            index.template(name)


def index_file(data: bytes, place: Path) -> None:
    """The file of an index as it is on disk."""
    (_fresh(place, "index") / "index.sqlite").write_bytes(data)
    _index(place)


def index_table(data: bytes, place: Path) -> None:
    """Rows of any values, in the tables of an index."""
    path = _fresh(place, "index") / "index.sqlite"
    path.write_bytes(_sound_index())
    _laid(path, data)
    _index(place)


def index_texts(data: bytes, place: Path) -> None:
    """A body and an outline of any text, each with a seal that holds."""
    folder, text = _fresh(place, "index"), data.decode("ascii", "replace")
    index = Index.open(_tree(place), folder)
    index.template("dash")
    index.save()
    cache = Cache(folder / "index.sqlite")
    row = cache.rows()["dash"]
    outline = sealed(f"{sha(b'world')}\n{row.digest}", text)
    cache.store({"dash": row._replace(outline=outline)}, {"dash": sealed(row.digest, text)}, ())
    _index(place)


@cache
def _sound_index() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        index = Index.open(_tree(place), place / "index")
        index.template("dash")
        index.keep_outline("dash", sha(b"world"), f"1;1;a|b|c|d;{values.SHA}")
        index.save()
        return _small(place / "index/index.sqlite")


def _index_changes(place: Path) -> Iterator[bytes]:
    (place / "x.sqlite").write_bytes(_sound_index())
    yield from _changes(place / "x.sqlite", "template", "body", "program")


_TEXTS = (
    json.dumps([values.SHA, {"a.patch": values.SHA}, {"x": values.SHA}, {"name": "dash", "options": {}}]).encode(),
    f"1;1;a|b|c|d;{values.SHA}".encode(),
)

_NAMES = {
    "py": "usr/lib/python3/x.py",
    "pm": "usr/share/perl5/x.pm",
    "pc": "usr/lib/pkgconfig/x.pc",
    "bin": "usr/bin/x",
}


def package_files(data: bytes, place: Path) -> None:
    """One text as each kind of file that asks for something."""
    top = place / "destdir"
    for path in _NAMES.values():
        file = top / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            file.chmod(0o755)
        file.write_bytes(data)
    needs.needs(top, frozenset(_NAMES.values()))
    needs.named(top, frozenset(_NAMES.values()), ("dash", "libz"))


_ASKING = (
    b"Requires: " + b"${" * 60_000,
    b"import os, yaml\nfrom lxml import x\nif a:\n  import b\n",
    b"use strict;\nuse Foo::Bar 1.2;\n=pod\nuse Baz;\n=cut\n",
    b"prefix=/usr\nx=${prefix}/lib\nRequires: zlib >= 1, ${x} foo\nRequires.private: bar\n",
    b"#!/usr/bin/env -S A=1 python3 -P\nimport x\n",
    b"#! /usr/bin/perl -w\nuse X;\n",
)

# ---- a git server

_COMMIT = "c" * 40


def git_server(data: bytes, place: Path) -> None:
    """Whatever a server says to git over its own protocol: lines of refs, packs."""
    private = _fresh(place, "git")
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            try:
                _serve(server, data)
            finally:
                os._exit(0)
        try:
            port = server.getsockname()[1]
            with (private / "part").open("wb") as out:
                git.archive(f"git://127.0.0.1:{port}/x", _COMMIT, out, private, Bounds(size=1 << 24, seconds=20))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            shutil.rmtree(private)


def _serve(server: socket.socket, data: bytes) -> None:
    while True:
        line, _ = server.accept()
        with contextlib.suppress(OSError), line:
            line.settimeout(2)
            line.recv(1 << 16)
            first, _, rest = data.partition(b"PACK")
            line.sendall(first)
            line.recv(1 << 16)
            line.sendall(b"PACK" + rest)


def _line(text: bytes) -> bytes:
    return b"%04x%b" % (len(text) + 4, text)


def _servers() -> Iterator[bytes]:
    ref = _COMMIT.encode()
    refs = (
        _line(ref + b" HEAD\0multi_ack allow-any-sha1-in-want ofs-delta\n") + _line(ref + b" refs/heads/x\n") + b"0000"
    )
    yield refs + _line(b"NAK\n") + b"PACK\0\0\0\2\0\0\0\0" + bytes.fromhex("029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
    yield _line(b"version 2\n") + _line(b"agent=git/2\n") + _line(b"fetch=shallow\n") + b"0000" + _line(b"packfile\n")


def _at(run: Any, place_seeds: Any, name: str, raises: Any = (), words: tuple[bytes, ...] = ()) -> Target:
    """A target whose sound inputs are made on disk."""

    def seeds() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            return list(place_seeds(Path(folder)))

    return Target(name, run, seeds, raises, words)


_ROWS = (
    *values._JSON,
    b'"../../x"',
    b'"built"',
    b'"running"',
    b"1e308",
    b"-1",
    b"9" * 30,
    b'"a\\u0000b"',
    b'"\\ud800"',
    b"[[1]]",
)

TARGETS = (
    Target("journal-file", journal_file, lambda: [_sound_journal()]),
    _at(journal_rows, _journal_changes, "journal-rows", (), _ROWS),
    Target("farm-file", farm_file, lambda: [_sound_farm()], (HostError,)),
    _at(farm_rows, _farm_changes, "farm-rows", (HostError,), _ROWS),
    Target(
        "archive", archive, _archives, (ArchiveError,), (b"070701", b"ustar\x0000", b"path=", b"PK\1\2", b"GNU.sparse")
    ),
    _at(exported_base, _bases, "exported-base", (ArchiveError, ConflictError)),
    _at(state, _states, "state", (), values._TOML),
    Target("index-file", index_file, lambda: [_sound_index()], (TemplateError,)),
    _at(index_table, _index_changes, "index-table", (TemplateError,), _ROWS),
    Target("index-texts", index_texts, lambda: _TEXTS, (TemplateError,), (*values._JSON, b";", b"|")),
    Target("package-files", package_files, lambda: _ASKING, (), (b"${", b"}", b"=", b"(", b"#!", b"import ")),
    Target("git-server", git_server, _servers, (OSError, Unanswered), (b"0000", b"0001", b"PACK", b"\0"), ("git",)),
)
