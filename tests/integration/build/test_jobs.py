"""Jobs of many packages are the same, whether their inputs are remembered with their leaves or found anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.builders import text_of
from xsrc.build.acts.decide import read_jobs
from xsrc.build.acts.ground import ground, styles
from xsrc.build.job import Job, jobs
from xsrc.build.styles.expand import Style
from xsrc.commands.start import begin
from xsrc.core.session import Flags, Host, Session
from xsrc.tree.acts.closure import FEW, read_closure
from xsrc.unix.ui import PlainUi

NUMBER = 2 * FEW
TOP = f"p{NUMBER - 1}"
OPTION = {"x": {"desc": "x", "configure": {"on": ["--x"], "off": ["--no-x"]}}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A chain of packages, each of which needs the one before."""
    (tmp_path / "masterdir-skel").mkdir()
    for number in range(NUMBER):
        needs = {"makedepends": [f"p{number - 1}"]} if number else {}
        write(tmp_path, f"p{number}", **needs)
    return tmp_path


def write(tree: Path, name: str, **keys: object) -> None:
    """Write a template with an option."""
    place = tree / "templates" / name / "template.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text_of(name=name, build_style="gnu-configure", options=OPTION, **keys))


def a_context(tree: Path, settings: str = "") -> Session:
    """The ground of one command of an ordinary user's."""
    (tree / ".xsrc.toml").write_text(settings)
    host = Host({"HOME": str(tree / "home")}, 1000, 1, tree, "2020-02-02T02:02:02Z", (), False, False)
    return begin(host, Flags(), PlainUi(io.StringIO(), io.StringIO()))


def anew(tree: Path, options: Mapping[str, tuple[str, ...]], settings: str) -> dict[str, Job]:
    """The jobs as they are without anything remembered."""
    session = a_context(tree, settings)
    return jobs(read_closure(session, [TOP], options).packages, [TOP], ground(session))


def told(found: Mapping[str, Job]) -> dict[str, tuple[object, ...]]:
    return {name: (job.key, job.inputs, job.preimage, job.scripts, job.env) for name, job in found.items()}


def test_remembered_jobs_are_those_that_are_found_anew(tree: Path) -> None:
    near, far = f"p{NUMBER - 2}", "p1"

    def change(name: str) -> None:
        write(tree, name, makedepends=[f"p{int(name[1:]) - 1}"], env={"CFLAGS": "-Og"})

    keys = set()
    steps: list[tuple[str, dict[str, tuple[str, ...]], str]] = [
        ("", {}, ""),
        ("", {}, ""),
        (near, {}, ""),
        (far, {}, ""),
        ("", {near: ("x",)}, ""),
        ("", {far: ("x",)}, ""),
        ("", {}, "[options]\np2 = ['x']"),
        ("", {}, "[flags]\nCFLAGS = '-O3'"),
    ]
    for changed, options, settings in steps:
        if changed:
            change(changed)
        found = read_jobs(a_context(tree, settings), [TOP], options)
        assert told(found) == told(anew(tree, options, settings))
        assert list(found) == [f"p{number}" for number in range(NUMBER)]
        keys.add(found[TOP].key)
    assert len(keys) == 7, "each but the second was another build"


class Asked(dict[str, Style]):
    """Build styles that count how often one was asked for."""

    times = 0

    def __getitem__(self, name: str) -> Style:
        self.times += 1
        return super().__getitem__(name)


def test_what_is_remembered_is_not_expanded_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for times in (NUMBER, FEW):
        session = a_context(tree)
        asked = Asked(styles())
        monkeypatch.setattr("xsrc.build.acts.ground.styles", lambda asked=asked: asked)
        found = read_jobs(session, [TOP], {})
        assert asked.times == times
        assert found["p0"].scripts
        assert asked.times == times + 1
