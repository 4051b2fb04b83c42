"""Pages of the report as text: nothing unescaped, every link with a target, quick for a whole tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest
from jinja2 import UndefinedError

from tests.bench.measure import at_usual_speed
from tests.unit.records import EVIL, large, small
from xsrc.core.visible import visible, visible_text
from xsrc.runs.disk.pages import render
from xsrc.runs.package_page import package_page
from xsrc.runs.run import Expected, JobRecord, Run, State, Tally
from xsrc.runs.run_page import run_page
from xsrc.runs.svg import gantt, lanes, plot, ticks
from xsrc.runs.text import Neighbours

LOGS = {"gtk+3-1.5_1/7": ("fetch", "build"), "zlib-1.4_1/7": ("fetch", "configure", "build", "install")}


class Parsed(HTMLParser):
    """Elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    def links(self) -> list[str]:
        return [str(attrs["href"]) for attrs in self.all("a")]


def page_of(run: Run, now: float | None = None, **more: object) -> str:
    given = {"logs": LOGS, "to_logs": "../logs", "known": ["zlib"], "pages": [6, run.number]} | more
    when = now if now is not None else run.began + 97
    earlier, expected = [Tally.of(small(6)), Tally.of(small(5))], {"curl": Expected(30.0, 0)}
    return render(run_page(run, earlier, expected, when, Neighbours(**given)))  # type: ignore[arg-type]


def evil_run() -> Run:
    job = JobRecord(EVIL, f"{EVIL}-1_1", State.FAILED, EVIL, 1.0, 2.0, {EVIL: 1.0}, 1 << 20, EVIL, EVIL, EVIL, (EVIL,))
    return Run(1, 1.0, 3.0, EVIL, 1, State.FAILED, (job,))


def pages() -> Iterator[str]:
    run = evil_run()
    logs = {f"{run.jobs[0].pkgver}/1": (EVIL,)}
    yield render(
        run_page(run, [Tally.of(run)], {}, 4.0, Neighbours(logs=logs, to_logs="../logs", known=[EVIL], pages=[1]))
    )
    yield render(package_page(EVIL, [(1, run.jobs[0])], Neighbours(logs=logs, to_logs="../logs", pages=[1])))


@pytest.mark.parametrize("page", list(pages()), ids=["run", "package"])
def test_all_text_is_escaped(page: str) -> None:
    parsed = Parsed(page)
    assert [attrs.get("src") for attrs in parsed.all("script")] in (["report.js"], ["../report.js"])
    assert parsed.text.count(EVIL) >= 5
    for tag, attrs in parsed.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], tag
        assert "'" not in "".join(attrs), "a quote ended a value"


HIDDEN = "\x1b]0;x\x07\u202e\udcff\n"


def with_one_odd(field: str, text: str) -> Iterator[str]:
    """The pages that show a field, of a run in which nothing but that field is odd."""
    given: dict[str, Any] = {field: text} if field not in ("command", "phase of a log") else {}
    job = JobRecord("a", "a-1_1", State.FAILED, "build", 1.0, 2.0, {"build": 1.0}, 1 << 20, "why", "what", "b")
    job = replace(job, **given)
    if field == "phase of a log":
        job = replace(job, seconds={text: 1.0})
    run = Run(1, 1.0, 3.0, text if field == "command" else "build a", 1, State.FAILED, (job,))
    logs = {f"{job.pkgver}/1": tuple(job.seconds)}
    yield render(
        run_page(run, [Tally.of(run)], {}, 4.0, Neighbours(logs=logs, to_logs="../logs", known=["a"], pages=[1]))
    )
    if field not in ("command", "because", "phase"):
        yield render(package_page(job.name, [(1, job)], Neighbours(logs=logs, to_logs="../logs", pages=[1])))


@pytest.mark.parametrize("text", [EVIL, HIDDEN], ids=["markup", "hidden"])
@pytest.mark.parametrize(
    "field", ["command", "name", "pkgver", "phase", "error", "because", "reason", "phase of a log"]
)
def test_each_text_is_escaped(field: str, text: str) -> None:
    for page in with_one_odd(field, text):
        parsed = Parsed(page)
        assert visible(text) in parsed.text
        assert len(parsed.all("script")) == 1
        assert visible_text(page) == page
        assert not [name for _, attrs in parsed.elements for name in attrs if not re.fullmatch(r"[a-zA-Z0-9-]+", name)]


def test_a_way_to_the_logs_is_an_address() -> None:
    """Their folder is named by whoever made the masterdir."""
    run = evil_run()
    logs = {f"{run.jobs[0].pkgver}/1": (EVIL,)}
    for page in (
        run_page(run, [], {}, 4.0, Neighbours(logs=logs, to_logs='../a"b#c', known=[EVIL])),
        package_page(EVIL, [(1, run.jobs[0])], Neighbours(logs=logs, to_logs='../a"b#c')),
    ):
        links = [link for link in Parsed(render(page)).links() if link.endswith(".log")]
        assert links
        assert all("../a%22b%23c/" in link for link in links)


def test_a_page_that_says_less_than_its_template_wants_is_an_error() -> None:
    page = package_page("zlib", [(7, small().jobs[0])], Neighbours(logs=LOGS, to_logs="../logs"))
    del page.__dict__["phases"]
    with pytest.raises(UndefinedError, match="phases"):
        render(page)


