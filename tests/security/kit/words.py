"""Text that steers a terminal, forges a line or hides in one, and how to see whether any of it was printed."""

from __future__ import annotations

import os
import pty
import re
from pathlib import Path

from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site

HOSTILE = {
    "clipboard": ("\x1b]52;c;Y3VybA==\x07", r"\x1b]52;c;Y3VybA==\x07"),
    "title": ("\x1b]0;title\x1b\\", "\\x1b]0;title\\x1b\\"),
    "clear": ("\x1b[2J", r"\x1b[2J"),
    "conceal": ("\x1b[8m", r"\x1b[8m"),
    "C1": ("\x9b2J", r"\x9b2J"),
    "bidi": ("\u202egnp.\u2066x\u061c", r"\u202egnp.\u2066x\u061c"),
    "delete": ("\x7f\b\b", r"\x7f\x08\x08"),
    "invisible": ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
}
"""Each attack: the text, and how a person is to see it."""
NAMES = "".join(HOSTILE[kind][0] for kind in ("C1", "bidi", "invisible"))
"""What a name in a package can hold: a property list takes no other control characters."""
WHOLE = "".join(text for text, _ in HOSTILE.values())
SHOWN = "".join(shown for _, shown in HOSTILE.values())
ESCAPED = "".join(sign if sign.isprintable() and sign != "\\" else f"\\u{ord(sign):04x}" for sign in WHOLE)
"""The same inside a string of TOML."""

_OURS = re.compile(r"\x1b\[(?:(?:0|1(?:;\d\d)?|2)m|\?25[lh]|2K|1A)|\r")
"""What xsrc itself may send to a terminal: colours of a word, and the table that is drawn in place."""
_STEERS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe]")


def octal(text: str) -> str:
    """A text in the language of printf(1), so that a script of a template can say it."""
    return "".join(f"\\{byte:03o}" for byte in text.encode())


def steering(said: str) -> list[str]:
    """What in a text would steer a terminal or hide in a line."""
    return _STEERS.findall(said)


def on_terminal(site: Site, *words: str | Path) -> Result:
    """Run xsrc with a terminal for all three streams. `out` is all that it prints, without what xsrc itself adds."""
    master, slave = pty.openpty()
    try:
        env = {"TERM": "xterm"}
        running = site.start(*words, stdin=slave, stdout=slave, stderr=slave, env=env)
    finally:
        os.close(slave)
    said = b""
    try:
        while data := os.read(master, 1 << 16):
            said += data
    except OSError:  # EIO: nobody has the terminal any more
        pass
    os.close(master)
    return Result(running.argv, running.process.wait(60), _OURS.sub("", said.decode(errors="replace")), "")
