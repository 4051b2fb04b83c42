"""R1-R4: who may start a helper, with which capabilities and arguments, and what the programs are made of."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, Done, run_as
from tests.security.kit.people import group_of

ROOT_TEXT = "refusing to run as root or setuid"
FORBIDDEN = {
    *("malloc", "calloc", "realloc", "free", "getenv", "secure_getenv", "setlocale", "dlopen", "system", "popen"),
    *("execvp", "execlp", "pthread_create", "getpwuid", "getpwnam", "getgrgid", "getgrnam", "getlogin", "strdup"),
}
PRIVILEGED = ("unshare(", "mount(", "fsopen(", "open_tree(", "pivot_root(", "chroot(", "clone(", "fork(", "capset(")


def commands(box: Box) -> dict[str, list[str]]:
    """Both programs with arguments that are good."""
    return {
        "mount": box.argv("/kit/ids"),
        "chroot": [str(box.helper.chroot), "--", str(box.root), "/kit/ids"],
    }


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("program", ["mount", "chroot"])
def test_r01_root_is_refused(box: Box, program: str) -> None:
    argv = commands(box)[program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    Done(argv, done.returncode, done.stdout, done.stderr).refused(ROOT_TEXT)


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("program", ["mount", "chroot"])
@pytest.mark.parametrize("bit", [0o4000, 0o2000])
@pytest.mark.parametrize("owner", ["root", "E"])
def test_r01_setuid_copy_is_refused(box: Box, program: str, bit: int, owner: str) -> None:
    argv = commands(box)[program]
    stage, copy = box.stage, box.stage.libexec / "setid"
    assert stage.e is not None
    uid, gid = (0, 0) if owner == "root" else (stage.e.uid, stage.e.gid)
    caps = builds.PROGRAMS[f"xsrc-{program}"] if box.helper.mode == "caps" else ()
    try:
        # only the group may run the setuid one; the setgid one is E's or root's group's, so all may
        ids, mode = ((uid, group_of(stage.p)), 0o750) if bit == 0o4000 else ((uid, gid), 0o755)
        builds.put(Path(argv[0]), copy, mode | bit, ids, caps)
        run_as(box.person, [copy, *argv[1:]]).refused(ROOT_TEXT)
    finally:
        copy.unlink(missing_ok=True)


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("program", ["mount", "chroot"])
@pytest.mark.parametrize("extra", [builds.NET_RAW, 1, 40], ids=["net_raw", "dac_override", "above 32"])
def test_r02_unexpected_capabilities(box: Box, program: str, extra: int) -> None:
    argv = commands(box)[program]
    if box.helper.mode == "plain":
        name = {13: "net_raw", 1: "dac_override", 40: "checkpoint_restore"}[extra]
        ids = [f"--reuid={box.person.uid}", f"--regid={box.person.gid}", "--clear-groups"]
        argv = ["setpriv", *ids, f"--inh-caps=+{name}", f"--ambient-caps=+{name}", *argv]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        Done(argv, done.returncode, done.stdout, done.stderr).refused("unexpected capabilities")
        return
    copy = box.stage.libexec / "extra"
    try:
        own = builds.PROGRAMS[f"xsrc-{program}"]
        builds.put(Path(argv[0]), copy, 0o750, (0, group_of(box.person)), (*own, extra))
        run_as(box.person, [copy, *argv[1:]]).refused("unexpected capabilities")
    finally:
        copy.unlink(missing_ok=True)


@pytest.mark.usefixtures("root_only")
def test_r02_without_net_admin(box: Box) -> None:
    """CAP_SYS_ADMIN alone is one of the accepted sets: lo stays down, and -l makes that a refusal."""
    if box.helper.mode == "plain":
        assert box.run("/kit/ids", options=("-l",)).json["uid"] == box.person.uid
        return
    copy = box.stage.libexec / "admin-only"
    try:
        builds.put(box.helper.mount, copy, 0o750, (0, group_of(box.person)), (builds.SYS_ADMIN,))
        argv = box.argv("/kit/ids")
        assert run_as(box.person, [copy, *argv[1:]]).json["uid"] == box.person.uid
        run_as(box.person, [copy, "-l", *argv[1:]]).refused("loopback")
    finally:
        copy.unlink(missing_ok=True)


def bad_lines(root: str) -> dict[str, tuple[list[str], str]]:
    end = ["--", root, "/kit/ids"]
    long = "/" + "x" * 4096
    return {
        "nothing": ([], "missing arguments"),
        "unknown option": (["-x", *end], "bad option: -x"),
        "long option": (["--help", *end], "bad option: --help"),
        "joined options": (["-uW", *end], "bad option: -uW"),
        "no root": (["--"], "missing argument: ROOT"),
        "no command": (["--", root], "missing argument: CMD"),
        "empty root": (["--", "", "/kit/ids"], "missing argument: ROOT"),
        "relative root": (["--", "root", "/kit/ids"], "not an absolute path: root"),
        "relative command": (["--", root, "ids"], "not an absolute path: ids"),
        "long root": (["--", long, "/kit/ids"], "path too long: ROOT"),
        "long source": (["-r", long, "usr", *end], "path too long: SRC"),
        "long destination": (["-r", "/usr", "x" * 4096, *end], "path too long: DST"),
        "no source": (["-r"], "missing argument"),
        "no destination": (["-w", "/usr"], "missing argument"),
        "many binds": (["-r", "/usr", "usr"] * 257 + end, "too many binds"),
        "layers without end": (["-o", "usr", "/usr", "/bin"], "-o wants DST LAYER... -"),
        "many layers": (["-o", "usr", *["/usr"] * 501, "-", *end], "too many layers"),
        "two root overlays": (["-o", ".", "/usr", "-"] * 2 + end, "two overlays for the root"),
        "writable overlay": (["-W", "-o", ".", "/usr", "-", *end], "an overlay root cannot be writable"),
        "no environment": (["-e"], "-e wants NAME=VALUE"),
        "environment without =": (["-e", "FOO", *end], "-e wants NAME=VALUE"),
        "environment without name": (["-e", "=x", *end], "-e wants NAME=VALUE"),
        "no size": (["-T"], "-T wants MiB"),
        "no end": (["-W"], "missing arguments"),
        "both modes": (["-u", "-c", *end], "-u and -c"),
        "relative directory": (["-d", "tmp", *end], "not an absolute path"),
    }


def test_r03_bad_command_lines(box: Box) -> None:
    for words, text in bad_lines(str(box.root)).values():
        run_as(box.person, [box.helper.mount, *words]).refused(text)


def test_r03_no_arguments_at_all(box: Box) -> None:
    """execve with an empty argv, CVE-2021-4034; since Linux 5.18 the kernel makes one empty argument of it."""
    for program in (box.helper.mount, box.helper.chroot):
        run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", "no_argv", program]).refused("missing")


def test_r03_nothing_privileged_before_the_end_of_parsing(box: Box) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    for number, (words, _) in enumerate(list(bad_lines(str(box.root)).values())[::5]):
        log = box.file(f"trace{number}")
        done = run_as(box.person, ["strace", "-f", "-o", log, box.helper.mount, *words])
        calls = log.read_text()
        assert done.code == 125
        assert "exit_group(125)" in calls
        assert not [call for call in PRIVILEGED if f" {call}" in calls], calls


def test_r03_random_command_lines(box: Box) -> None:
    """In a process of their own; the fuzzer tries many more on the parser alone (test_fuzz.py)."""
    words = ["-u", "-c", "-W", "-l", "-0", "-T", "-r", "-w", "-o", "-e", "-d", "--", "-", "", "/", ".", "A=b", "usr"]
    dice = random.Random(3)
    for _ in range(60):
        line = dice.choices(words, k=dice.randrange(12))
        for program in (box.helper.mount, box.helper.chroot):
            assert run_as(box.person, [program, *line]).code == 125, line


@pytest.mark.parametrize("program", sorted(builds.PROGRAMS))
def test_r04_static(box: Box, program: str) -> None:
    with (box.stage.out / program).open("rb") as stream:
        elf = ELFFile(stream)
        assert not [s for s in elf.iter_segments() if s.header.p_type == "PT_INTERP"]
        dynamic = [s for s in elf.iter_segments() if isinstance(s, DynamicSegment)]
        assert not [tag for segment in dynamic for tag in segment.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
        stack = next(s for s in elf.iter_segments() if s.header.p_type == "PT_GNU_STACK")
        assert not stack.header.p_flags & 1, "the stack can be executed"


@pytest.mark.parametrize("source", builds.SOURCES)
def test_r04_calls_nothing_that_allocates_or_looks_up(box: Box, source: str) -> None:
    """What our own code asks of the libc, whichever it is; the linked program holds more than that."""
    made = box.place / "object.o"
    words = ["cc", "-std=c11", "-O0", '-DLIBEXECDIR="/x"', "-c", "-o", str(made), str(builds.HELPERS / source)]
    subprocess.run(words, check=True)
    with made.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        wanted = {symbol.name for symbol in table.iter_symbols() if symbol.entry.st_shndx == "SHN_UNDEF"}
    assert wanted & {"die", "_exit"}, "every file can refuse"
    assert not wanted & FORBIDDEN
