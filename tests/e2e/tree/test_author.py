"""Templates that contributors change by commands: form, checksums, versions, revisions."""

from __future__ import annotations

from hashlib import sha256

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site


def text_of(site: Site, name: str) -> str:
    return (site.root / f"templates/{name}/template.toml").read_text()


def test_form(site: Site) -> None:
    site.script("a")
    site.xsrc("fmt").ok()
    tidy = text_of(site, "a")
    first, *rest = tidy.splitlines(keepends=True)
    site.write("templates/a/template.toml", "".join((*rest[:2], first, *rest[2:])))
    untidy = text_of(site, "a")
    result = site.xsrc("fmt", "--check").ended(1, "1 of 1 would change")
    assert f"+{first}" in result.out and text_of(site, "a") == untidy
    site.xsrc("fmt", "a").ok("1 of 1 changed")
    assert text_of(site, "a") == tidy
    site.xsrc("fmt", "--check", "a").ok("0 of 1 would change")
    site.xsrc("fmt", "b").ended(2, "no template 'b'")


def test_another_version(site: Site) -> None:
    old, new = pack.packed(pack.hello()), pack.packed([pack.Member("hello-1.1/x", b"new")])
    first = site.serve("hello-1.0.tar.gz", old)
    later = site.serve("hello-1.1.tar.gz", new)
    assert later == first.replace("1.0", "1.1")
    named = first.replace("1.0", "{version}")
    site.template("hello", pack.template(tables=pack.distfile((named, f"{named}.gone"), old)))
    before = text_of(site, "hello")

    site.xsrc("bump", "hello", "1.2").ended(1, "HTTP 404", "none of 2 addresses gave it", "correct its url")
    site.xsrc("bump", "hello", "1-1").ended(3, "version")
    site.xsrc("bump", "hello", "1.0").ended(2, "the version is 1.0 already")
    assert text_of(site, "hello") == before

    result = site.xsrc("bump", "hello", "1.1").ok("hello: 1.0 is 1.1 now; next: xsrc build hello")
    assert f"hello-1.1.tar.gz: sha256 {sha256(new).hexdigest()}" in result.err
    after = before.replace('version = "1.0"', 'version = "1.1"')
    assert text_of(site, "hello") == after.replace(sha256(old).hexdigest(), sha256(new).hexdigest())
    assert not (site.root / "masterdir").exists(), "nothing was built"
    site.xsrc("sum", "hello").ok("its checksums are right")


def test_addresses_that_differ(site: Site) -> None:
    one, other = pack.packed(pack.hello()), pack.packed([pack.Member("hello-1.0/x", b"other")])
    urls = (site.serve("a/hello-1.0.tar.gz", one), site.serve("b/hello-1.0.tar.gz", other))
    site.template("hello", pack.template(tables=pack.distfile(urls, one)))
    before = text_of(site, "hello")
    result = site.xsrc("sum", "hello").ended(1, "hello-1.0.tar.gz: its addresses send different files")
    assert all(f"{sha256(data).hexdigest()}  {url}" in result.err for data, url in zip((one, other), urls, strict=True))
    assert text_of(site, "hello") == before


def test_revisions_of_dependents(site: Site) -> None:
    site.script("lib")
    site.script("a", top='makedepends = ["lib"]')
    site.script("b", top='hostmakedepends = ["lib"]')
    site.script("c", top='depends = ["a"]')
    site.xsrc("revbump", "--needed-by", "lib").ok("templates/a/template.toml: changed")
    assert ["revision = 2" in text_of(site, name) for name in ("lib", "a", "b", "c")] == [False, True, True, False]
    site.xsrc("revbump", "c").ok()
    assert "revision = 2" in text_of(site, "c")
    site.xsrc("revbump", "--needed-by", "c").ok("no template needs c: nothing to do")
