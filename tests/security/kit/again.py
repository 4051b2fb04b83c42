"""Runs some of the tests once more, against another build of the helpers, in a run of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.security.kit import builds
from tests.security.kit.box import Stage
from tests.security.kit.people import Person
from tests.security.kit.stage import BUILD, KIT, PEOPLE

RESULTS = "XSRC_SECURITY_RESULTS"
"""Where a run writes its outcomes for the one that started it."""


@dataclass(frozen=True)
class Outcome:
    how: str
    message: str

    @property
    def found_it(self) -> bool:
        """Whether the test itself said no, rather than broke down."""
        return self.how == "failed" and self.message.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE"))


def ids(names: tuple[str, ...]) -> list[str]:
    """The tests whose names begin so, as pytest wants them; "attack NAME" is one of the attacks."""
    found = []
    for path in sorted(builds.SECURITY.glob("test_r*.py")):
        defined = re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
        found += [f"{path}::{test}" for test in defined if any(test.startswith(f"test_{name}") for name in names)]
    attacks = [name.removeprefix("attack ") for name in names if name.startswith("attack ")]
    modes = ("caps", "plain")
    return found + [f"{builds.SECURITY}/test_attacks.py::test_attack[{m}-{a}]" for a in attacks for m in modes]


def run(
    stage: Stage, people: tuple[Person, ...], build: str, names: tuple[str, ...], only: str = "", seconds: str = ""
) -> dict[str, Outcome]:
    """The outcomes of the tests whose names begin with test_ and one of `names`."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        env = {**os.environ, BUILD: build, RESULTS: str(results), KIT: str(stage.kit)}
        env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env |= {"XSRC_RACE_SECONDS": seconds} if seconds else {}
        env |= {PEOPLE: " ".join(person.name for person in people)} if len(people) == 2 else {}
        words = ["-o", "addopts=--import-mode=importlib", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=short"]
        words += ["-k", only, *ids(names)]
        argv = [sys.executable, "-m", "pytest", *words]
        done = subprocess.run(argv, env=env, cwd=builds.TREE, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1) and results.exists(), done.stdout + done.stderr
        return {test: Outcome(*pair) for test, pair in json.loads(results.read_text()).items()}
