"""`xsrc doctor` on a double of this machine: each piece is broken, seen, mended by the printed command, seen whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.kit.double import Double, Line, Seen, double, walled
from tests.e2e.kit.land import HELPERS, Land
from tests.e2e.kit.site import Site

MOUNT, ROOT, PLAIN = HELPERS / "xsrc-mount", HELPERS / "xsrc-chroot", HELPERS / "plain"

CAPS_PIECES = {
    # id: (script of root's, what, words)
    "owner": (f"chown 1 {MOUNT}", "xsrc-mount", "belongs to uid 1, not to root"),
    "owner of the other": (f"chown 1 {ROOT}", "xsrc-chroot", "belongs to uid 1, not to root"),
    "group can write": (f"chmod 0770 {MOUNT}", "xsrc-mount", "can be written by others than root: mode 0770"),
    "all can write": (f"chmod 0752 {ROOT}", "xsrc-chroot", "can be written by others than root: mode 0752"),
    "group": (f"chgrp 1 {MOUNT}", "xsrc-mount", "belongs to group daemon, not to xbuild"),
    "group may not run it": (f"chmod 0700 {ROOT}", "xsrc-chroot", "has mode 0700, not 0750"),
    "missing": (f"rm {MOUNT}", "xsrc-mount", "is not installed"),
    "link": (f"mv {ROOT} /usr/local/x; ln -s /usr/local/x {ROOT}", "xsrc-chroot", "is not a file"),
    "no capabilities": (f"setcap -r {MOUNT}", "xsrc-mount", "carries no capabilities, not cap_net_admin,cap_sys_admin"),
    "other capabilities": (f"setcap cap_kill=ep {ROOT}", "xsrc-chroot", "carries cap_kill=ep, not cap_sys_chroot=ep"),
    "not effective": (f"setcap cap_sys_chroot=p {ROOT}", "xsrc-chroot", "carries cap_sys_chroot=p, not"),
    "folder": ("chmod 0777 /usr/local/libexec", "helpers' folder", "/usr/local/libexec can be written by others"),
    "owner of the folder": (f"chown 1 {HELPERS}", "helpers' folder", f"{HELPERS} can be written by others than root"),
    "nosuid": ("mount -o remount,bind,nosuid /", "suid", "/ is mounted with nosuid"),
    "no member": ('gpasswd -d "$1" xbuild', "group", "is not in group xbuild"),
    "no group": (
        "userdel xbuild; groupdel xbuild 2>/dev/null; ! getent group xbuild",
        "group",
        "there is no group xbuild",
    ),
}

USERNS_PIECES = {
    "plain is shut": (f"chmod 0644 {PLAIN}/xsrc-mount", "plain helpers", f"{PLAIN}/xsrc-mount cannot be run"),
    "one is missing": (f"rm {PLAIN}/xsrc-chroot", "plain helpers", f"in {PLAIN} there is but xsrc-mount"),
    "both are missing": (f"rm -r {PLAIN}", "plain helpers", "there are none"),
    "masked /proc": ("mount -t tmpfs tmpfs /proc/irq", "/proc", "/proc/irq is mounted over"),
    "twice": (
        "mount -t tmpfs tmpfs /proc/irq; mount --bind /dev/null /proc/keys",
        "/proc",
        "/proc/irq, /proc/keys is mounted over",
    ),
}

BOTH_PIECES = {
    "mount below the base": (
        "mkdir '/usr/share/a b'; mount -t tmpfs tmpfs '/usr/share/a b'; mount -t tmpfs tmpfs /usr/src",
        "base",
        "/usr/src, /usr/share/a b is mounted below a layer",
    ),
    "closed masterdir": ('chmod 0555 "$2"', "masterdir", "is not writable"),
    "masterdir of root": ('chown 0 "$2"', "masterdir", "is not writable"),
    "read-only": (
        'mount -t tmpfs -o uid="$1",mode=755 tmpfs "$2"; mount -o remount,bind,ro "$2"',
        "masterdir",
        "is not writable",
    ),
    "noexec": ('mount -t tmpfs -o noexec,uid="$1",mode=755 tmpfs "$2"', "exec", "is mounted with noexec"),
}


@pytest.fixture
def machine(as_root: Land, site: Site) -> Iterator[Double]:
    """A double of this machine, with nothing wrong in it."""
    for mode, reason in as_root.modes.items():
        if reason:
            pytest.skip(f"{mode}: {reason}")
    site.masterdir.mkdir()
    as_root.own(site.masterdir)
    with double(site) as made:
        # with the helpers of this checkout, whatever is installed on the machine
        made.root('"$1"', as_root.clone / "helpers/setup").ok()
        yield made


def broken(machine: Double, piece: tuple[str, str, str], mark: str, code: int) -> Line:
    """Break a piece, let doctor look; gives what it says of the piece."""
    script, what, words = piece
    machine.root(script, machine.site.land.user.name, machine.site.masterdir).ok()
    seen = machine.doctor()
    assert seen.result.code == code, str(seen.result)
    return seen.says(what, mark, words)


def whole(machine: Double) -> None:
    """Assert that doctor has nothing to say."""
    seen = machine.doctor()
    seen.result.ok()
    assert not {what for what, line in seen.lines.items() if line.mark != "ok"} - MAY_BE_NOTED, str(seen.result)


MAY_BE_NOTED = {"mirror", "limits"}
"""What this machine may lack, and what builds can do without."""


def test_nothing_is_wrong(machine: Double) -> None:
    # a file system that nobody else writes to, or what is free would not be twice the same
    here = 'mount -t tmpfs -o uid="$(id -u "$1")",mode=755,size=2g tmpfs "$2"'
    machine.root(here, machine.site.land.user.name, machine.site.masterdir).ok()
    whole(machine)
    seen, found = machine.doctor(), json.loads(machine.xsrc("doctor", "--json").ok().out)
    assert {one["what"]: one["found"] for one in found} == {what: line.found for what, line in seen.lines.items()}
    assert {one["good"] for one in found if one["what"] not in MAY_BE_NOTED} == {True}


@pytest.mark.parametrize("name", CAPS_PIECES)
def test_a_piece_of_the_helpers_with_capabilities(machine: Double, name: str) -> None:
    """A user namespace does as well, so it is a note; where capabilities are asked for, it is grave."""
    line = broken(machine, CAPS_PIECES[name], "note", 0)
    asked = replace(machine, site=replace_mode(machine.site, "caps"))
    seen = asked.doctor()
    assert seen.result.code == 4, str(seen.result)
    assert seen.lines[CAPS_PIECES[name][1]] == replace(line, mark="BAD")
    assert seen.lines["sandbox"].mark == "BAD"
    machine.mend(line)
    whole(machine)
    whole(asked)


def replace_mode(site: Site, mode: str) -> Site:
    """The same site in one mode of isolation."""
    other = object.__new__(Site)
    other.__dict__.update({**site.__dict__, "mode": mode})
    return other


@pytest.mark.parametrize("name", USERNS_PIECES)
def test_a_piece_of_what_a_user_namespace_needs(machine: Double, name: str) -> None:
    line = broken(machine, USERNS_PIECES[name], "note", 0)
    asked = replace(machine, site=replace_mode(machine.site, "userns"))
    seen = asked.doctor()
    assert seen.result.code == 4, str(seen.result)
    assert seen.lines[USERNS_PIECES[name][1]] == replace(line, mark="BAD")
    assert seen.lines["sandbox"].mark == "BAD"
    machine.mend(line)
    whole(machine)
    whole(asked)


@pytest.mark.parametrize("name", BOTH_PIECES)
def test_a_piece_without_which_nothing_works(machine: Double, name: str) -> None:
    line = broken(machine, BOTH_PIECES[name], "BAD", 4)
    machine.mend(line)
    whole(machine)


def test_helpers_of_another_version(machine: Double) -> None:
    """As they were before they were told who calls them."""
    older = f"""
    cp -r "{machine.site.land.clone}/helpers" /tmp/older
    sed -i 's/"-P"/"-Q"/' /tmp/older/args.c
    make -s -C /tmp/older OUT=/tmp/older/out
    install -g xbuild -m 750 /tmp/older/out/xsrc-mount {MOUNT}
    setcap cap_sys_admin,cap_net_admin=ep {MOUNT}
    """
    words = "the helpers are of another version: xsrc-mount: bad option: -P"
    line = broken(machine, (older, "sandbox", words), "BAD", 4)
    machine.mend(line)
    whole(machine)


def test_closed_folder_of_the_helpers(machine: Double) -> None:
    """Then neither those with capabilities nor the plain ones below it are to be had."""
    closed = (f"chmod 0700 {HELPERS}", "helpers' folder", f"{HELPERS} is closed to this user")
    line = broken(machine, closed, "note", 4)
    machine.doctor().says("plain helpers", "BAD", "there are none")
    machine.mend(line)
    whole(machine)


@pytest.mark.parametrize(
    ("script", "what", "words"),
    [
        (f"chmod 0755 {MOUNT}", "xsrc-mount", "has mode 0755, not 0750"),
        (f"setcap cap_sys_admin=ep {MOUNT}", "lo", "down in a build"),
        (f"setcap cap_sys_admin=ep {MOUNT}", "xsrc-mount", "carries cap_sys_admin=ep, not"),
    ],
)
def test_what_builds_can_live_with(machine: Double, script: str, what: str, words: str) -> None:
    """Also where capabilities are asked for."""
    machine = replace(machine, site=replace_mode(machine.site, "caps"))
    line = broken(machine, (script, what, words), "note", 0)
    machine.mend(line)
    whole(machine)


@pytest.mark.parametrize(
    ("room", "what", "mark", "code"),
    [
        ("size=400m", "room", "note", 0),
        ("size=308m", "room", "BAD", 4),
        ("size=2g,nr_inodes=9000", "inodes", "note", 0),
        ("size=2g,nr_inodes=6000", "inodes", "BAD", 4),
    ],
)
def test_little_room(machine: Double, room: str, what: str, mark: str, code: int) -> None:
    """What is left of a build that failed takes the room; the command that is printed gives it back."""
    count = 8000 if code else 1000  # more than there is room for, or not; the layer of the base is in the masterdir too
    files = f"i=0; while [ $i -lt {count} ] && true >$i; do i=$((i+1)); done; rm [1-6]?"
    fill = "fallocate -l 300m big" if what == "room" else files
    full = f'mount -t tmpfs -o uid="$(id -u "$1")",mode=755,{room} tmpfs "$2"'
    machine.site.script("s", do_build=f"{fill}\nfalse\n")
    machine.root(full, machine.site.land.user.name, machine.site.masterdir).ok()
    machine.xsrc("build", "s").ended(1, "s-1.0_1: build failed")
    seen = machine.doctor()
    assert seen.result.code == code, str(seen.result)
    line = seen.says(what, mark)
    before = line.found
    machine.mend(line)
    after = machine.doctor().lines[what]
    assert after != line, f"{before}\n{after}"
    if "2g" in room:
        machine.root(f'mount -o remount,nr_inodes=50000 "{machine.site.masterdir}"').ok()
    else:
        machine.root(f'mount -o remount,size=2g "{machine.site.masterdir}"').ok()
    whole(machine)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (("--no-new-privs",), "no_new_privs is set"),
        (("--bounding-set=-sys_admin",), "this process may never have CAP_SYS_ADMIN (its bounding set)"),
        (("--bounding-set=-net_admin,-sys_chroot",), "may never have CAP_NET_ADMIN, CAP_SYS_CHROOT"),
    ],
)
def test_a_process_that_may_gain_nothing(machine: Double, how: tuple[str, ...], words: str) -> None:
    """Only another process is a cure: what is told to do is to come anew."""
    asked = replace(machine, site=replace_mode(machine.site, "caps"))
    line = machine.doctor(("--init-groups", *how)).says("capabilities", "note", words)
    assert line.mend.startswith("log in anew")
    seen = asked.doctor(("--init-groups", *how))
    assert seen.result.code == 4
    seen.says("capabilities", "BAD", words)
    whole(asked)


def test_group_after_this_login(machine: Double) -> None:
    user = machine.site.land.user
    line = machine.doctor(("--clear-groups",)).says("group", "note", f"{user.name} was added to group xbuild after")
    assert line.mend.startswith("newgrp xbuild")
    command = f"{machine.site.land.python} -P -m xsrc doctor"
    later = Seen.of(machine.person("newgrp", "xbuild", how=("--clear-groups",), text=f"{command}\n"))
    assert later.lines["group"].mark == "ok", str(later.result)
    assert later.lines["sandbox"].found == "entered by capabilities"


@pytest.mark.parametrize(
    ("kind", "in_mode", "code"),
    [
        ("user", "caps", 0),
        ("user", "userns", 4),
        *((k, "caps", 4) for k in ("mnt", "pid", "ipc", "uts", "net", "cgroup")),
    ],
)
def test_a_switch_that_forbids_namespaces(machine: Double, kind: str, in_mode: str, code: int) -> None:
    """Inside a user namespace, where the switch is its own."""
    name = f"user.max_{kind}_namespaces"
    with walled(machine) as inside:
        inside = replace(inside, site=replace_mode(machine.site, in_mode))
        whole(inside)
        line = broken(
            inside, (f"sysctl -q {name}=0", name, "0: it forbids namespaces"), "BAD" if code else "note", code
        )
        assert inside.doctor().lines["sandbox"].mark == ("BAD" if code else "ok")
        inside.mend(line)
        whole(inside)


@pytest.mark.parametrize(("package", "program"), [("make", "make"), ("g++", "c++")])
def test_a_program_that_is_missing(machine: Double, package: str, program: str) -> None:
    """Without a C++ compiler all was well, until libtool's configure failed."""
    if machine.root("command -v dpkg && dpkg -S /usr/bin/$1", package).code:
        pytest.skip("packages are broken and mended through dpkg and apt")
    line = broken(machine, (f"dpkg --remove --force-depends {package}", program, f"package {package}"), "BAD", 4)
    if machine.root("cd /tmp && apt-get download -q $1", package).code:
        pytest.skip("no mirror can be reached to install it again")
    machine.mend(line)
    whole(machine)


def test_git_is_missed_by_few(machine: Double) -> None:
    machine.root("mv /usr/bin/git /usr/bin/git-elsewhere").ok()
    line = machine.doctor().lines["git"]
    assert (line.mark, "git repositories cannot be fetched" in str(line)) == ("note", True)
    machine.root("mv /usr/bin/git-elsewhere /usr/bin/git").ok()
    assert machine.doctor().lines["git"].mark == "ok"
