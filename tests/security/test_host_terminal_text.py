"""Text of builds, archives, templates, packages, databases and other users: it is shown, and it steers no terminal."""

from __future__ import annotations

import fcntl
import plistlib
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site
from tests.security.kit.words import ESCAPED, HOSTILE, NAMES, SHOWN, WHOLE, octal, on_terminal, steering
from xsrc.core.visible import visible

CHECKOUT = Path(__file__).resolve().parents[2]
SAY = f"printf '{octal(WHOLE)}\\n'; printf 'hint: a\\rerror: b\\n'\n"
"""A script that prints every hostile text."""


@pytest.fixture(params=["caps", "userns"])
def mode(request: pytest.FixtureRequest, site: Site) -> str:
    """Each mode of isolation in turn."""
    name = str(request.param)
    if reason := site.land.modes[name]:
        pytest.skip(f"{name}: {reason}")
    return name


def safe(result: Result, *shown: str) -> Result:
    """Assert that nothing steers, and that `shown` is to be seen, or else the whole hostile text."""
    said = result.out + result.err
    assert not steering(said), ascii(said)
    for text in shown or (SHOWN,):
        assert text in said, f"want {text!a} in {said!a}"
    return result


def both(site: Site, *words: str, shown: tuple[str, ...] = (), code: int = 1) -> tuple[Result, Result]:
    """Run a command with pipes and on a terminal: both are safe and end with the code."""
    piped, live = site.xsrc(*words), on_terminal(site, *words)
    assert (safe(piped, *shown).code, safe(live, *shown).code) == (code, code), f"{piped}\n{live}"
    return piped, live


def test_log_of_a_failed_phase(site_in_mode: Site) -> None:
    """The tail of the log, -v and `xsrc log` on a terminal are safe. A pipe has the log byte for byte."""
    site = site_in_mode
    site.script("evil", do_build=SAY + "exit 3\n")
    piped, _ = both(site, "build", "evil")
    piped.ended(1, "evil-1.0_1: build failed", f"  | {SHOWN}", "  | error: b")
    both(site, "build", "-v", "evil")
    assert safe(on_terminal(site, "log", "evil")).code == 0
    path = Path(site.xsrc("log", "--path", "evil").ok().out.strip())
    log = site.xsrc("log", "evil").ok().out
    assert log == path.read_bytes().decode()
    assert WHOLE in log


def test_several_builds_at_once(site_in_mode: Site) -> None:
    """The table, lines that begin with the name of the package, and the pages of the report."""
    site = site_in_mode
    for name in ("one", "two"):
        site.script(name, do_build=SAY + "sleep 0.3; exit 3\n")
    both(site, "build", "-k", "-v", "one", "two")
    pages = list((site.masterdir / "var/db/xsrc/report").rglob("*.html"))
    assert pages
    assert not [page for page in pages if steering(page.read_text())]


def test_names_in_a_package(site_in_mode: Site) -> None:
    site = site_in_mode
    site.script("names", f"d=$DESTDIR/usr/share; mkdir -p $d; :>\"$d/$(printf '{octal(NAMES)}')x\"\n")
    safe(site.build("names"), "names-1.0_1")
    shown = f"/usr/share/{visible(NAMES)}x"
    piped, _ = both(site, "files", "names", shown=(shown,), code=0)
    assert piped.out == f"{shown}\n"
    table = site.xsrc("files", "--json", "names").ok().out
    assert table.isascii() and not steering(table)
    (site.masterdir / "usr/share" / f"{NAMES}x").unlink()
    both(site, "verify", shown=(shown,))


@pytest.mark.parametrize("make", ["echo x >", "mkfifo "])
def test_names_that_a_build_leaves(site_in_mode: Site, make: str) -> None:
    """What cannot be packed is named in one line, whatever its name is."""
    site = site_in_mode
    for number, text in enumerate((WHOLE, "a\nhint: b")):
        name = f"left{number}"
        site.script(name, f"mkdir -p $DESTDIR/usr; {make}\"$DESTDIR/usr/$(printf '{octal(text)}')\"\n")
        for result in both(site, "build", name, shown=("error: ",)):
            assert "hint: b" not in [line.strip() for line in (result.out + result.err).splitlines()]


MEMBERS = (
    Member(f"../{WHOLE}", b"x"),
    Member("a/x", type=tarfile.LNKTYPE, target=f"../{WHOLE}"),
    Member(f"a/{WHOLE}\nhint: b", type=tarfile.CHRTYPE),
)


@pytest.mark.parametrize("number", range(len(MEMBERS)))
def test_names_in_an_archive(site: Site, number: int) -> None:
    dist = site.dist("a-1.0", [Member("a/f", b"x"), MEMBERS[number]])
    site.template("a", pack.template("a", tables=dist, style="gnu-makefile"))
    both(site, "extract", "a", shown=("error: ", r"\x1b"))


