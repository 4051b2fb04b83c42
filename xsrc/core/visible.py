r"""Makes text safe to show: characters that control a terminal or are invisible become \xNN, \uNNNN or \UNNNNNNNN.

Backslashes stay as they are, so ordinary text is never changed, and text that is safe already stays the same. The
price: a reader cannot tell an escape that is written here from one that was in the text. Logs and --json are exact.
"""

from __future__ import annotations

import re
from functools import cache

_SIGNS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line end, DEL, C1: commands of a terminal
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e"  # formats of scripts, and the soft hyphen
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # no width, ends of lines and paragraphs, directions, invisible operators
    "\ufeff\ufff0-\ufffb"  # byte order mark, annotations
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters and marks that show nothing
    "\ud800-\udfff"  # half characters: how Python keeps a byte that is no text
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # formats of scripts
    "\U000e0000-\U000e0fff"  # tags
)


@cache
def _hidden(more: str) -> re.Pattern[str]:
    return re.compile(f"[{more}{_SIGNS}]")  # a millisecond, which few commands need


def visible(text: str) -> str:
    r"""Return one line as it may be printed. A line end in it is escaped too: it could forge a line.

    >>> visible("a\tb"), visible("\x1b]0;x\x07"), visible("a\nb"), visible("\u202e"), visible("\udcff")
    ('a\tb', '\\x1b]0;x\\x07', 'a\\x0ab', '\\u202e', '\\xff')
    """
    return text if text.isascii() and text.isprintable() else _hidden("\n").sub(_escaped, text)


def visible_text(text: str) -> str:
    r"""Return a text of several lines as it may be printed. Its line ends stay.

    >>> visible_text("a\n\x1bb\r\n")
    'a\n\\x1bb\\x0d\n'
    """
    return _hidden("").sub(_escaped, text)


def _escaped(hit: re.Match[str]) -> str:
    code = ord(hit[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, read with "surrogateescape"
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
