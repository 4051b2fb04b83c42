"""What becomes of a destdir: the [install] table, the tidying, conf files, hard links."""

from __future__ import annotations

import plistlib

import pytest

from tests.e2e.kit import look, pack
from tests.e2e.kit.site import Site

SOURCES = {
    "COPYING": "licence\n",
    "tool": "#!/bin/sh\necho tool\n",
    "tool.1": "page\n",
    "README.md": "read\n",
    "tool.conf": "conf\n",
    "tool.bash": "complete\n",
    "_tool": "zsh\n",
    "tool.fish": "fish\n",
    "data/a b": "blank\n",
    "data/c": "c\n",
    "run": "#!/bin/sh\nexec tool\n",
}
TABLE = """
[install]
license = ["COPYING"]
bin = ["tool", "files/extra"]
man = ["*.1"]
doc = ["README*", "?NOTHING*"]
conf = ["tool.conf"]
completion = ["tool.bash", "_tool", "tool.fish"]
service = ["?service"]
files = { "data" = "usr/share/whole", "data/c" = "usr/share/one/", "files/extra" = "usr/libexec/{name}-extra" }
symlinks = { "usr/bin/t" = "tool", "usr/share/doc/x" = "/etc/x" }
rename = { "usr/share/moved" = "usr/share/to/here" }
remove = ["usr/share/junk*", "?usr/share/none"]
modes = { "usr/share/one/c" = "0600", "usr/bin/setuid" = "4755" }
"""


def test_every_kind_of_install_entry(site: Site) -> None:
    members = [
        pack.Member(f"tool-1.0/{k}", v.encode(), mode=0o755 if v[0] == "#" else 0o644) for k, v in SOURCES.items()
    ]
    dist = site.dist("tool", members)
    script = (
        "mkdir -p $DESTDIR/usr/share $DESTDIR/usr/bin\n"
        "for f in moved junk1 junk2; do echo $f >$DESTDIR/usr/share/$f; done; : >$DESTDIR/usr/bin/setuid\n"
    )
    scripts = pack.phases({"do_build": ":\n", "do_install": script})
    text = pack.template("tool", style="gnu-makefile", top="make_check = false", tables=dist + scripts + TABLE)
    site.template("tool", text, files={"extra": "#!/bin/sh\necho extra\n"})
    site.build("tool")
    found = look.tree(site.destdir("tool-1.0_1"))
    files = {path: what.split()[1] for path, what in found.items() if what.startswith("file") and "plist" not in path}
    assert files == {
        "usr/share/licenses/tool/COPYING": "0444",
        "usr/bin/tool": "0555",
        "usr/bin/extra": "0555",
        "usr/bin/setuid": "0555",  # sealed: setuid is recorded, never left on disk
        "usr/share/man/man1/tool.1": "0444",
        "usr/share/doc/tool/README.md": "0444",
        "etc/tool.conf": "0444",
        "usr/share/bash-completion/completions/tool.bash": "0444",
        "usr/share/zsh/site-functions/_tool": "0444",
        "usr/share/fish/vendor_completions.d/tool.fish": "0444",
        "usr/share/whole/a b": "0444",
        "usr/share/whole/c": "0444",
        "usr/share/one/c": "0400",
        "usr/libexec/tool-extra": "0555",
        "usr/share/to/here": "0444",
    }
    assert found["usr/bin/t"] == "link tool"
    assert found["usr/share/doc/x"] == "link /etc/x"
    assert site.land.run(site.masterdir / "usr/bin/t").ok().out == "tool\n"
    listed = plistlib.loads((site.destdir("tool-1.0_1") / "files.plist").read_bytes())["files"]
    assert {f["file"]: f["mode"] for f in listed}["/usr/bin/setuid"] == "4755"


@pytest.mark.parametrize("entry", ['bin = ["none"]', 'files = { "none" = "usr/x" }', 'remove = ["usr/none"]'])
def test_glob_that_matches_nothing_is_an_error(site: Site, entry: str) -> None:
    site.script("g", tables=f"[install]\n{entry}\n")
    site.xsrc("build", "g").ended(1, "install failed", "nothing matches", "none")
    assert not site.destdir("g-1.0_1").exists()


def test_merged_usr(site: Site) -> None:
    script = "cd $DESTDIR; mkdir -p bin sbin lib/x usr/lib/x\n"
    script += "for f in bin/a sbin/b lib/c lib/x/d usr/lib/x/e; do : >$f; done\n"
    site.script("m", script)
    site.build("m")
    paths = look.tree(site.destdir("m-1.0_1"))
    assert {"usr/bin/a", "usr/sbin/b", "usr/lib/c", "usr/lib/x/d", "usr/lib/x/e"} <= paths.keys()
    assert not {"bin", "sbin", "lib"} & paths.keys()


