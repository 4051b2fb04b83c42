"""The addresses of a distfile."""

from __future__ import annotations

from collections.abc import Mapping

from xsrc.core.braces import interpolate
from xsrc.sources.distfile import Distfile


def addresses(distfile: Distfile, sites: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of a distfile with their sites filled in, and the unknown sites."""
    filled = [interpolate(url, sites) for url in distfile.url]
    unknown = [url for url in filled if url.startswith("{")]
    names = tuple(dict.fromkeys(url[1:].partition("}")[0] for url in unknown))
    return tuple(url for url in filled if url not in unknown), names
