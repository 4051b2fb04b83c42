"""Distfiles of every form, where they go, patches and files, and phases around them."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site

PATCH = "--- a/COPYING\n+++ b/COPYING\n@@ -1 +1 @@\n-Do what you want.\n+Do what you will.\n"


def wrksrc(site: Site, name: str = "hello-1.0") -> list[str]:
    top = site.work(name) / "wrksrc"
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("form", pack.FORMS)
def test_each_form_of_archive(site: Site, form: str) -> None:
    dist = site.dist("hello-1.0", pack.hello(), form)
    site.template("hello", pack.template(tables=dist))
    site.build("-K", "hello")
    assert site.land.run(site.masterdir / "bin/hello").ok().out == "hello 1.0\n"
    state = (site.work() / "state.toml").read_text()
    assert f"epoch = {pack.EPOCH}" in state


def test_form_is_told_by_content_not_by_name(site: Site) -> None:
    data = pack.packed(pack.hello(), "tar.xz")
    site.template("hello", pack.template(tables=pack.distfile(site.serve("hello.zip", data), data)))
    site.build("hello")


def test_links_in_an_archive(site: Site) -> None:
    members = [
        Member("x-1/file", b"text"),
        Member("x-1/soft", type=tarfile.SYMTYPE, target="file"),
        Member("x-1/abs", type=tarfile.SYMTYPE, target="/etc/passwd"),
        Member("x-1/hard", type=tarfile.LNKTYPE, target="x-1/file"),
    ]
    site.script(
        "x",
        tables=site.dist("x", members),
        do_build="test $(stat -c %i file) = $(stat -c %i hard); readlink soft abs\n",
    )
    site.build("x")
    assert site.log("build", "x-1.0_1") == "file\n/etc/passwd\n"


def test_hard_links_to_links_and_to_later_members(site: Site) -> None:
    """GNU tar and bsdtar write the first kind. The tar of the build root makes both."""
    members = [
        Member("x-1/late", type=tarfile.LNKTYPE, target="x-1/file"),
        Member("x-1/soft", type=tarfile.SYMTYPE, target="../gone"),
        Member("x-1/hard", type=tarfile.LNKTYPE, target="x-1/soft"),
        Member("x-1/file", b"text"),
    ]
    note = gzip.compress(b"a single file\n")
    single = pack.distfile(site.serve("note.txt.gz", note + b"\r\n"), note + b"\r\n")
    site.script(
        "x",
        tables=site.dist("x", members) + single,
        do_build="test $(stat -c %i file) = $(stat -c %i late); readlink hard; cat note.txt\n",
    )
    site.build("x")
    assert site.log("build", "x-1.0_1") == "../gone\na single file\n"
    assert site.log("extract", "x-1.0_1") == "note.txt.gz: the bytes after the end of its gzip stream are left out\n"


def test_files_that_strip_would_drop_are_listed(site: Site) -> None:
    """https://github.com/flatpak/flatpak-builder/issues/72"""
    members = [Member("Makefile", b"all:\n"), Member("src/x.c", b"")]
    site.script("s", tables=site.dist("s", members))
    site.xsrc("build", "s").ended(1, "it begins with Makefile, src/", "hint: set strip = 0 in its [[distfiles]]")
    site.script("s", tables=site.dist("s", members, strip=0))
    site.build("-K", "s")
    assert wrksrc(site, "s-1.0") == ["Makefile", "src/x.c"]


def test_several_distfiles_with_dest_and_strip(site: Site) -> None:
    main = site.dist("main", [Member("main-1/a", b"a")])
    more = site.dist("more", [Member("more-2/deep/b", b"b")], dest="vendor/more", strip=2)
    flat = site.dist("flat", [Member("c", b"c")], "tar.xz", dest="flat", strip=0)
    one = b"plain file"
    plain = pack.distfile(site.serve("single.txt", one), one, extract=False)
    named = pack.distfile(site.serve("v1.txt", one + b"2"), one + b"2", extract=False, name="notes.txt", dest="doc")
    site.script("multi", tables=main + more + flat + plain + named)
    site.build("-K", "multi")
    assert wrksrc(site, "multi-1.0") == ["a", "doc/notes.txt", "flat/c", "single.txt", "vendor/more/b"]
    assert "notes.txt" in site.distfiles()


def test_create_wrksrc_keeps_the_first_part(site: Site) -> None:
    dist = site.dist("bare", [Member("one", b"1"), Member("sub/two", b"2")])
    site.script("bare", tables=dist, top="create_wrksrc = true")
    site.build("-K", "bare")
    assert wrksrc(site, "bare-1.0") == ["one", "sub/two"]


def test_nothing_left_after_strip_is_said(site: Site) -> None:
    site.script("bare", tables=site.dist("bare", [Member("one", b"1")]))
    site.xsrc("build", "bare").ended(1, "no file is left after strip = 1", "hint: set strip = 0")


