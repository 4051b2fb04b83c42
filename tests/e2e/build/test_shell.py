"""`xsrc shell` and `xsrc chroot`: the roots from inside, for a person."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from collections.abc import Mapping

from tests.e2e.kit import people
from tests.e2e.kit.site import Site


def test_shell_runs_a_command_in_the_build_root(site_in_mode: Site) -> None:
    site = site_in_mode
    site.hello()
    result = site.xsrc("shell", "hello", "sh", "-c", "pwd; ls; id -u").ok()
    lines = result.out.splitlines()
    assert lines[0] == "/pkg-builddir/hello-1.0" and "hello.c" in lines and lines[-1] == str(site.land.user.uid)
    assert not site.destdir().exists()


def test_shell_gives_the_exit_code_of_its_command(site: Site) -> None:
    site.hello()
    assert site.xsrc("shell", "hello", "sh", "-c", "exit 42").code == 42
    assert site.xsrc("shell", "hello", "nonsense").code == 127


def test_shell_after_a_failure_stands_at_the_failed_phase(site: Site) -> None:
    site.hello(Makefile="all:\n\tfalse\n")
    site.xsrc("build", "hello").ended(1, "build failed", "hint: xsrc shell hello")
    result = site.xsrc(
        "shell", "hello", "sh", "-c", "pwd; cat config.mk; echo ${DESTDIR-none}; ls /pkg-template/scripts"
    ).ok()
    assert result.out.startswith("/pkg-builddir/hello-1.0\nprefix = /usr\nnone\n")
    assert "build-0-gnu-configure-build" in result.out
    # what is mended there by hand is gone on with
    install = "install:\\n\\tmkdir -p $(DESTDIR)/usr/x; :>$(DESTDIR)/usr/x/y\\n"
    mended = f"printf 'all:\\n{install}check:\\n\\techo checked\\n' >Makefile"
    site.xsrc("shell", "hello", "sh", "-c", mended).ok()
    again = site.build("-v", "hello")
    assert "hello-1.0_1: configure" not in again.lines and "hello-1.0_1: build" in again.lines


def test_shell_after_a_failed_install_has_the_destdir(site: Site) -> None:
    site.script("i", "mkdir $DESTDIR/usr; false\n")
    site.xsrc("build", "i").ended(1, "install failed")
    assert site.xsrc("shell", "i", "sh", "-c", "ls $DESTDIR; touch $DESTDIR/new").ok().out == "usr\n"


def test_shell_keeps_the_options_of_the_failed_build(site: Site) -> None:
    options = '[options.fancy]\ndesc = "Fancy"\nconfigure = { on = ["--fancy"] }\n'
    site.hello(tables=options, configure="#!/bin/sh\nexit 1\n")
    result = site.xsrc("build", "-o", "fancy", "hello").ended(1, "hint: xsrc shell -o fancy hello")
    hint = result.err.rpartition("hint: xsrc ")[2].partition(" opens")[0]
    inside = site.xsrc(*hint.split(), "sh", "-c", "cat /pkg-template/scripts/configure-*; pwd").ok()
    assert "--fancy" in inside.out and inside.out.endswith("/pkg-builddir/hello-1.0\n")


def test_shell_at_a_chosen_phase(site: Site) -> None:
    site.hello()
    site.build("-K", "hello")
    assert site.xsrc("shell", "--phase", "install", "hello", "sh", "-c", "echo $DESTDIR").ok().out == (
        "/pkg-destdir/hello-1.0_1\n"
    )
    site.xsrc("shell", "--phase", "fetch", "hello", "true").ended(2)


def test_shell_reads_what_is_piped_into_it(site: Site) -> None:
    site.hello()
    site.build("-K", "hello")
    words = f"cd {site.root} && echo 'echo $PKGNAME; exit 3' | {site.land.python} -P -m xsrc shell hello sh"
    result = site.land.run("sh", "-c", words)
    assert (result.out, result.code) == ("hello\n", 3)


def test_chroot_sees_the_stowed_root(site_in_mode: Site) -> None:
    site = site_in_mode
    site.hello()
    site.build("hello")
    assert site.xsrc("chroot", "hello").ok().out == "hello 1.0\n"
    assert site.xsrc("chroot", "sh", "-c", "exit 7").code == 7
    result = site.xsrc("chroot", "sh", "-c", "command -v hello; id -un; echo $HOME; ls -d /pkg-destdir/*").ok()
    assert result.out == f"/usr/bin/hello\n{site.land.user.name}\n/root\n/pkg-destdir/hello-1.0_1\n"


def test_chroot_may_write_where_it_is_the_users_and_nowhere_else(site_in_mode: Site) -> None:
    site = site_in_mode
    site.hello()
    site.build("hello")
    script = "for d in /etc /root /home /var/log /tmp /usr /usr/bin /pkg-destdir /var/db/xsrc; do "
    script += 'if (: >$d/mine) 2>/dev/null; then echo "$d yes"; else echo "$d no"; fi; done; :'
    answers = dict(line.split() for line in site.xsrc("chroot", "sh", "-c", script).ok().out.splitlines())
    assert {place for place, answer in answers.items() if answer == "yes"} == {
        "/etc",
        "/root",
        "/home",
        "/var/log",
        "/tmp",
    }
    assert (site.masterdir / "etc/mine").exists() and not (site.masterdir / "tmp/mine").exists()


def test_chroot_has_no_network_and_no_host_variables(site_in_mode: Site) -> None:
    site = site_in_mode
    script = "sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev; env | sort | cut -d= -f1"
    lines = site.xsrc("chroot", "sh", "-c", script, env={"XSRC_ODD": "x"}).ok().out.splitlines()
    assert lines[0] == "lo"
    assert "XSRC_ODD" not in lines and {"HOME", "PATH", "TERM"} <= set(lines)


def test_switches_of_the_command_are_its_own(site: Site) -> None:
    assert site.xsrc("chroot", "ls", "-d", "--color=never", "/usr").ok().out == "/usr\n"
    assert site.xsrc("chroot", "sh", "-c", "printf '%s %s\\n' $0 $1", "-n", "--help").ok().out == "-n --help\n"
    assert site.xsrc("chroot", "echo", "build", "-v").ok().out == "build -v\n"


def on_a_terminal(
    site: Site, words: tuple[str, ...], typed: bytes = b"", after: bytes = b"", env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run xsrc on a pseudo-terminal, type into it once it shows `after`, and give exit code and screen."""
    master, slave = pty.openpty()
    if site.land.is_root:
        os.fchown(slave, site.land.user.uid, site.land.user.gid)
    screen, end = b"", time.monotonic() + 60
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    with people.ended(site.start(*words, env={"TERM": "xterm", **(env or {})}, **streams)) as running:
        os.close(slave)
        try:
            while time.monotonic() < end:
                if typed and after in screen:
                    os.write(master, typed)
                    typed = b""
                if not select.select([master], [], [], 0.1)[0]:
                    continue
                try:
                    screen += os.read(master, 4096)
                except OSError:  # EIO: all that held the terminal have ended
                    break
            return running.process.wait(5), screen.decode(errors="replace")
        finally:
            os.close(master)


