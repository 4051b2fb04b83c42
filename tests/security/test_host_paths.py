"""Paths that a template, a package, a database or an archive chose: none leads out of its root, no link is followed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import zstandard

from tests.e2e.build.test_depends import LIBRARY
from tests.e2e.kit import look
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import offer, package
from xsrc.farm.place import Act as Acts
from xsrc.farm.place import Change, Class, Op, Placed

SECRET = "a secret of the user's\n"


@pytest.fixture(params=["caps", "userns"])
def mode(request: pytest.FixtureRequest, land: Land) -> str:
    """Each mode of isolation in turn, as xsrc names them."""
    name = str(request.param)
    if reason := land.modes[name]:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.fixture
def victim(site: Site) -> Iterator[Path]:
    """A folder of P's beside the masterdir; after each test it is as it was."""
    site.write("victim/keys", SECRET)
    folder = site.root / "victim"
    folder.chmod(0o755)
    before = look.tree(folder)
    yield folder
    assert look.tree(folder) == before, "something outside of the masterdir was changed"
    beside = {path.name for path in site.root.iterdir()}
    assert beside <= {"victim", "templates", "masterdir-skel", "masterdir", "home", "base.zst", "forged.zst"}
    assert not (site.land.root / "escaped").exists() and not (site.masterdir / "escaped").exists()


def sql(site: Site, *statements: str) -> None:
    """Change the farm's database as whoever can write it could."""
    path = site.masterdir / "var/db/xsrc/farm.sqlite"
    code = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\nfor s in sys.argv[2:]: db.execute(s)\ndb.commit()"
    site.land.run(site.land.python, "-c", code, path, *statements).ok()


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def refused(result: Result, *words: str) -> None:
    """Assert that xsrc said no in an error of its own."""
    assert result.code in (1, 3, 4, 5), str(result)
    result.ended(result.code, *words)


# ---- alternatives

OUT = (
    "/../../victim/evil.desktop",
    "/../../escaped/evil.desktop",
    "/usr/../../../escaped",
    "/a/./b",
    "/a//b",
    "/etc/",
    "/",
    "/var/db/xsrc/farm.sqlite",
    "/pkg-destdir/x",
    "/var/db",
    "usr/bin/x",
    "/a\nb",
)


@pytest.mark.parametrize("link", OUT)
def test_a_template_with_a_link_that_leaves_the_root(site: Site, victim: Path, link: str) -> None:
    table = offer("g", "LINK", "/usr/bin/x", 1).replace('"LINK"', json.dumps(link))
    package(site, "altx", {"usr/bin/x": "x"}, tables=table)
    site.xsrc("build", "altx").ended(3, "templates/altx/template.toml:", "alternatives[0].link: want an absolute path")
    site.script("depalt", top='hostmakedepends = ["altx"]')
    site.xsrc("build", "--no-stow", "depalt").ended(3, "alternatives[0].link: want an absolute path")


@pytest.mark.parametrize("target", ["../../../victim/keys", "../lib/../../../../victim", "/../../victim/keys", "a\tb"])
def test_a_template_with_a_target_outside_of_the_root(site: Site, victim: Path, target: str) -> None:
    table = offer("g", "/usr/bin/y", "TARGET", 1).replace('"TARGET"', json.dumps(target))
    package(site, "altx", {"usr/bin/x": "x"}, tables=table)
    site.xsrc("build", "altx").ended(3, "alternatives[0].target: want a path of the root")


@pytest.mark.parametrize("link", ["/../../victim/evil", "/../../../../escaped/evil"])
def test_a_database_with_a_link_that_leaves_the_root(site_in_mode: Site, victim: Path, link: str) -> None:
    """At stow, and in the root of a build that needs the package: the row is named, nothing is made."""
    site = site_in_mode
    package(site, "altx", {"usr/bin/x": "x"}, tables=offer("g", "/usr/bin/y", "/usr/bin/x", 1))
    site.build("--no-stow", "altx")
    rules = {"alternatives": [{"group": "g", "link": link, "target": "/usr/bin/x", "priority": 1}]}
    sql(site, f"UPDATE package SET rules = {quoted(json.dumps(rules))}")
    site.xsrc("stow", "altx").ended(4, "the farm's database", "altx-1.0_1", "is no absolute path", "xsrc verify")
    site.script("depalt", top='hostmakedepends = ["altx"]')
    site.xsrc("build", "--no-stow", "depalt").ended(4, "the farm's database", "is no absolute path")


# ---- the build root on the host's side

