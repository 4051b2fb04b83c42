"""R47, R48, R54: file systems that are no layers, mounts below by their numbers, flags that an overlay takes over."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, Done, file, folder
from tests.security.kit.people import popen
from tests.security.kit.races import race
from tests.security.kit.scratch import Scratch, scratch

KERNEL = "a kernel file system"


def nowhere(box: Box, path: str | Path) -> None:
    """Assert that it is no layer, top, bottom or alone, no root and no source."""
    good = box.place / "good"
    if not good.exists():
        folder(good, box.person)
    for place, layers in (("srv", (path, good)), ("srv", (good, path)), ("srv", (path,)), (".", (path, box.root))):
        box.run("/kit/ids", options=("-o", place, *layers, "-"), bare=True).refused(f"layer: {KERNEL}", str(path))
    box.run("/kit/ids", root=path).refused(f"root: {KERNEL}", str(path))
    box.run("/kit/ids", options=("-r", path, "mnt")).refused(f"source: {KERNEL}", str(path))


def test_r47_process_of_the_caller(box: Box) -> None:
    """/proc/PID is the caller's own folder, and leads to the root, the environment and the files of that process."""
    process = popen(box.person, ["sleep", "60"])
    try:
        for path in (f"/proc/{process.pid}", f"/proc/{process.pid}/task", f"/proc/{process.pid}/fd"):
            if Path(path).stat().st_mode & 0o022 == 0:
                nowhere(box, path)
    finally:
        process.kill()
        process.communicate()


def new_cgroup(name: str) -> Path | None:
    """Make a cgroup on the first of the machine's cgroup file systems that lets root."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        made = Path(left.split()[4], name)
        if right.startswith(("cgroup ", "cgroup2 ")):
            with contextlib.suppress(OSError):
                made.mkdir()
                return made
    return None


@pytest.mark.usefixtures("root_only")
def test_r47_delegated_cgroup(box: Box) -> None:
    """A cgroup that belongs to the caller, as systemd delegates them."""
    made = new_cgroup(f"xsrc-{box.place.name}")
    if made is None:
        pytest.skip("root can make no cgroup here")
    try:
        subprocess.run(["chown", str(box.person.uid), made], check=True)
        nowhere(box, made)
    finally:
        made.rmdir()


@contextlib.contextmanager
def served(box: Box, space: Scratch, point: Path, server: int) -> Iterator[None]:
    """A FUSE file system on a folder of the space's, the server being the user with that number."""
    words = [sys.executable, builds.SECURITY / "kit/fuse.py", point, server, 0 if server == 0 else box.person.gid]
    argv = ["nsenter", "-t", space.pid, "-m", "--", *words, box.person.uid, box.person.gid]
    process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            pytest.skip(f"no FUSE here: {process.communicate()[1].decode().splitlines()[-1]}")
        yield
    finally:
        process.kill()
        process.communicate()