def test_links_of_a_run_have_targets() -> None:
    parsed = Parsed(page_of(small()))
    ids = {attrs.get("id") for _, attrs in parsed.elements}
    here = [unquote(link[1:]) for link in parsed.links() if link.startswith("#")]
    assert "p-gtk+3" in here
    assert set(here) <= ids
    away = {link for link in parsed.links() if not link.startswith("#")}
    assert away == {
        "package/zlib.html",
        "run-6.html",
        *(f"../logs/gtk%2B3-1.5_1/7/{phase}.log" for phase in ("fetch", "build")),
        *(f"../logs/zlib-1.4_1/7/{phase}.log" for phase in LOGS["zlib-1.4_1/7"]),
    }


def test_what_the_table_says() -> None:
    page = page_of(small())
    rows = dict(re.findall(r'<tr id="p-([^"]+)"(.*)', page))
    assert len(rows) == 8
    assert '<td class="n" data-v="65.00">1 min 05 s' in rows["cmake"]
    assert f'data-v="{2200 << 20}">2.1 GiB' in rows["cmake"]
    assert 'because of <a href="#p-gtk%2B3">gtk+3</a>' in rows["gimp"]
    assert "&#39;gdk/&lt;x11&gt;.c&#39;" in rows["gtk+3"]
    assert next(iter(rows)) == "gtk+3", "what failed comes first"
    heads = re.findall(r'<th scope="col">([^<]*)', page.split("</thead>")[0])
    assert heads == ["package", "version", "state", "phase", "time", "peak memory", "reason", "log"]


def test_counts_are_by_state() -> None:
    chips = re.findall(r'<li data-state="([^"]+)">.*?<b>(\d+)</b>', page_of(small(over=False)))
    assert dict(chips) == {
        "failed": "1",
        "running": "1",
        "skipped": "1",
        "built": "4",
        "waiting": "1",
        "up to date": "2",
    }


def test_only_a_run_under_way_is_read_anew() -> None:
    going, over = page_of(small(over=False)), page_of(small())
    assert 'http-equiv="refresh"' in going
    assert "expected end" in going
    assert "refresh" not in over
    assert "expected end" not in over
    assert "<title>8 of 10 " in going


def test_a_running_job_took_until_now() -> None:
    run = small(over=False)
    row = re.search(r'<tr id="p-curl".*', page_of(run, run.began + 97))
    assert row
    assert 'data-v="17.00"' in row[0]


def test_nothing_says_when_it_will_end() -> None:
    run = replace(small(over=False), jobs=(JobRecord("new", "new-1_1", State.WAITING),))
    assert "not known yet" in render(run_page(run, [], {}, run.began + 1, Neighbours(logs={}, to_logs="../logs")))


def test_a_job_takes_the_lane_that_was_free_first() -> None:
    jobs = [
        JobRecord(name, f"{name}-1_1", State.BUILT, began=began, ended=ended)
        for name, began, ended in (("c", 4.0, 6.0), ("a", 0.0, 4.0), ("b", 0.0, 5.0), ("d", 5.0, 7.0))
    ]
    jobs.append(JobRecord("e", "e-1_1", State.RUNNING, began=6.5))
    assert [[job.name for job, _, _ in lane] for lane in lanes(jobs, 9.0)] == [["a", "c", "e"], ["b", "d"]]
    assert lanes(jobs, 9.0)[0][-1][2] == 9.0
    assert gantt([JobRecord("a", "a-1_1", State.WAITING)], 0.0, 9.0) == ""


@pytest.mark.parametrize("span", [0.01, 0.1, 1, 59, 61, 3599, 86400, 30 * 86400, 400 * 86400])
def test_an_axis_has_few_ticks(span: float) -> None:
    marks = ticks(span)
    assert 1 <= len(marks) <= 9
    assert marks[-1] <= span + 1e-6


def test_pictures_stay_within_their_bounds() -> None:
    run = large(2000, 8)
    for picture in (
        gantt(run.jobs, run.began, run.ended or 0),
        plot([(number, job) for number, job in enumerate(run.jobs[:60])]),
    ):
        width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', picture)[0])
        for x, y, wide, tall in re.findall(
            r'<rect class="[^"]*" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', picture
        ):
            assert float(x) + float(wide) <= width + 1
            assert float(y) + float(tall) <= height


def test_history_of_a_package() -> None:
    builds = [(number, small(number).jobs[0]) for number in (7, 6, 5)]
    parsed = Parsed(render(package_page("zlib", builds, Neighbours(logs=LOGS, to_logs="../logs", pages=[7, 5]))))
    assert parsed.links() == [
        "../index.html",
        "../run-7.html#p-zlib",
        *(f"../../logs/zlib-1.4_1/7/{phase}.log" for phase in LOGS["zlib-1.4_1/7"]),
        "../run-5.html#p-zlib",
    ]
    assert parsed.text.count("built") == 3 + 3, "a row and a bar each"


def test_a_whole_tree_is_rendered_quickly() -> None:
    run = large()
    logs = {f"{job.pkgver}/1": tuple(job.seconds) for job in run.jobs}
    names = [job.name for job in run.jobs]

    def work() -> None:
        render(run_page(run, [], {}, run.began, Neighbours(logs=logs, to_logs="../logs", known=names)))

    best = at_usual_speed(work, 4)
    assert best < 0.5
    print(f"\nreport of {len(run.jobs)} jobs rendered in {best:.2f} s")
