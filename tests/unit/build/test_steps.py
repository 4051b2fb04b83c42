"""Keys of packages and what is to be built: what changes a key, what does not, and why something is in a plan."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import (
    CROSS,
    HOST,
    SHA,
    X86_64,
    a_job,
    a_package,
    a_template,
    packages,
    style_programs,
    style_texts,
)
from tests.unit.tree.test_format import EVERY
from xsrc.build.job import Ground, Job, environment, jobs
from xsrc.build.key import digest, key_of, preimage
from xsrc.build.schedule import tasks
from xsrc.build.steps import Built, changed, plan_build
from xsrc.build.styles.expand import Style, parse_styles
from xsrc.core.arch import Arch, Machine
from xsrc.core.base import Base
from xsrc.core.settings import Settings
from xsrc.tree.format import NEUTRAL
from xsrc.tree.package import Package
from xsrc.tree.resolve import resolve
from xsrc.unix import program

STYLES = parse_styles(style_texts(), style_programs())
TIDY = 'cd "$DESTDIR"'


def made(
    known: Mapping[str, Package],
    *names: str,
    tidy: str = TIDY,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    base: Base = HOST,
    styles: Mapping[str, Style] = STYLES,
) -> dict[str, Job]:
    return jobs(known, names or tuple(known), Ground(styles, tidy, settings, base, X86_64))


def key(*, wanted: Iterable[str] = (), patches: Iterable[str] = (), **keys: Any) -> str:
    """The key of a package without dependencies."""
    return made({"dash": a_package(wanted=wanted, patches=patches, **keys)})["dash"].key


# ---- the key of one package, leaf by leaf


WHOLE = {k: v for k, v in EVERY.items() if k not in ("when", "options")}
"""A template with every key; conditions and options do not change a key by themselves and have tests of their own."""
WHOLE["distfiles"] = [
    {"url": ["{GNU_SITE}/a.tgz", "https://m/a.tgz"], "sha256": SHA, "dest": "d", "strip": 2},
    {"url": "https://m/b.txt", "sha256": SHA, "name": "b.txt", "extract": False},
]
WHOLE["make_check"] = True
STUBS = {name: a_package(name) for name in ("pkgconf", "zlib", "perl", "foo", "gmake")}
OTHER_VALUES = {
    "build_style": "gnu-makefile",
    "hostmakedepends.0": "gmake",
    "makedepends.0": "gmake",
    "checkdepends.0": "gmake",
    "depends.0": "foo>=1.3",
    "maintainer": "Al Doe <al@example.org>",
    "patch.series.0": "b.patch",
    "make_dirs.1.mode": "0700",
    "install.modes.usr/bin/dash": "755",
    "install.keep.0": "static",
    "install.keep.1": "la",
    "install.keep.2": "la",
    **{
        f"subpackages.dash-devel.preset.{index}": preset
        for index, preset in enumerate(("man", "doc", "man", "doc", "doc"))
    },
    "subpackages.dash-devel.depends.0": "zlib",
    "update.kind": "github",
}


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterable[tuple[str | int, ...]]:
    match value:
        case dict():
            for name, item in value.items():
                yield from leaves(item, (*path, name))
        case list():
            for index, item in enumerate(value):
                yield from leaves(item, (*path, index))
        case _:
            yield path


def dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def other(path: tuple[str | int, ...], value: Any) -> Any:
    """Another right value for a leaf."""
    if (known := OTHER_VALUES.get(dotted(path))) is not None:
        return known
    match value:
        case bool():
            return not value
        case int():
            return value + 1
    if path[0] == "archs":
        return "!i686"
    return "f" + value[1:] if path[-1] == "sha256" else value + "x"


def with_leaf(path: tuple[str | int, ...]) -> dict[str, Any]:
    whole = copy.deepcopy(WHOLE)
    at: Any = whole
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = other(path, at[path[-1]])
    return whole


def whole_key(keys: Mapping[str, Any]) -> str:
    known = dict(STUBS)
    known["dash"] = resolve(a_template(**{"patches": ("a.patch", "b.patch"), **keys}), X86_64)
    return made(known, "dash")["dash"].key


LEAVES = [path for path in leaves(WHOLE) if path != ("name",)]
WHOLE_KEY = whole_key(WHOLE)
PROSE = {"subpackages.dash-devel.short_desc", "disable_parallel_build"}
"""Prose in tables and keys that are not neutral as a whole: descriptions, reasons."""


def neutral(path: tuple[str | int, ...]) -> bool:
    return path[0] in NEUTRAL or "url" in path or dotted(path) in PROSE


@pytest.mark.parametrize("path", [path for path in LEAVES if neutral(path)], ids=dotted)
def test_what_cannot_change_a_result_does_not_change_the_key(path: tuple[str | int, ...]) -> None:
    assert whole_key(with_leaf(path)) == WHOLE_KEY


@pytest.mark.parametrize("path", [path for path in LEAVES if not neutral(path)], ids=dotted)
def test_every_other_leaf_changes_the_key(path: tuple[str | int, ...]) -> None:
    assert whole_key(with_leaf(path)) != WHOLE_KEY


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"name", "version", "revision", "build_style", "make_check"}))
def test_a_key_that_is_taken_away(name: str) -> None:
    required = {"short_desc": "Other", "license": "ISC", "homepage": "https://example.com/"}
    rest = {k: v for k, v in WHOLE.items() if k != name} | {k: v for k, v in required.items() if k == name}
    assert (whole_key(rest) == WHOLE_KEY) is (name in NEUTRAL)


def flag_key(name: str, value: bool | str) -> str:
    keys: dict[str, Any] = {name: value}
    return key(**keys)


@pytest.mark.parametrize("reason", ["make_check", "disable_parallel_build", "nostrip"])
def test_a_reason_is_prose(reason: str) -> None:
    off = reason != "make_check"
    assert flag_key(reason, "why") == flag_key(reason, "why not") == flag_key(reason, off)


@pytest.mark.parametrize("reason", ["make_check", "disable_parallel_build", "nostrip"])
def test_a_flag_is_not(reason: str) -> None:
    off = reason != "make_check"
    assert flag_key(reason, "why") != flag_key(reason, not off)


def test_the_name_of_an_archive_is_only_a_name() -> None:
    one = {"url": "https://x.org/a.tgz", "sha256": SHA}
    assert key(distfiles=[one]) == key(distfiles=[{**one, "name": "b.tgz"}])
    assert key(distfiles=[one]) != key(distfiles=[{**one, "extract": False}])
    whole = {**one, "extract": False}
    assert key(distfiles=[whole]) != key(distfiles=[{**whole, "name": "b.tgz"}])


def test_patches_change_the_key_by_content_and_order() -> None:
    plain = a_template(patches=["a.patch", "b.patch"])
    edited = replace(plain, patches={**plain.patches, "b.patch": "f" * 64})
    keys = [made({"dash": resolve(t, X86_64)})["dash"].key for t in (plain, edited)]
    assert keys[0] != keys[1]
    assert key(patches=["a.patch"]) != key()
    series = [
        key(patches=["a.patch", "b.patch"], patch={"series": s})
        for s in (["a.patch", "b.patch"], ["b.patch", "a.patch"])
    ]
    assert series[0] != series[1]


def test_a_patch_that_is_not_in_the_series_does_not_matter() -> None:
    series = {"series": ["a.patch"]}
    assert key(patches=["a.patch", "b.patch"], patch=series) == key(patches=["a.patch"], patch=series)


def test_files_beside_the_template_change_the_key() -> None:
    keys = {
        made({"dash": resolve(template, X86_64)})["dash"].key
        for template in (a_template(), a_template(files=["x"]), a_template(files=["y"]), a_template(files=["x", "y"]))
    }
    assert len(keys) == 4


# ---- options and conditions


OPTION: dict[str, Any] = {
    "desc": "Edit", "configure": {"on": ["--with"], "off": ["--without"]}, "env": {"E": "1"}
}  # fmt: skip


def option_key(*wanted: str, **changes: Any) -> str:
    return key(wanted=wanted, options={"libedit": {**OPTION, **changes}})


def test_the_choice_of_an_option_is_in_the_key() -> None:
    assert option_key("libedit") != option_key()
    assert option_key("libedit") == option_key(default=True), "chosen or by default, it is the same build"
    assert option_key("~libedit", default=True) == option_key()
    assert key(options={"x": {"desc": "Nothing"}}, wanted=["x"]) != key(options={"x": {"desc": "Nothing"}})


def test_what_an_option_says_counts_where_it_is_on() -> None:
    assert option_key(desc="Other words") == option_key()
    assert option_key(configure={"on": ["--x"], "off": ["--without"]}) == option_key()
    assert option_key("libedit", configure={"on": ["--x"]}) != option_key("libedit", configure={"on": ["--with"]})
    assert option_key("libedit", env={"E": "2"}) != option_key("libedit")
    assert option_key(env={"E": "2"}) == option_key()


def test_a_condition_counts_where_it_holds() -> None:
    assert key(when=[{"if": {"libc": "musl"}, "env": {"A": "1"}}]) == key()
    assert key(when=[{"if": {"libc": "glibc"}, "env": {"A": "1"}}]) == key(env={"A": "1"})
    assert key(when=[{"if": {"arch": "x86*"}, "env": {"A": "1"}}]) == key(when=[{"if": {}, "env": {"A": "1"}}])


# ---- what surrounds the template


def test_the_machine_and_the_base_are_in_the_key() -> None:
    known = {"dash": a_package()}
    plain = made(known)["dash"].key
    musl = Arch.named("x86_64-musl")
    assert made({"dash": replace(known["dash"], machine=Machine(musl, musl))})["dash"].key != plain
    assert made(known, base=replace(HOST, name="debian"))["dash"].key != plain
    assert made(known, base=replace(HOST, identity={"cc": "gcc-13 1000"}))["dash"].key != plain
    assert made(known, base=replace(HOST, env={"LIBRARY_PATH": "/usr/lib64"}))["dash"].key != plain
    assert made(known, base=replace(HOST, flags={"LDFLAGS": "-L/usr/lib"}))["dash"].key != plain
    assert made(known, base=replace(HOST, layers={"usr": (Path("/other"),)}))["dash"].key == plain, "where, not what"


def test_settings_count_where_a_build_can_tell() -> None:
    known = {"dash": a_package()}
    plain = made(known)["dash"].key
    assert made(known, settings=Settings(flags={"CFLAGS": "-O3"}))["dash"].key != plain
    assert made(known, settings=Settings(jobs=7, tmp_mib=9, masterdir="/x", sites={}))["dash"].key == plain


def test_scripts_of_xsrc_are_in_the_key() -> None:
    known = {"dash": a_package()}
    plain = made(known)["dash"].key
    assert made(known, tidy="true")["dash"].key != plain
    styles = parse_styles({**style_texts(), "gnu-makefile": '[phases]\nbuild = [["make", "all"]]\n'}, style_programs())
    assert made(known, styles=styles)["dash"].key != plain
    meta = {"m": a_package("m", build_style="meta")}
    assert made(meta, tidy="true")["m"].key == made(meta)["m"].key


def test_a_key_goes_through_to_what_depends_on_it() -> None:
    def chain(flag: str) -> dict[str, Job]:
        return made(
            packages(
                a={"env": {"A": flag}},
                b={"makedepends": ["a"]},
                c={"hostmakedepends": ["b"]},
                d={"depends": ["a"]},
                e={},
            )
        )

    one, two = chain("1"), chain("2")
    assert {name for name in one if one[name].key != two[name].key} == {"a", "b", "c"}


def test_what_a_tool_needs_to_run_is_in_the_build_root_and_in_the_key() -> None:
    def known(flag: str) -> dict[str, Package]:
        return packages(a={"env": {"A": flag}}, b={"depends": ["a"]}, c={"hostmakedepends": ["b"]})

    assert made(known("1"))["b"].key == made(known("2"))["b"].key
    assert made(known("1"))["c"].key != made(known("2"))["c"].key


def test_a_preimage_is_what_the_key_is_made_of() -> None:
    job = made(packages(a={}, dash={"makedepends": ["a"], "distfiles": [{"url": "https://x.org/a", "sha256": SHA}]}))[
        "dash"
    ]
    parts = json.loads(job.preimage)
    inputs = {name: part for name, part in parts.items() if name not in ("format", "depends")}
    assert key_of(digest(preimage(inputs)), parts["depends"]) == job.key
    assert parts["pkgver"] == "dash-0.5.12_1"
    assert parts["distfiles"] == [{"sha256": SHA, "dest": "", "strip": 1}]
    assert list(parts["depends"]) == ["a"]
    assert "short_desc" not in parts["template"]
    assert "https://x.org" not in job.preimage


def test_the_same_twice_is_the_same() -> None:
    assert key(env={"A": "1", "B": "2"}) == key(env={"B": "2", "A": "1"})


# ---- the environment


def env_of(**keys: Any) -> dict[str, str]:
    package = a_package(**keys)
    return environment(package, STYLES[package.build_style], Settings(), HOST)


def test_an_environment_made_from_nothing() -> None:
    assert env_of() == {
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
        "HOME": "/tmp",
        "SHELL": "/bin/sh",
        "USER": "xbuild",
        "LOGNAME": "xbuild",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "CC": "cc",
        "CXX": "c++",
        "AR": "ar",
        "STRIP": "strip",
        "BUILD_TRIPLET": "x86_64-unknown-linux-gnu",
        "HOST_TRIPLET": "x86_64-unknown-linux-gnu",
        "PKGNAME": "dash",
        "VERSION": "0.5.12",
        "REVISION": "1",
        "PKGVER": "dash-0.5.12_1",
        "INSTALL_STRIP": "strip",
        "LIBRARY_PATH": "/usr/lib",
        **Settings().flags,
    }, "DESTDIR, MAKEJOBS and what else changes from phase to phase is no part of it"


def test_flags_are_appended_and_env_replaces() -> None:
    env = env_of(flags={"CFLAGS": "-g", "FFLAGS": "-x"}, env={"LDFLAGS": "-s", "CC": "gcc"}, vars={"major": "1"})
    assert env["CFLAGS"] == Settings().flags["CFLAGS"] + " -g"
    assert (env["FFLAGS"], env["LDFLAGS"], env["CC"], env["major"]) == ("-x", "-s", "gcc", "1")


def test_flags_of_the_base_come_first() -> None:
    package = a_package(flags={"LDFLAGS": "-last"})
    base = replace(HOST, flags={"LDFLAGS": "-L/usr/lib", "ASFLAGS": "-x"})
    env = environment(package, STYLES["gnu-makefile"], Settings(flags={"LDFLAGS": "-mid"}), base)
    assert (env["LDFLAGS"], env["ASFLAGS"]) == ("-L/usr/lib -mid -last", "-x")


def test_a_cross_build_is_told_of_the_compiler_and_not_of_the_flags_of_the_base() -> None:
    base = replace(HOST, flags={"LDFLAGS": "-L/usr/lib"}, env={"PKG_CONFIG_LIBDIR": "/usr/lib/pkgconfig"})
    package = a_package(arch=CROSS, nostrip=True)
    env = environment(package, STYLES["gnu-makefile"], Settings(flags={"LDFLAGS": "-mid"}), base)
    assert (env["CC"], env["LDFLAGS"], env["STRIP"]) == ("x86_64-unknown-linux-musl-gcc", "-mid", "true")
    assert env["INSTALL_STRIP"] == "x86_64-unknown-linux-musl-strip"
    assert (env["BUILD_TRIPLET"], env["HOST_TRIPLET"]) == ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl")
    assert env["PKG_CONFIG_LIBDIR"].startswith(f"/{CROSS.cross_root}/usr/lib/pkgconfig:")


def test_an_archive_in_an_archive_is_in_the_key() -> None:
    inner = [{"url": "https://example.org/x.tar", "sha256": SHA, "inner": name} for name in ("a.tar", "b.tar")]
    assert len({key(distfiles=[one]) for one in (*inner, {**inner[0], "inner": "a.tar", "strip": 1})}) == 2


def test_an_empty_name_of_strip_made_a_makefile_run_what_it_installed() -> None:
    """https://github.com/nigels-com/glew/issues/77"""
    assert env_of()["STRIP"] == "strip"
    for nostrip in ("debugger wants it", True, ["usr/bin/x"]):
        env = env_of(nostrip=nostrip)
        assert (env["STRIP"], env["INSTALL_STRIP"]) == ("true", "strip")
    assert env_of(nostrip=True, env={"STRIP": "mine"})["STRIP"] == "mine"


