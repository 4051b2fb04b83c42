"""A base of Debian on paper: what apt is told and says, what is unpacked where, and which links are made."""

from __future__ import annotations

import pytest

from xsrc.bootstrap import debian
from xsrc.bootstrap.debian import Deb, DebianAlternative, Wish

SHA = "0123456789abcdef" * 4
MAWK = """#!/bin/sh
set -e
# update-alternatives --install /usr/bin/commented commented /usr/bin/mawk 5
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ]; then
\tupdate-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
\t    --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz \\
\t    --slave /usr/bin/nawk nawk /usr/bin/mawk
fi
"""
AWK = DebianAlternative("awk", 5, "/usr/bin/mawk", "/usr/bin/awk", (("/usr/bin/nawk", "nawk", "/usr/bin/mawk"),))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("debian", Wish("bookworm", "amd64")),
        ("debian:sid", Wish("sid", "amd64")),
        ("debian:trixie/arm64", Wish("trixie", "arm64")),
    ],
)
def test_what_a_wish_leaves_out_is_filled_in(text: str, want: Wish) -> None:
    assert debian.wish(text, "bookworm", "amd64") == want


@pytest.mark.parametrize("text", ["", "ubuntu", "debian:", "debian:../x", "debian:a b", "debian/amd64", "debian:sid/"])
def test_what_is_no_wish_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="want debian"):
        debian.wish(text, "bookworm", "amd64")


def test_apt_is_told_to_trust_only_debian() -> None:
    assert "Signed-By: /k.gpg\n" in debian.sources("http://m/debian", "sid", "/k.gpg")
    lines = debian.configuration("/f", "amd64").splitlines()
    assert lines.index("#clear APT::Architectures;") < lines.index('APT::Architectures:: "amd64";')
    for line in (
        'Acquire::AllowInsecureRepositories "false";',
        'APT::Get::AllowUnauthenticated "false";',
        'Dir::Etc::trustedparts "/dev/null";',
        'Dir::State "/f/state";',
        "#clear APT::Update;",
    ):
        assert line in lines, line


def test_what_apt_prints_is_read_with_its_checksums() -> None:
    said = f"""Reading package lists...
'http://m/debian/pool/main/z/z/zlib1g_1%3a1.2_amd64.deb' zlib1g_1%3a1.2_amd64.deb 86 SHA256:{SHA}
'http://m/debian/pool/main/b/bash_5.2-2%2bb13_amd64.deb' bash_5.2-2+b13_amd64.deb 99 SHA256:{SHA}
"""
    bash, zlib = debian.debs(said)
    assert (bash.name, bash.version, zlib.version) == ("bash", "5.2-2+b13", "1:1.2")
    assert zlib == Deb("http://m/debian/pool/main/z/z/zlib1g_1%3a1.2_amd64.deb", "zlib1g_1%3a1.2_amd64.deb", 86, SHA)


@pytest.mark.parametrize(
    "line", [f"'http://m/x_1_all.deb' x_1_all.deb 9 MD5Sum:{SHA[:32]}", f"'http://m/x' ../x_1_all.deb 9 SHA256:{SHA}"]
)
def test_a_package_that_nothing_vouches_for_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="without its sha256"):
        debian.debs(line)


def test_a_release_says_its_name_and_number() -> None:
    assert debian.release("Suite: oldstable\nVersion: 12.11\nCodename: bookworm\n") == ("bookworm", "12.11")
    assert debian.release("Suite: unstable\nCodename: sid\n") == ("sid", "sid")


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("bin/dash", "usr/bin/dash"),
        ("lib64/ld.so", "usr/lib64/ld.so"),
        ("usr/lib/x", "usr/lib/x"),
        ("etc/bin", "etc/bin"),
        ("lib", None),
        ("usr/share/man/man1/a.1.gz", None),
        ("usr/share/doc/a/changelog.gz", None),
        ("usr/share/doc/a/copyright", "usr/share/doc/a/copyright"),
        ("usr/share", "usr/share"),
    ],
)
def test_usr_is_merged_and_prose_left_out(path: str, want: str | None) -> None:
    assert debian.place(path) == want


def test_absolute_links_mean_the_same_within_the_base() -> None:
    assert debian.relative("usr/bin/x", "y") == "y"
    assert debian.relative("usr/lib64/ld.so.2", "/lib/x/ld.so.2") == "../lib/x/ld.so.2"
    assert debian.relative("etc/rmt", "/usr/sbin/rmt") == "../usr/sbin/rmt"
    assert debian.relative("usr/x", "/") == ".."


def test_alternatives_are_read_from_what_would_register_them() -> None:
    (awk,) = debian.alternatives("mawk", MAWK)
    assert (awk.name, awk.priority, awk.target, awk.link) == ("awk", 5, "/usr/bin/mawk", "/usr/bin/awk")
    assert awk.slaves[1] == ("/usr/bin/nawk", "nawk", "/usr/bin/mawk")


def test_a_comment_ends_an_alternative() -> None:
    text = "update-alternatives --quiet \\\n  --install /usr/bin/cc cc /usr/bin/gcc 20 \\\n  #--slave /a b /c\n"
    assert debian.alternatives("gcc", text) == (DebianAlternative("cc", 20, "/usr/bin/gcc", "/usr/bin/cc"),)


def test_what_a_script_computes_is_not_guessed() -> None:
    assert debian.alternatives("procps", 'update-alternatives --install "$P/$N" "$N" "$P/$N.procps" 50\n') == ()
    (lzma,) = debian.alternatives(
        "xz-utils", "update-alternatives --install /usr/bin/lzma lzma /usr/bin/xz 20 $(slave)"
    )
    assert ("/usr/bin/lzcat", "lzcat", "/usr/bin/xzcat") in lzma.slaves
    assert ("/usr/bin/unlzma", "unlzma", "/usr/bin/unxz") in lzma.slaves
    assert debian.alternatives("x", "echo 'it\nupdate-alternatives --install /a a /b 'open\n") == ()


def test_the_best_choice_is_linked_with_what_goes_with_it() -> None:
    gawk = DebianAlternative("awk", 10, "/usr/bin/gawk", "/usr/bin/awk")
    assert debian.links([gawk, AWK], ["usr/bin/mawk"]) == {
        "usr/bin/awk": "../../etc/alternatives/awk",
        "etc/alternatives/awk": "../../usr/bin/mawk",
        "usr/bin/nawk": "../../etc/alternatives/nawk",
        "etc/alternatives/nawk": "../../usr/bin/mawk",
    }
    best = debian.links([AWK, gawk], ["usr/bin/mawk", "usr/bin/gawk"])
    assert best["etc/alternatives/awk"] == "../../usr/bin/gawk"
    assert "usr/bin/nawk" not in best, "it goes with mawk"


def test_a_link_takes_no_place_of_a_file_and_leads_nowhere_else() -> None:
    assert debian.links([AWK], ["usr/bin/mawk", "usr/bin/awk", "usr/bin/nawk"]) == {}
    out = DebianAlternative("x", 1, "/usr/bin/mawk", "/../../x")
    assert debian.links([out, DebianAlternative("../x", 1, "/usr/bin/mawk", "/usr/bin/x")], ["usr/bin/mawk"]) == {}
