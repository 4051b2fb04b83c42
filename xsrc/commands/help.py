"""`xsrc help`: the commands by what people do, one command with its flags, or a topic."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Container, Iterator, Mapping
from typing import Any

from xsrc.commands.topics import formatted, titles, topic
from xsrc.commands.usage import dashed
from xsrc.commands.verb import Common, Takes, Verb, usage
from xsrc.core.errors import UsageError
from xsrc.core.schema import nearest
from xsrc.core.session import Host
from xsrc.core.ui import Ui

GROUPS: Mapping[str, str] = {
    "build": "build plan why status shell log clean distclean fetch extract patch configure check install-destdir "
    "test chroot",
    "root": "stow unstow restow list files owner verify history rollback alternatives gc autoremove remove purge hold",
    "look": "search show deps graph report check-deps doctor help",
    "write": "fmt sum bump revbump",
    "share": "bootstrap push pkg repo whence",
}
"""The commands by what people do."""

EXAMPLES: Mapping[str, str] = {
    "build dash": "build dash and all that it needs, and stow it; -n only shows the plan",
    "search shell": "find packages; xsrc list shows what is built",
    "unstow dash": "take dash out of the stowed root; xsrc stow dash puts it back",
    "rollback": "undo the last change of the stowed root",
    "clean": "remove work directories; xsrc gc removes old builds",
    "doctor": "check the machine; print a command that fixes each problem",
}
"""Whoever sees xsrc for the first time begins with these."""


def columns() -> int:
    """The width of the terminal, or what COLUMNS says."""
    return max(40, min(shutil.get_terminal_size().columns, 120))


def filled(text: str, width: int, first: str, rest: str) -> list[str]:
    """A text in lines of a width; flags and names are not cut at their dashes."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
    )


def all_help(known: Container[str], width: int) -> Iterator[str]:
    """The help of the whole command: it fits a screen."""
    yield "usage: xsrc [-m DIR] [-v] [--base BASE] COMMAND [FLAG…] [NAME…]"
    yield ""
    for group, verbs in GROUPS.items():
        yield from filled(" ".join(verb for verb in verbs.split() if verb in known), width, f"{group:<8}", " " * 8)
    yield ""
    for example, remark in EXAMPLES.items():
        if example.split()[0] in known:
            yield from filled(remark, width, f"xsrc {example:<14}", " " * 19)
    yield ""
    yield from filled(" ".join(titles()), width, "topics  ", " " * 8)
    yield "xsrc help COMMAND and xsrc help TOPIC say more."


def verb_help(verb: Verb, width: int) -> Iterator[str]:
    """The help of one command: an example, its usage, what it does, the flags that it reads."""
    if verb.example:
        yield f"$ xsrc {verb.example}"
        yield ""
    yield f"usage: {usage(verb)}"
    yield ""
    for paragraph in re.split(r"\n\s*\n", (type(verb).__doc__ or "").strip()):
        text = " ".join(paragraph.split())
        yield from filled(f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}", width, "", "")
    yield ""
    rows = tuple(flag_rows(verb))
    room = min(26, max(len(names) for names, _ in rows) + 2)
    for names, text in rows:
        lead = f"  {names:<{room}}"
        if len(names) + 2 > room:
            yield lead.rstrip()
            lead = " " * (room + 2)
        yield from filled(text, width, lead, " " * (room + 2))
    if verb.more:
        yield ""
        yield f"See also: {', '.join(f'xsrc help {topic}' for topic in verb.more.split())}"


def flag_rows(app: Common) -> Iterator[tuple[str, str]]:
    """The flags that a command reads, with what they do."""
    switches = (switch for switch in app._switches_by_func.values() if switch.group != "Meta-switches")
    for switch in sorted(switches, key=lambda one: ("masterdir" in one.names, max(one.names, key=len))):
        names = ", ".join(dashed(name) for name in sorted(switch.names, key=len))
        value = f" {switch.argname}" if switch.argtype else ""
        indent = "" if len(min(switch.names, key=len)) == 1 else "    "
        text = re.sub(r"; the default is (.*)$", r" (default \1)", str(switch.help))
        yield f"{indent}{names}{value}", text


class Help(Verb):
    """Explain a command or a topic; without a word, list them"""

    takes = Takes("[COMMAND | TOPIC]", 1)
    example = "help settings"

    def run_with(self, host: Host, ui: Ui) -> int:
        """Print the help; it needs neither a tree nor settings. Raises UsageError for an unknown word."""
        app: Any = self.parent
        known = app._subcommands
        word = self.given[0] if self.given else ""
        if not word:
            lines: Iterator[str] = all_help(known, columns())
        elif word in known:
            lines = verb_help(known[word].get()(f"xsrc {word}"), columns())
        elif word in titles():
            lines = formatted(topic(word), columns())
        else:
            hint = nearest(word, (*known, *titles())) or f"xsrc help; the topics are {', '.join(titles())}"
            raise UsageError(f"help: no command and no topic {word!r}", hint=hint)
        for line in lines:
            ui.output(line)
        return 0