def test_tidying(site: Site) -> None:
    script = """cd $DESTDIR; mkdir -p usr/lib usr/share/info usr/share/man/man1 usr/share/empty usr/share/locale
echo '# x.la - a libtool library file' >usr/lib/x.la; : >usr/share/info/dir; : >usr/share/locale/locale.alias
echo page >usr/share/man/man1/p.1; gzip usr/share/man/man1/p.1; ln -s p.1.gz usr/share/man/man1/q.1.gz
"""
    site.script("tidy", script)
    site.build("tidy")
    found = look.tree(site.destdir("tidy-1.0_1"))
    kept = {path for path, what in found.items() if not what.startswith("dir") and "plist" not in path}
    assert kept == {"usr/share/man/man1/p.1", "usr/share/man/man1/q.1"}
    assert found["usr/share/man/man1/q.1"] == "link p.1"
    assert "usr/share/empty" not in found
    site.script("keep", script, tables='[install]\nkeep = ["la", "empty"]\n')
    site.build("keep")
    assert {"usr/lib/x.la", "usr/share/empty"} <= look.tree(site.destdir("keep-1.0_1")).keys()


@pytest.mark.parametrize("nostrip", [False, True])
def test_strip(site: Site, nostrip: bool) -> None:
    flags = '[flags]\nCFLAGS = "-g"\n'
    site.hello(tables=flags, top="nostrip = true" if nostrip else "")
    site.build("hello")
    sections = site.land.run("readelf", "-SW", site.destdir() / "usr/bin/hello").ok().out
    assert (".debug_info" in sections) == nostrip


def test_the_end_of_the_install_phase_tells_each_change(site: Site) -> None:
    """Read-only files, nested empty directories and spared files, by the programs of a build root."""
    script = """mkdir -p $DESTDIR/lib/x $DESTDIR/usr/lib/x $DESTDIR/usr/share/a/b/c
echo 'int main(void) { return 0; }' >x.c; cc -g -o x x.c
install -m 555 x $DESTDIR/lib/x/ro; install -m 755 x $DESTDIR/lib/x/spared; : >$DESTDIR/usr/lib/x/f
$STRIP $DESTDIR/lib/x/spared
"""
    site.script("tells", script, top='nostrip = ["usr/lib/x/sp*"]')
    site.build("tells")
    log, at = site.log("install", "tells-1.0_1"), site.destdir("tells-1.0_1") / "usr/lib/x"
    assert "xsrc: moved /lib/x/ro to /usr/lib/x/ro\n" in log
    assert "xsrc: removed /usr/share: an empty directory\n" in log
    assert "xsrc: stripped /usr/lib/x/ro: " in log and "xsrc: not stripped: /usr/lib/x/spared: nostrip\n" in log
    debug = [".debug_info" in site.land.run("readelf", "-SW", at / name).ok().out for name in ("ro", "spared")]
    assert debug == [False, True]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("mkdir -p $DESTDIR/usr/share/x/y/z\n", "the install phase installed nothing"),
        (
            "cd $DESTDIR; mkdir -p lib/x usr/lib/x; echo 1 >lib/x/f; echo 2 >usr/lib/x/f\n",
            "both /lib/x/f and /usr/lib/x/f are installed",
        ),
        ("mkdir -p $DESTDIR/run; : >$DESTDIR/run/evil\n", "/run/evil: no package has files in /run"),
        (
            'mkdir -p $DESTDIR/usr/bin; echo "exec $WRKSRC/run" >$DESTDIR/usr/bin/r\n',
            "/usr/bin/r: holds the string /pkg-builddir/refused-1.0/run",
        ),
    ],
)
def test_what_was_packed_in_silence(site: Site, script: str, words: str) -> None:
    site.script("refused", script)
    site.xsrc("build", "refused").ended(1, words)
    assert not site.destdir("refused-1.0_1").exists()


def test_hard_links_in_a_destdir_stay_one_file(site: Site) -> None:
    site.script(
        "h", "mkdir -p $DESTDIR/usr/bin; echo x >$DESTDIR/usr/bin/a; ln $DESTDIR/usr/bin/a $DESTDIR/usr/bin/b\n"
    )
    site.build("h")
    one, two = site.destdir("h-1.0_1") / "usr/bin/a", site.destdir("h-1.0_1") / "usr/bin/b"
    assert one.samefile(two)
    files = plistlib.loads((site.destdir("h-1.0_1") / "files.plist").read_bytes())["files"]
    assert len({f["inode"] for f in files}) == 1
    assert plistlib.loads((site.destdir("h-1.0_1") / "props.plist").read_bytes())["installed_size"] == 2


