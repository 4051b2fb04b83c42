"""Fetching: mirrors, retries, resumes, checksums; nothing unverified under its final name."""

from __future__ import annotations

import pytest

from tests.e2e.kit import look, pack
from tests.e2e.kit.server import Act
from tests.e2e.kit.site import Site

NOISE = b"".join(pack.sha256(bytes([i % 256, i // 256])).encode() for i in range(4000))
DATA = pack.packed([*pack.hello(), pack.Member("hello-1.0/noise", NOISE)])
NAME = "hello-1.0.tar.gz"


def given(site: Site, *urls: str) -> None:
    site.template("hello", pack.template(tables=pack.distfile(urls, DATA)))


def path(site: Site, name: str = NAME) -> str:
    return f"/{site.root.name}/{name}"


def part_of(url: str) -> str:
    """The name of a part that an earlier command could have left of an address."""
    return f".{NAME}.{pack.sha256(url.encode())[:8]}00000000.part"


def verified(site: Site) -> list[str]:
    """Distfiles under their final names; each must be what the template says."""
    top = site.masterdir / "pkg-srcdistdir"
    found = [file for file in top.rglob("*") if file.is_file() and not file.name.startswith(".")]
    assert all(file.read_bytes() == DATA for file in found)
    return [file.name for file in found]


def test_wrong_checksum_is_kept_aside_under_its_own(site: Site) -> None:
    """A template that names the other checksum later uses it, and nobody fetches it again."""
    site.script("other")
    site.build("other")
    before = site.farm()
    other = pack.packed([*pack.hello(), pack.Member("hello-1.0/more", b"x")])
    url = site.serve(NAME, other)
    given(site, url)
    said = site.xsrc("build", "hello").ended(
        1, f"{NAME}: its sha256 is {pack.sha256(other)}", f"the template says {pack.sha256(DATA)}"
    )
    assert "wrong sha256" in said.err and "hint: " in said.err
    assert f"it has {len(other)} bytes and looks like gzip data" in said.err
    aside = site.masterdir / "pkg-srcdistdir" / pack.sha256(other)[:16] / NAME
    assert f"it is kept as {aside}" in said.err
    assert aside.read_bytes() == other and site.distfiles().count(NAME) == 1
    assert site.farm() == before
    site.template("hello", pack.template(tables=pack.distfile(url, other)))
    site.build("hello")
    assert len(site.server.requests(path(site))) == 1


def test_what_is_kept_aside_goes_when_the_right_one_comes(site: Site) -> None:
    given(site, site.serve(NAME, DATA[:-1] + b"?"))
    site.xsrc("build", "hello").ended(1, "its sha256 is ")
    site.serve(NAME, DATA)
    site.build("hello")
    assert verified(site) == [NAME]


def test_no_address_has_it(site: Site) -> None:
    one, two = site.server.address + path(site, "a/" + NAME), site.server.address + path(site, "b/" + NAME)
    given(site, one, two)
    site.xsrc("build", "hello").ended(
        1, "none of 2 addresses gave it", f"{one}: HTTP 404", f"{two}: HTTP 404", "hint: put"
    )
    assert site.distfiles() == []
    site.serve("b/" + NAME, DATA)
    site.build("hello")


def test_hint_of_a_failed_fetch_works(site: Site) -> None:
    """Put there by hand, as it says, the file is taken."""
    given(site, site.server.address + path(site))
    result = site.xsrc("build", "hello").ended(1, "hint: put the file there by hand: ")
    place = result.lines[-1].rpartition(": ")[2]
    site.write("by-hand", DATA)
    site.land.run("cp", site.root / "by-hand", place).ok()
    site.build("hello").ok("stowed")


def test_second_address_is_taken_when_the_first_fails(site: Site) -> None:
    first, second = site.server.address + path(site, "gone/" + NAME), site.serve("there/" + NAME, DATA)
    given(site, first, second)
    site.build("hello").ok(f"{first}: HTTP 404")
    assert verified(site) == [NAME]


def test_second_address_is_taken_when_the_first_has_another_file(site: Site) -> None:
    given(site, site.serve("wrong/" + NAME, b"something else"), site.serve("right/" + NAME, DATA))
    site.build("hello").ok("wrong sha256")
    assert verified(site) == [NAME]
    assert site.server.requests(path(site, "right/" + NAME))[0].range is None


def test_address_that_nobody_listens_at(site: Site) -> None:
    given(site, "http://127.0.0.1:9/" + NAME, "http://no-such-host.invalid/" + NAME)
    result = site.xsrc("build", "hello").ended(1, "none of 2 addresses gave it", "127.0.0.1:9", "no-such-host.invalid")
    assert "refused" in result.err
    assert "object at 0x" not in result.err


@pytest.mark.parametrize("status", [502, 503, 429])
def test_busy_server_is_asked_again(site: Site, status: int) -> None:
    given(site, site.serve(NAME, DATA, Act(status=status), Act(status=status)))
    site.build("hello")
    assert [request.status for request in site.server.requests(path(site))] == [status, status, 200]


def test_busy_server_is_not_asked_for_ever(site: Site) -> None:
    given(site, site.serve(NAME, DATA, *[Act(status=503)] * 50))
    site.xsrc("build", "hello").ended(1, "none of 1 addresses gave it", "503")
    assert 1 < len(site.server.requests(path(site))) < 20


def test_body_that_was_cut_is_gone_on_with(site: Site) -> None:
    given(site, site.serve(NAME, DATA, Act(cut=100_000)))
    site.build("hello")
    one, two = site.server.requests(path(site))
    assert one.range is None and two.range is not None and two.status == 206
    first = int(two.range.removeprefix("bytes=").rstrip("-"))
    assert 0 < first <= 100_000
    assert verified(site) == [NAME]


def test_body_that_is_cut_every_time(site: Site) -> None:
    given(site, site.serve(NAME, DATA, *[Act(cut=20_000)] * 50))
    site.xsrc("build", "hello").ended(1, "none of 1 addresses gave it")
    assert verified(site) == []
    site.serve(NAME, DATA)
    site.build("hello")
    assert site.server.requests(path(site))[-1].range is not None
    assert verified(site) == [NAME]


def test_server_that_knows_no_ranges(site: Site) -> None:
    given(site, site.serve(NAME, DATA, Act(cut=100_000), Act(deaf=True)))
    site.build("hello")
    assert verified(site) == [NAME]


def test_rest_of_another_file_is_not_gone_on_with_for_ever(site: Site) -> None:
    """A part that was left there and is no beginning of this file: the whole is fetched."""
    url = site.serve(NAME, DATA)
    given(site, url)
    folder = site.masterdir / "pkg-srcdistdir" / pack.sha256(DATA)[:16]
    site.xsrc("chroot", "true").ok()
    site.land.run("sh", "-c", f"mkdir {folder}; echo rubbish >{folder}/{part_of(url)}").ok()
    site.build("hello")
    assert [request.status for request in site.server.requests(path(site))] == [206, 200]
    assert verified(site) == [NAME]


def test_part_that_is_longer_than_the_file(site: Site) -> None:
    url = site.serve(NAME, DATA)
    given(site, url)
    folder = site.masterdir / "pkg-srcdistdir" / pack.sha256(DATA)[:16]
    site.xsrc("chroot", "true").ok()
    site.land.run("sh", "-c", f"mkdir {folder}; head -c {len(DATA) + 9} /dev/zero >{folder}/{part_of(url)}").ok()
    site.build("hello")
    assert verified(site) == [NAME]


def test_interrupted_fetch_is_gone_on_with(site: Site) -> None:
    given(site, site.serve(NAME, DATA, Act(stall=60)))
    folder = site.masterdir / "pkg-srcdistdir" / pack.sha256(DATA)[:16]
    running = site.start("build", "hello")
    look.until(lambda: any(part.stat().st_size >= 65536 for part in folder.glob(f".{NAME}.*.part")), "a part is there")
    running.kill()
    site.build("hello")
    assert site.server.requests(path(site))[-1].range is not None
    assert verified(site) == [NAME]


def test_fetched_once_for_ever(site: Site) -> None:
    given(site, site.serve(NAME, DATA))
    site.xsrc("fetch", "hello").ok()
    site.xsrc("fetch", "hello").ok()
    site.build("-f", "hello")
    assert len(site.server.requests(path(site))) == 1


def test_fetch_needs_no_dependency(site: Site) -> None:
    site.script("lib", do_build="false\n")
    data = pack.packed(pack.hello())
    site.template(
        "hello", pack.template(top='makedepends = ["lib"]', tables=pack.distfile(site.serve(NAME, data), data))
    )
    site.xsrc("fetch", "hello").ok("hello-1.0_1: fetch")
    assert NAME in site.distfiles()


def test_site_that_this_machine_does_not_know(site: Site) -> None:
    given(site, "{NOWHERE_SITE}/" + NAME)
    site.xsrc("build", "hello").ended(4, "NOWHERE_SITE", "hint: set it in ~/.config/xsrc/config.toml")
    given(site, "{NOWHERE_SITE}/" + NAME, site.serve(NAME, DATA))
    site.build("hello")


def test_site_of_the_settings(site: Site) -> None:
    site.serve("pool/" + NAME, DATA)
    given(site, "{MY_SITE}/pool/" + NAME)
    site.settings(f'[sites]\nMY_SITE = "{site.server.address}/{site.root.name}"\n')
    site.build("hello")


def test_two_files_of_one_name(site: Site) -> None:
    site.hello()
    other = pack.packed(pack.hello(name="other"))
    site.template("other", pack.template("other", tables=pack.distfile(site.serve(f"other/{NAME}", other), other)))
    site.build("hello", "--no-stow", "other")
    assert site.distfiles() == [NAME, NAME]
