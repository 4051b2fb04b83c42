"""Where an address is, and who may be led there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsrc.core.redact import masked, redacted
from xsrc.sources.reach import Reach, literal, reach, refusal

PLACES = {
    Reach.WORLD: ("9.9.9.9", "151.101.1.1", "2606:4700::1", "2a04:4e42::1", "::ffff:9.9.9.9", "64:ff9b::909:909"),
    Reach.NETWORK: (
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1"),
        *("fc00::1", "fd12:3456::1", "fec0::1", "::ffff:10.1.2.3", "2002:0a01:0203::1", "64:ff9b::a01:203"),
        *("64:ff9b:1::1", "2001::1", "4000::1"),
    ),
    Reach.LINK: ("169.254.169.254", "fe80::1", "fe80::1%lo", "::ffff:169.254.169.254", "2002:a9fe:a9fe::"),
    Reach.MACHINE: (
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"),
        *("2002:7f00:1::", "64:ff9b::7f00:1", "::127.0.0.1"),
    ),
    Reach.NOWHERE: ("224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "::ffff:224.0.0.1"),
}
EACH = [(address, where) for where, some in PLACES.items() for address in some]
v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address)
addresses = st.one_of(v4, v6, st.sampled_from([ip_address(a) for a, _ in EACH]))


@pytest.mark.parametrize(("address", "where"), EACH)
def test_where_an_address_is(address: str, where: Reach) -> None:
    assert reach(address) is where


@given(v4)
def test_an_ipv4_address_is_where_it_is_in_every_form(one: IPv4Address) -> None:
    number = int(one)
    for form in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x2002 << 112 | number << 80 | 1),
        IPv6Address(0x64FF9B << 96 | number),
    ):
        assert reach(str(form)) is reach(str(one))


@given(addresses)
def test_nothing_that_the_library_knows_as_near_is_far(one: IPv4Address | IPv6Address) -> None:
    if one.is_private or one.is_loopback or one.is_link_local or one.is_multicast or one.is_unspecified:
        inner = isinstance(one, IPv6Address) and (one.ipv4_mapped or one.sixtofour)
        assert reach(str(one)) is not Reach.WORLD or inner


@given(addresses, st.sampled_from(Reach))
def test_a_redirect_never_leads_nearer(one: IPv4Address | IPv6Address, first: Reach) -> None:
    at = reach(str(one))
    allowed = refusal("host.example", str(one), first) == ""
    assert allowed == (at <= first and at is not Reach.NOWHERE)


@given(addresses)
def test_a_name_means_no_service_of_this_machine(one: IPv4Address | IPv6Address) -> None:
    at = reach(str(one))
    assert (refusal("mirror.example", str(one), None) == "") == (at <= Reach.NETWORK)
    assert refusal(str(one), str(one), None) == ""


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "localhost.example", ""])
def test_what_is_no_plain_address_is_a_name(host: str) -> None:
    assert not literal(host)
    assert literal("localhost") and literal("LOCALHOST.") and literal("::1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/a", "https://h/a"),
        ("https://u@h/a", "https://h/a"),
        ("https://u:p@q@h/a", "https://h/a"),
        ("https://u:p/ss@h/a", "https://h/a"),
        ("https://h:80/@scope/x", "https://h:80/@scope/x"),
        ("https://h/a@b", "https://h/a@b"),
        ("x https://u:p@h/a y git://v:w@i/b z", "x https://h/a y git://i/b z"),
        ("https://u:p@h?a@b", "https://h?a@b"),
    ],
)
def test_user_and_password_are_not_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert len(masked(text)) == len(text) and masked(text).replace("*", "").replace("://@", "://") == shown