def test_stow_table(site: Site) -> None:
    """Hard links, copies and what is left out of the root."""
    script = (
        "mkdir -p $DESTDIR/usr/share/w; for f in hard copied ignored plain; do echo $f >$DESTDIR/usr/share/w/$f; done\n"
    )
    table = '[stow]\nhardlink = ["usr/share/w/hard"]\ncopy = ["usr/share/w/cop*"]\nignore = ["usr/share/w/ign*"]\n'
    site.script("w", script, tables=table)
    site.build("w")
    root, destdir = site.masterdir / "usr/share/w", site.destdir("w-1.0_1") / "usr/share/w"
    assert (root / "hard").samefile(destdir / "hard")
    assert (root / "copied").read_text() == "copied\n" and not (root / "copied").samefile(destdir / "copied")
    assert not (root / "copied").is_symlink() and (root / "copied").stat().st_mode & 0o200
    assert not (root / "ignored").exists() and (destdir / "ignored").exists()
    assert (root / "plain").is_symlink()
    site.xsrc("unstow", "w").ok()
    assert not root.exists()


def test_conf_files_are_copies_that_are_kept_when_changed(site: Site) -> None:
    def conf(version: str) -> None:
        script = f"cd $DESTDIR; mkdir -p etc var/x; echo v{version} | tee etc/a etc/b >var/x/c\n"
        site.script("conf", script, version=version, top='conf_files = ["/var/x/c"]')

    conf("1.0")
    site.build("conf")
    etc, other = site.masterdir / "etc", site.masterdir / "var/x/c"
    assert (etc / "a").read_text() == "v1.0\n" and not (etc / "a").is_symlink() and not other.is_symlink()
    site.land.run("sh", "-c", f"echo mine >{etc}/a; echo mine >{other}").ok()
    conf("1.1")
    site.build("conf").ok("etc/a: changed by you, kept", "etc/a.new")
    assert (etc / "a").read_text() == "mine\n" and (etc / "a.new").read_text() == "v1.1\n"
    assert (etc / "b").read_text() == "v1.1\n" and not (etc / "b.new").exists()
    assert other.read_text() == "mine\n"
    result = site.xsrc("unstow", "conf").ok()
    assert "etc/a" in result.err
    assert (etc / "a").read_text() == "mine\n" and not (etc / "b").exists()


def test_shipped_links_are_made_again_verbatim(site: Site) -> None:
    script = "mkdir -p $DESTDIR/usr/lib $DESTDIR/usr/share; cd $DESTDIR/usr; echo x >lib/libx.so.1\n"
    script += "ln -s libx.so.1 lib/libx.so; ln -s /usr/lib share/abs; ln -s ../nowhere share/dangling\n"
    site.script("l", script)
    site.build("l")
    usr = site.masterdir / "usr"
    assert [str((usr / p).readlink()) for p in ("lib/libx.so", "share/abs", "share/dangling")] == [
        "libx.so.1",
        "/usr/lib",
        "../nowhere",
    ]
    assert (usr / "lib/libx.so").read_text() == "x\n"


def test_file_that_nobody_may_read_is_scanned_and_sealed(site: Site) -> None:
    site.script("z", "mkdir -p $DESTDIR/usr/share; echo a >$DESTDIR/usr/share/z; chmod 0 $DESTDIR/usr/share/z\n")
    site.build("z")
    listed = plistlib.loads((site.destdir("z-1.0_1") / "files.plist").read_bytes())
    assert {f["file"]: f["mode"] for f in listed["files"]} == {"/usr/share/z": "0000"}
    site.build("-f", "z")


def test_directory_that_nobody_may_enter_hinders_only_its_own_build(site: Site) -> None:
    closed = "mkdir -p $DESTDIR/usr/share/z/y; chmod 0 $DESTDIR/usr/share/z\n"
    site.script("z", closed, do_build="mkdir -p closed/x; chmod 0 closed\n")
    site.xsrc("build", "z").ended(1, "install failed", "usr/share/z", "Permission denied")
    site.xsrc("clean").ok("z-1.0: removed")
    assert not site.work("z-1.0").exists() and list((site.masterdir / "pkg-destdir").iterdir()) == []
    site.script("z", closed)
    site.xsrc("build", "z").ended(1)
    site.script("z")
    site.build("z")


def test_names_that_are_hard_to_say(site: Site) -> None:
    script = 'mkdir -p "$DESTDIR/usr/share/a b"; cd "$DESTDIR/usr/share/a b"\n'
    script += """: >'q"uo'; : >"ba'd"; : >-n; : >'*'; : >ünï\n"""
    site.script("n", script)
    site.build("n")
    names = {path.name for path in (site.masterdir / "usr/share/a b").iterdir()}
    assert names == {'q"uo', "ba'd", "-n", "*", "ünï"}
    assert all(path.exists() for path in (site.masterdir / "usr/share/a b").iterdir())
    site.xsrc("unstow", "n").ok()
    assert not (site.masterdir / "usr/share/a b").exists()
    site.script("n", script + """printf x >"$(printf 'new\\nline')"\n""")
    words = "/'usr/share/a b/new\\nline': a character in its name that no property list can hold"
    site.xsrc("build", "n").ended(1, "what it installed cannot be a package", words)
