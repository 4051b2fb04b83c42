"""Readers of bytes that are pure: property lists, records, templates, settings, ELF files, what other programs say."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.kit.engine import Target
from tests.unit.builders import a_file, a_link, style_programs, style_texts, text_of
from tests.unit.store.test_elf import elf as made_elf
from tests.unit.tree.test_format import EVERY
from xsrc.bootstrap import debian
from xsrc.build.styles.expand import parse_styles, scripts, style_of
from xsrc.core.arch import Arch
from xsrc.core.base import Record
from xsrc.core.errors import SettingsError, TemplateError, UsageError
from xsrc.core.outcome import Outcome
from xsrc.core.pkgver import PkgVer
from xsrc.core.settings import Settings
from xsrc.farm.generation import Generation, Stowed
from xsrc.farm.place import Act, Change, Class, Conf, Op, Placed
from xsrc.repo.signed import SIGNATURE
from xsrc.repo.trace import Piece, Trace
from xsrc.sources.disk import git
from xsrc.sources.disk.web import Bounds, Unanswered
from xsrc.store import elf
from xsrc.store.link import Link, packed
from xsrc.store.manifest import Entry, Kind, Manifest, Props
from xsrc.store.rules import Account, Alternative, Directory, Rules
from xsrc.tree.resolve import resolve
from xsrc.tree.template import parse
from xsrc.unix.mounts import mounts

DASH = PkgVer("dash", "0.5.12", 1)
SHA = "0" * 64
ENTRIES = (
    *(Entry("usr", Kind.DIR), Entry("usr/bin", Kind.DIR), a_file("usr/bin/dash", "x", 0o755)),
    *(a_file("etc/dash.conf"), a_link("usr/bin/sh", "dash"), a_file("usr/bin/two")._replace(inode=3)),
)
RULES = Rules(
    conf_files=("/etc/dash.conf",),
    provides=("sh-1_1",),
    shells=("/usr/bin/dash",),
    accounts=(Account("ldap", "/var/lib/ldap", groups=("www",)),),
    make_dirs=(Directory("/var/lib/ldap", "0700", "ldap:ldap"),),
    alternatives=(Alternative("sh", "/usr/bin/sh", "dash", 10),),
    triggers=("info-dir",),
)
PROPS = Props(
    *(DASH, "x86_64", "f" * 64),
    outcome=Outcome("a" * 64, "b" * 32, "c"),
    saw={"musl": Outcome("d" * 64)},
    short_desc="Small shell",
    size=3,
    run_depends=("musl>=1",),
    links={"libc.so": Link("musl-1.2_1", "0" * 20, "usr/bin/dash", packed(["write"]))},
    exports={"libdash.so.1": packed(["dash"])},
    rules=RULES,
    options={"libedit": True},
    build={"base": "host", "seconds": {"build": 1.5}},
)
TRACE = Trace("f" * 64, "host", (Piece(DASH, SHA, "1" * 64, 5, 3),), "me@here", 1.5, 1 << 20, SIGNATURE + b"x")
_PLACED = Placed("etc/dash.conf", "dash-0.5.12_1", Class.COPY, SHA, 0o644, "pkg-destdir/dash-0.5.12_1/etc/dash.conf")
CHANGE = Change(
    *("stow dash", "2026-01-01T00:00:00Z", {str(DASH): True}, ("old",)),
    ops=(
        Op(Act.PUT, _PLACED, _PLACED._replace(text="1" * 64)),
        Op(Act.MKDIR, Placed("usr/share/dash", str(DASH), Class.DIR)),
        Op(Act.BRING, Placed(str(DASH), str(DASH), Class.DIR, "0" * 20)),
        Op(Act.MERGE, Placed("etc/passwd", "accounts", Class.MERGED, "ldap:x:9")),
    ),
    builds={str(DASH): "0" * 20},
    conf={"etc/dash.conf": Conf(SHA, _PLACED, "dash")},
    aside={"etc/x": _PLACED},
    choices={"sh": "dash"},
    fire=("info-dir",),
    made={"usr/share/info/dir": ("info-dir", SHA)},
    nostow={"dash": ("usr/share/doc/**",)},
)
GENERATION = Generation(3, "2026-01-01T00:00:00Z", "stow", {"dash": Stowed(DASH, "0" * 20)}, {"sh": "dash"})
BASE = Record("debian-bookworm-amd64", "x86_64", "12.11", "f" * 64, 3, {"dash": "0.5.12-2"})
TEMPLATE = text_of(**EVERY).encode()
_STYLES = parse_styles(style_texts(), style_programs())
_ARCH = Arch.named("x86_64")


def _words(data: bytes) -> str:
    return data.decode(errors="replace")


def manifest(data: bytes, place: Path) -> None:
    found = Manifest.parse(data)
    assert Manifest.parse(found.render()) == found


def props(data: bytes, place: Path) -> None:
    Props.parse(data).render()


def trace(data: bytes, place: Path) -> None:
    assert Trace.parse(data).render() == data


def change(data: bytes, place: Path) -> None:
    found = Change.parse(_words(data))
    assert Change.parse(found.render()) == found


def generation(data: bytes, place: Path) -> None:
    Generation.parse(_words(data)).render()


def record(data: bytes, place: Path) -> None:
    Record.parse(_words(data)).render()


def template(data: bytes, place: Path) -> None:
    found = parse("dash", _words(data), "t")
    package = resolve(found, _ARCH, list(found.raw.get("options", {})))
    scripts(package, style_of(package, _STYLES), "tidy")


def settings(data: bytes, place: Path) -> None:
    Settings().over("config.toml", _words(data))


def elf_file(data: bytes, place: Path) -> None:
    elf.read(io.BytesIO(data))


def _library() -> Iterator[bytes]:
    yield made_elf(soname="libz.so.1", needed=["libc.so.6"], runpath="$ORIGIN/../lib")
    for path in ("/bin/true", "/bin/sh"):
        yield Path(path).read_bytes()[: 1 << 17]
    for library in Path("/usr/lib").glob("*/libdl.so.2"):  # one of few symbols, with versions
        yield library.read_bytes()[: 1 << 17]


def mount_table(data: bytes, place: Path) -> None:
    mounts(data.decode(errors="surrogateescape"))


def maintainer_script(data: bytes, place: Path) -> None:
    debian.links(debian.alternatives("xz-utils", _words(data)), ("usr/bin/xz", "usr/bin/vim"))


def apt_says(data: bytes, place: Path) -> None:
    debian.release(_words(data))
    for deb in debian.debs(_words(data)):
        assert deb.name and "/" not in deb.file
        _ = deb.version


_DIGEST = b"a" * 40
_MODES = (b"100644 blob", b"100755 blob", b"120000 blob", b"160000 commit")


def git_objects(data: bytes, place: Path) -> None:
    """Paths and contents of a hostile repository, as ls-tree and cat-file print them.

    A member is its mode, its path, NUL, its content; two NULs end it.
    """
    members = [row.partition(b"\0")[::2] for row in data.split(b"\0\0")]
    listed = [b"%b %b\t%b\0" % (_MODES[path[0] % 4], _DIGEST, path[1:]) for path, _ in members if path]
    (place / "rows").write_bytes(b"".join(listed))
    said = b"".join(
        b"%b blob %d\n%b\n" % (_DIGEST, len(text), text) for path, text in members if path and path[0] % 4 != 3
    )
    out = git._Limited(io.BytesIO(), Bounds(size=1 << 20))
    writer = git._Members(git._blobs(place / "rows"), b"c" * 40, 0, out)
    step = 1 + len(data) % 777
    for at in range(0, len(said), step):
        writer.take(said[at : at + step])
    assert writer.done()


_REPOSITORY = b"\0\0".join(
    (b"\x00a\0hello", b"\x02link\0../to", b"\x03module\0", b"\x01d/" + b"x" * 120 + b"\0" + b"y" * 900)
)
_APT = (
    b"'http://deb.example.org/pool/d/dash_0.5.12-2_amd64.deb' dash_0.5.12-2_amd64.deb 97368 SHA256:" + b"0" * 64 + b"\n"
)
_MOUNTS = (
    b"36 35 98:0 / /mnt\\040a rw,nosuid master:1 - ext4 /dev/root rw\n30 1 0:27 / /sys/fs/cgroup rw - cgroup2 c rw\n"
)
_SCRIPT = (
    b"#!/bin/sh\nupdate-alternatives --install /usr/bin/vi vi /usr/bin/vim 30 \\\n"
    b" --slave /usr/share/man/man1/vi.1.gz vi.1.gz /usr/share/man/man1/vim.1.gz\n"
)
_SETTINGS = (
    b'masterdir = "/m"\nbase = "debian"\njobs = 2\ncutoff = "soname"\n[limits]\nseconds = 5\n[flags]\nCFLAGS = "-O2"\n'
    b'[sites]\nGNU_SITE = "https://example.org"\n[options]\nvim = ["x", "~y"]\n'
)
_TOML = (
    b"[",
    b"]",
    b"=",
    b'"""',
    b"'''",
    b"{",
    b"}",
    b"[[a]]",
    b"\n",
    b"1979-05-27",
    b"0x1",
    b"nan",
    b"true",
    b"\\u0000",
)
_PLIST = (
    b"<dict>",
    b"</dict>",
    b"<array>",
    b"<string>",
    b"<integer>",
    b"<data>",
    b"<key>file</key>",
    b"<!ENTITY a ''>",
)
_JSON = (b"[", b"]", b"{", b"}", b"null", b"true", b'""', b"1e400", b'"\\ud800"', b"-", b",", b":")

