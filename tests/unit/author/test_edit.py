"""Single values change, and nothing else does."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from xsrc.author.edit import bumped, revised, with_sums

TEXT = """# version = "0"
version = '1.2'  # the last that builds
revision = 7
test = '''
version = "9"
sha256 = "aa"
'''

[[distfiles]]
url = ["{SITE}/x-{version}.tar"]  # sha256
sha256 = "aa"

[[distfiles]]
sha256 = 'BB' # of b
url = "u"
"""


def test_version_and_revision() -> None:
    assert bumped(TEXT, "2.0") == TEXT.replace("'1.2'", '"2.0"').replace("= 7", "= 1")
    assert revised(TEXT) == TEXT.replace("= 7", "= 8")


def test_sums_are_found_by_the_present_ones() -> None:
    text = with_sums(TEXT, {"bb": "cc", "xx": "yy"})
    assert text == TEXT.replace("'BB'", "'cc'")


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.text("abc.1", min_size=1, max_size=9))
def test_the_rest_of_a_text_stays(digest: str, version: str) -> None:
    before = tomllib.loads(TEXT)
    after = tomllib.loads(with_sums(bumped(TEXT, version), {"bb": digest}))
    before["distfiles"][1]["sha256"] = digest
    assert after == {**before, "version": version, "revision": 1}
