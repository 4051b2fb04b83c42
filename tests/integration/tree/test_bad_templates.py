"""Templates and settings that are wrong: exit 3 at a place, with all problems at once, and nothing begun."""

from __future__ import annotations

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site

FILE = "templates/bad/template.toml"


def refused(site: Site, text: str, *words: str, code: int = 3) -> str:
    """Write a template, see it refused with these words, and nothing begun; a good one of the name then builds."""
    site.script("good")
    site.build("good")
    before = site.farm()
    site.template("bad", text)
    said = site.xsrc("build", "good", "bad").ended(code, *words).err
    assert site.farm() == before
    assert not site.work("bad-1.0").exists()
    site.script("bad")
    site.build("bad")
    return said


def line_of(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start))


def test_unknown_key_with_place_and_nearest(site: Site) -> None:
    text = pack.template("bad", top='makedepend = ["x"]')
    number = line_of(text, "makedepend")
    refused(site, text, f"{FILE}:{number}:1: error: makedepend: unknown key", "did you mean makedepends", "^^^^")


def test_wrong_type_with_wanted_and_found(site: Site) -> None:
    text = pack.template("bad", top='makedepends = "zlib"')
    refused(site, text, f"{FILE}:{line_of(text, 'makedepends')}:", "makedepends: want a list", 'got "zlib"')


def test_every_problem_of_a_file_at_once(site: Site) -> None:
    text = (
        'name = "wrong"\nversion = "1-0"\nrevision = 0\nshort_desc = "a text."\nbuild_style = "gnu-configure"\n'
        'nonsense = 1\n[[distfiles]]\nurl = "ftp://x/y"\nsha256 = "abc"\n[phases]\ndo_biuld = ""\n'
    )
    said = refused(
        site, text, "name:", "version:", "revision:", "short_desc:", "license: missing", "nonsense: unknown key"
    )
    for word in (
        "distfiles[0].url",
        "distfiles[0].sha256: want 64 hex digits",
        "phases.do_biuld: unknown key",
        "do_build",
    ):
        assert word in said
    places = [int(line.split(":")[1]) for line in said.splitlines() if line.startswith(f"{FILE}:")]
    assert len(places) >= 9 and places == sorted(places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "bad\n', ("not valid TOML", f"{FILE}:1:")),
        ('name = "bad"\nname = "bad"\n', ("not valid TOML", f"{FILE}:2:")),
        ("", ("name: missing", "version: missing")),
        ("\ufeffname = 'bad'\n", (FILE,)),
        ('name = "bad"\r\nversion = 1\r\n', ("version: want", f"{FILE}:2:")),
    ],
)
def test_text_that_is_no_template(site: Site, text: str, words: tuple[str, ...]) -> None:
    refused(site, text, *words)


def test_bytes_that_are_no_text(site: Site) -> None:
    site.write(FILE, b'name = "b\xe4d"\n')
    site.xsrc("build", "bad").ended(3, FILE, "not UTF-8", "0xe4")


@pytest.mark.parametrize(
    ("top", "tables", "words"),
    [
        ('build_style = "gnu-confgure"', "", ("no build style", "did you mean gnu-configure")),
        ('configure_args = ["{verzion}"]', "", ("configure_args[0]", "{verzion}", "did you mean version")),
        ("", "[[distfiles]]\nurl = 'http://x/y'\n", ("distfiles[0].sha256: missing",)),
        ("", "[[distfiles]]\ngit = 'http://x/y'\ncommit = '" + "a" * 40 + "'\n", ("distfiles[0].sha256: missing",)),
        ("", "[patch]\nseries = ['no.patch']\n", ("no file patches/no.patch",)),
        ("", "[options.a]\ndesc = 'x'\nconflicts = ['b']\n", ("no option",)),
        ("", "[[when]]\nif = { option = 'none' }\n", ("no option",)),
        ("", "[install]\nfiles = { 'a' = '../../etc' }\n", ("install.files", "without ..")),
        ("", "[install]\nfiles = { 'a' = '/etc/x' }\n", ("install.files",)),
        ('broken = "does not compile"', "", ("marked broken: does not compile",)),
        ('archs = ["!*"]', "", ("archs: bad is not for",)),
        ('make_check = ""', "", ("make_check: want true, false or the reason",)),
    ],
)
def test_rules_between_keys(site: Site, top: str, tables: str, words: tuple[str, ...]) -> None:
    text = pack.template("bad", tables=tables, top="" if "build_style" in top else top)
    if "build_style" in top:
        text = text.replace('build_style = "gnu-configure"', top)
    refused(site, text, FILE, *words)


@pytest.mark.parametrize("phase", ["pre_extract", "do_build", "post_install"])
def test_script_with_a_syntax_error_names_its_line_of_the_template(site: Site, phase: str) -> None:
    script = "echo one\nif true; then\n\techo two\n"
    text = pack.template("bad", tables=pack.phases({phase: script}))
    number = line_of(text, phase)
    said = refused(site, text, f"phases.{phase}", "error")
    places = [int(line.split(":")[1]) for line in said.splitlines() if line.startswith(f"{FILE}:")]
    assert places and number <= places[0] <= number + 4
    assert "fetch" not in said


def test_no_template_of_that_name_with_the_nearest(site: Site) -> None:
    site.script("zlib")
    site.script("hello")
    site.xsrc("build", "zilb").ended(2, "no template 'zilb'", "did you mean zlib?")
    site.xsrc("build", "hello", "qqqqqq").ended(2, "no template 'qqqqqq'", "there are 2")
    assert not site.masterdir.exists()