@pytest.mark.parametrize(
    "line",
    [
        f'short_desc = "Small {ESCAPED} shell"',
        f'broken = "because {ESCAPED}"',
        f'maintainer = "{ESCAPED} <a@example.org>"',
        f'changelog = "https://example.org/{ESCAPED}"',
        f'"{ESCAPED}" = 1',
        f'version = "{ESCAPED}"',
        f'depends = ["{ESCAPED}"]',
        "changelog = '\x1b[2J\x9b\u202e'",
    ],
)
def test_prose_of_a_template_that_is_refused(site: Site, line: str) -> None:
    key = line.partition(" ")[0]
    kept = [row for row in pack.template("prose").splitlines() if row.partition(" ")[0] != key]
    site.template("prose", "\n".join([line, *kept]))
    both(site, "show", "prose", shown=("error: ",), code=3)


def test_text_of_a_template_that_is_taken(site: Site) -> None:
    site.template("prose", pack.template("prose", top=f'configure_args = ["--with={ESCAPED}"]'))
    both(site, "show", "prose", code=0)
    assert not steering(site.xsrc("show", "--json", "prose").ok().out)


def test_prose_of_a_database(site: Site) -> None:
    site.script("plain")
    site.build("plain")
    with sqlite3.connect(site.masterdir / "var/db/xsrc/farm.sqlite") as db:
        ((props,),) = db.execute("select props from package")
        # XML cannot hold the others, and a list in the binary form is none
        text = "".join(letter for letter in WHOLE if letter >= " ")
        db.execute("update package set props = ?", (plistlib.dumps({**plistlib.loads(props), "short_desc": text}),))
    db.close()
    site.land.own(site.masterdir / "var/db/xsrc")
    said = site.xsrc("list").ok().out
    assert "\\x9b2J\\u202egnp." in said
    assert not steering(said)
    assert not steering(site.xsrc("list", "--json").ok().out)
    with sqlite3.connect(site.masterdir / "var/db/xsrc/farm.sqlite") as db:
        table = {**plistlib.loads(props), "short_desc": WHOLE}
        db.execute("update package set props = ?", (plistlib.dumps(table, fmt=plistlib.FMT_BINARY),))
    db.close()
    assert not steering(site.xsrc("list").ended(4, "not a props.plist").err)


def test_words_of_another_process(site: Site) -> None:
    """Who holds a lock is what the lock says, and another process wrote that."""
    site.script("plain")
    site.build("plain")
    lock = site.masterdir / "var/db/xsrc/farm.lock"
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate(0)
        held.write(WHOLE + "\nhint: b\n")
        held.flush()
        running = site.start("unstow", "plain")
        assert running.process.stderr is not None
        line = running.process.stderr.readline().decode()
        fcntl.flock(held, fcntl.LOCK_UN)
    assert running.wait().code == 0
    assert line == f"waiting for {SHOWN}\\x0ahint: b\n"


def test_words_of_the_command_line(site: Site) -> None:
    place = str(site.root / WHOLE.replace("/", ""))
    for words in ((WHOLE,), ("build", f"--{WHOLE}"), ("build", WHOLE), ("-m", place, "verify")):
        for result in (site.xsrc(*words), on_terminal(site, *words)):
            safe(result, r"\x1b")


def test_tests_of_a_package(site_in_mode: Site) -> None:
    site = site_in_mode
    site.script("tested", top=f"test = '''\n{SAY}exit 3\n'''\n")
    site.build("tested")
    both(site, "test", "tested")
    both(site, "test", "-v", "tested")


@pytest.mark.parametrize(
    ("error", "code"), [("RuntimeError(text)", 70), ("OSError(2, text, text)", 70), ("XsrcError(text)", 1)]
)
def test_words_of_an_exception(error: str, code: int) -> None:
    """Where xsrc itself fails, the traceback passes the door too."""
    program = (
        "import sys; from xsrc import __main__ as top; from xsrc.commands import main as cli\n"
        "from xsrc.core.errors import XsrcError\n"
        f"text = {WHOLE!r}\n"
        f"def fail(argv): raise {error}\n"
        "cli.main = fail; sys.exit(top.main())\n"
    )
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert not steering(done.stderr), ascii(done.stderr)
    assert SHOWN in done.stderr


@pytest.mark.parametrize("attack", sorted(HOSTILE))
def test_each_attack_is_seen_by_these_tests(attack: str) -> None:
    text, shown = HOSTILE[attack]
    assert steering(text)
    assert not steering(shown)
