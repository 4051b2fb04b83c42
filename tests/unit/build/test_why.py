"""What `xsrc why` shows of long values: the part that differs."""

from __future__ import annotations

from xsrc.commands.plan import _lines

LONG = "set -e\n" + "configure --with-this --without-that\n" * 40


def said(was: object, now: object) -> list[str]:
    return list(_lines({"changed": [{"what": "scripts.configure", "was": was, "is": now}], "needs": {}}))


def test_the_difference_of_long_lines_is_shown() -> None:
    """Two lines that were cut before they differ looked equal, one with - and one with +."""
    gone, new = said([LONG + "exit 1\n", "x"], [LONG + "exit 2\n", "x"])[1:]
    assert gone.startswith("  - …") and gone.endswith('exit 1\\n"')
    assert new.startswith("  + …") and new.endswith('exit 2\\n"')
    (line,) = said(LONG + "a", LONG + "b")
    assert line.count("…") == 2 and line.endswith('b"') and 'a" -> …' in line


def test_short_values_are_shown_whole() -> None:
    assert said(["a", "b"], ["a", "c", "d"]) == ["scripts.configure:", '  - "b"', '  + "c"', '  + "d"']
    assert said(None, "x") == ['scripts.configure: nothing -> "x"']
    assert said([LONG], [])[1].endswith("…")
