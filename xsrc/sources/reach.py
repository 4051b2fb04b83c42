"""Decides how near an address is, and where a redirect may lead."""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class Reach(IntEnum):
    """How near an address is; the larger the value, the fewer servers may redirect there."""

    WORLD = 0
    NETWORK = 1
    """Of a private network, or of none that is known."""
    LINK = 2
    """Of this link alone; machines in a cloud get their secrets there."""
    MACHINE = 3
    """This machine itself."""
    NOWHERE = 4
    """No single machine."""


_WORDS = {
    Reach.WORLD: "a public address",
    Reach.NETWORK: "an address of a private network",
    Reach.LINK: "a link-local address",
    Reach.MACHINE: "an address of this machine",
    Reach.NOWHERE: "an address of no single machine",
}


def reach(address: str) -> Reach:
    """How near an IP address is. Raises ValueError for a text that is none.

    >>> [reach(text).name for text in ("9.9.9.9", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0")]
    ['WORLD', 'NETWORK', 'MACHINE', 'LINK']
    """
    one = ip_address(address)
    inner = _inner(one) if isinstance(one, IPv6Address) else None
    return _reach(one if inner is None else inner)


def _inner(one: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address may end at, where one is part of it."""
    if one.ipv4_mapped is not None:
        return one.ipv4_mapped
    if one.sixtofour is not None:
        return one.sixtofour
    if one in _NAT64 or (one in _COMPATIBLE and int(one) > 1):
        return IPv4Address(int(one) & 0xFFFFFFFF)
    return None


def _reach(one: _Address) -> Reach:
    if one.is_loopback or one.is_unspecified or (isinstance(one, IPv4Address) and one.packed[0] == 0):
        return Reach.MACHINE
    if one.is_link_local:
        return Reach.LINK
    if one.is_multicast or (isinstance(one, IPv4Address) and one.is_reserved):
        return Reach.NOWHERE
    odd = isinstance(one, IPv6Address) and (one.is_site_local or one.is_reserved)
    return Reach.WORLD if one.is_global and not odd else Reach.NETWORK


def literal(host: str) -> bool:
    """Whether a host is written as what it is: an address, or this machine's own name for itself."""
    try:
        ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    return True


def refusal(host: str, address: str, first: Reach | None) -> str:
    """Why xsrc may not connect to `host` at one of its addresses; "" if it may.

    `first` is the reach of the download's first address; it is None if this is the first. A server may redirect to
    addresses as far away as its own, never to nearer ones: services there trust whoever can reach them. A name follows
    the same rule, but it may also be in a private network, where mirrors have names. Raises ValueError for no address.
    """
    at = reach(address)
    what = f"{host} is {address}, {_WORDS[at]}" if host != address else f"{host} is {_WORDS[at]}"
    if first is None:
        return "" if at <= Reach.NETWORK or literal(host) else f"{what}; write the address itself to ask it"
    return "" if at <= first and at is not Reach.NOWHERE else f"it leads to {host}: {what}"
