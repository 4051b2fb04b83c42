"""The end of an install phase over real folders: what it changes, what it says, and what it refuses."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import prctl
import pytest

from tests.unit.builders import a_package
from xsrc.build.acts.tidy import tidy
from xsrc.build.tidy.draft import Untidy
from xsrc.core.settings import Limits

PROGRAM = '#include <stdio.h>\nint helper(void) { return 3; }\nint main(void) { return puts("runs") < 0; }\n'


class Place:
    """A destdir, and what the tidying of it said."""

    def __init__(self, top: Path) -> None:
        self.top = top / "destdir"
        self.top.mkdir()
        self.log: list[str] = []

    def write(self, path: str, content: str | bytes = "x", mode: int = 0o644) -> Path:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def link(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).symlink_to(text)

    def folder(self, path: str, mode: int = 0o755) -> Path:
        (self.top / path).mkdir(parents=True, exist_ok=True)
        (self.top / path).chmod(mode)
        return self.top / path

    def compile(self, path: str, *flags: str, mode: int = 0o755) -> Path:
        source = self.top.parent / "x.c"
        source.write_text(PROGRAM)
        file = self.write(path)
        subprocess.run(["cc", "-g", *flags, "-o", file, source], check=True)
        file.chmod(mode)
        return file

    def archive(self, path: str, mode: int) -> Path:
        member = self.compile("member.o", "-c")
        file = self.write(path)
        file.unlink()
        subprocess.run(["ar", "rcU", file, member], check=True)
        member.unlink()
        file.chmod(mode)
        return file

    def tidy(self, program: str = "strip", limits: Limits | None = None, **keys: Any) -> str:
        said: list[bytes] = []

        def shell(feed: Any) -> None:
            env = {"PATH": os.environ["PATH"], "DESTDIR": str(self.top), "INSTALL_STRIP": program}
            words = ["sh", "-eu", "-s"]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
                pipe: IO[bytes] | None = process.stdin
                assert pipe is not None and process.stdout is not None
                with pipe:
                    feed(pipe)
                said.append(process.stdout.read())
            assert process.returncode == 0

        try:
            tidy(self.top, a_package(**keys), limits or Limits(), said.append, shell)
        finally:
            self.log = b"".join(said).decode().splitlines()
        return "\n".join(self.log)

    def refused(self, **keys: Any) -> str:
        with pytest.raises(Untidy):
            self.tidy(**keys)
        return "\n".join(self.log)

    def paths(self) -> set[str]:
        return {path.relative_to(self.top).as_posix() for path in self.top.rglob("*")}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Modes mean nothing to root: without capabilities, neither root nor a program that it starts may ignore them."""
    root = os.geteuid() == 0
    mine = [name for name in prctl.ALL_CAP_NAMES if getattr(prctl.cap_effective, name)]
    if root:
        prctl.securebits.noroot = True
        prctl.cap_effective.limit(prctl.CAP_SETPCAP)
    try:
        yield Place(tmp_path)
    finally:
        for name in mine:
            setattr(prctl.cap_effective, name, True)
        if root:
            prctl.securebits.noroot = False


def sections(file: Path) -> str:
    file.chmod(file.stat().st_mode | 0o400)
    return subprocess.run(["readelf", "-SW", file], capture_output=True, text=True, check=True).stdout


# strip


def test_read_only_files_were_never_stripped(place: Place) -> None:
    """https://github.com/flatpak/flatpak-builder/issues/358, https://github.com/fosslinux/live-bootstrap/issues/263"""
    files = {
        place.compile("usr/bin/p", mode=0o555): 0o555,
        place.compile("usr/bin/setuid", mode=0o4755): 0o4755,
        place.compile("usr/lib/libx.so.1", "-shared", "-fPIC", mode=0o444): 0o444,
        place.compile("usr/lib/perl5/x.so", "-shared", "-fPIC", mode=0o555): 0o555,
        place.archive("usr/lib/liby.a", 0o444): 0o444,
    }
    place.top.joinpath("usr/lib/perl5").chmod(0o555)
    said = place.tidy()
    for file, mode in files.items():
        assert ".debug_info" not in sections(file), file
        file.chmod(mode)  # reading sections may have needed a right
        assert f"xsrc: stripped /{file.relative_to(place.top)}: " in said
    assert {file: file.stat().st_mode & 0o7777 for file in files} == files
    assert place.top.joinpath("usr/lib/perl5").stat().st_mode & 0o777 == 0o555
    assert subprocess.run([place.top / "usr/bin/p"], capture_output=True, check=True).stdout == b"runs\n"