def test_build_wrksrc_is_where_scripts_run(site: Site) -> None:
    dist = site.dist("sub", [Member("sub-1/src/unix/a", b"a")])
    site.script(
        "sub", tables=dist, top='build_wrksrc = "src/unix"', do_build="pwd; ls; echo $WRKSRC\n", post_extract="pwd\n"
    )
    site.build("sub")
    assert site.log("build", "sub-1.0_1") == "/pkg-builddir/sub-1.0/src/unix\na\n/pkg-builddir/sub-1.0/src/unix\n"


def test_patches_in_the_order_of_their_names(site: Site) -> None:
    site.hello(tables="[install]\nlicense = ['COPYING']\n")
    second = PATCH.replace("-Do what you want", "-Do what you will").replace("+Do what you will", "+Do it twice")
    site.write("templates/hello/patches/02-b.patch", second)
    site.write("templates/hello/patches/01-a.patch", PATCH)
    site.write("templates/hello/patches/notes.txt", "no patch")
    site.build("hello")
    assert (site.destdir() / "usr/share/licenses/hello/COPYING").read_text() == "Do it twice.\n"


def test_patch_strip_and_series(site: Site) -> None:
    patch = PATCH.replace("a/COPYING", "COPYING").replace("b/COPYING", "COPYING")
    site.hello(tables="[install]\nlicense = ['COPYING']\n[patch]\nstrip = 0\nseries = ['b.patch']\n")
    site.write("templates/hello/patches/a.patch", "never read")
    site.write("templates/hello/patches/b.patch", patch)
    site.build("hello")
    assert (site.destdir() / "usr/share/licenses/hello/COPYING").read_text() == "Do what you will.\n"


def test_a_patch_that_fits_elsewhere_leaves_no_backup(site: Site) -> None:
    """https://github.com/msys2/MINGW-packages/pull/3634; one of them is a .diff, and one has the line ends of DOS."""
    lines = "".join(f"{number}\n" for number in range(30))
    files = [Member("p-1/doc/guide", lines.encode()), Member("p-1/dos", b"a\r\nb\r\n"), Member("p-1/COPYING", b"old\n")]
    build = "cat COPYING doc/guide\nprintf 'A\\r\\nb\\r\\n' | cmp - dos\n"
    site.script("p", tables=site.dist("p", files) + "[patch]\nbinary = true\n", do_build=build)
    site.write(
        "templates/p/patches/1.patch", "--- a/doc/guide\n+++ b/doc/guide\n@@ -10,3 +10,3 @@\n 19\n-20\n+x\n 21\n"
    )
    site.write("templates/p/patches/2.diff", "--- a/COPYING\n+++ b/COPYING\n@@ -1 +1 @@\n-old\n+new\n")
    site.write("templates/p/patches/3.patch", "--- a/dos\n+++ b/dos\n@@ -1,2 +1,2 @@\n-a\r\n+A\r\n b\r\n")
    site.build("-K", "p")
    assert wrksrc(site, "p-1.0") == ["COPYING", "doc/guide", "dos"]
    assert site.log("build", "p-1.0_1") == "new\n" + lines.replace("20\n", "x\n")
    site.write("templates/p/patches/4.patch.gz", "")
    (site.root / "templates/p/patches/more").mkdir()
    words = (
        "patches/4.patch.gz",
        "got a compressed one",
        "hint: gzip -d",
        "patches/more",
        "want a patch, got a folder",
    )
    site.xsrc("build", "p").ended(3, *words)


def test_a_patch_is_made_as_the_page_says(site: Site) -> None:
    """templates/README.md: two copies of the sources, compared."""
    site.hello(tables="[install]\nlicense = ['COPYING']\n")
    site.build("--to", "patch", "hello")
    made = site.land.run(
        *(
            "sh",
            "-euc",
            'cp -R "$1" "$2"/a; cp -R "$2"/a "$2"/b; echo more >>"$2"/b/COPYING; cd "$2"; diff -ruN a b || :',
        ),
        *("sh", site.work("hello-1.0") / "wrksrc", site.root),
    )
    site.write("templates/hello/patches/more.patch", made.ok().out)
    site.build("hello")
    assert (site.destdir() / "usr/share/licenses/hello/COPYING").read_text() == "Do what you want.\nmore\n"


def test_patch_that_does_not_apply_fails_its_phase(site: Site) -> None:
    site.hello()
    site.write("templates/hello/patches/bad.patch", PATCH.replace("-Do what you want", "-Something else"))
    before = site.farm() if site.masterdir.exists() else None
    site.xsrc("build", "hello").ended(1, "hello-1.0_1: patch failed", "COPYING", "FAILED", "hint: xsrc shell hello")
    assert before is None or site.farm() == before
    (site.root / "templates/hello/patches/bad.patch").unlink()
    site.build("hello")


def test_changed_patch_builds_again(site: Site) -> None:
    site.hello(tables="[install]\nlicense = ['COPYING']\n")
    site.build("hello")
    site.write("templates/hello/patches/a.patch", PATCH)
    site.build("hello").ok("changed: ")
    assert (site.destdir() / "usr/share/licenses/hello/COPYING").read_text() == "Do what you will.\n"