HOSTILE_LDCONFIG = """for name in usr/bin/ldconfig usr/sbin/ldconfig; do mkdir -p "$DESTDIR/${name%/*}"
cat >"$DESTDIR/$name" <<END
#!/bin/sh
rm -rf /etc/x; ln -s VICTIM /etc/x; echo evil >/etc/ld.so.cache
ln -sf VICTIM/keys /pkg-template/ld.so/ld.so.cache
END
chmod 755 "$DESTDIR/$name"; done
"""


def test_the_ldconfig_of_a_dependency(site_in_mode: Site, victim: Path) -> None:
    """It ran with /etc of the build root writable; the host then followed its links with the alternatives."""
    site = site_in_mode
    script = LIBRARY.replace("NUMBER", "1") + HOSTILE_LDCONFIG.replace("VICTIM", str(victim))
    site.script("hdep", script, tables=offer("k", "/etc/x/keys", "/usr/include/xa.h", 1))
    site.script("other")
    look_at = "ls -ld /etc/x /etc/x/keys\nif [ -e /etc/ld.so.cache ]; then grep -c libxa.so.1 /etc/ld.so.cache; fi\n"
    top = 'makedepends = ["hdep"]\ncheckdepends = ["other"]'
    site.script("hvic", top=top, do_build=look_at, do_check=look_at)
    site.build("--no-stow", "hvic")
    said = site.log("build", "hvic-1.0_1")
    assert "/etc/x/keys -> ../../usr/include/xa.h" in said, said
    if Path("/sbin/ldconfig").exists():
        assert "\n1\n" in f"\n{said}", "the base's own ldconfig made a cache"


@pytest.mark.parametrize("where", ["state.new", ".state.toml.new", "state.toml"])
def test_links_in_place_of_state_files(site: Site, victim: Path, where: str) -> None:
    site.script("s", do_build="exit 1\n")
    site.xsrc("build", "s").ended(1)
    for name in (where, f"../../var/db/xsrc/generations/.{1}.toml.new", "../../var/db/xsrc/generations/1.part"):
        place = site.work("s-1.0") / name
        site.land.run("mkdir", "-p", place.parent).ok()
        site.land.run("ln", "-sf", victim / "keys", place).ok()
    site.xsrc("build", "s").ended(1)
    site.script("s")
    site.build("s")


def test_a_link_in_place_of_a_log(site: Site, victim: Path) -> None:
    """It is refused by name, and not followed."""
    site.script("s", do_build="exit 1\n")
    site.xsrc("build", "s").ended(1)
    site.script("s", do_build="echo built\n")
    log = site.masterdir / "var/db/xsrc/logs/s-1.0_1/build.log"
    site.land.run("ln", "-sf", victim / "keys", log).ok()
    site.xsrc("build", "s").ended(4, str(log))
    assert log.is_symlink()
    log.unlink()
    site.script("s", do_build="echo built\n")
    site.build("s")
    assert log.read_text() == "built\n"


@pytest.mark.parametrize("target", ["/usr", "VICTIM", "."])
def test_build_wrksrc_is_no_link_of_the_sources(site: Site, victim: Path, target: str) -> None:
    to = target.replace("VICTIM", str(victim))
    site.script("w", top='build_wrksrc = "src"\ncreate_wrksrc = true', post_extract=f"ln -s {to} src\n")
    site.xsrc("build", "w").ended(3, 'build_wrksrc: want a folder of the sources, got "src"', "there is src")


# ---- links in the tree


PLANTED = {
    "a-file": "ln -s {victim}/keys files/one",
    "a-folder": "ln -s {victim} files/one",
    "above": "ln -s ../../../victim/keys files/one",
    "dangling": "ln -s nowhere files/one",
    "endless": "ln -s /dev/zero files/one",
    "deep": "mkdir files/a; ln -s {victim} files/a/one",
    "fifo": "mkfifo files/one",
    "patch": "ln -s {victim}/keys patches/one.patch",
    "patches": "rmdir patches; ln -s {victim} patches",
    "files": "rm -r files; ln -s {victim} files",
    "template": "mv template.toml files/t; ln -s files/t template.toml",
}