def test_modes_are_kept(place: Place) -> None:
    modes = {"usr/bin/a": 0o4711, "usr/bin/b": 0o500, "usr/bin/c": 0o2755}
    for path, mode in modes.items():
        place.compile(path, mode=mode)
    place.tidy()
    assert {path: (place.top / path).stat().st_mode & 0o7777 for path in modes} == modes


def test_static_libraries_keep_no_date(place: Place) -> None:
    one, other = place.archive("usr/lib/liba.a", 0o644), place.archive("usr/lib/libb.a", 0o644)
    place.tidy()
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes()[8 + 16 : 8 + 28].split() in ([b"0"], [])
    assert "helper" in subprocess.run(["nm", one], capture_output=True, text=True, check=True).stdout


def test_appended_data_were_cut_off(place: Place) -> None:
    """https://github.com/NixOS/nixpkgs/pull/422488, https://github.com/denoland/deno/issues/22556"""
    program = place.compile("usr/bin/whole")
    whole = program.read_bytes() + b"PAYLOAD-APPENDED"
    program.write_bytes(whole)
    windows = place.write(
        "usr/lib/launcher.exe", b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + b"z" * 999, 0o755
    )
    before = windows.read_bytes()
    said = place.tidy()
    assert program.read_bytes() == whole and windows.read_bytes() == before
    assert "xsrc: not stripped: /usr/bin/whole: an ELF file with something appended" in said
    assert "launcher" not in said


def test_a_script_and_a_damaged_file_stay(place: Place) -> None:
    script = place.write("usr/bin/s", "#!/bin/sh\n", 0o755)
    cut = place.compile("usr/bin/cut")
    cut.write_bytes(data := cut.read_bytes()[:-100])
    said = place.tidy()
    assert script.read_text() == "#!/bin/sh\n" and cut.read_bytes() == data
    assert "not stripped: /usr/bin/cut: a damaged ELF file" in said


def test_one_file_can_be_spared(place: Place) -> None:
    """https://github.com/git-for-windows/build-extra/pull/368"""
    place.compile("usr/bin/a")
    place.compile("usr/lib/x/b")
    place.compile("usr/lib/x/deep/c")
    said = place.tidy(nostrip=["usr/lib/x", "?usr/none"])
    assert ".debug_info" not in sections(place.top / "usr/bin/a")
    for path in ("usr/lib/x/b", "usr/lib/x/deep/c"):
        assert ".debug_info" in sections(place.top / path)
        assert f"not stripped: /{path}: nostrip" in said


def test_a_glob_of_nostrip_has_to_mean_something(place: Place) -> None:
    place.compile("usr/bin/a")
    assert "nostrip: nothing matches usr/lib/x" in place.refused(nostrip=["usr/lib/x"])


def test_nostrip_strips_nothing(place: Place) -> None:
    file = place.compile("usr/bin/a")
    assert "nothing is stripped: nostrip" in place.tidy(nostrip="a reason")
    assert ".debug_info" in sections(file)


def test_what_strip_refuses_was_passed_over_in_silence(place: Place) -> None:
    """A header that looks right, for a machine that does not exist."""
    place.compile("usr/bin/good")
    odd = place.compile("usr/bin/odd")
    data = bytearray(odd.read_bytes())
    data[18:20] = b"\xfe\xfe"
    odd.write_bytes(data)
    said = place.tidy()
    assert "xsrc: not stripped: /usr/bin/odd" in said and "xsrc: stripped /usr/bin/good" in said
    assert odd.read_bytes() == bytes(data)


