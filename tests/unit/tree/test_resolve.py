"""From a template to a package: options, conditions, merging, final strings, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import CROSS, SHA, X86_64, a_package, a_template
from xsrc.core.arch import Arch, Machine
from xsrc.core.dep import Dep
from xsrc.core.errors import TemplateError, UsageError
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.sources.distfile import Distfile
from xsrc.tree.resolve import choose, merge, refusal, resolve

MUSL = Arch.named("x86_64-musl")
I686 = Arch.named("i686")
S390X = Arch.named("s390x")

LIBEDIT = {
    "desc": "Line editing",
    "configure": {"on": ["--with"], "off": ["--without"]},
    "makedepends": ["libedit"],
    "depends": ["terminfo"],
    "env": {"EDIT": "yes"},
}


def distfile(**keys: Any) -> dict[str, Any]:
    return {"url": "https://example.org/dash-{version}.tar.gz", "sha256": SHA, **keys}


def test_the_plain_case() -> None:
    package = a_package(depends=["foo>=1.2"], makedepends=["zlib"], conf_files=["/etc/x"], revision=3)
    assert package.pkgver == PkgVer("dash", "0.5.12", 3)
    assert package.depends[Dep.RUN] == (Pattern("foo", ((">=", "1.2"),)),)
    assert package.depends[Dep.TOOL] == ()
    assert package.needs(Dep.LIB, Dep.RUN) == ("zlib", "foo")
    assert package.conf_files == ("/etc/x",)
    assert (package.make_check, package.parallel, package.strip, package.create_wrksrc) == (True, True, True, False)
    assert (package.patch_strip, package.patches, package.build_wrksrc, package.meta) == (1, (), "", False)


@pytest.mark.parametrize(("value", "runs"), [(True, True), (False, False), ("no tests", False)])
def test_make_check(value: object, runs: bool) -> None:
    assert a_package(make_check=value).make_check is runs


@pytest.mark.parametrize(("value", "off"), [(True, True), (False, False), ("a reason", True)])
def test_flags_with_a_reason(value: object, off: bool) -> None:
    package = a_package(disable_parallel_build=value, nostrip=value)
    assert (package.parallel, package.strip) == (not off, not off)


def test_create_wrksrc() -> None:
    assert a_package(create_wrksrc=True).create_wrksrc
    assert not a_package(create_wrksrc=False).create_wrksrc


def test_meta() -> None:
    assert a_package(build_style="meta").meta


def test_names_that_are_needed_twice_are_named_once() -> None:
    package = a_package(makedepends=["b", "a", "b>=1"], depends=["a"])
    assert package.needs(Dep.LIB, Dep.RUN) == ("b", "a")


# ---- options


def chosen(*wanted: str, **options: Any) -> dict[str, bool]:
    return choose(a_template(options=options), wanted)


def test_options_have_defaults() -> None:
    assert chosen(a={"desc": "A", "default": True}, b={"desc": "B", "default": False}, c={"desc": "C"}) == {
        "a": True,
        "b": False,
        "c": False,
    }


def test_options_on_and_off() -> None:
    options: dict[str, Any] = {"a": {"desc": "A", "default": True}, "b": {"desc": "B"}}
    assert chosen("~a", "b", **options) == {"a": False, "b": True}


def test_a_later_word_wins() -> None:
    assert chosen("a", "~a", a={"desc": "A"}) == {"a": False}
    assert chosen("~a", "a", a={"desc": "A"}) == {"a": True}


def test_unknown_option() -> None:
    with pytest.raises(UsageError) as caught:
        chosen("libedti", libedit={"desc": "A"}, x={"desc": "X"})
    assert caught.value.message == "dash: no option 'libedti': it has libedit, x"
    assert caught.value.hint == "did you mean libedit?"
    with pytest.raises(UsageError, match="dash: no option 'x': it has none"):
        chosen("~x")


def test_options_that_exclude_each_other() -> None:
    options: dict[str, Any] = {"a": {"desc": "A", "conflicts": ["b"]}, "b": {"desc": "B"}}
    assert chosen("a", **options) == {"a": True, "b": False}
    assert chosen("b", **options) == {"a": False, "b": True}
    with pytest.raises(UsageError) as caught:
        chosen("b", "a", **options)
    assert caught.value.message == "dash: options a and b exclude each other"
    assert caught.value.hint == "add -o ~b or -o ~a"


def test_an_option_that_is_on() -> None:
    template = a_template(configure_args=["--x"], makedepends=["zlib"], options={"libedit": LIBEDIT})
    package = resolve(template, X86_64, ["libedit"])
    assert package.style["configure_args"] == ["--x", "--with"]
    assert package.needs(Dep.LIB) == ("zlib", "libedit")
    assert package.needs(Dep.RUN) == ("terminfo",)
    assert package.env == {"EDIT": "yes"}
    assert package.options == {"libedit": True}


def test_an_option_that_is_off() -> None:
    package = resolve(a_template(configure_args=["--x"], options={"libedit": LIBEDIT}), X86_64)
    assert package.style["configure_args"] == ["--x", "--without"]
    assert package.needs(Dep.LIB, Dep.RUN) == ()
    assert package.env == {}


def test_options_are_applied_in_the_order_of_the_template() -> None:
    template = a_template(
        options={"b": {"desc": "B", "configure": {"on": ["--b"]}}, "a": {"desc": "A", "configure": {"on": ["--a"]}}}
    )
    assert resolve(template, X86_64, ["a", "b"]).style["configure_args"] == ["--b", "--a"]


# ---- conditions


def holds(test: dict[str, Any], arch: Arch | Machine = X86_64, *options: str) -> bool:
    template = a_template(options={"a": {"desc": "A"}, "b": {"desc": "B"}}, when=[{"if": test, "env": {"HIT": "1"}}])
    return "HIT" in resolve(template, arch, options).env


@pytest.mark.parametrize(
    ("test", "arch", "want"),
    [
        ({}, X86_64, True),
        ({"arch": "x86_64"}, X86_64, True),
        ({"arch": "x86_64"}, MUSL, False),
        ({"arch": "x86_64*"}, MUSL, True),
        ({"arch": ["i686", "x86_64"]}, X86_64, True),
        ({"arch": ["i686", "s390x"]}, X86_64, False),
        ({"libc": "musl"}, MUSL, True),
        ({"libc": "musl"}, X86_64, False),
        ({"libc": ["musl", "glibc"]}, X86_64, True),
        ({"wordsize": 64}, X86_64, True),
        ({"wordsize": 64}, I686, False),
        ({"wordsize": [32, 64]}, I686, True),
        ({"endian": "big"}, S390X, True),
        ({"endian": "big"}, X86_64, False),
        ({"cross": False}, X86_64, True),
        ({"cross": True}, X86_64, False),
        ({"cross": True}, CROSS, True),
        ({"stage": 1}, X86_64, False),
        ({"stage": [1, 2]}, CROSS, True),
        ({"stage": 2}, CROSS, False),
        ({"libc": "musl", "arch": "x86_64-musl"}, CROSS, True),
        ({"libc": "musl", "arch": "x86_64*"}, MUSL, True),
        ({"libc": "musl", "arch": "i686*"}, MUSL, False),
        ({"not": {"libc": "musl"}}, X86_64, True),
        ({"not": {"libc": "musl"}}, MUSL, False),
        ({"not": {"arch": ["i686", "s390x"]}}, X86_64, True),
        ({"not": {"arch": ["i686", "x86_64"]}}, X86_64, False),
        ({"wordsize": 64, "not": {"libc": "musl"}}, X86_64, True),
        ({"wordsize": 32, "not": {"libc": "musl"}}, X86_64, False),
        ({"not": {}}, X86_64, True),
    ],
)
def test_conditions_on_the_machine(test: dict[str, Any], arch: Arch | Machine, want: bool) -> None:
    assert holds(test, arch) is want


@pytest.mark.parametrize(
    ("test", "options", "want"),
    [
        ({"option": "a"}, ["a"], True),
        ({"option": "a"}, [], False),
        ({"option": ["a", "b"]}, ["b"], True),
        ({"option": ["a", "b"]}, [], False),
        ({"not": {"option": "a"}}, [], True),
        ({"not": {"option": "a"}}, ["a"], False),
        ({"option": "a", "libc": "glibc"}, ["a"], True),
        ({"option": "a", "libc": "musl"}, ["a"], False),
    ],
)
def test_conditions_on_options(test: dict[str, Any], options: list[str], want: bool) -> None:
    assert holds(test, X86_64, *options) is want


def test_sh_text_is_never_filled_in() -> None:
    text = "awk '{ print }' <<END\n${name} {name}\nEND"
    package = a_package(test=text, phases={"do_build": text})
    assert package.raw["test"] == package.phases["do_build"] == text


def test_conditions_append_replace_and_merge_in_their_order() -> None:
    package = a_package(
        makedepends=["a"],
        make_build_target="all",
        env={"A": "1", "B": "1"},
        phases={"do_build": "one"},
        when=[
            {"if": {"libc": "glibc"}, "makedepends": ["b"], "make_build_target": "lib", "env": {"B": "2"}},
            {"if": {"libc": "musl"}, "makedepends": ["never"]},
            {"if": {}, "makedepends": ["c"], "env": {"C": "3"}, "phases": {"post_build": "two"}},
        ],
    )
    assert package.needs(Dep.LIB) == ("a", "b", "c")
    assert package.style["make_build_target"] == "lib"
    assert package.env == {"A": "1", "B": "2", "C": "3"}
    assert package.phases == {"do_build": "one", "post_build": "two"}


def test_a_condition_can_bring_a_key_that_was_not_there() -> None:
    package = a_package(when=[{"if": {}, "nostrip": True, "distfiles": [distfile()]}])
    assert not package.strip
    assert [d.name for d in package.distfiles] == ["dash-0.5.12.tar.gz"]


def test_the_template_itself_stays_as_it_is() -> None:
    template = a_template(makedepends=["a"], env={"A": "1"}, when=[{"if": {}, "makedepends": ["b"], "env": {"A": "2"}}])
    first = resolve(template, X86_64)
    assert template.raw["makedepends"] == ["a"]
    assert template.raw["env"] == {"A": "1"}
    assert resolve(template, X86_64) == first


def test_merge() -> None:
    assert merge({"a": [1]}, {"a": []}) == {"a": [1]}
    assert merge({"a": [1]}, {"a": 2}) == {"a": 2}
    assert merge({"a": 1}, {"a": [2]}) == {"a": [2]}
    assert merge({"a": {"x": [1], "y": {"z": 1}}}, {"a": {"x": [2], "y": {"w": 2}}}) == {
        "a": {"x": [1, 2], "y": {"z": 1, "w": 2}}
    }
    assert merge({"a": True}, {}) == {"a": True}


# ---- strings


def test_words_are_filled_in_everywhere_but_in_scripts() -> None:
    package = a_package(
        vars={"major": "0.5", "both": "{name}-x"},
        configure_args=["--doc={vars.major}"],
        env={"A": "{name}/{version}", "B": "{vars.both}"},
        build_wrksrc="{name}-{version}",
        install={"files": {"{name}.1": "usr/{vars.major}"}},
        phases={"do_build": "echo {name} ${A}"},
        lint={"ignore": {"x": "{name}"}},
        update={"pattern": "{name}"},
    )
    assert package.style["configure_args"] == ["--doc=0.5"]
    assert package.env == {"A": "dash/0.5.12", "B": "dash-x"}
    assert package.vars == {"major": "0.5", "both": "dash-x"}
    assert package.build_wrksrc == "dash-0.5.12"
    assert package.install.files == {"dash.1": "usr/0.5"}
    assert package.phases == {"do_build": "echo {name} ${A}"}
    assert package.raw["update"] == {"pattern": "{name}"}


def test_braces_that_mean_themselves() -> None:
    assert a_package(env={"A": "{{name}}"}).env == {"A": "{name}"}


def test_a_condition_may_change_what_a_word_stands_for() -> None:
    package = a_package(vars={"x": "1"}, env={"A": "{vars.x}"}, when=[{"if": {}, "vars": {"x": "2"}}])
    assert package.env == {"A": "2"}


# ---- distfiles


def test_a_distfile() -> None:
    package = a_package(distfiles=[distfile(), distfile(url=["{GNU_SITE}/x/y.tgz", "https://m/z"], strip=0, dest="d")])
    assert package.distfiles == (
        Distfile(("https://example.org/dash-0.5.12.tar.gz",), SHA, "dash-0.5.12.tar.gz"),
        Distfile(("{GNU_SITE}/x/y.tgz", "https://m/z"), SHA, "y.tgz", True, "d", 0),
    )


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.org/a/b-1.tar.gz", "b-1.tar.gz"),
        ("https://x.org/a/b-1.tar.gz?raw=1&x=/y", "b-1.tar.gz"),
        ("https://x.org/b-1.tar.gz/", "b-1.tar.gz"),
        ("https://x.org/{name}-{version}.tgz", "dash-0.5.12.tgz"),
    ],
)
def test_a_distfile_is_named_after_its_first_address(url: str, name: str) -> None:
    assert a_package(distfiles=[distfile(url=[url, "https://y.org/other"])]).distfiles[0].name == name


def test_a_distfile_can_be_named() -> None:
    (one,) = a_package(distfiles=[distfile(name="{name}.tgz", extract=False)]).distfiles
    assert (one.name, one.extract) == ("dash.tgz", False)


def refused(**keys: Any) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        a_package(**keys)
    return [f"{d.span.line}: {d.message}" for d in caught.value.diagnostics]


@pytest.mark.parametrize("word", ["../x", "/x", "..", "a/b"])
def test_words_cannot_lead_a_name_out_of_its_folder(word: str) -> None:
    (message,) = refused(vars={"u": word}, distfiles=[distfile(name="{vars.u}")])
    assert message.startswith(f'9: distfiles[0].name: want a file name, got "{word}": it ')


@pytest.mark.parametrize("word", ["../x", "/x", ".."])
def test_words_cannot_lead_a_path_out_of_the_sources(word: str) -> None:
    one, two = refused(vars={"u": word}, build_wrksrc="{vars.u}", distfiles=[distfile(dest="{vars.u}")])
    assert one.startswith(f'9: build_wrksrc: want a relative path without .., got "{word}": it ')
    assert two.startswith(f'10: distfiles[0].dest: want a relative path without .., got "{word}": it ')


def test_words_cannot_lead_a_link_of_an_alternative_out_of_the_root() -> None:
    link = {"group": "sh", "link": "/{vars.u}/x", "target": "{vars.u}/x"}
    (message,) = refused(vars={"u": "../.."}, alternatives=[link])
    assert message.startswith("9: alternatives[0].link: want an absolute path without ..")
    (message,) = refused(vars={"u": ".."}, alternatives=[{**link, "link": "/x"}])
    assert message.endswith("it leads out of the root")


def test_an_address_that_gives_no_file_name() -> None:
    assert refused(distfiles=[distfile(url="https://x.org/..")]) == [
        "8: distfiles[0].name: want a file name, got \"..\": it has the component '..'"
    ]


@pytest.mark.parametrize(
    ("git", "name"), [("https://x.org/a.git", "a"), ("{GITHUB_SITE}/b/c/", "c"), ("git://x/d/.git", "d")]
)
def test_a_commit_is_an_archive_named_by_both(git: str, name: str) -> None:
    package = a_package(distfiles=[{"git": git, "commit": SHA[:40], "sha256": SHA}])
    assert package.distfiles == (Distfile((git,), SHA, f"{name}-{SHA[:12]}.tar", commit=SHA[:40]),)


# Once distfiles were counted without those of git, so that a wrong one was named by the number of another.
def test_a_wrong_distfile_after_one_of_git_is_named_by_its_own_number() -> None:
    git = {"git": "https://x.org/a.git", "commit": SHA[:40], "sha256": SHA}
    (message,) = refused(vars={"u": "../x"}, distfiles=[git, distfile(name="{vars.u}")])
    assert message.startswith('9: distfiles[1].name: want a file name, got "../x"')


# ---- patches


def test_patches_are_applied_in_the_order_of_their_names() -> None:
    assert a_package(patches=["a.patch", "b.patch"]).patches == ("a.patch", "b.patch")


def test_a_series_orders_and_leaves_out() -> None:
    package = a_package(patches=["a.patch", "b.patch", "c.patch"], patch={"series": ["c.patch", "a.patch"], "strip": 0})
    assert package.patches == ("c.patch", "a.patch")
    assert package.patch_strip == 0


def test_a_series_with_a_file_that_is_not_there() -> None:
    with pytest.raises(TemplateError) as caught:
        a_package(patches=["fix.patch"], patch={"series": ["fix.patch", "fxi.patch"]})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == "patch.series[1]: no file patches/fxi.patch"
    assert diagnostic.hint == "did you mean fix.patch?"
    assert (diagnostic.span.line, diagnostic.span.column) == (8, 35)


# ---- refusals


def test_refusal() -> None:
    package = a_package()
    assert refusal(package) is None
    error = refusal(a_package(archs=["i686"]))
    assert error is not None
    assert error.diagnostics[0].message == "archs: dash is not for x86_64"
    assert error.diagnostics[0].span.line == 8


@pytest.mark.parametrize(("broken", "why"), [("does not link", "does not link"), (True, "no reason given")])
def test_refusal_of_what_is_broken(broken: object, why: str) -> None:
    error = refusal(a_package(broken=broken))
    assert error is not None
    assert error.diagnostics[0].message == f"broken: dash is marked broken: {why}"
    assert refusal(a_package(broken=False)) is None


def test_what_cannot_be_cross_built_says_so() -> None:
    assert refusal(a_package(nocross="runs what it builds")) is None
    error = refusal(a_package(nocross="runs what it builds", arch=CROSS))
    assert error is not None
    (problem,) = error.diagnostics
    assert problem.message == "nocross: dash for x86_64-musl cannot be built on x86_64: runs what it builds"


def test_install_and_stow_tables() -> None:
    package = a_package(
        install={"bin": ["dash"], "symlinks": {"usr/bin/sh": "dash"}, "keep": ["la"]},
        stow={"hardlink": ["usr/lib/*"], "protect": True},
    )
    assert package.install.bin == ("dash",)
    assert package.install.symlinks == {"usr/bin/sh": "dash"}
    assert package.install.man == ()
    assert package.stow.hardlink == ("usr/lib/*",)
    assert package.stow.protect is True