@pytest.mark.parametrize("case", sorted(PLANTED))
def test_a_link_beside_a_template(site: Site, victim: Path, case: str) -> None:
    """It is refused at its place: nothing that it leads to is read, hashed or copied."""
    site.script("leak", 'mkdir -p "$DESTDIR/usr/share"; cp -RL "$FILESDIR" "$DESTDIR/usr/share/leak"\n')
    site.write("templates/leak/files/right", "right\n")
    folder = site.root / "templates/leak"
    site.build("--no-stow", "leak")
    site.land.run("mkdir", "-p", folder / "patches").ok()
    site.land.run("sh", "-ec", PLANTED[case].format(victim=victim), cwd=folder).ok()
    said = site.xsrc("build", "--no-stow", "-f", "leak", timeout=60)
    said.ended(3, "templates/leak/", "want a file or a folder, got ")
    where = {"patch": "patches/one.patch", "patches": "patches:", "files": "files:", "template": "template.toml"}
    assert where.get(case, "/one:") in said.err, str(said)
    found = site.land.run("grep", "-rl", SECRET.strip(), site.masterdir)
    assert found.out == "", str(found)


@pytest.mark.parametrize(
    ("path", "target"),
    [("etc/evil", "/etc"), ("evil", "../victim"), ("usr/evil", "../../victim/keys"), ("evil", "usr/../../victim")],
)
def test_a_skeleton_that_leads_out(site: Site, victim: Path, path: str, target: str) -> None:
    site.script("s")
    site.land.run("ln", "-s", target, site.root / "masterdir-skel" / path).ok()
    site.xsrc("build", "s").ended(3, f"masterdir-skel/{path}: error: want a link to a place in masterdir-skel/")


def test_a_skeleton_whose_etc_leads_out(site: Site, victim: Path) -> None:
    """xsrc writes passwd and group into it."""
    site.script("s")
    skeleton = site.root / "masterdir-skel"
    site.land.run("sh", "-ec", 'mv "$1/etc" "$1/etc2"; ln -s ../victim "$1/etc"', "sh", skeleton).ok()
    site.xsrc("build", "s").ended(3, "masterdir-skel/etc: error: want a link to a place in masterdir-skel/")


def test_a_skeleton_that_is_a_link(site: Site, victim: Path) -> None:
    site.script("s")
    skeleton = site.root / "masterdir-skel"
    site.land.run("sh", "-ec", 'mv "$1" "$1/../templates/skel"; ln -s templates/skel "$1"', "sh", skeleton).ok()
    site.xsrc("build", "s").ended(3, "masterdir-skel: error: want a folder, got a link to")


# ---- a database that somebody else wrote


def begun(op: Op) -> str:
    return f"INSERT INTO begun VALUES (1, {quoted(Change(why='forged', ops=(op,)).render())})"


UP = "../victim/keys"
FORGED = {
    "put": Op(Acts.PUT, Placed(UP, "x-1_1", Class.MADE, "0" * 64, 0o644, "var/db/xsrc/farm.lock")),
    "before": Op(Acts.PUT, Placed("usr/x", "x-1_1", Class.LINK, "x"), Placed(UP, "x-1_1", Class.LINK, "x")),
    "source": Op(Acts.PUT, Placed("usr/share/stolen", "x-1_1", Class.COPY, "0", 0o644, "../victim/keys")),
    "absolute": Op(Acts.REMOVE, Placed("/etc/passwd", "x-1_1", Class.LINK, "x")),
    "dots-inside": Op(Acts.REMOVE, Placed("usr/../../victim/keys", "x-1_1", Class.LINK, "x")),
    "remove": Op(Acts.REMOVE, Placed(UP, "x-1_1", Class.COPY, "x")),
    "mkdir": Op(Acts.MKDIR, Placed("../escaped", "x-1_1", Class.DIR)),
    "merge": Op(Acts.MERGE, Placed(UP, "accounts", Class.MERGED, "evil")),
    "merge-inside": Op(Acts.MERGE, Placed("root/.profile", "accounts", Class.MERGED, "evil")),
    "bring": Op(Acts.BRING, Placed("../../victim", "x", Class.DIR, "0" * 20), Placed("../../victim", "x", Class.DIR)),
    "database": Op(Acts.REMOVE, Placed("var/db/xsrc/farm.sqlite", "x-1_1", Class.LINK, "x")),
}


@pytest.mark.parametrize("case", sorted(FORGED))
def test_a_forged_change_is_not_carried_out(site: Site, victim: Path, case: str) -> None:
    site.script("s")
    site.build("s")
    sql(site, begun(FORGED[case]))
    site.xsrc("stow", "s").ended(4, "the farm's database", "begun: no record of a change: ", "xsrc verify --repair")
    site.xsrc("verify", "--repair").ok("making the database anew")
    assert site.xsrc("list").ok().out.startswith("* s-1.0_1"), "and nothing is lost"