def test_a_missing_strip_was_no_news(place: Place) -> None:
    place.compile("usr/bin/a")
    assert "nothing is stripped: this build root has no nostrip-here" in place.tidy("nostrip-here")


def test_hard_links_stay_when_stripped(place: Place) -> None:
    file = place.compile("usr/bin/a", mode=0o555)
    (place.top / "usr/bin/b").hardlink_to(file)
    said = place.tidy()
    assert (place.top / "usr/bin/b").samefile(place.top / "usr/bin/a")
    assert ".debug_info" not in sections(file) and said.count("stripped") == 1


def test_names_that_a_shell_would_read_otherwise(place: Place) -> None:
    names = ["usr/bin/it's", "usr/bin/$(id)", "usr/bin/-g", "usr/bin/a b", "usr/bin/new\nline", "usr/bin/ü"]
    for name in names:
        place.compile(name)
    place.tidy()
    assert [name for name in names if ".debug_info" in sections(place.top / name)] == []


# merged /usr


def test_a_merge_below_the_first_level_overwrote_files(place: Place) -> None:
    """https://github.com/gentoo/gentoo/pull/4268, https://github.com/u-root/u-root/issues/578"""
    place.write("lib/x/f", "from-lib")
    place.write("usr/lib/x/f", "from-usr-lib")
    place.write("lib/deep/a/b/c/g", "1")
    place.write("usr/lib/deep/a/b/c/g", "2")
    said = place.refused()
    assert "xsrc: both /lib/x/f and /usr/lib/x/f are installed" in said
    assert "xsrc: both /lib/deep/a/b/c/g and /usr/lib/deep/a/b/c/g are installed" in said
    assert (place.top / "usr/lib/x/f").read_text() == "from-usr-lib"
    assert (place.top / "lib/x/f").read_text() == "from-lib"


@pytest.mark.parametrize("kind", ["file on folder", "folder on file", "folder on link", "modes"])
def test_what_cannot_be_merged(place: Place, kind: str) -> None:
    match kind:
        case "file on folder":
            place.write("lib/x")
            place.write("usr/lib/x/f")
        case "folder on file":
            place.write("lib/x/f")
            place.write("usr/lib/x")
        case "folder on link":
            place.write("lib/x/f")
            place.write("usr/lib/y/g")
            place.link("usr/lib/x", "y")
        case "modes":
            place.write("lib/x/f")
            place.write("usr/lib/x/g")
            place.folder("lib/x", 0o2750)
    assert "both /lib/x and /usr/lib/x are installed" in place.refused()


def test_merging_keeps_modes_and_hard_links(place: Place) -> None:
    helper = place.write("lib/y/helper", "h", 0o4755)
    (place.top / "lib/y/again").hardlink_to(helper)
    place.write("usr/lib/y/other")
    place.write("lib/z/private/f")
    place.folder("lib/z/private", 0o2750)
    place.write("sbin/s", "s", 0o666)
    place.write("lib/.hidden")
    place.write("lib/x-y")
    place.write("lib/x/y")
    place.tidy()
    at = place.top / "usr/lib"
    assert (at / "y/helper").stat().st_mode & 0o7777 == 0o4755
    assert (at / "y/helper").samefile(at / "y/again")
    assert (at / "z/private").stat().st_mode & 0o7777 == 0o2750
    assert (place.top / "usr/sbin/s").stat().st_mode & 0o7777 == 0o666
    assert (at / ".hidden").exists() and (at / "x-y").exists() and (at / "x/y").exists()
    assert set(os.listdir(place.top)) == {"usr"}


