"""What a template names has to be in the package that gets it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import a_package
from xsrc.build.named import absent

PARTS = {"dash": {"usr/bin/dash", "etc/dash.conf"}, "dash-doc": {"usr/share/doc/dash/x", "etc/doc.conf"}}
SUB = {"dash-doc": {"files": ["usr/share/doc"]}}


def told(**keys: Any) -> list[str]:
    return [message for _, message, _ in absent(a_package(subpackages=SUB, **keys), PARTS)]


def offers(target: str, link: str = "/usr/bin/sh") -> dict[str, Any]:
    return {"alternatives": [{"group": "sh", "link": link, "target": target}]}


@pytest.mark.parametrize(
    "keys",
    [
        offers("/usr/bin/dash"),
        offers("dash"),
        offers("/bin/dash"),
        offers("dash", "/bin/sh"),
        {"shells": ["/bin/dash"]},
        {"conf_files": ["/etc/dash.conf", "/etc/doc.conf"]},
        {"stow": {"hardlink": ["usr/bin/*", "?usr/none/*"], "copy": ["**/x"]}},
    ],
)
def test_what_is_there(keys: dict[str, Any]) -> None:
    assert told(**keys) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (offers("/usr/bin/dahs"), "alternatives[0].target: /usr/bin/dahs is not in dash"),
        (offers("/usr/share/doc/dash/x"), "alternatives[0].target: /usr/share/doc/dash/x is not in dash"),
        ({"shells": ["/bin/none"]}, "shells[0]: /bin/none is not in dash"),
        ({"conf_files": ["/etc/none.conf"]}, "conf_files[0]: /etc/none.conf is not in dash"),
        ({"stow": {"ignore": ["usr/none/*"]}}, 'stow.ignore[0]: "usr/none/*": it matches nothing that is installed'),
    ],
)
def test_what_is_not_there_is_told(keys: dict[str, Any], message: str) -> None:
    """The links dangled, and nothing was said: https://github.com/voidlinux/xbps/issues/139"""
    assert told(**keys) == [message]


def test_a_conf_file_of_a_subpackage_is_in_that_part() -> None:
    sub = {"dash-doc": {**SUB["dash-doc"], "conf_files": ["/etc/dash.conf"]}}
    problems = [*absent(a_package(subpackages=sub), PARTS)]
    assert [(place, hint) for place, _, hint in problems] == [
        (("subpackages", "dash-doc", "conf_files", 0), "it is in dash: leave it to dash-doc by except")
    ]