def test_the_key_knows_what_is_kept_and_what_is_not_stripped() -> None:
    kept = [{}, {"keep": ["la"]}, {"keep": ["la", "empty"]}]
    assert len({key(install=one) for one in kept}) == 3
    assert len({key(nostrip=one) for one in (False, True, ["usr/bin/a"], ["usr/bin/b"])}) == 4
    assert key(nostrip="a reason") == key(nostrip=True)


def test_the_key_covers_the_program_that_tidies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(program.PROGRAM, tmp_path / "xsrc", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(program, "PROGRAM", tmp_path / "xsrc")
    texts = {before := program.tidy_text()}
    for name in ("build/tidy/merge.py", "build/acts/tidy.py", "build/disk/tidy.py", "store/form.py"):
        with (tmp_path / "xsrc" / name).open("a") as file:
            file.write("# changed\n")
        texts.add(program.tidy_text())
    assert len(texts) == 5
    known = {"dash": a_package()}
    assert made(known, tidy=before)["dash"].key != made(known, tidy=program.tidy_text())["dash"].key


# ---- the plan


def chain() -> dict[str, Job]:
    return made(
        packages(low={}, mid={"makedepends": ["low"]}, top={"makedepends": ["mid"], "depends": ["run"]}, run={})
    )


def built(made: Mapping[str, Job], *names: str) -> Built:
    return Built({str(made[name].package.pkgver): made[name].key for name in names})


def reasons(made: dict[str, Job], *args: Any, **kwargs: Any) -> dict[str, str | None]:
    return {step.job.name: step.reason for step in plan_build(made, *args, **kwargs).steps}


def test_nothing_is_built_yet() -> None:
    all_of_it = chain()
    assert reasons(all_of_it, ("top",), Built()) == dict.fromkeys(("low", "mid", "top", "run"), "first build")


def test_steps_come_after_what_they_need() -> None:
    names = [step.job.name for step in plan_build(chain(), ("top",), Built()).steps]
    assert names.index("low") < names.index("mid") < names.index("top")


def test_what_nothing_unfinished_needs_is_left_out() -> None:
    all_of_it = chain()
    assert reasons(all_of_it, ("top",), built(all_of_it, "mid", "top", "run")) == {"top": None, "run": None}
    assert reasons(all_of_it, ("top",), built(all_of_it, "top")) == {"top": None, "run": "first build"}
    assert reasons(all_of_it, ("top",), built(all_of_it, "mid")) == {
        "mid": None,
        "top": "first build",
        "run": "first build",
    }


def test_what_only_tests_need_is_left_out_where_none_are_run() -> None:
    all_of_it = made(
        packages(
            harness={},
            low={"checkdepends": ["harness"]},
            prover={"makedepends": ["low"]},
            top={"checkdepends": ["prover"]},
        )
    )
    assert reasons(all_of_it, ("top",), Built()) == dict.fromkeys(("harness", "low", "prover", "top"), "first build")
    assert reasons(all_of_it, ("top",), Built(), untested={"top"}) == {"top": "first build"}
    plan = plan_build(all_of_it, ("top",), Built(), untested={"low"})
    assert {step.name for step in plan.todo} == {"low", "prover", "top"}
    assert {task.name: task.needs for task in tasks(plan.todo, {}, fetch=False)} == {
        "low": set(),
        "prover": {"low"},
        "top": {"prover"},
    }


def test_a_package_without_tests_needs_nothing_for_them() -> None:
    all_of_it = made(packages(prover={}, top={"checkdepends": ["prover"], "make_check": "a reason"}))
    assert reasons(all_of_it, ("top",), Built()) == {"top": "first build"}


def test_all_is_built() -> None:
    all_of_it = chain()
    plan = plan_build(all_of_it, ("top",), built(all_of_it, *all_of_it))
    assert plan.todo == ()
    assert plan.requested == ("top",)
    assert [step.job.name for step in plan.steps] == ["top", "run"]


def test_a_dependency_of_what_is_up_to_date_is_not_built_for_nothing() -> None:
    all_of_it = chain()
    assert "low" not in reasons(all_of_it, ("top",), built(all_of_it, "top", "run"))


def test_todo_is_what_has_a_reason() -> None:
    all_of_it = chain()
    plan = plan_build(all_of_it, ("top",), built(all_of_it, "low", "run"))
    assert [step.job.name for step in plan.todo] == ["mid", "top"]


def test_another_key_is_told_by_what_differs() -> None:
    old, new = (made({"dash": a_package(env={"A": value})})["dash"] for value in "12")
    pkgver = str(new.package.pkgver)
    assert reasons({"dash": new}, ("dash",), Built({pkgver: old.key}, preimages={pkgver: old.preimage})) == {
        "dash": "changed: env.A"
    }
    assert reasons({"dash": new}, ("dash",), Built({pkgver: old.key})) == {"dash": "changed: everything"}


def test_many_differences_are_counted() -> None:
    old = json.dumps({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1})
    assert changed(old, json.dumps({"e": 1})) == "changed: a, b, c and 1 more"
    assert changed(old, json.dumps({"d": 1, "e": 1})) == "changed: a, b, c"


def test_force_builds_what_was_asked_for_and_nothing_else() -> None:
    all_of_it = chain()
    everything = built(all_of_it, *all_of_it)
    assert reasons(all_of_it, ("top",), everything, force=True) == {"mid": None, "top": "forced", "run": None}
    assert reasons(all_of_it, ("top", "mid"), everything, force=True) == {
        "low": None,
        "mid": "forced",
        "top": "forced",
        "run": None,
    }


def test_force_does_not_hide_the_better_reason() -> None:
    all_of_it = chain()
    assert reasons(all_of_it, ("low",), Built(), force=True) == {"low": "first build"}


def test_a_destdir_of_another_revision_is_not_this_one() -> None:
    all_of_it = chain()
    assert reasons(all_of_it, ("low",), Built({"low-0.5.12_2": all_of_it["low"].key})) == {"low": "first build"}


def test_keys_do_not_depend_on_what_is_asked_of_a_cycle_of_tests() -> None:
    every = packages(a={"checkdepends": ["b", "c"]}, b={"depends": ["a"]}, c={})
    ground = a_job().ground
    asked = [jobs(every, names, ground) for names in (["a"], ["b"], ["c", "a"])]
    assert len({tuple(found[name].key for name in "abc") for found in asked}) == 1
    assert [found["a"].late for found in asked] == [True] * 3
    plan = plan_build(asked[0], ("a",), Built())
    assert {step.name: step.within for step in plan.steps} == {"a": (), "b": (), "c": ()}, "a without its tests"
    plan = plan_build(asked[0], ("a",), Built(), untested=("a", "b", "c"))
    assert [step.name for step in plan.steps] == ["a"], "nothing is built for tests that do not run"
