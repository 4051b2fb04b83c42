"""Archives that are damaged or hostile: refused by name, nothing written outside, the next good build succeeds."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site

SYM, LINK, CHAR, BLOCK, FIFO = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE
OUT = "xsrc-test-outside"

HOSTILE = {
    "dotdot": ([Member(f"x/../../../../../tmp/{OUT}", b"x")], "has .. in its name"),
    "dotdot-last": ([Member("x/..", type=tarfile.DIRTYPE)], "has .. in its name"),
    "absolute": ([Member(f"/tmp/{OUT}", b"x")], "has an absolute name"),
    "device": ([Member("x/null", type=CHAR)], "is a device"),
    "block-device": ([Member("x/disk", type=BLOCK)], "is a device"),
    "fifo": ([Member("x/pipe", type=FIFO)], "is a FIFO"),
    "through-link": ([Member("x/l", type=SYM, target="/tmp"), Member(f"x/l/{OUT}", b"x")], "goes through the link"),
    "through-link-up": (
        [Member("x/l", type=SYM, target="../../../.."), Member(f"x/l/tmp/{OUT}", b"x")],
        "goes through the link",
    ),
    "over-link": (
        [Member("x/l", type=SYM, target="/tmp"), Member("x/l", type=tarfile.DIRTYPE), Member(f"x/l/{OUT}", b"x")],
        None,
    ),
    "hard-link-out": ([Member("x/h", type=LINK, target="/etc/passwd")], ""),
    "hard-link-up": ([Member("x/h", type=LINK, target="../../../etc/passwd")], ".."),
    "hard-link-to-nothing": ([Member("x/h", type=LINK, target="x/b")], "no earlier member and no later one"),
    "hard-link-through-later-link": (
        [Member("x/h", type=LINK, target="x/l/passwd"), Member("x/l", type=SYM, target="/etc")],
        "no earlier member and no later one",
    ),
    "hard-link-beyond-later-link": (
        [
            *(Member("x/d/h", type=LINK, target="x/b"), Member("x/d", type=SYM, target="/etc"), Member("x/b", b"b")),
        ],
        "goes through the link",
    ),
    "hard-link-ring": (
        [Member("x/h", type=LINK, target="x/i"), Member("x/i", type=LINK, target="x/h")],
        "no earlier member and no later one",
    ),
    "through-hard-link-to-link": (
        [
            *(
                Member("x/l", type=SYM, target="/tmp"),
                Member("x/h", type=LINK, target="x/l"),
                Member(f"x/h/{OUT}", b"x"),
            ),
        ],
        "goes through the link",
    ),
}


def before_of(site: Site) -> dict[str, object]:
    site.script("other")
    site.build("other")
    return site.farm()


def with_archive(site: Site, data: bytes, name: str = "hello-1.0.tar.gz") -> None:
    site.template("hello", pack.template(tables=pack.distfile(site.serve(name, data), data)))


def good_again(site: Site, before: dict[str, object]) -> None:
    assert site.farm() == before
    site.hello()
    site.build("hello")


ZIP = ("dotdot", "absolute", "through-link", "over-link")
"""What a zip archive can say too."""


@pytest.mark.parametrize(("case", "form"), [*((c, "tar.gz") for c in HOSTILE), *((c, "zip") for c in ZIP)])
def test_hostile_member(site: Site, case: str, form: str) -> None:
    members, why = HOSTILE[case]
    before = before_of(site)
    with_archive(site, pack.packed([*pack.hello(), *members], form))
    result = site.xsrc("build", "hello")
    if why is not None:
        result.ended(1, "refused: member", why, "hello-1.0.tar.gz")
    assert "Traceback" not in result.err
    assert not Path("/tmp", OUT).exists()
    good_again(site, before)


@pytest.mark.parametrize("form", pack.FORMS)
def test_archive_that_is_cut_short(site: Site, form: str) -> None:
    """The checksum is that of the damaged file, so that it is unpacked at all."""
    noise = b"".join(pack.sha256(bytes([i % 256, i // 256])).encode() for i in range(3000))
    whole = pack.packed([*pack.hello(), Member("hello-1.0/noise", noise)], form)
    before = before_of(site)
    with_archive(site, whole[: len(whole) * 2 // 3])
    site.xsrc("build", "hello").ended(1, "hello-1.0.tar.gz: damaged or cut short")
    good_again(site, before)


@pytest.mark.parametrize("form", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst", "tar.lz", "zip"])
def test_archive_with_a_wrong_byte(site: Site, form: str) -> None:
    noise = b"".join(pack.sha256(bytes([i % 256, i // 256])).encode() for i in range(3000))
    whole = bytearray(pack.packed([*pack.hello(), Member("hello-1.0/noise", noise)], form))
    whole[len(whole) // 2] ^= 0xFF
    before = before_of(site)
    with_archive(site, bytes(whole))
    site.xsrc("build", "hello").ended(1, "hello-1.0.tar.gz", "damaged")
    good_again(site, before)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "hello-1.0.tar.gz"),
        (b"<html>not found</html>\n" * 100, "neither a tar nor a zip archive"),
        (b"\x1f\x8b" + b"\0" * 100, "damaged"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged"),
        (pack.tar([]), "no file is left"),
    ],
    ids=["empty", "html", "gzip", "zip", "no-member"],
)
def test_file_that_is_no_archive(site: Site, data: bytes, word: str) -> None:
    before = before_of(site)
    with_archive(site, data)
    site.xsrc("build", "hello").ended(1, word)
    good_again(site, before)


def test_modes_of_an_archive_are_not_taken_over(site: Site) -> None:
    members = [Member("x/suid", b"x", mode=0o4777), Member("x/closed", b"x", mode=0), Member("x/d", type=b"5", mode=0)]
    site.script("m", tables=site.dist("m", members), do_build="stat -c '%a %n' suid closed d\n")
    site.build("m")
    assert site.log("build", "m-1.0_1") == "755 suid\n644 closed\n755 d\n"


def test_distfile_that_was_changed_after_it_was_fetched(site: Site) -> None:
    site.hello()
    site.build("--to", "fetch", "hello")
    (stored,) = (site.masterdir / "pkg-srcdistdir").rglob("*.gz")
    site.land.run("sh", "-c", f"chmod u+w {stored}; echo x >>{stored}").ok()
    site.xsrc("build", "hello").ended(1, "hello-1.0.tar.gz: its sha256 is")
    assert not stored.exists()
    site.build("hello")
