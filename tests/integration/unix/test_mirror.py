"""The mirror that this machine's apt uses: asked for once, and only where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.sources.disk.fetch import sites_of
from xsrc.sources.distfile import Distfile
from xsrc.unix import machine, process
from xsrc.unix.process import Result


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Command]]]:
    """Let apt give an answer; gives the commands that it has been asked by."""

    def answer(out: str = "", code: int = 0) -> list[Command]:
        asked: list[Command] = []

        def capture(command: Command, **_: Any) -> Result:
            asked.append(command)
            return Result(code, out, "")

        monkeypatch.setattr(process, "capture", capture)
        return asked

    machine.debian_site.cache_clear()
    yield answer
    machine.debian_site.cache_clear()


@pytest.mark.parametrize(
    ("out", "code", "want"),
    [
        ("http://x.org/debian\n", 0, "http://x.org/debian/pool"),
        ("https://a.org/tools\nhttps://x.org/debian-security\nhttps://x.org/debian/\n", 0, "https://x.org/debian/pool"),
        ("http://x.org/a/debian\nhttp://y.org/debian\n", 0, "http://x.org/a/debian/pool"),
        ("file:/srv/debian\ncdrom:[x]/debian\nhttp://x.org/debian/x\n", 0, None),
        ("", 0, None),
        ("http://x.org/debian\n", 100, None),
    ],
)
def test_mirror(says: Callable[..., list[Command]], out: str, code: int, want: str | None) -> None:
    says(out, code)
    assert machine.debian_site() == want


def test_without_apt_there_is_none(says: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(*_: object, **__: object) -> Result:
        raise HostError("apt-get: no such program")

    monkeypatch.setattr(process, "capture", capture)
    assert machine.debian_site() is None


def test_apt_is_asked_once_and_where_it_is_needed(says: Callable[..., list[Command]]) -> None:
    asked = says("http://x.org/debian\n")
    plain = Distfile(("https://x.org/a", "{GNU_SITE}/a"), "0" * 64, "a")
    pool = Distfile(("{DEBIAN_SITE}/a",), "0" * 64, "a")
    assert sites_of(plain, {}) == {} and not asked
    assert sites_of(pool, {"DEBIAN_SITE": "http://own/pool"}) == {"DEBIAN_SITE": "http://own/pool"} and not asked
    for _ in range(2):
        assert sites_of(pool, {"GNU_SITE": "g"}) == {"GNU_SITE": "g", "DEBIAN_SITE": "http://x.org/debian/pool"}
    (command,) = asked
    assert set(command.env) == {"PATH", "LC_ALL"}, "nothing of the caller's"