ROWS = {
    "entry": ("UPDATE entry SET path = '../../escaped' WHERE kind = 'file'", ("restow", "s")),
    "entry-absolute": ("UPDATE entry SET path = '/etc/x' WHERE kind = 'file'", ("unstow", "s")),
    "going": ("INSERT INTO going VALUES ('../../victim')", ("stow", "s")),
    "going-up": ("INSERT INTO going VALUES ('..')", ("stow", "s")),
    "made": (f"INSERT INTO made VALUES ('../../victim/keys', 'x', '{'0' * 64}')", ("restow", "s")),
    "made-source": ("INSERT INTO made VALUES ('usr/x', 'x', '../../../../victim/keys')", ("restow", "s")),
    "conf": ("INSERT INTO conf VALUES ('../../victim/keys', '', NULL, '')", ("restow", "s")),
    "conf-beside": (
        f"INSERT INTO conf VALUES ('etc/x', '', {quoted(json.dumps(Placed('../v', 'x', Class.COPY)))}, '')",
        ("restow", "s"),
    ),
    "aside": (
        f"INSERT INTO aside VALUES ('etc/x', {quoted(json.dumps(Placed('../v', '', Class.THEIRS)))})",
        ("verify",),
    ),
    "build": ("UPDATE package SET build = '/../../victim'", ("gc",)),
    "pkgver": ("UPDATE package SET pkgver = '../../victim'", ("verify",)),
    "rules": ("""UPDATE package SET rules = '{"conf_files": ["/../../victim/keys"]}'""", ("restow", "s")),
    "shell": ("""UPDATE package SET rules = '{"shells": ["/bin/sh\\nroot::0:0::/:/bin/sh"]}'""", ("restow", "s")),
    "account": (
        """UPDATE package SET rules = '{"accounts": [{"name": "a", "desc": "x:/:/bin/sh\\nroot::0"}]}'""",
        ("unstow", "s"),
    ),
    "no-json": ("UPDATE package SET rules = '['", ("restow", "s")),
}


@pytest.mark.parametrize("case", sorted(ROWS))
def test_a_forged_row_is_not_followed(site: Site, victim: Path, case: str) -> None:
    statement, words = ROWS[case]
    site.script("s")
    site.build("s")
    sql(site, statement)
    site.xsrc(*words).ended(4, "the farm's database ")


def test_a_database_that_would_run_something(site: Site, victim: Path) -> None:
    site.script("s")
    site.build("s")
    sql(site, "ALTER TABLE going RENAME TO g", "CREATE VIEW going AS SELECT folder FROM g")
    site.xsrc("stow", "s").ended(4, "the farm's database", "it holds a view or a trigger")


def test_a_journal_whose_names_are_paths(site: Site, victim: Path) -> None:
    site.script("s")
    site.build("s")
    journal = site.masterdir / "var/db/xsrc/journal.sqlite"
    code = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.execute(sys.argv[2])\ndb.commit()"
    statement = "UPDATE job SET name = '../../../../../../victim/page'"
    site.land.run(site.land.python, "-c", code, journal, statement).ok()
    said = site.xsrc("report")
    assert said.code in (0, 2) and "Traceback" not in said.err, str(said)
    assert "no record of a build" in said.err


# ---- bases that are brought in


def archive(site: Site, members: Iterable[tuple[str, bytes, bytes, str]]) -> Path:
    """A file as --export writes it, of these members: name, type, content, target."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, data, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size, member.mode = kind, target, len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return site.write("forged.zst", zstandard.compress(out.getvalue()))


IMPORTED = {
    "endless": [("base.toml", tarfile.SYMTYPE, b"", "/dev/zero")],
    "elsewhere": [("base.toml", tarfile.SYMTYPE, b"", "/etc/passwd")],
    "files.plist": [("base.toml", tarfile.REGTYPE, b"", ""), ("files.plist", tarfile.SYMTYPE, b"", "/dev/zero")],
    "folder": [("base.toml/x", tarfile.REGTYPE, b"", "")],
    "huge": [("base.toml", tarfile.REGTYPE, b"#" * (2 << 20), "")],
    "missing": [("usr/x", tarfile.REGTYPE, b"", "")],
}


@pytest.mark.parametrize("case", sorted(IMPORTED))
def test_a_forged_base_is_not_brought_in(site: Site, victim: Path, case: str) -> None:
    file = archive(site, IMPORTED[case])
    limited = 'ulimit -v 1000000; exec "$@"'
    python = site.land.python
    words = ("sh", "-c", limited, "sh", python, "-P", "-m", "xsrc", "-m", site.masterdir, "bootstrap", "--import", file)
    site.land.run(*words, cwd=site.root, timeout=60).ended(1, f"{file}: ", "xsrc bootstrap --export FILE")
    assert not list((site.masterdir / "pkg-base").glob("[!.]*"))
