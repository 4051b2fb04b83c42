"""Which packages every machine for builds has, and which of several choices counts."""

from __future__ import annotations

from xsrc.base.dpkg import alternatives, essential, installed


def stanza(name: str, more: str = "", status: str = "install ok installed", arch: str = "amd64") -> str:
    return f"Package: {name}\nStatus: {status}\nPriority: optional\nArchitecture: {arch}\nVersion: 1-1\n{more}\n"


DPKG = stanza("dpkg", "Essential: yes\nPre-Depends: libc6 (>= 2.15), tar (>= 1.28-1)\n")


def found(*stanzas: str) -> tuple[str, ...]:
    return essential(installed("\n".join((DPKG, *stanzas))))


def test_needs_of_needs_belong_to_it_and_nothing_else_does() -> None:
    parts = (stanza("tar", "Depends: libacl1:any\n"), stanza("libacl1"), stanza("libc6"), stanza("pkgconf"))
    assert found(*parts) == ("dpkg", "libacl1", "libc6", "tar")


def test_build_essential_counts_by_its_parts_too() -> None:
    gcc = stanza("gcc", "Depends: cpp (= 4:12), gcc-12 (>= 12~)\nRecommends: libtool\n")
    assert found(gcc, stanza("gcc-12", arch="all"), stanza("libtool")) == ("dpkg", "gcc", "gcc-12")


def test_of_several_choices_the_same_counts_on_every_machine() -> None:
    """A second awk or libc would else be shown where it happens to be installed."""
    one = stanza("make", "Depends: awk, b | a | c\n")
    mawk = stanza("mawk", "Provides: awk\n").replace("optional", "required")
    gawk = stanza("gawk", "Provides: x, awk (= 1)\n")
    assert found(one, gawk, mawk, stanza("a"), stanza("c")) == ("a", "dpkg", "make", "mawk")
    assert found(one, gawk, stanza("c")) == ("c", "dpkg", "gawk", "make")


def test_what_is_not_installed_or_of_another_architecture_does_not_count() -> None:
    gone = stanza("tar", status="deinstall ok config-files")
    waiting = stanza("libc6", status="install ok triggers-pending")
    assert found(gone, waiting, stanza("make", arch="i386")) == ("dpkg", "libc6")


AWK = """auto
/usr/bin/awk
nawk
/usr/bin/nawk
awk.1.gz
/usr/share/man/man1/awk.1.gz

/usr/bin/gawk
10

/usr/share/man/man1/gawk.1.gz
/bin/mawk
5
/usr/bin/mawk
/usr/share/man/man1/mawk.1.gz

"""


def test_the_best_choice_that_is_shown_is_the_alternative() -> None:
    assert alternatives({"awk": AWK}, {"usr/bin/mawk"}) == {"awk": "/bin/mawk", "nawk": "/usr/bin/mawk"}
    both = {"usr/bin/mawk", "usr/bin/gawk", "usr/share/man/man1/gawk.1.gz"}
    assert alternatives({"awk": AWK}, both) == {"awk": "/usr/bin/gawk", "awk.1.gz": "/usr/share/man/man1/gawk.1.gz"}
    assert alternatives({"awk": AWK}, ()) == {}


def test_a_file_of_alternatives_that_cannot_be_read_is_none() -> None:
    shown = {"usr/bin/mawk"}
    for text in ("", "auto\n", AWK.replace("\n5\n", "\nhigh\n"), "\n\n/usr/bin/mawk\n", AWK[: AWK.index("5")]):
        assert alternatives({"awk": text}, shown) == {}, text
    assert alternatives({"..": AWK, "a/b": AWK}, shown) == {"nawk": "/usr/bin/mawk"}
