"""`xsrc report`, as a person says it."""

from __future__ import annotations

import pytest

from tests.e2e.kit.site import Site
from tests.integration.runs.test_report import dead_links, noted
from tests.unit.records import small
from xsrc.core.layout import Masterdir
from xsrc.runs.disk.journal import Journal


def test_report(site: Site) -> None:
    site.xsrc("report").ended(2, "nothing was ever built here", "hint: xsrc build NAME")
    assert not site.masterdir.exists()
    masterdir = Masterdir(site.masterdir)
    masterdir.db.mkdir(parents=True)
    journal = Journal(masterdir, pytest.fail)
    for number in (1, 2, 3):
        noted(masterdir, journal, small(number))
    site.land.own(site.root)
    folder = masterdir.db / "report"
    assert site.xsrc("report").ok().out == f"{folder}/index.html\n"
    assert (folder / "index.html").read_text() == (folder / "run-3.html").read_text()
    assert sorted(page.name for page in folder.glob("run-*")) == ["run-1.html", "run-2.html", "run-3.html"]
    assert dead_links(folder) == []
    assert (
        site.xsrc("report", "--run", "1", "-o", "elsewhere/site").ok().out == f"{site.root}/elsewhere/site/index.html\n"
    )
    other = site.root / "elsewhere/site"
    assert (other / "index.html").read_text() == (other / "run-1.html").read_text()
    assert dead_links(other) == []


def test_what_cannot_be_reported(site: Site) -> None:
    masterdir = Masterdir(site.masterdir)
    masterdir.db.mkdir(parents=True)
    noted(masterdir, Journal(masterdir, pytest.fail), small(1))
    site.land.own(site.root)
    site.xsrc("report", "--run", "9").ended(2, "there is no run 9", "hint: xsrc report --run 1")
    site.xsrc("report", "zlib").ended(2, "takes no names")
    site.xsrc("report", "-o", "/proc/none").ended(4, "cannot write the report", "hint: xsrc report -o DIR")
