"""What the property list of a binary package says of a build, in the words of xbps; pure."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xsrc.core.layout import MERGED, merged_path
from xsrc.core.paths import is_ours
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.store.manifest import METADATA, Kind, Manifest, Props

LONGEST = 63
"""Bytes of the name of a package that xbps reads."""
SCRIPTS = ("INSTALL", "REMOVE")
"""Names at the top of a package that xbps keeps for its scripts."""
LAST = 999_999_999
"""A revision above all others; xbps counts in 32 bits."""


def file_name(props: Props) -> str:
    """The name of the file of a package: xbps makes it from its index again."""
    return f"{props.pkgver}.{props.arch}.xbps"


def faults(props: Props, manifest: Manifest) -> list[str]:
    """Why a build cannot be a package, a line for each reason; none if it can."""
    found = []
    if len(props.pkgver.name.encode()) > LONGEST:
        found.append(f"  its name has more than {LONGEST} bytes")
    for entry in manifest.entries:
        top, slash, _ = entry.path.partition("/")
        if top in MERGED and (slash or entry.kind is not Kind.DIR):
            # xbps would put a real directory in the place of the root's link to usr
            found.append(f"  /{entry.path}: want /usr/{entry.path}: in a root, /{top} is a link into usr")
        elif is_ours(entry.path) or entry.path in METADATA or entry.path in SCRIPTS:
            found.append(f"  /{entry.path}: a name that packages keep for themselves")
    return found


def package_props(props: Props, manifest: Manifest, base_needs: Iterable[str] = ()) -> dict[str, Any]:
    """The property list of the package of a build; `base_needs` are patterns for what it takes from its base."""
    rules, files = props.rules, {entry.path for entry in manifest.entries if entry.kind is Kind.FILE}
    listed = {
        "run_depends": [*run_depends(props), *base_needs],
        "shlib-requires": list(props.shlib_requires),
        "shlib-provides": list(props.shlib_provides),
        "conf_files": [path for path in dict.fromkeys(rules.conf_files) if path[1:] in files],
        "provides": [provided(text, props.pkgver) for text in rules.provides],
        "conflicts": [one for text in rules.conflicts for one in patterns(Pattern.parse(text))],
        "replaces": [one for text in rules.replaces for one in patterns(Pattern.parse(text))],
        "alternatives": _alternatives(props),
    }
    template = PkgVer.parse(props.source) if props.source else props.pkgver
    texts = {
        "license": props.license,
        "homepage": props.homepage,
        "maintainer": props.maintainer,
        "build-options": " ".join(name if on else f"~{name}" for name, on in sorted(props.options.items())),
        "sourcepkg": str(template),
        "source-revisions": f"{template.name}:{props.commit}" if props.commit else "",
        "build-base": str(props.build.get("base", "")),
    }
    return {
        "pkgver": str(props.pkgver),
        "pkgname": props.pkgver.name,
        "version": props.pkgver.version_revision,
        "architecture": props.arch,
        "installed_size": manifest.size,
        "short_desc": props.short_desc or props.pkgver.name,
        "build-key": props.key,
        "packaged-with": "xsrc",
        **{name: value for name, value in (listed | texts).items() if value},
    }


def run_depends(props: Props) -> list[str]:
    """The needs at run time as patterns of xbps. A library is needed in the version that it was linked with, or later.

    A bare name is an error for xbps, so it wants any version.
    """
    linked = {PkgVer.parse(link.provider).name: link.provider for link in props.links.values()}
    found: list[str] = []
    for pattern in map(Pattern.parse, props.run_depends):
        if pattern.name in linked and not pattern.bounds:
            found.append(f"{pattern.name}>={PkgVer.parse(linked[pattern.name]).version_revision}")
        else:
            found += patterns(pattern)
    return list(dict.fromkeys(found))


def patterns(pattern: Pattern) -> list[str]:
    """What a pattern means in the language of xbps: one pattern, or several that must all match.

    >>> patterns(Pattern.parse("foo")), patterns(Pattern.parse("foo<2>=1")), patterns(Pattern.parse("foo=1.2_3"))
    (['foo>=0'], ['foo>=1<2'], ['foo-1.2_3'])
    """
    bounds: list[tuple[str, str]] = []
    for operator, version in pattern.bounds:
        if operator != "=":
            bounds.append((operator, version))
        elif "_" in version:
            return [f"{pattern.name}-{version}"]
        else:
            bounds += [(">=", version), ("<=", f"{version}_{LAST}")]
    texts = sorted((f"{operator}{version}" for operator, version in bounds), key=lambda text: text[0] == "<")
    if len(texts) == 2 and texts[0][0] == ">" and texts[1][0] == "<":
        texts = ["".join(texts)]
    return [f"{pattern.name}{text}" for text in texts or [">=0"]]


def provided(text: str, own: PkgVer) -> str:
    """A virtual name as xbps wants it, with version and revision; without a version it has that of its package.

    >>> provided("sh", PkgVer("dash", "0.5", 2)), provided("sh=1.0", PkgVer("dash", "0.5", 2))
    ('sh-0.5_2', 'sh-1.0_1')
    """
    name, _, version = text.partition("=")
    if version:
        return f"{name}-{version}_1"
    with contextlib.suppress(ValueError):
        return str(PkgVer.parse(text))
    return f"{name}-{own.version_revision}"


def _alternatives(props: Props) -> Mapping[str, list[str]]:
    """By group, LINK:TARGET, both absolute; xbps makes the link relative."""
    found: dict[str, list[str]] = {}
    for one in props.rules.alternatives:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(one.link), one.target))
        found.setdefault(one.group, []).append(f"{merged_path(one.link)}:{merged_path(target)}")
    return found


def from_base(props: Props) -> Iterator[str]:
    """The sonames that no package gives: they come from the base."""
    return (soname for soname in props.shlib_requires if soname not in props.links)
