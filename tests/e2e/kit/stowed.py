"""Looks at a stowed root without asking xsrc, and packages that have something to do with each other there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from tests.e2e.kit import look
from tests.e2e.kit.site import Site

_OURS = ("pkg-", "var/db/")


def scan(site: Site) -> dict[str, str]:
    """Kind, mode, link text and content of everything that stands in the root, but for what is xsrc's own."""
    return look.tree(site.masterdir, lambda path: path.startswith(_OURS))


def stowed(site: Site) -> list[tuple[str, str, int]]:
    """What the database says is stowed: pkgver, build, whether it was asked for by name."""
    # a copy: as root, sqlite would make files of root beside it
    copy = sqlite3.connect(":memory:")
    copy.deserialize((site.masterdir / "var/db/xsrc/farm.sqlite").read_bytes())
    rows = copy.execute(
        "SELECT pkgver, build, asked FROM stowed JOIN package ON package.id = stowed.package ORDER BY 1"
    )
    found = [(pkgver, build, asked) for pkgver, build, asked in rows]
    copy.close()
    return found


def history(site: Site) -> list[dict[str, Any]]:
    """The generations, as `xsrc history --json` has them."""
    rows: list[dict[str, Any]] = json.loads(site.xsrc("history", "--json").ok().out)
    return rows


def put(site: Site, path: str, text: str) -> None:
    """A file of P's in the root, put there by hand; also through a link, as `>` does."""
    site.land.run("sh", "-c", 'printf "%s\\n" "$1" >"$2"', "sh", text, site.masterdir / path).ok()


def package(site: Site, name: str, files: Mapping[str, str], **more: Any) -> None:
    """A package of some files, each with its text; a text that begins with `-> ` is a link."""
    lines = ["cd $DESTDIR"]
    for path, text in files.items():
        lines.append(f"mkdir -p '{path.rpartition('/')[0] or '.'}'")
        if text.startswith("-> "):
            lines.append(f"ln -s '{text[3:]}' '{path}'")
        else:
            lines.append(f"echo '{text}' >'{path}'")
        if path.startswith(("usr/bin/", "usr/libexec/")):
            lines.append(f"[ -L '{path}' ] || chmod 755 '{path}'")
    site.script(name, "\n".join(lines) + "\n", **more)


def offer(group: str, link: str, target: str, priority: int) -> str:
    """An [[alternatives]] table."""
    return f'[[alternatives]]\ngroup = "{group}"\nlink = "{link}"\ntarget = "{target}"\npriority = {priority}\n'


def shell(site: Site, name: str, priority: int, text: str = "", **more: Any) -> None:
    """A shell that offers /usr/bin/sh and says its name."""
    tables = offer("sh", "/usr/bin/sh", f"/usr/bin/{name}", priority) + more.pop("tables", "")
    files = {f"usr/bin/{name}": f"#!/bin/busybox sh\necho {text or name}"}
    package(site, name, files, tables=tables, **more)
