"""Where distfiles are looked for: sites filled in, unknown ones named."""

from __future__ import annotations

from tests.unit.builders import SHA
from xsrc.sources.addresses import addresses
from xsrc.sources.distfile import Distfile

SITES = {"GNU_SITE": "https://gnu.example", "DEBIAN_SITE": "http://debian.example/pool"}


def of(*urls: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return addresses(Distfile(urls, SHA, "x"), SITES)


def test_sites_are_filled_in_and_the_order_stays() -> None:
    assert of("https://x.org/a", "{GNU_SITE}/a", "{DEBIAN_SITE}/a") == (
        ("https://x.org/a", "https://gnu.example/a", "http://debian.example/pool/a"),
        (),
    )


def test_unknown_sites_are_named_once_and_their_addresses_left_out() -> None:
    assert of("{FOO_SITE}/a", "{GNU_SITE}/a", "{FOO_SITE}/b", "{BAR_SITE}/c") == (
        ("https://gnu.example/a",),
        ("FOO_SITE", "BAR_SITE"),
    )
