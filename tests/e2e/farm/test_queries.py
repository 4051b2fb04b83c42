"""The verbs that only look: list, files, owner, show, deps, log, doctor; and clean."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kit.look import until
from tests.e2e.kit.site import Site


def two_packages(site: Site) -> Site:
    site.script("lib")
    site.hello(top='makedepends = ["lib"]\ncheckdepends = ["lib"]\ndepends = ["lib>=0.5"]')
    return site


def test_list_marks_what_is_stowed(site: Site) -> None:
    assert site.xsrc("list").ok().out == ""
    assert json.loads(site.xsrc("list", "--json").ok().out) == []
    two_packages(site).build("hello")
    site.xsrc("unstow", "hello").ok()
    assert site.xsrc("list").ok().out == "  hello-1.0_1  Test package\n* lib-1.0_1    Test package\n"
    rows = {row["pkgver"]: row for row in json.loads(site.xsrc("list", "--json").ok().out)}
    assert (rows["lib-1.0_1"]["stowed"], rows["lib-1.0_1"]["asked"]) == (True, False)
    assert rows["hello-1.0_1"]["stowed"] is False
    site.xsrc("list", "hello").ended(2)


def test_files_of_versions(site: Site) -> None:
    site.script("v", version="1.0")
    site.build("v")
    site.script("v", "mkdir -p $DESTDIR/usr/new; : >$DESTDIR/usr/new/x; ln -s x $DESTDIR/usr/new/y\n", version="1.1")
    site.build("v")
    assert site.xsrc("files", "v").ok().out == "/usr/new/x\n/usr/new/y -> x\n"
    assert site.xsrc("files", "v@1.0").ok().out == "/usr/share/v\n"
    assert set(json.loads(site.xsrc("files", "v@1.0_1", "--json").ok().out)) == {"v-1.0_1"}
    site.xsrc("files", "v@3").ended(2, "1.0_1, 1.1_1")
    site.xsrc("files", "w").ended(2, "w is not built", "hint: xsrc list")


def test_owner_of_what_nobody_has(site: Site) -> None:
    site.script("v")
    site.build("v")
    result = site.xsrc("owner", "/usr/share/none", "/usr/share/v").ok("/usr/share/none: no package has it")
    assert result.out == "/usr/share/v: v-1.0_1\n"
    assert site.xsrc("owner", "/none").ended(1, "no package has it").out == ""
    assert json.loads(site.xsrc("owner", "--json", "/none").ended(1).out) == []
    site.xsrc("unstow", "v").ok()
    assert site.xsrc("owner", "/usr/share/v").ok().out == "/usr/share/v: v-1.0_1 (not stowed)\n"
    site.xsrc("owner").ended(2)


def test_show_prints_all_or_one_field(site: Site) -> None:
    two_packages(site)
    lines = site.xsrc("show", "hello").ok().out.splitlines()
    assert lines[0].split() == ["pkgver", "hello-1.0_1"]
    assert site.xsrc("show", "hello", "depends").ok().out == "lib>=0.5\n"
    assert json.loads(site.xsrc("show", "hello", "depends", "--json").ok().out) == {"hello": ["lib>=0.5"]}
    assert site.xsrc("show", "hello", "conf_files").ok().out == ""
    site.xsrc("show", "hello", "dependz").ended(2, "no field 'dependz'", "depends")
    site.xsrc("show", "helo").ended(2, "no template 'helo'", "did you mean hello?")


def test_show_prints_each_template_that_is_named(site: Site) -> None:
    two_packages(site)
    one, two = (site.xsrc("show", name).ok().out for name in ("hello", "lib"))
    assert site.xsrc("show", "hello", "lib").ok().out == f"{one}\n{two}"
    assert site.xsrc("show", "hello", "lib", "version").ok().out == "1.0\n1.0\n"
    assert json.loads(site.xsrc("show", "hello", "lib", "depends", "--json").ok().out) == {
        "hello": ["lib>=0.5"],
        "lib": None,
    }
    site.xsrc("show", "hello", "lib", "none", "version").ended(2, "no template 'none'")


def test_deps_in_order_as_tree_and_reversed(site: Site) -> None:
    two_packages(site)
    site.script("top", top='hostmakedepends = ["hello"]')
    assert site.xsrc("deps", "top").ok().out == "lib-1.0_1\nhello-1.0_1\n"
    tree = site.xsrc("deps", "--tree", "top").ok().out.splitlines()
    assert tree[0] == "top-1.0_1" and tree[1].endswith("hello-1.0_1 (hostmakedepends)")
    assert any(line.endswith("lib-1.0_1 (makedepends)") for line in tree)
    assert site.xsrc("deps", "--reverse", "lib").ok().out == "hello-1.0_1\n"
    assert json.loads(site.xsrc("deps", "--reverse", "--json", "hello").ok().out) == {"hello": ["top"]}
    assert json.loads(site.xsrc("deps", "--json", "top").ok().out)["hello"]["depends"] == ["lib>=0.5"]
    site.xsrc("deps", "--tree", "--reverse", "top").ended(2)
    site.xsrc("deps", "--reverse", "tops").ended(2, "did you mean top?")


def test_log_of_a_phase_and_of_the_last_one(site: Site) -> None:
    site.hello()
    site.xsrc("log", "hello").ended(2, "no log")
    site.build("--to", "extract", "hello")
    site.xsrc("log", "hello", "build").ended(2, "no log of build")
    site.build("hello")
    assert "configured with" in site.xsrc("log", "hello", "configure").ok().out
    path = site.xsrc("log", "--path", "hello").ok().out.strip()
    assert path.endswith("logs/hello-1.0_1/install.log")
    assert site.xsrc("log", "hello").ok().out == site.log("install")
    site.xsrc("log", "hello", "nonsense").ended(2, "want a phase")


def test_clean_removes_work_and_nothing_else(site: Site) -> None:
    site.hello()
    site.script("bad", "mkdir $DESTDIR/usr; false\n")
    site.build("-K", "hello")
    site.xsrc("build", "bad").ended(1)
    before, distfiles = site.farm(), site.distfiles()
    planned = site.xsrc("clean", "-n").ok().out.splitlines()
    assert sorted(planned) == sorted([f"{site.work()}", f"{site.work('bad-1.0')}"])
    assert site.work().is_dir()
    site.xsrc("clean", "hello").ok("hello-1.0: removed")
    assert not site.work().exists() and site.work("bad-1.0").exists()
    site.xsrc("clean").ok("bad-1.0: removed")
    assert [p.name for p in (site.masterdir / "pkg-builddir").iterdir() if p.is_dir()] == []
    assert (site.farm(), site.distfiles()) == (before, distfiles)
    site.xsrc("clean").ok()


def test_clean_leaves_alone_what_is_being_built(site: Site) -> None:
    site.script("slow", do_build="until [ -e go ]; do sleep 0.1; done\n")
    running = site.start("build", "slow")
    try:
        marker = site.work("slow-1.0") / "wrksrc"
        until(lambda: (site.masterdir / "var/db/xsrc/logs/slow-1.0_1/build.log").exists(), "it builds")
        site.xsrc("clean").ok("slow-1.0: is being built, left alone")
        site.xsrc("shell", "slow", "true").ended(5, "is being built now")
        site.land.run("touch", marker / "go").ok()
        running.wait().ok("slow-1.0_1: stowed")
    finally:
        if running.process.returncode is None:
            running.kill()


def test_doctor_finds_nothing_wrong(site_in_mode: Site) -> None:
    site = site_in_mode
    site.script("v")
    site.build("v")
    words = "capabilities" if site.mode == "caps" else "user namespace"
    result = site.xsrc("doctor").ok()
    assert "BAD" not in result.out
    assert f"entered by {words}" in result.out
    findings = json.loads(site.xsrc("doctor", "--json").ok().out)
    assert {"kernel", "capabilities", "cc", "masterdir", "sandbox"} <= {finding["what"] for finding in findings}
    assert all(finding["good"] or not finding["grave"] for finding in findings)


def test_doctor_without_a_masterdir(site: Site) -> None:
    assert "sandbox" in site.xsrc("doctor").ok().out
    assert not site.masterdir.exists()


def test_doctor_says_what_is_wrong_and_what_mends_it(site: Site) -> None:
    closed = site.root / "closed"
    closed.mkdir(mode=0o555)
    site.land.own(closed)
    result = site.xsrc("doctor", "-m", closed / "m").ended(4)
    assert f"{closed} is not writable" in result.out
    assert f"mend: chmod u+rwx {closed}  # or choose another with -m DIR" in result.out


@pytest.mark.parametrize("words", [("--help",), ("build", "--help"), ("--version",), ("show", "--version")])
def test_help_and_version_go_to_stdout(site: Site, words: tuple[str, ...]) -> None:
    result = site.xsrc(*words).ok()
    assert "xsrc" in result.out and result.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("biuld", "hello"), "did you mean build?"),
        (("build", "--nonsense", "hello"), "nonsense"),
        (("build", "--to", "nowhere", "hello"), "nowhere"),
        (("build", "-j", "many", "hello"), "many"),
    ],
)
def test_usage_errors_go_to_stderr(site: Site, words: tuple[str, ...], said: str) -> None:
    site.hello()
    result = site.xsrc(*words).ended(2, said)
    assert result.out == ""


def test_closed_pipe_is_no_error(site: Site) -> None:
    site.script("many", "cd $DESTDIR; mkdir usr; for i in $(seq 20000); do : >usr/file$i; done\n")
    site.build("--no-stow", "many")
    words = f"cd {site.root} && {site.land.python} -P -m xsrc files many | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = site.land.run("bash", "-c", words).ok()
    assert result.out.startswith("/usr/file1\n")
    assert "Traceback" not in result.err and "Exception" not in result.err
