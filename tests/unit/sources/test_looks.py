"""What the beginning of a file looks like."""

from __future__ import annotations

import pytest

from tests.e2e.kit import pack
from xsrc.sources.looks import looks, page


@pytest.mark.parametrize(
    ("form", "want"),
    [
        ("tar", "a tar archive"),
        ("tar.gz", "gzip data"),
        ("tar.bz2", "bzip2 data"),
        ("tar.xz", "xz data"),
        ("tar.zst", "zstd data"),
        ("zip", "a zip archive"),
    ],
)
def test_archives(form: str, want: str) -> None:
    assert looks(pack.packed(pack.hello(), form)[:4096]) == want


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (b"<!DOCTYPE html>\n<html><head><title>Log in</title>", "Log in"),
        (b"\xef\xbb\xbf  <HTML><BODY>", ""),
        (b"<!-- gate --><html><title lang=en>\n A &lt;b&gt;\n\n c </title>", "A <b> c"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x">', ""),
        (b"<title>" + b"x" * 500 + b"</title>", "x" * 80),
        (b"<!DOCTYPE html><title>cut", ""),
        (b"<?xml version='1.0'?><project>", None),
        (b"#!/bin/sh\necho '<html>'", None),
        (b"<htmlx>", None),
        (b"", None),
    ],
)
def test_pages(head: bytes, title: str | None) -> None:
    assert page(head) == title


@pytest.mark.parametrize(("head", "want"), [(b"a,b\n", "text"), (b"a\0b", "data of no known form"), (b"\xe4", "text")])
def test_other_data(head: bytes, want: str) -> None:
    assert looks(head) == want
