"""R42, R43: what may be a layer, what an overlay lets be changed, and what a layer hides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit.box import PYTHON, Box, file, folder, give, link
from tests.security.kit.races import race
from tests.security.kit.scratch import scratch

LINKS = "symbolic links are not followed"
OWNED = "not owned by the caller, nor a system directory"


def refused(box: Box, layer: str | Path, *words: str) -> None:
    """As the top layer, the bottom one, the only one, and of the root."""
    good = box.place / "good"
    if not good.exists():
        folder(good, box.person)
    for place, layers in (("srv", (layer, good)), ("srv", (good, layer)), ("srv", (layer,)), (".", (good, layer))):
        box.run("/kit/ids", options=("-o", place, *layers, "-"), bare=True).refused("layer", *words)


def test_r42_layers_that_are_refused(box: Box) -> None:
    link(box.place / "link", "/usr", box.person)
    link(box.place / "up", ".", box.person)
    box.folder("layer")
    box.file("file")
    os.mkfifo(box.place / "fifo")
    for mode in (0o777, 0o775, 0o757):
        box.folder(f"open{mode}", mode)
        refused(box, box.place / f"open{mode}", "writable by others")
    for name, text in {
        "/": "refusing /",
        "//": "refusing /",
        "/usr/..": "refusing /",
        "/home": OWNED,
        "/etc": OWNED,
        "/root": OWNED,
        "/run": OWNED,
        "/var": OWNED,
        "/proc": OWNED,
        "/sys": OWNED,
        "/usr/share": OWNED,
        "/usr/": OWNED,
        "/usr/../usr": OWNED,
        "//usr": OWNED,
        "/proc/self/cwd": LINKS,
        str(box.place / "link"): LINKS,
        str(box.place / "up/layer"): LINKS,
        str(box.place / "file"): "Not a directory",
        str(box.place / "fifo"): "Not a directory",
        str(box.place / "none"): "No such file",
    }.items():
        refused(box, name, text)


@pytest.mark.usefixtures("root_only")
def test_r42_layer_of_another(box: Box) -> None:
    assert box.stage.e is not None
    for mode in (0o755, 0o700, 0o777):
        made = folder(box.place / f"e{mode}", box.stage.e, mode)
        refused(box, made, OWNED)


def test_r42_overlay_is_read_only(box: Box) -> None:
    top, below = box.folder("top"), box.folder("below")
    for layer in (top, below):
        file(layer / "file", box.person, layer.name, 0o666)
        folder(layer / "dir", box.person, 0o777)
    file(below / "only", box.person, "below")
    options = ("-o", "srv", top, below, "-")
    mount = next(m for m in box.probe("mounts", options=options) if m["point"] == "/srv")
    assert mount["type"] == "overlay"
    assert {"ro", "nosuid", "nodev"} <= set(mount["flags"])
    assert "upperdir" not in mount["super"].replace(str(top), "").replace(str(below), "")
    found = box.probe("write_tries", "/srv", "/srv/dir", "/srv/only", options=options)
    for path, answers in found.items():
        assert set(answers.values()) == {"EROFS"}, f"{path} {answers}"
    assert box.run("/usr/bin/cat", "/srv/file", "/srv/only", options=options).out == "topbelow"


def test_r42_overlay_as_root(box: Box) -> None:
    """The whole root is one overlay; writing anywhere in it is refused."""
    above = box.folder("above")
    file(above / "mark", box.person, "mark")
    options = ("-o", ".", above, box.root, "-")
    found = box.probe("write_tries", "/", "/etc", "/mnt", "/mnt/deep", options=options)
    for path, answers in found.items():
        assert set(answers.values()) == {"EROFS"}, f"{path} {answers}"
    assert box.run("/usr/bin/cat", "/mark", options=options).out == "mark"


def test_r42_attributes_of_the_caller_mean_nothing(box: Box) -> None:
    """user.overlay.* in a layer of the caller's: no redirect to elsewhere, no opaque directory."""
    top, below = box.folder("top"), box.folder("below")
    folder(below / "secret", box.person)
    file(below / "secret/file", box.person, "below")
    folder(top / "renamed", box.person)
    folder(top / "secret", box.person)
    try:
        os.setxattr(top / "renamed", "user.overlay.redirect", b"/secret")
        os.setxattr(top / "secret", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system keeps no user.* attributes")
    look = "import os; print(os.listdir('/srv/renamed'), os.listdir('/srv/secret'))"
    done = box.run(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", top, below, "-"))
    assert done.out == "[] ['file']\n", str(done)


def test_r42_system_directories_are_layers(box: Box) -> None:
    done = box.run("/usr/bin/id", "-u", options=("-o", "srv", box.folder("top"), "/usr", "-"))
    assert done.out == f"{box.person.uid}\n", str(done)


def test_r42_swap_race(box: Box) -> None:
    """A layer is exchanged with a link to another directory: every success shows the one that is no link."""
    layer = box.folder("layer")
    file(layer / "mark", box.person)
    link(box.place / "evil", box.folder("elsewhere"), box.person)
    other = box.folder("other")
    look = "import os; print(sorted(os.listdir('/srv')))"

    def once() -> bool:
        done = box.run(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", layer, other, "-"))
        if done.code != 0:
            return not done.refused("layer")
        assert done.out == "['mark']\n", str(done)
        return True

    race(box.person, layer, box.place / "evil", race_seconds(), once)


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("layers", [("one", "two"), ("two", "one"), ("one",)], ids=str)
def test_r43_over_mount_in_a_layer(box: Box, layers: tuple[str, ...]) -> None:
    """overlayfs would show what lies below a mount in a layer; so would a clone that is not recursive."""
    for name in ("one", "two"):
        made = box.folder(name)
        folder(made / "inner", box.person)
    file(box.place / "one/inner/secret", box.person, "hidden")
    look = "import os; print(os.listdir('/srv/inner'))"
    paths = [box.place / name for name in layers]
    argv = box.argv(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", *paths, "-"))
    with scratch('mount -t tmpfs tmpfs "$1"', box.place / "one/inner") as space:
        done = space.run(box, argv)
    assert "secret" not in done.out
    done.refused("a mount lies below this layer", "is mounted there")


@pytest.mark.usefixtures("root_only")
def test_r43_over_mount_with_an_odd_name(box: Box) -> None:
    """mountinfo writes spaces, tabs and backslashes as numbers."""
    odd = box.folder("a b\tc\\040d#e")
    folder(odd / "in ner", box.person)
    give(odd, box.person)
    argv = box.argv("/kit/ids", options=("-o", "srv", odd, box.folder("other"), "-"))
    with scratch('mount -t tmpfs tmpfs "$1"', odd / "in ner") as space:
        space.run(box, argv).refused("a mount lies below this layer", "in ner")
    assert box.run("/kit/ids", options=("-o", "srv", odd, box.place / "other", "-")).code == 0


@pytest.mark.usefixtures("root_only")
def test_r43_over_mount_in_a_system_directory(box: Box) -> None:
    argv = box.argv("/kit/ids", options=("-o", "srv", box.folder("top"), "/usr", "-"))
    with scratch("mount -t tmpfs tmpfs /usr/share") as space:
        space.run(box, argv).refused("a mount lies below this layer", "/usr/share is mounted there")


@pytest.mark.usefixtures("root_only")
def test_r43_over_mount_of_the_layer_itself(box: Box) -> None:
    """A mount on the layer, not below it: what is on top is what is shown."""
    layer = box.folder("layer")
    file(layer / "secret", box.person, "hidden")
    look = "import os; print(os.listdir('/srv'))"
    argv = box.argv(PYTHON, "-I", "-S", "-c", look, options=("-o", "srv", layer, box.folder("other"), "-"))
    script = 'mount -t tmpfs -o mode=755 tmpfs "$1"; chown "$2" "$1"; touch "$1/cover"'
    with scratch(script, layer, f"{box.person.uid}:{box.person.gid}") as space:
        done = space.run(box, argv)
    assert done.out == "['cover']\n", str(done)
