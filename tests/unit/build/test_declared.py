"""What files ask for against what is declared: which differences are told, and which leave no trace to tell by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.unit.builders import a_file, a_link, with_parents
from xsrc.build.declared import Declared, Offer, Offers, Part, offer, suspects, undeclared, unused
from xsrc.core.pkgver import Pattern
from xsrc.core.spans import KeyPath
from xsrc.store.manifest import Entry
from xsrc.store.needs import Need, Needs, Want


def an_offer(name: str, *paths: str | Entry, sonames: Iterable[str] = (), **more: Any) -> Offer:
    """What a package of these files gives; plain strings are files that may be run."""
    entries = [a_file(path, mode=0o755) if isinstance(path, str) else path for path in paths]
    return offer(name, with_parents(entries), sonames, **more)


ZLIB_FILES = ("usr/lib/libz.so.1", "usr/lib/libz.a", "usr/lib/pkgconfig/zlib.pc")
ZLIB = an_offer("zlib", *ZLIB_FILES, sonames=["libz.so.1"], source="zlib-1_1")
PERL = an_offer("perl", "usr/bin/perl", "usr/lib/perl5/5.36/core_perl/File/Spec.pm")
PYTHON = an_offer("python3", "usr/bin/python3.11", a_link("usr/bin/python3", "python3.11"), "usr/lib/python3.11/os.py")
YAML = an_offer("python3-yaml", "usr/lib/python3.11/site-packages/yaml/__init__.py")
M4 = an_offer("m4", "usr/bin/m4")
BUILT = {o.name: o for o in (ZLIB, PERL, PYTHON, YAML, M4)}


def a_part(
    *needs: tuple[Want, str],
    name: str = "one",
    files: Iterable[str] = ("usr/bin/one",),
    static: bool = False,
    depends: Iterable[str] = (),
) -> Part:
    """A built package whose files ask for `needs`."""
    asked = tuple(Need(want, what, "usr/bin/one") for want, what in needs)
    key: KeyPath = ("depends",) if name == "one" else ("subpackages", name, "depends")
    return Part(name, Needs(asked, static), frozenset(files), patterns(depends), key)


def patterns(texts: Iterable[str]) -> tuple[Pattern, ...]:
    return tuple(map(Pattern.parse, texts))


def checked(*needs: tuple[Want, str], makedepends: Iterable[str] = (), **part: Any) -> Declared:
    """What came of a template without subpackages."""
    return Declared((a_part(*needs, **part),), patterns(makedepends))


def doubted(one: Declared, built: Offers = BUILT) -> dict[str, tuple[str, set[str]]]:
    """By name: the key that is doubted, and the words that are looked for."""
    return {found.name: (".".join(map(str, found.key)), set(found.words)) for found in suspects(one, built)}


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
    assert (found.code, found.key, found.provider) == (f"undeclared-{provider}", (key,), provider)
    assert (found.path, found.needs) == ("/usr/bin/one", (f"{want} {name}",))
    said = f"{key}: /usr/bin/one needs {name} ({want}): {provider} gives it, and is not declared"
    reason = f'; or say why it may be without: [lint] ignore = {{ undeclared-{provider} = "…" }}'
    assert (found.message, found.hint) == (said, f'add "{provider}" to {key}' + reason * (want is not Want.SONAME))
    for declared in (provider, f"{provider}>=1"):
        assert not list(undeclared(checked((want, name), **{key: [declared]}), BUILT, ()))


def test_what_is_there_to_build_only_is_not_there_to_run() -> None:
    assert len(list(undeclared(checked((Want.PROGRAM, "perl"), makedepends=["perl"]), BUILT, ()))) == 1
    # what a library brings along for itself is not what others are linked with
    png = an_offer("png", "usr/lib/libpng.so.16", sonames=["libpng.so.16"], needs=["zlib"], source="png-1_1")
    one = checked((Want.SONAME, "libz.so.1"), (Want.SONAME, "libpng.so.16"), makedepends=["png"])
    assert [found.provider for found in undeclared(one, {**BUILT, "png": png}, ())] == ["zlib"]


def test_what_is_there_to_run_may_be_linked_with() -> None:
    assert not list(undeclared(checked((Want.SONAME, "libz.so.1"), depends=["zlib"]), BUILT, ()))


def test_what_is_declared_and_not_built_may_give_it() -> None:
    one = checked((Want.SONAME, "libffi.so.8"), makedepends=["libffi"])
    assert not list(undeclared(one, BUILT, ("libffi",)))


def test_what_comes_along_for_its_library_is_there_to_run() -> None:
    both = an_offer("both", "usr/bin/both", "usr/lib/libboth.so.1", sonames=["libboth.so.1"])
    one = checked((Want.SONAME, "libboth.so.1"), (Want.PROGRAM, "/usr/bin/both"), makedepends=["both"])
    assert not list(undeclared(one, {**BUILT, "both": both}, ()))


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
    assert found.provider == "" and "came from the base" in found.message
    assert f'[lint] ignore = {{ "undeclared-{name}" = "…" }}' in found.hint


def test_what_nobody_gives() -> None:
    (found,) = undeclared(checked((Want.PROGRAM, "/bin/bash")), BUILT, ())
    assert found.message == "depends: /usr/bin/one needs /bin/bash (interpreter): no built package gives it"
    assert found.hint.endswith('[lint] ignore = { undeclared-bash = "…" }')


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
    assert found.provider == template and f"{template} may give it" in found.message


def test_modules_that_may_come_with_a_perl_are_known_by_a_built_one_only() -> None:
    one = checked((Want.PERL, "Getopt::Long"))
    assert not list(undeclared(one, {}, ()))
    assert len(list(undeclared(one, BUILT, ()))) == 1


def test_one_line_for_one_package_that_is_missing() -> None:
    needs = Needs((Need(Want.PROGRAM, "/usr/bin/perl", "usr/bin/a", 3), Need(Want.PERL, "File::Spec", "usr/bin/b", 2)))
    (found,) = undeclared(Declared((Part("one", needs, frozenset()),)), BUILT, ())
    assert "/usr/bin/a and 2 more need /usr/bin/perl (interpreter), File::Spec: perl" in found.message


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
    assert doubted(checked(makedepends=["zlib"])) == {"zlib": ("makedepends", {"libz.so.1"})}
    assert not doubted(checked((Want.SONAME, "libz.so.1"), makedepends=["zlib"]))
    assert not doubted(checked((Want.PC, "zlib"), makedepends=["zlib"]))


def test_a_program_that_no_file_needs() -> None:
    assert doubted(checked(depends=["m4>=1.4"])) == {"m4": ("depends", {"m4"})}
    assert not doubted(checked((Want.PROGRAM, "/usr/bin/m4"), depends=["m4"]))


def test_use_that_leaves_no_trace_is_not_doubted() -> None:
    archive = an_offer("archive", "usr/lib/libq.a", "usr/lib/libz.so", sonames=["libz.so.1"])
    headers = an_offer("headers", a_file("usr/include/x.h"))
    data = an_offer("data", a_file("usr/share/data/x"))
    meta = an_offer("meta", needs=["m4"])
    built = {**BUILT, "archive": archive, "headers": headers, "data": data, "meta": meta}
    assert not doubted(checked(makedepends=["archive", "headers", "m4", "none"]), built)
    assert not doubted(checked(depends=["data", "headers", "none", "meta"]), built)
    assert not doubted(checked(makedepends=["zlib"], static=True), built)
    assert not doubted(checked(depends=["m4", "perl"], files=()), built), "it only gathers others"


def test_what_stands_where_only_the_other_looks_uses_it() -> None:
    plugin = an_offer("one", "usr/lib/python3.11/site-packages/x.cpython-311.so")
    site = an_offer(
        "python3", "usr/lib/python3.11/site-packages/pip/x.py", "usr/bin/python3", sonames=["libpython3.so"]
    )
    assert not doubted(checked(makedepends=["python3"]), {"one": plugin, "python3": site})
    apart = an_offer("one", a_file("usr/share/man/man1/x.1"), a_file("usr/include/a/b/c.h"))
    assert doubted(checked(makedepends=["python3"]), {"one": apart, "python3": site})


def test_words_of_what_is_not_used() -> None:
    (suspect,) = suspects(checked(depends=["m4"]), BUILT)
    found = unused(suspect)
    assert (found.code, found.key, found.provider) == ("unused-m4", ("depends",), "m4")
    assert found.message == "depends: no file uses or names m4"
    assert found.hint == 'take it out, or say why it stays: [lint] ignore = { unused-m4 = "…" }'


# ---- subpackages

SPLIT = {
    "z": an_offer("z", "usr/lib/libz.so.1", sonames=["libz.so.1"], source="z-1_1"),
    "z-devel": an_offer("z-devel", "usr/lib/libz.so", "usr/lib/pkgconfig/z.pc", needs=["z"], source="z-1_1"),
    "m4": M4,
}


def test_a_subpackage_stands_for_what_it_needs_of_its_own_template() -> None:
    linked = checked((Want.SONAME, "libz.so.1"), makedepends=["z-devel"])
    assert not list(undeclared(linked, SPLIT, ())) and not doubted(linked, SPLIT)
    assert doubted(checked(makedepends=["z-devel"]), SPLIT) == {"z-devel": ("makedepends", {"libz.so.1"})}


def test_what_is_linked_with_counts_for_all_of_a_template() -> None:
    tools = a_part((Want.SONAME, "libz.so.1"), (Want.SONAME, "libone.so.1"), name="one-tools")
    own = an_offer("one", "usr/lib/libone.so.1", sonames=["libone.so.1"])
    one = Declared((a_part(), tools), patterns(["z-devel"]))
    assert not list(undeclared(one, {**SPLIT, "one": own}, ())) and not doubted(one, {**SPLIT, "one": own})


def test_what_is_run_counts_for_its_own_package() -> None:
    tools = a_part((Want.PROGRAM, "m4"), name="one-tools", depends=["one"])
    (found,) = undeclared(Declared((a_part(depends=["m4"]), tools)), SPLIT, ())
    assert found.key == ("subpackages", "one-tools", "depends")
    reason = 'or say why it may be without: [lint] ignore = { undeclared-m4 = "…" }'
    assert found.hint == f'add "m4" to subpackages.one-tools.depends; {reason}'
    own = an_offer("one", "usr/bin/one")
    assert doubted(Declared((a_part(depends=["m4"]), tools)), {**SPLIT, "one": own}) == {"m4": ("depends", {"m4"})}
