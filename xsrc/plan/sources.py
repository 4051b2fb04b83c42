"""Where a distfile is looked for."""

from __future__ import annotations

from collections.abc import Mapping

from xsrc.model.package import Distfile
from xsrc.model.template import interpolate


def addresses(distfile: Distfile, sites: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of a distfile with their sites filled in, and the sites that are not known here."""
    filled = [interpolate(url, sites) for url in distfile.url]
    unknown = [url for url in filled if url.startswith("{")]
    names = tuple(dict.fromkeys(url[1:].partition("}")[0] for url in unknown))
    return tuple(url for url in filled if url not in unknown), names
