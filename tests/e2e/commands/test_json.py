"""What every --json prints is what `xsrc help json` says: programs read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import offer, package
from xsrc.commands.main import VERBS, parse
from xsrc.commands.topics import topic

ROWS = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", topic("json"), re.M)
ASKED = {
    "list": "list",
    "list --available": "list --available",
    "search": "search tool",
    "files": "files tool",
    "owner": "owner /usr/bin/tool",
    "history": "history",
    "alternatives": "alternatives",
    "hold": "hold",
    "verify": "verify",
    "show": "show tool",
    "show FIELD": "show tool name",
    "deps": "deps tool",
    "deps --reverse": "deps --reverse lib",
    "check-deps": "check-deps tool",
    "doctor": "doctor",
    "plan": "plan new tool",
    "why": "why tool",
    "graph": "graph tool",
    "status": "status",
    "whence": "whence /usr/bin/tool",
    "bootstrap --list": "bootstrap --list",
}
"""How each command of the page is given here."""


def keys(value: Any) -> Iterator[str]:
    """Every key of an object and of all that is in it."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(item)


def test_every_verb_with_json_is_on_the_page() -> None:
    listed = {name.split()[0] for row in ROWS for name in re.findall(r"`([^`]*)`", row[0].partition(":")[0])}
    assert listed == {name for name in VERBS if "json" in parse((name,))._switches_by_name}
    assert ASKED.keys() == {name for row in ROWS if ":" not in row[0] for name in re.findall(r"`([^`]*)`", row[0])}


def test_keys_and_shapes_are_those_of_the_page(site: Site) -> None:
    package(
        site,
        "tool",
        {"usr/bin/tool": "#!/bin/sh"},
        top='depends = ["lib"]',
        tables=offer("t", "/usr/bin/t", "/usr/bin/tool", 1),
    )
    package(site, "lib", {"usr/share/lib": "lib"})
    site.script("new")
    site.build("tool")
    site.xsrc("hold", "lib").ok()
    site.land.run("rm", site.masterdir / "usr/share/lib").ok()
    answers = {}
    for name, words in ASKED.items():
        result = site.xsrc(*words.split(), "--json")
        assert result.code in (0, 1, 4), str(result)
        answers[name] = json.loads(result.out)
        assert not [key for key in keys(answers[name]) if " " in key and name not in ("show", "why")]
    seen = 0
    for names, shape, listed in ROWS:
        for name in re.findall(r"`([^`]*)`", names.partition(":")[0]):
            answer = answers[name]
            if inner := re.search(r": `(\w+)`", names):
                answer = answer[inner[1]]
            assert isinstance(answer, list if shape == "list" else dict), names
            rows: list[Any] = (
                answer if isinstance(answer, list) else [answer] if shape == "object" else [*answer.values()]
            )
            rows = [one for row in rows for one in (row if "of lists" in shape else [row])]
            wanted = re.findall(r"`([^`]*)`", listed)
            optional = set(re.findall(r"`([^`]*)`", listed.partition(", and ")[2]))
            seen += bool(rows)
            for row in rows if wanted and name != "show" else ():
                assert isinstance(row, dict) and set(wanted) - optional <= row.keys() <= set(wanted), (names, row)
    assert seen >= len(ROWS) - 3, "most have something to show"
    assert answers["plan"]["seconds"] is None or isinstance(answers["plan"]["seconds"], float)
    (new,) = json.loads(site.xsrc("plan", "--json", "new").ok().out)["steps"]
    assert new["seconds"] is None and new["peak"] is None
    fresh = json.loads(site.xsrc("-m", site.root / "fresh", "plan", "--json", "new").ok().out)
    assert fresh["seconds"] is None and fresh["critical_path"] == {"seconds": None, "names": ["new"]}