def test_chroot_on_a_terminal_has_one_of_its_own(site_in_mode: Site) -> None:
    site_in_mode.xsrc("chroot", "true").ok()
    typed = b"test -t 0 && test -t 1 && echo ter''minal; readlink /proc/self/fd/0; stty -a | head -n 1; exit 5\r"
    code, screen = on_a_terminal(site_in_mode, ("chroot",), typed, b"$ ")
    assert code == 5, screen
    assert "(xsrc chroot)" in screen and "job control" not in screen
    assert "terminal\r\n" in screen and "speed" in screen


def test_what_is_typed_ahead_is_not_lost(site: Site) -> None:
    site.xsrc("chroot", "true").ok()
    code, screen = on_a_terminal(site, ("chroot",), b"exit 6\r")
    assert code == 6, screen


def test_build_on_a_terminal_shows_a_live_line(site: Site) -> None:
    site.script("slow", do_build="sleep 1.5\n")
    code, screen = on_a_terminal(site, ("build", "slow"))
    assert code == 0, screen
    assert re.search(r"slow-1\.0_1\x1b\S* +build +\d\.\d s", screen)
    assert "slow-1.0_1: stowed" in screen


def test_no_color_takes_the_colours_and_not_the_table(site: Site) -> None:
    """https://no-color.org: colour only, and an empty value means nothing."""
    site.script("quick", do_build="sleep 1\n")
    for value, coloured in (("1", False), ("", True)):
        code, screen = on_a_terminal(site, ("build", "-f", "quick"), env={"NO_COLOR": value})
        assert code == 0, screen
        assert ("\x1b[1;36m" in screen) is coloured
        assert "\x1b[?25l" in screen and "quick-1.0_1" in screen