TARGETS = (
    Target(
        "manifest", manifest, lambda: _plists(Manifest.of(ENTRIES).render(["/etc/dash.conf"])), (ValueError,), _PLIST
    ),
    Target("trace", trace, lambda: [TRACE.render()], (ValueError,), _JSON),
    Target("props", props, lambda: _plists(PROPS.render()), (ValueError,), _PLIST),
    Target("change", change, lambda: [CHANGE.render().encode()], (ValueError,), _JSON),
    Target("generation", generation, lambda: [GENERATION.render().encode()], (ValueError,), _TOML),
    Target("base-record", record, lambda: [BASE.render().encode()], (ValueError,), _TOML),
    Target("template", template, lambda: [TEMPLATE], (TemplateError, UsageError), _TOML),
    Target("settings", settings, lambda: [_SETTINGS], (SettingsError,), _TOML),
    Target("elf", elf_file, _library),
    Target("mounts", mount_table, lambda: [_MOUNTS], (), (b"\\x", b"\\134", b"\\777", b" - ", b"\xe9")),
    Target("maintainer-script", maintainer_script, lambda: [_SCRIPT], (), (b"--slave ", b"'", b'"', b"\\\n")),
    Target("apt", apt_says, lambda: [_APT, b"Codename: bookworm\nVersion: 12.11\n"], (ValueError,), (b"%2f", b"_")),
    Target("git-objects", git_objects, lambda: [_REPOSITORY], (Unanswered,), (b"\0\0", b"\n")),
)


def _plists(text: bytes) -> list[bytes]:
    """A property list in its two forms."""
    import plistlib

    return [text, plistlib.dumps(plistlib.loads(text), fmt=plistlib.FMT_BINARY)]
