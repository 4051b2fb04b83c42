"""Build styles: exactly these scripts, quoted whatever the arguments are, and wrong styles told with their place."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import a_job, a_package, style_programs, style_texts, tidy_text
from xsrc.build.styles.expand import parse_styles, scripts, style_of
from xsrc.core.errors import TemplateError
from xsrc.tree.format import STYLE_LISTS

TEXTS = style_texts()
PROGRAMS = style_programs()
STYLES = parse_styles(TEXTS, PROGRAMS)


def script(build_style: str, /, **keys: Any) -> dict[str, str]:
    """The one script that a style gives in each phase; a program of xsrc in it is told by its name."""
    package = a_package(build_style=build_style, **keys)
    result = {}
    for phase, parts in scripts(package, STYLES[build_style], "tidy").items():
        for part in parts:
            if part.name == f"{build_style}-{phase}":
                result[phase] = part.text
                for name, text in PROGRAMS.items():
                    result[phase] = result[phase].replace(shlex.quote(text), f"<{name}>")
    return result


def needs(tool: str, style: str) -> str:
    """The line that looks for a program."""
    return (
        f"command -v {tool} >/dev/null || {{ echo 'xsrc: the build style {style} needs {tool}: name the package that "
        "has it in hostmakedepends, or install it on this machine (base host)' >&2; exit 1; }"
    )


SNAPSHOTS = {
    "gnu-configure": {
        "configure": needs("make", "gnu-configure")
        + "\n./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var --sbindir=/usr/bin --bindir=/usr/bin "
        "--libdir=/usr/lib --mandir=/usr/share/man --infodir=/usr/share/info "
        '--build="$BUILD_TRIPLET" --host="$HOST_TRIPLET" --with-x',
        "build": 'make -j"$MAKEJOBS" V=1',
        "check": 'make -j"$MAKEJOBS" T=1 check',
        "install": 'make DESTDIR="$DESTDIR" I=1 install',
    },
    "gnu-makefile": {
        "build": needs("make", "gnu-makefile") + '\nmake -j"$MAKEJOBS" PREFIX=/usr prefix=/usr V=1',
        "check": 'make -j"$MAKEJOBS" PREFIX=/usr prefix=/usr T=1 check',
        "install": 'make PREFIX=/usr prefix=/usr DESTDIR="$DESTDIR" I=1 install',
    },
    "cmake": {
        "configure": needs("cmake", "cmake")
        + "\n"
        + needs("ninja", "cmake")
        + "\nenv "
        + "".join(f'{name}="${name}"\' -ffile-prefix-map=\'"$WRKSRC"/= ' for name in ("CFLAGS", "CXXFLAGS"))
        + 'cmake -S . -B "$WRKSRC"/xsrc-build -G Ninja -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR=lib '
        "-DCMAKE_INSTALL_SBINDIR=bin -DCMAKE_INSTALL_SYSCONFDIR=/etc -DCMAKE_INSTALL_LOCALSTATEDIR=/var "
        "-DCMAKE_BUILD_TYPE=None -DBUILD_SHARED_LIBS=ON --with-x",
        "build": 'cmake --build "$WRKSRC"/xsrc-build --parallel "$MAKEJOBS" V=1',
        "check": 'ctest --test-dir "$WRKSRC"/xsrc-build --no-tests=error --output-on-failure '
        '--parallel "$MAKEJOBS" T=1',
        "install": 'env DESTDIR="$DESTDIR" cmake --install "$WRKSRC"/xsrc-build I=1',
    },
    "meson": {
        "configure": needs("meson", "meson")
        + "\n"
        + needs("ninja", "meson")
        + '\nmeson setup "$WRKSRC"/xsrc-build --prefix=/usr --libdir=lib --libexecdir=libexec --bindir=bin '
        "--sbindir=bin --sysconfdir=/etc --localstatedir=/var --mandir=share/man --infodir=share/info "
        "--buildtype=plain --wrap-mode=nodownload -Dauto_features=disabled --with-x",
        "build": 'meson compile -C "$WRKSRC"/xsrc-build -j "$MAKEJOBS" V=1',
        "check": 'meson test -C "$WRKSRC"/xsrc-build --print-errorlogs --num-processes "$MAKEJOBS" T=1',
        "install": 'meson install -C "$WRKSRC"/xsrc-build --no-rebuild --destdir "$DESTDIR" I=1',
    },
    "configure": {
        "configure": needs("make", "configure") + "\n./configure --prefix=/usr --with-x",
        "build": 'make -j"$MAKEJOBS" V=1',
        "check": 'make -j"$MAKEJOBS" T=1 check',
        "install": 'make DESTDIR="$DESTDIR" I=1 install',
    },
    "perl-module": {
        "configure": needs("perl", "perl-module")
        + "\n"
        + needs("make", "perl-module")
        + '\nperl Makefile.PL INSTALLDIRS=vendor NO_PACKLIST=1 CC="$CC" LD="$CC" OPTIMIZE="$CFLAGS" '
        "'LDDLFLAGS=-shared '\"$LDFLAGS\" --with-x",
        "build": 'make -j"$MAKEJOBS" V=1',
        "check": 'make -j"$MAKEJOBS" T=1 test',
        "install": 'make DESTDIR="$DESTDIR" I=1 pure_install',
    },
    "python3-pep517": {
        "build": needs("python3", "python3-pep517") + "\npython3 -P -c <wheel.py> <sitecustomize.py> --with-x",
        "check": "sh -euc <wheeltest.sh> check pytest T=1",
        "install": 'cp -RP .xsrc-wheel/root/. "$DESTDIR"',
    },
    "cargo": {
        "configure": needs("cargo", "cargo") + "\n" + needs("rustc", "cargo") + "\nsh -euc <cargo.sh>",
        "build": 'cargo build --release --frozen -j"$MAKEJOBS" --with-x V=1',
        "check": 'env RUST_TEST_THREADS="$MAKEJOBS" cargo test --release --frozen -j"$MAKEJOBS" --with-x T=1',
        "install": 'cargo install --frozen --no-track -j"$MAKEJOBS" --root "$DESTDIR"/usr --path . --with-x I=1',
    },
    "go": {
        "build": needs("go", "go") + '\nsh -euc <go.sh> go build -p "$MAKEJOBS" -o .xsrc-go/bin/ V=1 .',
        "check": 'sh -euc <go.sh> go test -p "$MAKEJOBS" -parallel "$MAKEJOBS" T=1 ./...',
        "install": 'mkdir -p "$DESTDIR"/usr\ncp -R .xsrc-go/bin "$DESTDIR"/usr/',
    },
    "meta": {},
}
ARGS = {
    "configure_args": ["--with-x"],
    "make_build_args": ["V=1"],
    "make_check_args": ["T=1"],
    "make_install_args": ["I=1"],
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_scripts_of_each_style(name: str) -> None:
    assert script(name, **ARGS) == SNAPSHOTS[name]


def test_every_style_that_comes_with_xsrc_has_its_snapshot() -> None:
    assert set(STYLES) == set(SNAPSHOTS)


def test_every_style_can_be_used_without_arguments() -> None:
    for name in STYLES:
        text = "\n".join(script(name).values())
        assert not re.search(r"\{\*?[\w.]+\}", text), f"{name}: something was not filled in"
        assert "''" not in text, f"{name}: an empty word"


def test_what_the_template_says_goes_before_what_the_style_says() -> None:
    got = script(
        "gnu-configure",
        configure_script="./unix/my configure",
        make_cmd="gmake",
        make_build_target="all docs",
        make_check_target="test",
        make_install_target="install-strip",
    )
    assert got["configure"].split("\n")[1].startswith("'./unix/my configure' --prefix=/usr ")
    assert got["build"] == 'gmake -j"$MAKEJOBS" all docs'
    assert got["check"] == 'gmake -j"$MAKEJOBS" test'
    assert got["install"] == 'gmake DESTDIR="$DESTDIR" install-strip'


def parts(**keys: Any) -> dict[str, list[str]]:
    package = a_package(**keys)
    return {
        phase: [part.name for part in run]
        for phase, run in scripts(package, STYLES[package.build_style], "tidy").items()
    }


def test_scripts_of_the_template_stand_around_the_styles() -> None:
    phases = {"pre_build": "one", "post_build": "two", "do_check": "three", "post_install": "four"}
    assert parts(phases=phases) == {
        "build": ["pre_build", "gnu-makefile-build", "post_build"],
        "check": ["do_check"],
        "install": ["gnu-makefile-install", "post_install", "tidy"],
    }


def test_scripts_of_the_template_are_never_changed() -> None:
    text = "echo {name} $x '\n\t\"\\"
    package = a_package(phases={"do_build": text})
    assert scripts(package, STYLES["gnu-makefile"], "tidy")["build"][0].text == text


def test_no_check() -> None:
    assert "check" not in parts(make_check=False)
    assert "check" not in parts(make_check="no tests", phases={"do_check": "x", "pre_check": "y"})


def test_patches() -> None:
    package = a_package(patches=["a.patch", "b c.patch"], patch={"strip": 0})
    (patches,) = scripts(package, STYLES["gnu-makefile"], "tidy")["patch"]
    assert patches.name == "patches"
    assert patches.text == (
        'patch -Np0 --no-backup-if-mismatch -i "$PATCHESDIR"/a.patch\n'
        "patch -Np0 --no-backup-if-mismatch -i \"$PATCHESDIR\"/'b c.patch'"
    )
    package = a_package(patches=["a.patch"], patch={"binary": True})
    (patches,) = scripts(package, STYLES["gnu-makefile"], "tidy")["patch"]
    assert patches.text == 'patch -Np1 --no-backup-if-mismatch --binary -i "$PATCHESDIR"/a.patch'
    assert parts(patches=["a.patch"], phases={"do_patch": "x", "pre_patch": "y"})["patch"] == [
        "pre_patch",
        "patches",
        "do_patch",
    ]


def test_the_install_table_comes_before_tidy_and_after_post_install() -> None:
    assert parts(install={"license": ["COPYING"]}, phases={"post_install": "x"})["install"] == [
        "gnu-makefile-install",
        "post_install",
        "install-table",
        "tidy",
    ]


def test_a_metapackage_installs_nothing() -> None:
    assert parts(build_style="meta") == {}
    assert parts(build_style="meta", phases={"do_install": "x"}) == {"install": ["do_install"]}


def test_tidy_is_the_text_that_was_given() -> None:
    package = a_package()
    assert scripts(package, STYLES["gnu-makefile"], tidy_text())["install"][-1].text == tidy_text()


def test_programs_are_looked_for_in_the_first_phase_that_uses_them() -> None:
    assert script("gnu-makefile")["build"].count("command -v") == 1
    assert "command -v" not in script("gnu-configure")["build"]
    assert "command -v" not in script("gnu-makefile")["install"]


# ---- quoting

AWKWARD = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), max_size=12)


@settings(max_examples=100)
@given(
    st.lists(AWKWARD, max_size=4),
    st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), min_size=1, max_size=8),
)
def test_arguments_come_through_the_shell_as_they_are(args: list[str], cmd: str) -> None:
    got = script("gnu-makefile", make_build_args=args, make_cmd=cmd)["build"].split("\n", 1)[1]
    # shlex knows no variables: what it gives for "$MAKEJOBS" is its text
    assert shlex.split(got) == [cmd, "-j$MAKEJOBS", "PREFIX=/usr", "prefix=/usr", *args]


@pytest.mark.parametrize(
    "word",
    [
        "a b",
        "$HOME",
        "$(reboot)",
        "`reboot`",
        "*",
        "?",
        "[a]",
        "~",
        "'",
        '"',
        "\\",
        "a\nb",
        ";",
        "&",
        "|",
        "#x",
        "",
        "!x",
        "-n",
        "é",
    ],
)
def test_awkward_words_stand_in_quotes(word: str) -> None:
    line = script("gnu-configure", make_check_args=[word])["check"]
    assert shlex.split(line) == ["make", "-j$MAKEJOBS", word, "check"]
    bare = line.removeprefix('make -j"$MAKEJOBS" ').removesuffix(" check")
    assert bare == shlex.quote(word)


# ---- wrong styles


def test_words_of_the_environment_and_of_tests_that_cannot_be_right() -> None:
    (line,) = told(one='env = { A = "{wrksrc}/x", B = "{destdir}" }\n')
    assert line.endswith("env.B: want no word in braces but wrksrc, got destdir")
    (line,) = told(one='[tests]\nran = "("\n')
    assert line.startswith('styles/one.toml:2:1: tests.ran: want a regular expression, got "("')


def told(**texts: str) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        parse_styles({name.replace("_", "-"): text for name, text in texts.items()})
    return [f"{d.span}: {d.message}" for d in caught.value.diagnostics]


def test_every_problem_of_every_style_with_its_place() -> None:
    one = 'tools = ["a b"]\nphase = {}\n\n[phases]\nbuild = ["make"]\ntest = [["x"]]\n'
    two = '# two\ninherit = "oen"\n\n[defaults]\nmake_comd = "x"\n'
    assert told(one=one, two=two) == [
        'styles/one.toml:1:10: tools[0]: want the name of a program, got "a b"',
        "styles/one.toml:2:1: phase: unknown key",
        'styles/one.toml:5:10: phases.build[0]: want a list, each a string, got "make"',
        "styles/one.toml:6:1: phases.test: unknown key",
        "styles/two.toml:5:1: defaults.make_comd: unknown key",
    ]


def test_a_style_that_is_no_toml() -> None:
    assert told(one="tools = \n") == ["styles/one.toml:1:9: not valid TOML: invalid value"]


def test_an_unknown_parent() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_styles({"gnu-configure": '# a\ninherit = "gnu-makefiel"\n', "gnu-makefile": ""})
    (diagnostic,) = caught.value.diagnostics
    assert str(diagnostic.span) == "styles/gnu-configure.toml:2:1"
    assert diagnostic.message == "inherit: no build style 'gnu-makefiel'"
    assert diagnostic.hint == "did you mean gnu-makefile?"


def test_an_unknown_word_in_braces() -> None:
    (line,) = told(one='[phases]\nbuild = [["make"], ["x", "-j{job}", "{*args}"]]\n')[:1]
    assert line.startswith("styles/one.toml:2:26: phases.build[1][1]: want one of configure_script, ")
    assert line.endswith(", got job")
    assert len(told(one='[phases]\nbuild = [["make"], ["x", "-j{job}", "{*args}"]]\n')) == 2


# These once passed and then raised KeyError, or stood in the script as they are, or as the text of a Python list.
@pytest.mark.parametrize(
    "word",
    [
        *("{*jobs}", "{*destdir}", "-x{*configure_args}", "{*configure_args}y", "-D{configure_args}"),
        *("{*configure_args2}", "{Jobs}", "{make_cmd2}"),
    ],
)
def test_words_in_braces_that_cannot_be_filled_in(word: str) -> None:
    (line,) = told(one=f'[phases]\nbuild = [["{word}"]]\n')
    assert line.startswith("styles/one.toml:2:11: phases.build[0][0]: ")


@pytest.mark.parametrize(
    ("default", "want"),
    [
        ('make_cmd = ["make"]', "defaults.make_cmd: want a string, got a list"),
        ('configure_args = "--x"', 'defaults.configure_args: want a list, each a string, got "--x"'),
    ],
)
def test_defaults_of_the_wrong_kind(default: str, want: str) -> None:
    assert told(one=f"[defaults]\n{default}\n") == [f"styles/one.toml:2:1: {want}"]


CYCLE = {"a": '# a\ninherit = "b"\n', "b": 'inherit = "c"\n', "c": '\n\ninherit = "b"\n'}


def test_a_cycle_of_styles_is_spelled_out() -> None:
    (line,) = told(**CYCLE)
    assert line.endswith("b -> c -> b")
    assert told(x='inherit = "x"\n') == ["styles/x.toml:1:1: inherit: a cycle: x -> x"]


def test_a_cycle_of_styles_stands_at_its_key() -> None:
    assert told(**CYCLE)[0].startswith("styles/c.toml:3:1: ")


def test_a_cycle_of_styles_is_told_without_the_way_that_led_to_it() -> None:
    assert told(**CYCLE)[0].endswith("inherit: a cycle: b -> c -> b")


def test_inheritance() -> None:
    styles = parse_styles(
        {
            "base": 'tools = ["make"]\nenv = {A = "1", B = "1"}\n'
            '[defaults]\nmake_cmd = "make"\nmake_check_target = "check"\n'
            '[phases]\nbuild = [["a"]]\ncheck = [["b"]]\n',
            "sub": 'inherit = "base"\nenv = {B = "2"}\n[defaults]\nmake_cmd = "gmake"\n[phases]\nbuild = [["c"]]\n',
            "subsub": 'inherit = "sub"\ntools = []\n',
        }
    )
    sub = styles["sub"]
    assert (sub.tools, sub.env) == (("make",), {"A": "1", "B": "2"})
    assert sub.defaults == {"make_cmd": "gmake", "make_check_target": "check"}
    assert sub.phases == {"build": (("c",),), "check": (("b",),)}
    assert styles["subsub"].tools == ()
    assert styles["subsub"].phases == sub.phases
    assert styles["base"].phases == {"build": (("a",),), "check": (("b",),)}


def test_lists_of_defaults_come_before_the_templates() -> None:
    styles = parse_styles(
        {"one": '[defaults]\nconfigure_args = ["--a"]\n[phases]\nconfigure = [["x", "{*configure_args}"]]\n'}
    )
    package = a_package(build_style="one", configure_args=["--b"])
    assert scripts(package, styles["one"], "")["configure"][0].text == "x --a --b"
    assert styles["one"].defaults["configure_args"] == ["--a"], "the style itself stays as it is"


def test_a_splice_that_is_empty_vanishes() -> None:
    style = parse_styles({"one": '[phases]\nbuild = [["x", "{*make_build_args}", "{*make_build_target}", "y"]]\n'})[
        "one"
    ]
    assert scripts(a_package(build_style="one"), style, "")["build"][0].text == "x y"


def test_an_unknown_style() -> None:
    with pytest.raises(TemplateError) as caught:
        style_of(a_package(build_style="gnu-configur"), STYLES)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == 'build_style: no build style "gnu-configur"'
    assert diagnostic.hint is not None
    assert diagnostic.hint.startswith("did you mean gnu-configure")
    assert diagnostic.span.line == 7
    with pytest.raises(TemplateError) as caught:
        style_of(a_package(build_style="zzz"), STYLES)
    assert caught.value.diagnostics[0].hint == f"there are {', '.join(sorted(STYLES))}"


@pytest.mark.parametrize("style", ["cargo", "go"])
def test_places_in_the_environment_are_absolute(style: str) -> None:
    """cargo runs the scripts of a member in its folder: https://github.com/mozilla/cbindgen/issues/630"""
    env = a_job(build_style=style, build_wrksrc="sub").env
    place = {"cargo": "CARGO_HOME", "go": "GOCACHE"}[style]
    assert env[place].startswith("/pkg-builddir/dash-0.5.12/sub/.xsrc-")


def test_perl_finds_the_modules_beside_a_makefile_pl() -> None:
    assert a_job(build_style="perl-module").env["PERL_USE_UNSAFE_INC"] == "1"


def test_every_list_of_a_template_is_used_by_some_style() -> None:
    used = " ".join(TEXTS.values())
    assert all(f"{{*{name}}}" in used for name in STYLE_LISTS)
