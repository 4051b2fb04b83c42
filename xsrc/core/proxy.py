"""Which proxy a request goes through: the variables of the environment, as curl reads them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import MappingProxyType
from urllib.parse import unquote_to_bytes, urlsplit

_VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # not HTTP_PROXY: a web server makes such a variable for a CGI program from the header Proxy of a request
        "http": ("http_proxy", "all_proxy", "ALL_PROXY"),
        "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    }
)
_SERVICES = {"http": 1080, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy."""

    variable: str
    """The variable that names it."""
    scheme: str
    host: str
    service: int
    login: bytes = field(default=b"", repr=False)
    """Its user and password, with a colon between them; empty for none."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.service}"


@dataclass(frozen=True)
class Proxies:
    """The proxies of an environment."""

    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def of(self, scheme: str, host: str) -> Proxy | None:
        """The proxy for a server, or None if it is asked directly. Raises ValueError for one that cannot be used.

        >>> env = {"http_proxy": "me:secret@proxy:3128", "HTTPS_PROXY": "http://other", "no_proxy": ".org,10.0.0.0/8"}
        >>> [str(Proxies(env).of(*to)) for to in (("http", "x.com"), ("https", "x.com"), ("http", "x.org"))]
        ['http://proxy:3128', 'http://other:1080', 'None']
        """
        variable = self._named(scheme)
        if variable is None or _excepted(host, self._exceptions()):
            return None
        return _parsed(variable, self.env[variable].strip())

    def environment(self) -> Mapping[str, str]:
        """The variables for a program that reads only those in small letters, such as apt."""
        named = {f"{scheme}_proxy": self._named(scheme) for scheme in _VARIABLES}
        env = {name: _with_scheme(self.env[found].strip()) for name, found in named.items() if found is not None}
        return {**env, "no_proxy": self._exceptions()} if env else env

    def _named(self, scheme: str) -> str | None:
        return next((name for name in _VARIABLES.get(scheme, ()) if self.env.get(name)), None)

    def _exceptions(self) -> str:
        return self.env.get("no_proxy") or self.env.get("NO_PROXY") or ""


def _with_scheme(text: str) -> str:
    return text if "://" in text else f"http://{text}"


def _parsed(variable: str, text: str) -> Proxy:
    """The proxy that a variable names; the errors do not show its text, which may have a password."""
    try:
        place = urlsplit(_with_scheme(text))
        service = place.port
    except ValueError:
        raise ValueError(f"{variable}: want http://HOST:PORT, found another text") from None
    if place.scheme not in _SERVICES:
        raise ValueError(f"{variable}: want an http or https proxy, found {place.scheme[:20]}://")
    if not place.hostname:
        raise ValueError(f"{variable}: want http://HOST:PORT, found no host")
    login = b"" if place.username is None else unquote_to_bytes(f"{place.username}:{place.password or ''}")
    return Proxy(variable, place.scheme, place.hostname, service or _SERVICES[place.scheme], login)


def _excepted(host: str, words: str) -> bool:
    """Whether no_proxy names a host: itself, a domain that it is in, a network, or * for all."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    for word in filter(None, re.split(r"[,\s]+", words.lower())):
        name = word.strip(".")
        if word == "*" or name == host or (address is None and host.endswith(f".{name}")):
            return True
        if address is not None and _in(address, word):
            return True
    return False


def _in(address: IPv4Address | IPv6Address, word: str) -> bool:
    try:
        return address in ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
