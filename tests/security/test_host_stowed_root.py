"""A program of a package that is run in the stowed root changes nothing that later commands believe.

`xsrc chroot` lets it write where the root is its user's, `xsrc test` and triggers do not. Nowhere can it move a
directory that leads to a covered or a read-only place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.kit import look, unpack
from tests.e2e.kit.land import Land
from tests.e2e.kit.server import Server
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import package
from tests.security.kit.host import PYTHON, mode

__all__ = ["mode"]

PROBE = '''
import ctypes, errno, json, os, sys

USERS = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
facts = {"moved": [], "wrote": [], "seen": {}}


def attempt(kind, what, action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return
    facts[kind].append(what)


def exchange(one, two):
    if libc.renameat2(-100, one.encode(), -100, two.encode(), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


def readonly():
    """The mount points that cannot be written, and the writable ones with a covered place below them."""
    for line in open("/proc/self/mountinfo"):
        words = line.split()
        if "ro" in words[5].split(","):
            yield words[4].encode().decode("unicode_escape")


def write():
    for top in [name for name in os.listdir("/") if name.startswith("pkg-")] + ["var/db/xsrc", "var/db", "usr", ""]:
        base = "/" + top
        places = [base] + [os.path.join(base, name) for name in os.listdir(base)]
        for place in [p for p in places if os.path.isdir(p) and not os.path.islink(p)]:
            if place in ("/tmp", "/dev", "/proc", "/sys", "/var/db", *USERS):
                continue
            attempt("wrote", place, lambda: open(place + "/planted", "x"))
            attempt("wrote", place, os.mkdir, place + "/planted.d")
            attempt("wrote", place, os.symlink, "/root", place + "/planted.l")
        facts["seen"]["/" + top] = sorted(os.listdir(base))


write()
for point in sorted(set(readonly()) - {"/"}):
    while point != "/":
        for how in ("rename", "exchange", "over"):
            spare = "/tmp/spare"
            if how == "rename":
                attempt("moved", point, os.rename, point, point + ".old")
            elif how == "exchange":
                for parent in (os.path.dirname(point), "/root", "/var"):
                    try:
                        os.makedirs(parent + "/.spare", exist_ok=True)
                    except OSError:
                        continue
                    attempt("moved", point, exchange, point, parent + "/.spare")
                    os.rmdir(parent + "/.spare")
            else:
                attempt("moved", point, os.rmdir, point)
                attempt("moved", point, os.unlink, point)
                attempt("moved", point, os.symlink, "/root", point)
        point = os.path.dirname(point)
write()
print(json.dumps(facts))
'''
USERS = ["/boot", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/var"]


FORGED = """
import json, os, shutil, sqlite3
for old, new in (("/var/db", "/var/db.old"), ("/var", "/var.old")):
    try:
        os.rename(old, new)
        shutil.copytree(new + "/xsrc", old + "/xsrc")
    except OSError as error:
        print(old, error.strerror)
try:
    farm = sqlite3.connect("/var/db/xsrc/farm.sqlite")
    placed = ["../../VICTIM", "x", "made", "x", 420, "etc/hostname"]
    farm.execute("INSERT INTO begun VALUES (?)", [json.dumps({"ops": [["put", placed, None]]})])
    farm.commit()
except sqlite3.Error as error:
    print(error)
print("tried")
"""

PROGRAMS = "/usr/share/prober"


@pytest.fixture(scope="module", params=["caps", "userns"])
def prober(request: pytest.FixtureRequest, land: Land, server: Server) -> Iterator[Site]:
    """A site of each mode with the programs and with python, which is in no base; the tests leave it as it is."""
    if reason := land.modes[request.param]:
        pytest.skip(f"{request.param}: {reason}")
    site = Site(land, server, land.folder(f"prober-{request.param}"), mode=request.param)
    unpack.tools(site, "tools", "python3")
    for name, words in (("prober", "-S {}/prober.py; exit 9"), ("forger", "{}/forger.py")):
        site.script(
            name,
            f'mkdir -p "$DESTDIR{PROGRAMS}"; cp "$FILESDIR/{name}.py" "$DESTDIR{PROGRAMS}"\n',
            top=f"depends = ['tools']\ntest = '''\n{PYTHON} -I {words.format(PROGRAMS)}\n'''",
        )
        site.write(f"templates/{name}/files/{name}.py", {"prober": PROBE, "forger": FORGED}[name])
    package(site, "hello", {"usr/share/hello": "x"})
    site.build("-K", "prober", "forger")
    site.build("--no-stow", "hello")
    site.xsrc("chroot", "true").ok()
    yield site


def all_of_it(site: Site) -> dict[str, str]:
    """Everything in the masterdir but locks, logs and what only counts commands."""
    passing = ("var/db/xsrc/farm.lock", "var/db/xsrc/index/", "pkg-builddir/.", "var/db/xsrc/nothing")
    return look.tree(site.masterdir, lambda path: path.startswith(passing))


def held(facts: dict[str, Any]) -> None:
    assert facts["moved"] == []
    assert facts["wrote"] == []
    for hidden in ("/pkg-builddir", "/pkg-srcdistdir", "/pkg-binpkgs", "/var/db/xsrc"):
        assert facts["seen"][hidden] == [], hidden
    assert "prober-1.0_1" in facts["seen"]["/pkg-destdir"], "links lead there"


def test_out_of_chroot(prober: Site) -> None:
    before = all_of_it(prober)
    words = ("chroot", PYTHON, "-I", "-S", f"{PROGRAMS}/prober.py", *USERS)
    held(json.loads(prober.xsrc(*words).ok().out))
    assert all_of_it(prober) == before
    prober.xsrc("verify").ok("no problems")


def test_out_of_a_test(prober: Site) -> None:
    """Of the user's own places too, nothing can be written."""
    before = all_of_it(prober)
    result = prober.xsrc("test", "-v", "prober").ended(1)
    assert "failed: exit code 9" in result.out
    (line,) = [line for line in result.err.splitlines() if line.startswith("{")]
    held(json.loads(line))
    assert all_of_it(prober) == before


