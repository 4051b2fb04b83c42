"""Words of the report: times, sizes, states; and makes any text safe to show."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape as escape_markup
from urllib.parse import quote

from xsrc.core.visible import visible
from xsrc.runs.run import State

ORDER = (
    State.FAILED,
    State.RUNNING,
    State.INTERRUPTED,
    State.SKIPPED,
    State.BUILT,
    State.WAITING,
    State.KEPT,
)
"""States by how much they ask for a look."""


def duration(seconds: float) -> str:
    """A time span, short enough for a column.

    >>> duration(0.04), duration(4.26), duration(59.97), duration(125), duration(90061)
    ('0.0 s', '4.3 s', '1:00', '2:05', '25:01:01')
    """
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(count: int) -> str:
    """Bytes in units that are near.

    >>> size(512 << 10), size(300 << 20), size(3 << 30)
    ('0.5 MiB', '300 MiB', '3.0 GiB')
    """
    mib = count / (1 << 20)
    return f"{mib / 1024:.1f} GiB" if mib >= 1000 else f"{mib:.0f} MiB" if mib >= 10 else f"{mib:.1f} MiB"


def moment(at: float) -> str:
    """A point in time as an element that programs can read, in UTC."""
    when = datetime.fromtimestamp(at, UTC)
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%Y-%m-%d %H:%M:%S} UTC</time>'


def style(state: State) -> str:
    """The class of a state.

    >>> style(State.KEPT)
    's-up-to-date'
    """
    return f"s-{state.value.replace(' ', '-')}"


def escape(text: str) -> str:
    """Any text as the text of an element or of an attribute, with what it hides made visible.

    >>> escape("<a> \\x1b \\u202e")
    '&lt;a&gt; \\\\x1b \\\\u202e'
    """
    return escape_markup(visible(text))


def reference(path: str) -> str:
    """A relative path as an attribute's text."""
    return escape(quote(path, errors="replace"))


def anchor(name: str) -> str:
    """The address of a package's row within the page of its run."""
    return f"#p-{reference(name)}"


def document(title: str, body: str, *, top: str = "", head: str = "") -> str:
    """A whole page; `top` leads from it to the folder of the site."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; script-src 'self' file:; style-src 'self' file:\">\n"
        f'<link rel="stylesheet" href="{top}report.css">\n<script src="{top}report.js"></script>\n{head}'
        f"</head>\n<body>\n{body}</body>\n</html>\n"
    )
