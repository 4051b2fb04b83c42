"""Keys of a template that take effect at the end: directories that stay empty, what may not be given away, stages."""

from __future__ import annotations

import plistlib
import stat

from tests.e2e.kit.site import Site

DIRECTORIES = """make_dirs = [
  "/var/lib/d 2750 www www", "/var/spool/d", { path = "/var/a b", mode = "0700", owner = "root:root" },
]
"""


def test_directories_are_there_though_they_are_empty(site: Site) -> None:
    parts = '[subpackages.d-spool]\nfiles = ["var/spool"]\n'
    site.script("d", top=DIRECTORIES, tables=parts)
    site.build("d")
    var = site.masterdir / "var"
    modes = {name: stat.S_IMODE((var / name).stat().st_mode) for name in ("lib/d", "spool/d", "a b")}
    assert modes == {"lib/d": 0o2750, "spool/d": 0o755, "a b": 0o700}
    rules = plistlib.loads((site.destdir("d-1.0_1") / "props.plist").read_bytes())["rules"]
    assert rules["make_dirs"] == [
        {"path": "/var/lib/d", "mode": "2750", "owner": "www:www"},
        {"path": "/var/a b", "mode": "0700", "owner": "root:root"},
    ]
    assert site.xsrc("owner", "/var/spool/d").ok().out == "/var/spool/d: d-spool-1.0_1\n"
    site.land.run("touch", var / "lib/d/mine").ok()
    site.xsrc("verify").ok()
    site.xsrc("unstow", "d", "d-spool").ok()
    assert (var / "lib/d/mine").exists() and not (var / "a b").exists() and not (var / "spool/d").exists()
    site.template("d", (site.root / "templates/d/template.toml").read_text().replace("/var/spool/d", "/var/../d"))
    site.xsrc("show", "d").ended(3, "make_dirs[1]: want an absolute path")