def test_read_only_folders_are_merged(place: Place) -> None:
    place.write("lib/x/f")
    place.write("lib/y/f")
    place.write("usr/lib/y/g")
    for folder in ("lib/x", "lib/y", "usr/lib/y", "usr/lib", "lib", "usr"):
        place.folder(folder, 0o555)
    said = place.tidy()
    assert {"usr/lib/x/f", "usr/lib/y/f", "usr/lib/y/g"} <= place.paths() and not (place.top / "lib").exists()
    assert (place.top / "usr/lib/x").stat().st_mode & 0o777 == 0o555
    assert (place.top / "usr/lib").stat().st_mode & 0o777 == 0o555
    assert "moved /lib/x to /usr/lib/x" in said
    for folder in ("usr", "usr/lib", "usr/lib/x", "usr/lib/y"):
        (place.top / folder).chmod(0o755)


def test_links_still_lead_where_they_did(place: Place) -> None:
    place.write("lib/libz.so.1.2", "z")
    place.link("lib/libz.so.1", "libz.so.1.2")
    place.link("usr/lib/libz.so", "../../lib/libz.so.1")
    place.write("usr/share/d")
    place.link("lib/d", "../usr/share/d")
    place.link("bin/sh", "/bin/dash")
    place.write("bin/gzip", "g")
    place.link("usr/bin/gzip", "../../bin/gzip")
    place.write("usr/bin/true", "t")
    place.link("bin/true", "/usr/bin/true")
    place.link("lib64", "usr/lib64")
    place.tidy()
    usr = place.top / "usr"
    read = {path: str((usr / path).readlink()) for path in ("lib/libz.so.1", "lib/libz.so", "lib/d", "bin/sh")}
    assert read == {
        "lib/libz.so.1": "libz.so.1.2",
        "lib/libz.so": "libz.so.1",
        "lib/d": "../share/d",
        "bin/sh": "/bin/dash",
    }
    assert (usr / "bin/gzip").read_text() == "g" and not (usr / "bin/gzip").is_symlink()
    assert (usr / "bin/true").read_text() == "t" and not (usr / "bin/true").is_symlink()
    assert set(os.listdir(place.top)) == {"usr"}


def test_a_folder_merges_through_the_link_that_usr_has(place: Place) -> None:
    place.write("usr/lib/a")
    place.link("usr/lib64", "lib")
    place.write("lib64/b")
    place.write("lib64/a")
    assert "both /lib64/a and /usr/lib/a" in place.refused()
    (place.top / "lib64/a").unlink()
    place.tidy()
    assert place.paths() == {"usr", "usr/lib", "usr/lib/a", "usr/lib/b", "usr/lib64"}


# man pages

MAN = "usr/share/man/man1"


def test_hard_linked_pages_ended_the_build(place: Place) -> None:
    """https://github.com/mgorny/portage/issues/17, https://github.com/Debian/debiman/issues/31"""
    page = place.write(f"{MAN}/a.1.gz", gzip.compress(b"page\n"), 0o444)
    (place.top / MAN / "b.1.gz").hardlink_to(page)
    os.utime(page, (1000, 1000))
    place.tidy()
    one, other = place.top / MAN / "a.1", place.top / MAN / "b.1"
    assert one.read_text() == "page\n" and one.samefile(other)
    assert one.stat().st_mode & 0o777 == 0o444 and one.stat().st_mtime == 1000
    assert sorted(os.listdir(place.top / MAN)) == ["a.1", "b.1"]


def test_a_page_and_the_same_page_compressed(place: Place) -> None:
    place.write(f"{MAN}/a.1", "page\n")
    place.write(f"{MAN}/a.1.gz", gzip.compress(b"page\n"))
    assert f"removed /{MAN}/a.1.gz: /{MAN}/a.1 has the same content" in place.tidy()
    assert os.listdir(place.top / MAN) == ["a.1"]


@pytest.mark.parametrize("other", [b"pag", b"page\nmore", b"xage\n"])
def test_two_pages_of_one_name(place: Place, other: bytes) -> None:
    place.write(f"{MAN}/a.1", "page\n")
    place.write(f"{MAN}/a.1.gz", gzip.compress(other))
    assert f"both /{MAN}/a.1.gz and /{MAN}/a.1 are installed" in place.refused()