def try_fuse(box: Box, server: int, *, alone: bool = False) -> Done:
    """Show a FUSE layer over one with a folder "secret", or by itself."""
    point, below = box.folder("point"), box.folder("below")
    folder(below / "secret", box.person)
    file(below / "secret/file", box.person, "secret")
    file(below / "mark", box.person, "below")
    look = "import os; print(sorted(os.listdir('/srv')), os.listdir('/srv/renamed'), open('/srv/mark').read())"
    layers = (point,) if alone else (point, below)
    with scratch("true") as space, served(box, space, point, server):
        return space.run(box, box.argv(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", *layers, "-")))


@pytest.mark.usefixtures("root_only")
def test_r47_fuse_of_the_caller(box: Box) -> None:
    """The server answers for trusted.overlay.*: refused with capabilities; in a user namespace nobody asks it."""
    done = try_fuse(box, box.person.uid)
    if box.helper.mode == "caps":
        done.refused("layer: a FUSE file system of a user's", "hint: use a user namespace")
    else:
        assert done.out == "['mark', 'renamed', 'secret'] [] served\n\n", str(done)


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("mode", ["caps"], indirect=True)
def test_r47_fuse_of_the_caller_alone(box: Box) -> None:
    try_fuse(box, box.person.uid, alone=True).refused("layer: a FUSE file system of a user's")


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("mode", ["caps"], indirect=True)
def test_r47_fuse_of_root(box: Box) -> None:
    """A container's root, or a disk that root mounted, may be served by FUSE; what it answers leads nowhere either."""
    done = try_fuse(box, 0)
    assert done.code == 1, str(done)
    assert "Operation not permitted: '/srv/renamed'" in done.err, "a redirect that is read is refused, not followed"


def under_races(box: Box, script: str, once: Callable[[Scratch], bool]) -> None:
    """Exchange one, which has something mounted on "inner", with other, which has not, while `once` tries."""
    for name in ("one", "other"):
        made = box.folder(name)
        folder(made / "inner", box.person)
    file(box.place / "one/inner/secret", box.person, "hidden")
    with scratch(script, box.place / "one/inner") as space:
        race(box.person, box.place / "one", box.place / "other", race_seconds(), lambda: once(space))


@pytest.mark.usefixtures("root_only")
def test_r48_rename_race_of_a_covered_layer(box: Box) -> None:
    """Whatever the layer is called while it is looked at: what root mounted below it uncovers nothing."""
    look = "import os; print(os.listdir('/srv/inner'))"
    options = ("-o", "srv", box.place / "one", box.folder("under"), "-")

    def once(space: Scratch) -> bool:
        done = space.run(box, box.argv(PYTHON, "-I", "-S", "-c", look, options=options))
        if done.code == 125:
            return not done.refused("a mount lies below this layer", str(box.place / "one"))
        assert done.out == "[]\n", f"uncovered: {done}"
        return True

    under_races(box, 'mount -t tmpfs tmpfs "$1"', once)


@pytest.mark.usefixtures("root_only")
def test_r48_rename_race_of_a_source_with_proc(box: Box) -> None:
    """A /proc of the host's below a source, which a recursive bind would take along."""
    look = "import os; print(os.listdir('/mnt/inner'))"
    options = ("-r", box.place / "one", "mnt")

    def once(space: Scratch) -> bool:
        done = space.run(box, box.argv(PYTHON, "-I", "-S", "-c", look, options=options))
        if done.code == 125:
            return not done.refused("a kernel file system is mounted below", str(box.place / "one"))
        assert done.out == "[]\n", f"the host's processes are in sight: {done}"
        return True

    under_races(box, 'mount --rbind /proc "$1"', once)


@pytest.mark.usefixtures("root_only")
def test_r48_rename_race_of_the_root(box: Box) -> None:
    """The same below ROOT itself."""
    look = "import os; print(os.listdir('/work/inner') if os.path.exists('/work/inner') else [])"

    def once(space: Scratch) -> bool:
        options = ("-r", box.place / "one", "work")
        done = space.run(box, box.argv(PYTHON, "-I", "-S", "-c", look, options=options))
        if done.code == 125:
            return not done.refused("a kernel file system is mounted below")
        assert done.out == "[]\n", str(done)
        return True

    under_races(box, 'mount -t sysfs sysfs "$1"', once)


@pytest.mark.usefixtures("root_only")
def test_r48_mount_below_the_root(box: Box) -> None:
    """An ordinary mount below a root that is bound stays; one of the kernel's is refused by the name it has there."""
    look = "import os; print(os.listdir('/mnt/deep'))"
    argv = box.argv(PYTHON, "-I", "-S", "-c", look)
    with scratch('mount -t tmpfs tmpfs "$1"; touch "$1/cover"', box.root / "mnt/deep") as space:
        done = space.run(box, argv)
        assert done.out == "['cover']\n", str(done)
    with scratch('mount -t sysfs sysfs "$1"', box.root / "mnt/deep") as space:
        done = space.run(box, argv).refused("a kernel file system is mounted below", str(box.root))
        assert f"hint: {box.root}/mnt/deep is mounted there" in done.err


@pytest.mark.usefixtures("root_only")
def test_r48_nothing_is_left_of_the_layers(box: Box) -> None:
    """Where they were looked at, nothing is mounted any more when the command runs."""
    options = ("-o", "srv", box.folder("one"), box.folder("two"), "-", "-o", "mnt", box.folder("three"), "/usr", "-")
    with box.running(options=options) as (_, first, _):
        points = [line.split()[4] for line in Path(f"/proc/{first}/mountinfo").read_text().splitlines()]
    assert not [point for point in points if point == "/l" or point.startswith("/l/")], points


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("which", [0, 1])
def test_r54_noexec_of_a_layer(box: Box, which: int) -> None:
    """A bind keeps the flags of its source; an overlay would forget those of its layers."""
    point, other = box.folder("point"), box.folder("other")
    layers = [point, other] if which else [other, point]
    argv = box.argv("/srv/ids", options=("-o", "srv", *layers, "-"))
    script = 'mount -t tmpfs -o mode=755,noexec tmpfs "$1"; cp "$2" "$1/ids"; chown -R "$3" "$1"'
    with scratch(script, point, box.stage.kit / "ids", f"{box.person.uid}:{box.person.gid}") as space:
        done = space.run(box, argv)
        assert done.code == 126, str(done)
        assert "Permission denied" in done.err, str(done)
        space.as_root("mount", "-o", "remount,exec", str(point))
        assert space.run(box, argv).code == 0


@pytest.mark.usefixtures("root_only")
def test_r54_nosymfollow_of_a_layer(box: Box) -> None:
    point = box.folder("point")
    look = "import os; print(os.path.exists('/srv/link'))"
    argv = box.argv(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", point, box.folder("other"), "-"))
    script = 'mount -t tmpfs -o mode=755 tmpfs "$1"; ln -s /usr "$1/link"; chown "$2" "$1"; '
    script += 'mount -o remount,bind,nosymfollow "$1" 2>/dev/null || true'
    with scratch(script, point, f"{box.person.uid}:{box.person.gid}") as space:
        flags = next(line.split()[5] for line in space.mounts().splitlines() if line.split()[4] == str(point))
        if "nosymfollow" not in flags.split(","):
            pytest.skip("this mount(8) or kernel knows no nosymfollow")
        assert space.run(box, argv).out == "False\n"
