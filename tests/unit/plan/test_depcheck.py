"""What files ask for against what is declared: which differences are told, and which leave no trace to tell by."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.unit.builders import a_file, a_link, with_parents
from xsrc.model.arch import Dep
from xsrc.model.manifest import Entry
from xsrc.model.need import Need, Needs, Want
from xsrc.model.pkgver import Pattern
from xsrc.plan.depcheck import UNDECLARED, UNUSED, Checked, Offer, offer, suspects, undeclared, unused


def an_offer(name: str, *paths: str | Entry, sonames: Iterable[str] = (), **more: Iterable[str]) -> Offer:
    """What a package of these files gives; plain strings are files that may be run."""
    entries = [a_file(path, mode=0o755) if isinstance(path, str) else path for path in paths]
    return offer(name, with_parents(entries), sonames, **more)


ZLIB = an_offer("zlib", "usr/lib/libz.so.1", "usr/lib/libz.a", "usr/lib/pkgconfig/zlib.pc", sonames=["libz.so.1"])
PERL = an_offer("perl", "usr/bin/perl", "usr/lib/perl5/5.36/core_perl/File/Spec.pm")
PYTHON = an_offer("python3", "usr/bin/python3.11", a_link("usr/bin/python3", "python3.11"), "usr/lib/python3.11/os.py")
YAML = an_offer("python3-yaml", "usr/lib/python3.11/site-packages/yaml/__init__.py")
M4 = an_offer("m4", "usr/bin/m4")
BUILT = {o.name: o for o in (ZLIB, PERL, PYTHON, YAML, M4)}


def checked(
    *needs: tuple[Want, str],
    files: Iterable[str] = (),
    run: Iterable[str] = (),
    static: bool = False,
    meta: bool = False,
    given: Iterable[tuple[str, Iterable[str]]] = (),
    **declared: Iterable[str],
) -> Checked:
    """A package named `one` whose files ask for `needs`, with dependencies by their keys."""
    asked = tuple(Need(want, name, "usr/bin/one") for want, name in needs)
    kinds = {Dep(key): tuple(map(Pattern.parse, names)) for key, names in (*given, *declared.items())}
    return Checked("one", Needs(asked, static), frozenset(files), kinds, tuple(run), meta)


@pytest.mark.parametrize(
    ("want", "name", "provider", "key"),
    [
        (Want.SONAME, "libz.so.1", "zlib", "makedepends"),
        (Want.PROGRAM, "/usr/bin/perl", "perl", "depends"),
        (Want.PROGRAM, "/bin/perl", "perl", "depends"),
        (Want.PROGRAM, "python3", "python3", "depends"),
        (Want.PC, "zlib", "zlib", "depends"),
        (Want.PYTHON, "yaml", "python3-yaml", "depends"),
        (Want.PERL, "File::Spec", "perl", "depends"),
    ],
)
def test_what_is_asked_for_has_to_be_declared(want: Want, name: str, provider: str, key: str) -> None:
    (found,) = undeclared(checked((want, name)), BUILT, ())
    assert (found.rule, found.path, found.needs, found.provider, found.key) == (
        UNDECLARED,
        "/usr/bin/one",
        name,
        provider,
        key,
    )
    assert found.text == f"/usr/bin/one: needs {name} ({want}): declare {provider} in {key}"
    assert not list(undeclared(checked((want, name), given=((key, [provider]),)), BUILT, ()))
    assert not list(undeclared(checked((want, name), run=[f"{provider}>=1"]), BUILT, ())), "as it was built"


def test_what_is_there_to_build_only_is_not_there_to_run() -> None:
    assert len(list(undeclared(checked((Want.PROGRAM, "perl"), makedepends=["perl"]), BUILT, ()))) == 1
    assert len(list(undeclared(checked((Want.SONAME, "libz.so.1"), hostmakedepends=["zlib"]), BUILT, ()))) == 1


@pytest.mark.parametrize(
    ("want", "name"),
    [
        (Want.SONAME, "libc.so.6"),
        (Want.SONAME, "libc.musl-x86_64.so.1"),
        (Want.SONAME, "ld-linux-x86-64.so.2"),
        (Want.SONAME, "libstdc++.so.6"),
        (Want.PROGRAM, "/bin/sh"),
        (Want.PROGRAM, "/usr/bin/awk"),
        (Want.PROGRAM, "make"),
        (Want.PERL, "VMS::Filespec"),
    ],
)
def test_what_every_base_gives_needs_no_declaration(want: Want, name: str) -> None:
    assert not list(undeclared(checked((want, name)), BUILT, ()))


@pytest.mark.parametrize("name", ["libcurl.so.4", "libmagic.so.1", "libcx.so"])
def test_a_library_named_like_one_of_the_base_is_none(name: str) -> None:
    (found,) = undeclared(checked((Want.SONAME, name)), BUILT, ())
    assert found.provider == "" and "neither" in found.text


def test_what_it_has_itself_is_not_asked_of_others() -> None:
    own = an_offer("one", "usr/bin/tool", "usr/lib/libone.so.1", sonames=["libone.so.1"])
    files = ("usr/lib/one/libplug.so", "usr/share/one/helper.py")
    asked = [(Want.PROGRAM, "/usr/bin/tool"), (Want.SONAME, "libone.so.1"), (Want.SONAME, "libplug.so")]
    one = checked(*asked, (Want.PYTHON, "helper"), files=files)
    assert not list(undeclared(one, {**BUILT, "one": own}, ()))


@pytest.mark.parametrize(
    ("want", "name", "template"),
    [
        (Want.SONAME, "libz.so.1", "zlib"),
        (Want.SONAME, "libffi.so.8", "libffi"),
        (Want.SONAME, "libxml2.so.2", "libxml2"),
        (Want.PROGRAM, "/usr/bin/python3.11", "python3"),
        (Want.PROGRAM, "/usr/bin/perl5", "perl"),
        (Want.PC, "expat", "expat"),
        (Want.PYTHON, "yaml", "python3-yaml"),
        (Want.PERL, "XML::Parser::Expat", "perl-XML-Parser"),
    ],
)
def test_a_template_that_is_not_built_is_guessed_by_its_name(want: Want, name: str, template: str) -> None:
    (found,) = undeclared(
        checked((want, name)),
        {},
        ("zlib-ng", "libffi", "libxml2", "expat", "perl", "python3", "zlib", "python3-yaml", "perl-XML-Parser"),
    )
    assert found.provider == template


def test_modules_that_may_come_with_a_perl_are_known_by_a_built_one_only() -> None:
    one = checked((Want.PERL, "Getopt::Long"))
    assert not list(undeclared(one, {}, ()))
    assert len(list(undeclared(one, BUILT, ()))) == 1


def test_one_line_for_one_package_that_is_missing() -> None:
    needs = Needs((Need(Want.PROGRAM, "/usr/bin/perl", "usr/bin/a", 3), Need(Want.PERL, "File::Spec", "usr/bin/b", 2)))
    (found,) = undeclared(Checked("one", needs, frozenset(), {}), BUILT, ())
    assert found.text.startswith("/usr/bin/a (and 4 more): needs /usr/bin/perl, File::Spec")


def test_what_gathers_others_gives_what_they_give() -> None:
    meta = an_offer("all", needs=["m4", "perl"])
    one = checked((Want.PROGRAM, "perl"), depends=["all"])
    assert not list(undeclared(one, {**BUILT, "all": meta}, ()))
    # through a package with files of its own it is an accident
    other = an_offer("all", "usr/bin/all", needs=["m4", "perl"])
    assert len(list(undeclared(one, {**BUILT, "all": other}, ()))) == 1


def test_a_virtual_name_stands_for_who_provides_it() -> None:
    gawk = an_offer("gawk", "usr/bin/gawk", virtual=["awk-gnu"])
    assert not list(undeclared(checked((Want.PROGRAM, "gawk"), depends=["awk-gnu"]), {**BUILT, "gawk": gawk}, ()))


# ---- declared, and not used


def test_a_library_that_no_file_needs() -> None:
    assert suspects(checked(makedepends=["zlib"]), BUILT) == {"zlib": (Dep.LIB, frozenset({"libz.so.1"}))}
    assert not suspects(checked((Want.SONAME, "libz.so.1"), makedepends=["zlib"]), BUILT)
    assert not suspects(checked((Want.PC, "zlib"), makedepends=["zlib"]), BUILT)


def test_a_program_that_no_file_needs() -> None:
    assert suspects(checked(depends=["m4>=1.4"]), BUILT) == {"m4": (Dep.RUN, frozenset({"m4"}))}
    assert not suspects(checked((Want.PROGRAM, "/usr/bin/m4"), depends=["m4"]), BUILT)


def test_use_that_leaves_no_trace_is_not_doubted() -> None:
    archive = an_offer("archive", "usr/lib/libq.a", "usr/lib/libz.so", sonames=["libz.so.1"])
    headers = an_offer("headers", a_file("usr/include/x.h"))
    data = an_offer("data", a_file("usr/share/data/x"))
    built = {**BUILT, "archive": archive, "headers": headers, "data": data}
    assert not suspects(checked(hostmakedepends=["m4"], checkdepends=["perl"]), built)
    assert not suspects(checked(makedepends=["archive", "headers", "m4", "none"]), built)
    assert not suspects(checked(depends=["data", "headers", "none"]), built)
    assert not suspects(checked(makedepends=["zlib"], static=True), built)
    assert not suspects(checked(depends=["m4", "perl"], meta=True), built)


def test_what_stands_where_only_the_other_looks_uses_it() -> None:
    plugin = an_offer("one", "usr/lib/python3.11/site-packages/x.cpython-311.so")
    site = an_offer(
        "python3", "usr/lib/python3.11/site-packages/pip/x.py", "usr/bin/python3", sonames=["libpython3.so"]
    )
    assert not suspects(checked(makedepends=["python3"]), {"one": plugin, "python3": site})
    apart = an_offer("one", a_file("usr/share/man/man1/x.1"), a_file("usr/include/a/b/c.h"))
    assert suspects(checked(makedepends=["python3"]), {"one": apart, "python3": site})


def test_words_of_what_is_not_used() -> None:
    found = unused("m4", Dep.RUN, ("m4",))
    assert (found.rule, found.key, found.provider) == (UNUSED, "depends", "m4")
    assert "nothing of m4" in found.text