def test_files_are_seen_and_part_of_the_key(site: Site) -> None:
    site.script("f", do_build='cat "$FILESDIR/deep/x"; "$FILESDIR/run"\n')
    site.write("templates/f/files/deep/x", "one\n")
    site.write("templates/f/files/run", "#!/bin/sh\necho ran\n", executable=True)
    site.build("f")
    assert site.log("build", "f-1.0_1") == "one\nran\n"
    site.write("templates/f/files/deep/x", "two\n")
    site.build("f").ok("changed: files")
    assert site.log("build", "f-1.0_1") == "two\nran\n"


def test_prose_and_addresses_are_no_part_of_the_key(site: Site) -> None:
    site.hello()
    site.build("hello")
    data = pack.packed(pack.hello())
    other = pack.template(tables=pack.distfile(site.serve("elsewhere/hello-1.0.tar.gz", data), data))
    site.template("hello", other.replace("Test package", "Other words"))
    site.build("hello").ok("up to date")


def test_pre_and_post_of_each_phase_in_order(site: Site) -> None:
    site.hello()
    names = [
        f"{part}_{phase}"
        for phase in ("extract", "patch", "configure", "build", "check", "install")
        for part in ("pre", "post")
    ]
    site.hello(tables=pack.phases({name: f"echo {name} in $PWD\n" for name in names}))
    site.build("hello")
    for phase in ("extract", "patch", "configure", "build", "check", "install"):
        lines = [line for line in site.log(phase).splitlines() if not line.startswith("xsrc: ")]  # tidying says these
        assert lines[0] == f"pre_{phase} in /pkg-builddir/hello-1.0"
        assert lines[-1] == f"post_{phase} in /pkg-builddir/hello-1.0"
    assert "configured with" in site.log("configure") and "cc" in site.log("build")


def test_do_phases_replace_those_of_the_style(site: Site) -> None:
    own = {"do_extract": "echo own >hello.sh\n", "do_configure": ":\n", "do_build": ":\n", "do_check": ":\n"}
    own["do_install"] = "mkdir -p $DESTDIR/usr/bin; cp hello.sh $DESTDIR/usr/bin\n"
    site.hello(tables=pack.phases(own))
    site.build("-K", "hello")
    assert wrksrc(site) == ["hello.sh"]
    assert (site.destdir() / "usr/bin/hello.sh").read_text() == "own\n"


def test_scripts_stop_at_the_first_error_and_know_their_variables(site: Site) -> None:
    site.script("e", do_build="false\necho NEVER\n")
    site.xsrc("build", "e").ended(1, "build failed: exit code 1")
    site.script("e", do_build="echo $UNKNOWN\n")
    assert "NEVER" not in site.xsrc("build", "e").ended(1, "UNKNOWN").err


def test_shared_folder_of_distfiles(site: Site) -> None:
    shared = site.land.folder("distfiles")
    site.settings(f'srcdistdir = "{shared}"\n')
    site.hello()
    site.build("hello")
    assert [path.name for path in shared.rglob("*.gz")] == ["hello-1.0.tar.gz"]
    asked = len(site.server.requests(f"/{site.root.name}/hello-1.0.tar.gz"))
    site.build("-m", str(site.root / "second"), "hello")
    assert len(site.server.requests(f"/{site.root.name}/hello-1.0.tar.gz")) == asked


def test_an_archive_in_an_archive(site: Site) -> None:
    inner = Member("outer-1/hello-1.0.tar.xz", pack.packed(pack.hello(), "tar.xz"))
    dist = site.dist("outer-1", [Member("outer-1/README", b"not this"), inner], inner="hello-{version}.tar.xz")
    site.template("hello", pack.template(tables=dist))
    site.build("-K", "hello")
    assert "README" not in wrksrc(site)
    assert site.land.run(site.masterdir / "bin/hello").ok().out == "hello 1.0\n"


def test_an_archive_that_is_not_in_the_archive(site: Site) -> None:
    dist = site.dist("outer-1", [Member("outer-1/README", b"this alone")], inner="hello.tar.xz")
    site.template("hello", pack.template(tables=dist))
    site.xsrc("build", "hello").ended(1, "no archive 'hello.tar.xz' in it", "there is outer-1/README")


def test_where_pypi_keeps_its_files_is_known_to_pip(site: Site) -> None:
    url = "{PYPI_SITE}/be/ba/1f744cdc819428fc6b5084ec34d9b30660f6f9daaf70eead706e3203ec3c/toml-0.10.2.tar.gz"
    sha256 = "b3bda1d108d5dd99f4a20d24d9c348e91c4db7ab1b749200bded2f839ccbe68f"
    site.script("toml", tables=f'[[distfiles]]\nurl = ["{url}"]\nsha256 = "{sha256}"\n\n')
    site.xsrc("extract", "toml").ok()
    assert "setup.py" in wrksrc(site, "toml-1.0")