def test_links_to_pages_follow(place: Place) -> None:
    place.write(f"{MAN}/a.1.gz", gzip.compress(b"a"))
    place.write(f"{MAN}/x.1.xz", lzma.compress(b"x"))
    place.link(f"{MAN}/b.1.gz", "a.1.gz")
    place.link(f"{MAN}/c.1.gz", "b.1.gz")
    place.link(f"{MAN}/d.1", "a.1.gz")
    place.link(f"{MAN}/a.1", "a.1.gz")
    place.link(f"{MAN}/of-another.1.gz", "../man8/elsewhere.8.gz")
    place.link("usr/share/doc/p/page", f"/{MAN}/x.1.xz")
    place.link(f"{MAN}/data.gz", "../../p/data.gz")
    place.tidy()
    at = place.top / MAN
    links = {path.name: str(path.readlink()) for path in at.iterdir() if path.is_symlink()}
    assert links == {
        "b.1": "a.1",
        "c.1": "b.1",
        "d.1": "a.1",
        "of-another.1": "../man8/elsewhere.8",
        "data.gz": "../../p/data.gz",
    }
    assert (at / "a.1").read_text() == "a" and (at / "c.1").read_text() == "a" and (at / "x.1").read_text() == "x"
    assert str((place.top / "usr/share/doc/p/page").readlink()) == f"/{MAN}/x.1"


def test_pages_elsewhere_are_files_like_others(place: Place) -> None:
    for path in ("usr/lib/erlang/man/man1/a.1.gz", "usr/share/doc/p/a.1.gz", "usr/share/manual/b.gz"):
        place.write(path, gzip.compress(b"x"))
    before = place.paths()
    assert place.tidy() == "" and place.paths() == before


def test_a_page_that_is_none_and_one_that_never_ends(place: Place) -> None:
    place.write(f"{MAN}/a.1.gz", "no gzip")
    assert f"/{MAN}/a.1.gz: it cannot be unpacked" in place.refused()
    (place.top / MAN / "a.1.gz").unlink()
    place.write(f"{MAN}/b.1.gz", gzip.compress(bytes(3 << 20)))
    with pytest.raises(Untidy):
        place.tidy(limits=Limits(installed_mib=2))
    assert "more than 2 MiB" in place.log[-1]


# libtool archives, indexes, static libraries

LA = "# libpng.la - a libtool library file\n# Generated by libtool\ndlname='libpng.so.16'\n"


def test_data_named_la_were_removed_and_links_to_libtool_archives_stayed(place: Place) -> None:
    """https://github.com/rpm-software-management/rpm/issues/3304"""
    place.write("usr/share/words/greeting.la", "salve")
    place.link("usr/share/words/default.la", "greeting.la")
    place.write("usr/share/doc/x.la", LA)
    place.write("usr/lib/data.la", "data")
    place.write("usr/lib/libpng16.la", LA)
    place.link("usr/lib/libpng.la", "libpng16.la")
    place.write("usr/lib/mod/one.la", LA)
    said = place.tidy()
    files = {path for path in place.paths() if path.endswith(".la")}
    assert files == {
        "usr/share/words/greeting.la",
        "usr/share/words/default.la",
        "usr/share/doc/x.la",
        "usr/lib/data.la",
    }
    assert "removed /usr/lib/libpng16.la: a libtool archive" in said
    assert "removed /usr/lib/libpng.la: what it leads to is removed" in said


def test_what_is_kept_on_request(place: Place) -> None:
    place.write("usr/lib/libx.la", LA)
    place.archive("usr/lib/libx.a", 0o644)
    place.write("usr/lib/libx.so")
    place.folder("usr/share/empty/a")
    before = place.paths()
    place.tidy(install={"keep": ["la", "static", "empty"]})
    assert place.paths() == before
    said = place.tidy()
    assert place.paths() == {"usr", "usr/lib", "usr/lib/libx.so"}
    assert "removed /usr/lib/libx.a: a static library beside /usr/lib/libx.so" in said


