"""The report on disk: every page is whole at any time, every link leads to a file that is there."""

from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.unit.records import small
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.runs.acts.report import ReportPages, write_report
from xsrc.runs.disk.journal import Journal
from xsrc.runs.disk.pages import write_page
from xsrc.runs.run import Run, State


@pytest.fixture
def masterdir(tmp_path: Path) -> Masterdir:
    made = Masterdir(tmp_path / "m")
    made.db.mkdir(parents=True)
    return made


@pytest.fixture
def journal(masterdir: Masterdir) -> Journal:
    return Journal(masterdir, pytest.fail)


def noted(masterdir: Masterdir, journal: Journal, run: Run, *, logs: bool = True) -> Run:
    """A run as the journal knows it, with its logs."""
    number = journal.begin(run.command, run.workers, run.began, run.jobs)
    for job in run.jobs if logs else ():
        for phase in job.seconds:
            log = masterdir.logs(PkgVer.parse(job.pkgver)) / str(number) / f"{phase}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"{phase} of {job.name}\n")
    if run.ended is not None:
        journal.end(number, run.ended, run.state)
    known = journal.run(number)
    assert known is not None
    return known


def dead_links(site: Path) -> list[str]:
    """Links of all pages that lead nowhere."""
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    assert len(pages) > 2
    dead = []
    for page, text in pages.items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', text):
            path, _, place = unquote(unescape(link)).partition("#")
            target = Path(os.path.normpath(page.parent / path)) if path else page
            if not target.is_file() or (place and f'id="{place}"' not in pages[target]):
                dead.append(f"{page}: {link}")
    return dead


def test_every_link_leads_somewhere(masterdir: Masterdir, journal: Journal) -> None:
    for number in (1, 2):
        run = noted(masterdir, journal, small(number))
        index = write_report(masterdir, journal, run, run.began + 100)
    going = noted(masterdir, journal, small(3, over=False))
    assert write_report(masterdir, journal, going, going.began + 97, since=going) == index
    assert index == masterdir.db / "report/index.html"
    assert dead_links(index.parent) == []
    assert (index.parent / "package/gtk+3.html").is_file()
    assert index.read_text() == (index.parent / "run-3.html").read_text()
    assert 'href="../logs/zlib-1.4_1/3/build.log"' in index.read_text()


def test_an_old_run_keeps_the_links_to_its_own_logs(masterdir: Masterdir, journal: Journal) -> None:
    for number in (1, 2):
        run = noted(masterdir, journal, small(number))
        index = write_report(masterdir, journal, run, run.began + 100)
    old, package = (index.parent / "run-1.html").read_text(), (index.parent / "package/zlib.html").read_text()
    assert 'href="../logs/zlib-1.4_1/1/build.log"' in old and "/zlib-1.4_1/2/" not in old
    assert all(f'href="../../logs/zlib-1.4_1/{number}/build.log"' in package for number in (1, 2))


def test_a_report_elsewhere_has_the_logs_with_it(masterdir: Masterdir, journal: Journal, tmp_path: Path) -> None:
    run = noted(masterdir, journal, small(1))
    report = ReportPages(masterdir, journal, tmp_path / "out")
    report.prepare()
    report.write_packages(None, {1})
    report.write_run(run, run.began + 100, {}, {1})
    report.make_first(1)
    shutil.rmtree(masterdir.db)
    (tmp_path / "out").rename(tmp_path / "moved")
    assert dead_links(tmp_path / "moved") == []
    assert (tmp_path / "moved/logs/zlib-1.4_1/1/build.log").read_text() == "build of zlib\n"


def test_only_what_has_changed_is_written_again(masterdir: Masterdir, journal: Journal) -> None:
    run = noted(masterdir, journal, small(3, over=False))
    index = write_report(masterdir, journal, run, run.began + 97)
    before = {page.name: page.stat().st_ino for page in (index.parent / "package").iterdir()}
    done = replace(run.jobs[8], state=State.BUILT, ended=run.began + 99)
    assert done.name == "curl"
    journal.note(run.number, done)
    more = replace(run, jobs=(*run.jobs[:8], done, run.jobs[9]))
    write_report(masterdir, journal, more, run.began + 100, since=run)
    after = {page.name: page.stat().st_ino for page in (index.parent / "package").iterdir()}
    assert after.keys() - before.keys() == {"curl.html"}
    assert before == {name: inode for name, inode in after.items() if name in before}
    assert 'href="package/curl.html"' in index.read_text()


def test_a_page_is_whole_at_any_time(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_page(page, "0" * 200000)
    stop = threading.Event()

    def write() -> None:
        for number in range(1, 200):
            write_page(page, str(number % 10) * 200000)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        text = page.read_text()
        assert len(text) == 200000
        assert len(set(text)) == 1
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_page(tmp_path / "page.html", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "a\udcffb")
    assert (tmp_path / "page.html").read_bytes() == b"a?b"
