"""Pre-images and digests: canonical, readable, and what differs between two of them."""

from __future__ import annotations

import json

from xsrc.build.key import FORMAT, difference, digest, key_of, preimage


def test_order_of_parts_does_not_matter() -> None:
    assert preimage({"a": {"x": 1, "y": 2}, "b": []}) == preimage({"b": [], "a": {"y": 2, "x": 1}})
    assert preimage({"a": [1, 2]}) != preimage({"a": [2, 1]})


def test_format_is_part_of_it() -> None:
    assert json.loads(preimage({"a": "é"})) == {"format": FORMAT, "a": "é"}
    assert "é" in preimage({"a": "é"})


def test_one_part_a_line() -> None:
    assert preimage({"a": 1, "b": 2}).count("\n") >= 3


def test_digest() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest("é") != digest("e")


def test_a_key_is_the_digest_of_canonical_json() -> None:
    for depends in ({}, {"zlib": "1f", "gtk+3": "2e", "a.b-c_d": "3d"}):
        assert key_of("0a", depends) == digest(json.dumps(["0a", depends], sort_keys=True))


def test_difference_names_paths() -> None:
    old = preimage({"env": {"CC": "a", "CFLAGS": "-O2"}, "arch": "x", "gone": {"deep": 1}, "list": [1]})
    new = preimage({"env": {"CC": "b", "CFLAGS": "-O2", "NEW": ""}, "arch": "x", "list": [1, 2]})
    assert difference(old, new) == (
        ("env.CC", "a", "b"),
        ("env.NEW", None, ""),
        ("gone", {"deep": 1}, None),
        ("list", [1], [1, 2]),
    )
    assert difference(old, old) == ()


def test_difference_from_what_cannot_be_read() -> None:
    assert [path for path, _, _ in difference("", preimage({}))] == ["everything"]
    assert [path for path, _, _ in difference("{", preimage({}))] == ["everything"]