def test_indexes_are_left_out_with_a_word(place: Place) -> None:
    place.write("usr/share/info/dir")
    place.write("usr/lib/perl5/auto/X/.packlist")
    place.write("usr/share/x")
    said = place.tidy()
    assert place.paths() == {"usr", "usr/share", "usr/share/x"}
    assert "removed /usr/share/info/dir: it is made for the whole root" in said
    assert "removed /usr/lib: an empty directory" in said


# empty directories


def test_nested_empty_directories_needed_another_pass(place: Place) -> None:
    """https://github.com/emmercm/igir/pull/1197, https://github.com/sharkdp/fd/issues/978"""
    place.folder("usr/share/x/y/z")
    place.folder("usr/share/x/w", 0o555)
    place.folder("usr/share/x", 0o555)
    said = place.tidy()
    assert place.paths() == set()
    assert place.log == ["xsrc: removed /usr: an empty directory"], said


def test_a_directory_with_a_dangling_link_is_not_empty(place: Place) -> None:
    place.link("usr/share/x/y", "nowhere")
    os.mkfifo(place.folder("usr/share/p") / "fifo")
    before = place.paths()
    place.tidy()
    assert place.paths() == before


# places


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("usr/man/man1/tp.1.gz", "--mandir=/usr/share/man"),
        ("usr/info/x.info", "--infodir=/usr/share/info"),
        ("usr/doc/x", "--docdir="),
        ("usr/local/bin/x", "--prefix=/usr"),
        ("usr/etc/x", "--sysconfdir=/etc"),
        ("usr/var/x", "--localstatedir=/var"),
        ("tmp/x", "/tmp"),
        ("run/x", "/run"),
        ("var/run/x", "/var/run"),
        ("proc/x", "/proc"),
        ("dev/x", "/dev"),
        ("sys/x", "/sys"),
        ("home/u/x", "/home"),
        ("root/x", "/root"),
    ],
)
def test_files_where_no_package_has_any_were_stowed(place: Place, path: str, words: str) -> None:
    """https://github.com/void-linux/void-packages/pull/5799, https://github.com/jovanlanik/gtklock/issues/65"""
    place.write(path)
    said = place.refused()
    assert f"xsrc: /{path}: no package has files in /" in said and words in said
    place.tidy(lint={"ignore": {"misplaced": "a reason"}})
    assert path in place.paths()


def test_an_empty_place_is_merely_empty(place: Place) -> None:
    place.folder("run/lock")
    place.folder("usr/local/bin")
    place.write("usr/manual")
    place.tidy()
    assert place.paths() == {"usr", "usr/manual"}


# hostile trees


def test_a_file_that_has_a_name_elsewhere_is_never_changed(place: Place) -> None:
    outside = place.compile("../outside", mode=0o555)
    (place.folder("usr/bin") / "p").hardlink_to(outside)
    before = outside.read_bytes()
    place.tidy()
    assert outside.read_bytes() == before and outside.stat().st_mode & 0o777 == 0o555


def test_a_folder_that_its_owner_cannot_read_is_named(place: Place) -> None:
    place.folder("usr/share/z", 0)
    assert "/usr/share/z: Permission denied" in place.refused()
    (place.top / "usr/share/z").chmod(0o755)


def test_links_lead_no_edit_astray(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.1.gz").write_bytes(gzip.compress(b"x"))
    (outside / "libx.la").write_text(LA)
    place.link("usr/share/man", str(outside))
    place.link("usr/lib", str(outside))
    place.write("lib/f")
    with pytest.raises((Untidy, OSError)):
        place.tidy()
    assert sorted(os.listdir(outside)) == ["a.1.gz", "libx.la"]


def test_a_second_time_changes_nothing(place: Place) -> None:
    place.compile("bin/a")
    place.write(f"{MAN}/a.1.gz", gzip.compress(b"x"))
    place.write("lib/libx.la", LA)
    place.folder("usr/share/x/y")
    place.tidy()
    before = place.paths()
    assert place.tidy() == "" and place.paths() == before
