"""Libraries of a package have to be where the loader looks, for its own programs and for others."""

from __future__ import annotations

from tests.e2e.kit.site import Site

BUILD = """
echo 'int four(void) { return 4; }' >q.c
printf '%s\\n' '#include <stdio.h>' 'int four(void);' 'int main(void) { return printf("%d\\n", four()) < 0; }' >main.c
cc -shared -fPIC -Wl,-soname,libq.so.1 -o libq.so.1 q.c
cc -o q main.c libq.so.1
"""
INSTALL = """
install -D q $DESTDIR/usr/bin/q
install -D libq.so.1 $DESTDIR/FOLDER/libq.so.1
"""
CONFIG = "mkdir -p $DESTDIR/etc/ld.so.conf.d; echo /usr/lib/q >$DESTDIR/etc/ld.so.conf.d/q.conf\n"


def test_a_program_that_would_not_find_its_library_is_no_package(site: Site) -> None:
    """Both were built, and the program did not start: https://github.com/corosync/corosync/issues/62"""
    site.script("q", INSTALL.replace("FOLDER", "usr/lib/q"), do_build=BUILD)
    message = "/usr/bin/q needs libq.so.1, which is /usr/lib/q/libq.so.1: no loader looks there"
    site.xsrc("build", "q").ended(1, "q-1.0_1: its own files would not find its own libraries", message)

    ignored = '[lint]\nignore = { "unfound-libq.so.1" = "a script sets the path" }\n'
    site.script("q", INSTALL.replace("FOLDER", "usr/lib/q"), do_build=BUILD, tables=ignored)
    site.build("--no-stow", "q")

    # where the package tells the loader, it looks there in every root
    site.script("q", INSTALL.replace("FOLDER", "usr/lib/q") + CONFIG, do_build=BUILD)
    site.script(
        "r", 'install -D r "$DESTDIR/usr/bin/r"\n', top='hostmakedepends = ["q"]', do_build="q >r; q | grep 4\n"
    )
    site.build("q", "r")
    assert site.xsrc("chroot", "q").ok().out == "4\n"
