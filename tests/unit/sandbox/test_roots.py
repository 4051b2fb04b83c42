"""What roots are made of: layers in their order, mounts after what they stand in, and writable only what may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from tests.unit.builders import CROSS, HOST, MASTERDIR, X86_64, a_package
from xsrc.build.root import Layers, build_root
from xsrc.core.base import Base
from xsrc.core.phase import ORDER, Phase
from xsrc.core.settings import Limits
from xsrc.sandbox.roots import OUT, USERS, hidden, layers, limited, stowed_mounts
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox

TOP = Path("/m/pkg-builddir/dash-0.5.12/root")
ZLIB = (Path("/m/pkg-destdir/zlib-1_1"), frozenset({"usr", "usr/lib"}))
MAKE = (Path("/m/pkg-destdir/make-1_1"), frozenset({"usr", "usr/bin"}))
DATA = (Path("/m/pkg-destdir/data-1_1"), frozenset({"etc"}))
SPLIT = Base("host", X86_64, {"usr": (Path("/usr"),), "usr/lib": (Path("/usr/lib"), Path("/lib"))})


def root(phase: Phase = Phase.BUILD, *depends: tuple[Path, frozenset[str]], build_wrksrc: str = "") -> Sandbox:
    package = a_package(build_wrksrc=build_wrksrc or None)
    return build_root(package, phase, MASTERDIR, Layers(depends), HOST, {"CC": "cc"}, 64)


def binds(sandbox: Sandbox) -> dict[str, Bind]:
    return {mount.inside: mount for mount in sandbox.mounts if isinstance(mount, Bind)}


def test_without_destdirs_there_is_no_overlay_of_the_root() -> None:
    assert layers(TOP, (), HOST) == (Overlay((TOP / "usr", Path("/usr")), "usr"),)


def test_layers_go_from_the_top_over_destdirs_to_the_base() -> None:
    assert layers(TOP, (ZLIB, MAKE), HOST) == (
        Overlay((TOP, ZLIB[0], MAKE[0])),
        Overlay((TOP / "usr", ZLIB[0] / "usr", MAKE[0] / "usr", Path("/usr")), "usr"),
    )


def test_a_destdir_is_a_layer_where_it_has_the_directory() -> None:
    assert layers(TOP, (ZLIB, MAKE, DATA), SPLIT) == (
        Overlay((TOP, ZLIB[0], MAKE[0], DATA[0])),
        Overlay((TOP / "usr", ZLIB[0] / "usr", MAKE[0] / "usr", Path("/usr")), "usr"),
        Overlay((TOP / "usr/lib", ZLIB[0] / "usr/lib", Path("/usr/lib"), Path("/lib")), "usr/lib"),
    )


def test_destdirs_may_come_from_any_iterable_once() -> None:
    assert layers(TOP, iter((ZLIB, MAKE)), HOST) == layers(TOP, (ZLIB, MAKE), HOST)


def test_what_is_for_the_result_of_a_cross_build_stands_in_the_compilers_own_root() -> None:
    compiler = (Path("/m/pkg-destdir/cross-gcc-1_1"), frozenset({"usr", CROSS.cross_root}))
    headers = Path("/m/pkg-destdir/linux-headers-1_1")
    assert layers(TOP, (ZLIB, compiler), HOST, CROSS.cross_root, [headers])[-1] == Overlay(
        (headers, compiler[0] / "usr/x86_64-unknown-linux-musl"), "usr/x86_64-unknown-linux-musl"
    )
    assert layers(TOP, (ZLIB, compiler), HOST, CROSS.cross_root) == layers(TOP, (ZLIB, compiler), HOST)


def test_of_the_modules_of_an_interpreter_the_base_has_no_part() -> None:
    inside = "usr/lib/python3.11"
    python = (Path("/m/pkg-destdir/python3-3.11.2_1"), frozenset({"usr", "usr/lib", inside, f"{inside}/encodings"}))
    toml = (Path("/m/pkg-destdir/python3-toml-1_1"), frozenset({"usr", "usr/lib", inside}))
    alone = python[0] / inside
    assert layers(TOP, (python, ZLIB), SPLIT)[-1] == Bind(alone, inside)
    assert layers(TOP, (python, toml), SPLIT)[-1] == Overlay((alone, toml[0] / inside), inside)
    assert [mount.inside for mount in layers(TOP, (toml,), HOST)] == [".", "usr"], "for whatever Python there is"


def test_mounts_come_after_what_they_stand_in() -> None:
    for base in (HOST, SPLIT):
        mounts = layers(TOP, (ZLIB,), base)
        insides = [mount.inside for mount in mounts]
        assert insides == sorted(insides)


def test_a_build_root() -> None:
    sandbox = root(Phase.BUILD, ZLIB)
    assert sandbox.root == TOP
    assert not sandbox.writable
    assert sandbox.tmp_mib == 64
    assert sandbox.mounts == (
        Overlay((TOP, ZLIB[0])),
        Overlay((TOP / "usr", ZLIB[0] / "usr", Path("/usr")), "usr"),
        Bind(Path("/etc/alternatives"), "etc/alternatives"),
        Bind(Path("/m/pkg-builddir/dash-0.5.12/wrksrc"), "pkg-builddir/dash-0.5.12", True),
    )


@pytest.mark.parametrize("phase", ORDER[1:])
def test_only_what_the_table_says_is_writable(phase: Phase) -> None:
    writable = {inside for inside, bind in binds(root(phase, ZLIB)).items() if bind.writable}
    destdir = {"pkg-destdir/dash-0.5.12_1"} if phase is Phase.INSTALL else set()
    assert writable == {"pkg-builddir/dash-0.5.12"} | destdir


@pytest.mark.parametrize("phase", [phase for phase in ORDER if phase is not Phase.INSTALL])
def test_the_destdir_is_not_there_before_install(phase: Phase) -> None:
    sandbox = root(phase)
    assert "pkg-destdir/dash-0.5.12_1" not in binds(sandbox)
    assert "DESTDIR" not in sandbox.env


def test_install_writes_into_the_unfinished_destdir() -> None:
    sandbox = root(Phase.INSTALL)
    bind = binds(sandbox)["pkg-destdir/dash-0.5.12_1"]
    assert bind == Bind(Path("/m/pkg-builddir/dash-0.5.12/destdir"), "pkg-destdir/dash-0.5.12_1", True)
    assert sandbox.env["DESTDIR"] == "/pkg-destdir/dash-0.5.12_1"


def test_sources_are_read_only_in_fetch() -> None:
    assert not binds(root(Phase.FETCH))["pkg-builddir/dash-0.5.12"].writable


@pytest.mark.parametrize(
    ("phase", "inside", "want"),
    [
        (Phase.BUILD, "", "/pkg-builddir/dash-0.5.12"),
        (Phase.BUILD, "unix/src", "/pkg-builddir/dash-0.5.12/unix/src"),
        (Phase.EXTRACT, "unix/src", "/pkg-builddir/dash-0.5.12"),
        (Phase.PATCH, "unix/src", "/pkg-builddir/dash-0.5.12/unix/src"),
    ],
)
def test_where_a_phase_runs(phase: Phase, inside: str, want: str) -> None:
    sandbox = root(phase, build_wrksrc=inside)
    assert (sandbox.directory, sandbox.env["WRKSRC"]) == (want, want)


def test_the_environment_of_a_phase() -> None:
    sandbox = root(Phase.BUILD)
    assert sandbox.env == {
        "CC": "cc",
        "WRKSRC": "/pkg-builddir/dash-0.5.12",
        "FILESDIR": "/pkg-template/files",
        "PATCHESDIR": "/pkg-template/patches",
    }


def test_the_given_environment_stays_as_it_is() -> None:
    env = {"CC": "cc"}
    build_root(a_package(), Phase.INSTALL, MASTERDIR, Layers(), HOST, env, 64)
    assert env == {"CC": "cc"}


def test_nothing_of_the_host_but_the_base_is_shown() -> None:
    for phase in ORDER:
        for mount in root(phase, ZLIB).mounts:
            sources = [mount.source] if isinstance(mount, Bind) else mount.layers
            for source in sources:
                assert source.is_relative_to("/m") or source in (Path("/usr"), Path("/etc/alternatives"))


SHADOWED = replace(
    HOST, shadowed={"usr/lib/x86_64-linux-gnu": "usr/lib", "usr/include/x86_64-linux-gnu": "usr/include"}
)


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("usr/lib/libz.so", ("usr/lib/x86_64-linux-gnu/libz.so",)),
        ("usr/lib/libz.a", ("usr/lib/x86_64-linux-gnu/libz.a",)),
        ("usr/lib/libz.so.1", ()),
        ("usr/lib/libz.la", ()),
        ("usr/lib/gcc/libgcc.a", ()),
        ("usr/include/zlib.h", ("usr/include/x86_64-linux-gnu/zlib.h",)),
        ("usr/include/sys/zlib.h", ("usr/include/x86_64-linux-gnu/sys/zlib.h",)),
        ("usr/library/libz.so", ()),
        ("usr/lib", ()),
        ("opt/usr/lib/libz.so", ()),
    ],
)
def test_what_of_the_base_would_be_found_first_is_hidden(path: str, want: tuple[str, ...]) -> None:
    assert hidden([path], SHADOWED) == want
    assert hidden([path], HOST) == ()


def test_hidden_paths_are_in_order_and_each_once() -> None:
    paths = ["usr/lib/libz.so", "usr/lib/liba.so", "usr/lib/libz.so"]
    assert hidden(paths, SHADOWED) == tuple(f"usr/lib/x86_64-linux-gnu/lib{name}.so" for name in "az")


def shell(limits: Limits) -> list[str]:
    """The steps of the shell that sets limits, and the words that follow it."""
    argv = limited(("make", "a b"), limits)
    assert argv[:2] == ("/bin/sh", "-c")
    assert argv[3:] == ("sh", "make", "a b"), "the command itself is never shell text"
    return argv[2].split("; ")


def test_limits_that_the_kernel_keeps() -> None:
    assert shell(Limits(processes=0)) == ["echo 500 >/proc/self/oom_score_adj", 'exec "$@"']
    assert shell(Limits(processes=7, memory_mib=3)) == [
        "echo 500 >/proc/self/oom_score_adj",
        "ulimit -u 7 2>/dev/null || ulimit -p 7",
        "ulimit -v 3072",
        'exec "$@"',
    ]
    assert shell(Limits(processes=0, memory_mib=1, seconds=9, silent_seconds=9, log_mib=9))[1:-1] == ["ulimit -v 1024"]


HIDING = ("pkg-srcdistdir", "pkg-builddir", "pkg-binpkgs", "pkg-base", "var/db/xsrc")
PRESENT = frozenset(("etc", "home", "usr", "var", "tmp", "pkg-destdir", *HIDING[:4]))


def test_the_stowed_root() -> None:
    assert stowed_mounts(MASTERDIR, SPLIT, (), PRESENT) == (
        Overlay((Path("/m/usr"), Path("/usr")), "usr"),
        Overlay((Path("/m/usr/lib"), Path("/usr/lib"), Path("/lib")), "usr/lib"),
        *(Bind(Path("/m/var/db/xsrc/nothing"), inside) for inside in HIDING),
    )


def test_the_users_places_of_the_stowed_root() -> None:
    mounts = stowed_mounts(MASTERDIR, HOST, (), PRESENT, writable=True)
    writable = [mount for mount in mounts if isinstance(mount, Bind) and mount.writable]
    assert writable == [Bind(Path("/m") / inside, inside, True) for inside in ("etc", "home", "var", "var/db")]


@pytest.mark.parametrize("top", USERS)
def test_no_directory_above_a_covered_place_can_be_moved(top: str) -> None:
    """Each is a mount point, which cannot be renamed, or is in what is read-only."""
    base = replace(HOST, binds={f"{top}/deep/down": Path("/x")})
    mounts = stowed_mounts(MASTERDIR, base, (), PRESENT | {top}, writable=True)
    points = {mount.inside for mount in mounts}
    open_ = {mount.inside for mount in mounts if isinstance(mount, Bind) and mount.writable}
    for mount in mounts:
        if isinstance(mount, Bind) and mount.writable:
            continue
        above = [str(path) for path in PurePosixPath(mount.inside).parents][:-1]
        below = next((place for place in above if place in points), None)
        assert below not in open_ or set(above) <= points, f"{mount.inside} in {below}"


def test_a_trigger_writes_to_its_own_place_alone() -> None:
    out = Path("/m/var/db/xsrc/triggers/out")
    mounts = stowed_mounts(MASTERDIR, HOST, (), PRESENT, out=out)
    assert [m for m in mounts if isinstance(m, Bind) and m.writable] == [Bind(out, OUT, True)]
    assert mounts[-1] == Bind(out, OUT, True), "nothing is laid over it"


def test_of_some_directories_of_the_stowed_root_the_base_has_no_part() -> None:
    inside = "usr/lib/python3.11"
    mounts = stowed_mounts(MASTERDIR, HOST, [inside])
    assert mounts[:2] == (Overlay((Path("/m/usr"), Path("/usr")), "usr"), Bind(Path("/m") / inside, inside))


def test_the_stowed_root_shows_the_base_binds() -> None:
    mounts = stowed_mounts(MASTERDIR, replace(HOST, binds={"etc/x": Path("/x")}))
    assert Bind(Path("/x"), "etc/x") in mounts
    assert not any(isinstance(mount, Bind) and mount.writable for mount in mounts)
