"""What lies among patches: applied, passed over because it is clearly none, or refused by name."""

from __future__ import annotations

import pytest

from xsrc.tree.patches import patch_fault


@pytest.mark.parametrize(
    "name",
    ["a.patch", "b.diff", "notes.txt", "README", ".gitignore", "a.patch~", "a.patch.orig", "a.diff.rej", "patchwork"],
)
def test_patches_and_what_is_clearly_none(name: str) -> None:
    assert patch_fault(name, name) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a.patch.gz", "gzip -d p/a.patch.gz"),
        ("a.diff.xz", "xz -d p/a.diff.xz"),
        ("a.patch.Z", "gzip -d p/a.patch.Z"),
        ("a.Patch", "rename p/a.Patch"),
        ("a.patch.txt", "rename p/a.patch.txt"),
        ("series", "name the patches in their order in the template: [patch] series"),
    ],
)
def test_what_was_passed_over_in_silence_is_refused(name: str, hint: str) -> None:
    fault = patch_fault(name, f"p/{name}")
    assert fault is not None and fault[0].startswith("want ") and fault[1] == hint