@pytest.mark.parametrize("name", ["..", "../hello", "hello/../hello", "/etc/passwd", "", "a\nb", "-", "hello template"])
def test_names_that_are_none(site: Site, name: str) -> None:
    site.hello()
    assert site.xsrc("build", name).code == 2


def test_missing_dependency_is_located(site: Site) -> None:
    text = pack.template("bad", top='depends = ["good"]\nmakedepends = ["good", "zlob"]')
    site.script("zlib")
    number = line_of(text, "makedepends")
    refused(site, text, f"{FILE}:{number}:", "makedepends: no template 'zlob'", "did you mean zlib?", '"zlob"')


def test_missing_dependency_of_an_option(site: Site) -> None:
    text = pack.template("bad", tables='[options.x]\ndesc = "X"\ndefault = true\nmakedepends = ["nobody"]\n')
    refused(site, text, f"{FILE}:{line_of(text, 'makedepends')}:", "no template 'nobody'")


def test_dependency_cycle_is_spelled_out(site: Site) -> None:
    site.script("a", top='makedepends = ["b"]')
    site.script("b", top='hostmakedepends = ["c"]')
    site.script("c", top='makedepends = ["a"]')
    for verb in ("build", "deps", "fetch"):
        said = site.xsrc(verb, "a").ended(3, "dependency cycle: a -> b (makedepends) -> c (hostmakedepends) -> a").err
        assert said.startswith("templates/") and "template.toml:" in said
    assert not site.masterdir.exists() or not (site.masterdir / "pkg-builddir/a-1.0").exists()
    site.script("c")
    site.build("a")


def test_package_that_needs_itself(site: Site) -> None:
    site.script("a", top='makedepends = ["a"]')
    site.xsrc("build", "a").ended(3, "dependency cycle: a -> a (makedepends)")


def test_run_time_cycle_is_none(site: Site) -> None:
    site.script("a", top='depends = ["b"]')
    site.script("b", top='depends = ["a"]')
    site.build("a").ok("a-1.0_1: stowed", "b-1.0_1: stowed")


def test_run_time_need_of_a_version_that_is_not_there(site: Site) -> None:
    """Nothing in this tree can satisfy it: said before anything is built."""
    site.script("lib", version="1.0")
    text = pack.template("bad", top='depends = ["lib>=2.0"]')
    refused(site, text, "lib>=2.0", f"{FILE}:{line_of(text, 'depends')}:")


# --- settings


def with_settings(site: Site, text: str | bytes) -> dict[str, str]:
    site.write("home/.config/xsrc/config.toml", text)
    return {"HOME": str(site.root / "home")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobs = 0\n", ("config.toml:1:1: error: jobs: want a whole number from 1 on, got 0",)),
        ("[sites]\n\nGNU = 'x'\n", ("config.toml:3:", "sites.GNU")),
        ("jbos = 1\n", ("jbos: unknown key", "did you mean jobs?")),
        ("base = 'De bian'\nnonsense = 1\n", ("base: want host, or a base such as", "nonsense: unknown key")),
        ("jobs = \n", ("not valid TOML", "config.toml:1:")),
        (b"jobs = '\xff'\n", ("not UTF-8",)),
        ("[options]\ndash = 'x'\n", ("options.dash: want a list",)),
    ],
)
def test_settings_of_the_user(site: Site, text: str | bytes, words: tuple[str, ...]) -> None:
    site.script("good")
    env = with_settings(site, text)
    site.xsrc("build", "good", env=env).ended(3, *words)
    assert not site.masterdir.exists()
    site.xsrc("list", env=with_settings(site, "jobs = 1\n")).ok()


def test_settings_of_the_tree(site: Site) -> None:
    site.script("good")
    site.write(".xsrc.toml", 'masterdir = "elsewhere"\njobs = "two"\n')
    site.xsrc("build", "good").ended(3, ".xsrc.toml:2:", "jobs: want a whole number", 'got "two"')


def test_settings_in_force(site: Site) -> None:
    """The tree's, then the user's, then the environment and flags."""
    site.script("s", do_build='echo "$MAKEJOBS $CFLAGS"\n')
    place = site.root / "chosen"
    site.write(".xsrc.toml", 'jobs = 3\n[flags]\nCFLAGS = "-O1"\n')
    env = with_settings(site, f'masterdir = "{place}"\njobs = 5\n')
    site.build("s", env=env).ok(f"stowed into {place}")
    log = place / "var/db/xsrc/logs/s-1.0_1/build.log"
    assert log.read_text() == "5 -O1\n"


def test_xdg_config_home(site: Site) -> None:
    site.script("s")
    site.write("xdg/xsrc/config.toml", "nonsense = 1\n")
    site.xsrc("build", "s", env={"XDG_CONFIG_HOME": str(site.root / "xdg")}).ended(3, "nonsense")


def test_settings_that_cannot_be_read(site: Site) -> None:
    """They must not be passed over in silence."""
    site.script("s")
    env = with_settings(site, "jobs = 1\n")
    if site.land.is_root:
        (site.root / "home/.config/xsrc/config.toml").chmod(0)
        result = site.xsrc("build", "s", env=env)
        assert "config.toml" in result.err and "Permission denied" in result.err
        return
    pytest.skip("needs root: a file that P cannot read")