def test_a_base_beside_the_root_is_not_seen(site_in_mode: Site) -> None:
    site = site_in_mode
    site.xsrc("chroot", "true").ok()
    base = site.masterdir / "pkg-base/debian-x"
    base.mkdir(parents=True)
    (base / "secret").write_text("x")
    site.land.own(base.parent)
    script = "ls -A /pkg-base; mkdir /pkg-base/x || echo no"
    assert site.xsrc("chroot", "sh", "-c", script).ok().out == "no\n"


@pytest.mark.parametrize("verb", ["chroot", "test"])
def test_a_forged_change_of_the_farm(prober: Site, verb: str) -> None:
    """The journal of the farm is neither read nor written by what a package runs."""
    database = prober.masterdir / "var/db/xsrc/farm.sqlite"
    before = database.read_bytes()
    words = ("chroot", PYTHON, "-I", f"{PROGRAMS}/forger.py") if verb == "chroot" else ("test", "-v", "forger")
    result = prober.xsrc(*words).ok()
    assert "tried\n" in result.out + result.err
    assert database.read_bytes() == before
    assert not (prober.masterdir / "var/db.old").exists()
    said = prober.xsrc("stow", "hello").ok().err
    assert "cut off" not in said
    prober.xsrc("unstow", "hello").ok()


def test_a_test_may_write_to_tmp_alone(site_in_mode: Site) -> None:
    site = site_in_mode
    places = "/etc /root /home /var /var/tmp /var/db /run /opt /usr /pkg-destdir /dev"
    tries = f'for d in {places}; do ! touch $d/planted; done; touch /tmp/x; touch "$HOME/y"; [ "$HOME" = /tmp ]'
    site.script("tidy", top=f"test = '''{tries}'''")
    site.build("tidy")
    site.xsrc("chroot", "true").ok()
    before = all_of_it(site)
    assert "works" in site.xsrc("test", "tidy").ok().out
    assert all_of_it(site) == before


def test_a_trigger_sees_no_records_and_writes_to_its_place_alone(site_in_mode: Site) -> None:
    site = site_in_mode
    places = "/etc /root /home /var /var/tmp /var/db /var/db/xsrc /run /opt /usr /pkg-destdir /pkg-srcdistdir"
    script = "#!/bin/sh\nout=${1#--targetdir=}\n"
    script += f'for d in {places}; do touch $d/planted 2>/dev/null && echo "wrote $d" >>$out/gschemas.compiled; done\n'
    script += "ls -A /var/db/xsrc /pkg-srcdistdir /pkg-binpkgs >>$out/gschemas.compiled\n"
    files = {"usr/bin/glib-compile-schemas": script, "usr/share/glib-2.0/schemas/my.tool.xml": "<tool/>"}
    package(site, "tool", files)
    site.build("tool")
    made = site.masterdir / "usr/share/glib-2.0/schemas/gschemas.compiled"
    assert made.read_text() == "/pkg-binpkgs:\n\n/pkg-srcdistdir:\n\n/var/db/xsrc:\n"
    assert not list(site.masterdir.rglob("planted"))


def test_a_trigger_that_does_not_end_is_ended(site_in_mode: Site) -> None:
    """The package is there; what the trigger was to make is not."""
    site = site_in_mode
    script = "#!/bin/sh\nwhile :; do sleep 1; done\n"
    files = {"usr/bin/glib-compile-schemas": script, "usr/share/glib-2.0/schemas/my.tool.xml": "<tool/>"}
    package(site, "tool", files)
    (site.root / ".xsrc.toml").write_text("[limits]\nseconds = 10\n")
    site.land.own(site.root / ".xsrc.toml")
    assert "was ended: it ran for 10 seconds (limits.seconds)" in site.build("tool").err
    assert (site.masterdir / "usr/bin/glib-compile-schemas").exists()
    assert not (site.masterdir / "usr/share/glib-2.0/schemas/gschemas.compiled").exists()


def test_what_a_program_leaves_where_the_base_is_to_be_shown(site_in_mode: Site) -> None:
    """A link in the place of a mount point is refused by name; nothing is made where it leads."""
    site = site_in_mode
    site.xsrc("chroot", "true").ok()
    point = site.masterdir / "etc/alternatives"
    if not point.is_dir():
        pytest.skip("the base of this machine has no /etc/alternatives")
    target = site.root / "elsewhere"
    for text, code in ((target, 4), ("nowhere", 4)):
        site.land.run("sh", "-c", 'rm -rf "$1"; mkdir -p "$2"; ln -s "$3" "$1"', "sh", point, target, text).ok()
        site.xsrc("chroot", "true").ended(code, "etc/alternatives")
        assert list(target.iterdir()) == []
