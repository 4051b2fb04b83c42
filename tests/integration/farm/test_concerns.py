"""What fires a trigger: the farm's database and the paths of a change say the same of every glob."""

from __future__ import annotations

from pathlib import Path

import pytest

from xsrc.core.pkgver import PkgVer
from xsrc.farm.disk.database import opened
from xsrc.farm.trigger import Trigger
from xsrc.store.manifest import Entry, Kind, Manifest, Props

A = "a-1_1"
PATHS = (
    "usr/lib/liba.so",
    "usr/lib/x/libb.so.1",
    "usr/share/mime/packages/a.xml",
    "usr/share/a[b]",
    "usr/share/\u00e9/z",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "glob",
    [
        *("usr/lib/lib*.so", "usr/lib/*/libb*", "usr/lib/[!x]*", "usr/lib/**/lib[ab].so*", "usr/**", "**/z", "**"),
        *("usr/share/a[[]b]", "usr/share/?/z", "usr/share/[!a]/*", "usr/share/[^a]*", "usr/share/mime/packages/*.xml"),
        *("usr/share/\u00e9/**", "usr/lib", "usr/li*", "*", "usr/*"),
    ],
)
def test_the_database_says_what_the_trigger_says(tmp_path: Path, glob: str, path: str) -> None:
    trigger = Trigger("t", "d", (glob,), (), "sh", "true")
    folders = [path.rsplit("/", up)[0] for up in range(1, path.count("/") + 1)]
    entries = [*(Entry(folder, Kind.DIR) for folder in folders), Entry(path, Kind.FILE, 0o644)]
    with opened(tmp_path / "farm.sqlite", new=True) as farm:
        farm.record(Props(PkgVer.parse(A), "x86_64", "f" * 64), Manifest.of(entries), build="0" * 20)
        assert farm.concerns("t", trigger.paths, [], [A]) == trigger.concerns([path])
        assert not farm.concerns("t", trigger.paths, [], [])
