"""What each phase of a build sees and may touch, in both modes of isolation."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.kit import look, pack, unpack
from tests.e2e.kit.site import Site
from xsrc.core.settings import FLAGS

PHASES = ("extract", "patch", "configure", "build", "check", "install")
WRKSRC, DESTDIR = "/pkg-builddir/probe-1.0", "/pkg-destdir/probe-1.0_1"

# tries to make a file in each folder, and says what came of it
WRITE = """
try() {
	if (: >"$1/.written") 2>/tmp/why; then echo "$1: yes"; rm "$1/.written"
	else echo "$1: $(sed 's/.*: //' /tmp/why)"; fi
}
for folder in / /usr /usr/bin /usr/lib /etc /var /bin /home /root /pkg-template /pkg-template/scripts /pkg-destdir \\
	/pkg-builddir /opt /run /dev /proc /sys /tmp /dev/shm DESTDIR WRKSRC; do try $folder; done
""".replace("DESTDIR", DESTDIR).replace("WRKSRC", WRKSRC)

FACTS = """
say() { echo "$1=$2"; }
say uid "$(id -u)"; say gid "$(id -g)"; say umask "$(umask)"; say host "$(uname -n)"; say cwd "$PWD"
say net "$(sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev | tr '\\n' ' ')"
say lo "$(cat /sys/class/net/lo/operstate /sys/class/net/lo/flags | tr '\\n' ' ')"
say stdin "$(readlink /proc/self/fd/0)"; say stdout "$(readlink /proc/self/fd/1 | cut -d: -f1)"
fds=; for n in 3 4 5 6 7 8 9 11 12 13; do [ ! -e /proc/$$/fd/$n ] || fds="$fds $n"; done; say fds "$fds"
say tty "$(tty 2>&1 || :)"; say opentty "$( (: </dev/tty) 2>&1 | sed 's/.*: //')"
say pids "$(cd /proc && echo [0-9]*)"
say caps "$(sed -n 's/^Cap\\(Inh\\|Prm\\|Eff\\|Amb\\):\\t//p' /proc/self/status | tr '\\n' ' ')"
say nnp "$(sed -n 's/^NoNewPrivs:\\t//p' /proc/self/status)"
env -0 | sort -z | tr '\\0' '\\n' | sed 's/^/env:/'
"""
ODD = {
    "XSRC_ODD": "leak",
    "LD_PRELOAD": "",
    "MAKEFLAGS": "-j99",
    "CFLAGS": "-O0",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "de_DE",
}


@pytest.fixture(scope="module")
def probed(land: object) -> dict[str, Site]:
    """One build of the probe for each mode, made when it is first asked for."""
    return {}


@pytest.fixture
def probe(site_in_mode: Site, probed: dict[str, Site]) -> Site:
    """A built package whose phases have said all that they could find out."""
    mode = str(site_in_mode.mode)
    if mode not in probed:
        site = probed[mode] = site_in_mode
        dist = site.dist("probe", [pack.Member("probe-1.0/file", b"x", mtime=pack.EPOCH)])
        scripts = {f"post_{phase}": WRITE + FACTS for phase in PHASES}
        scripts |= {"do_build": ":\n", "do_check": ":\n", "do_install": f"mkdir {DESTDIR}/usr; : >{DESTDIR}/usr/file\n"}
        tables = dist + pack.phases(scripts)
        site.template("probe", pack.template("probe", style="gnu-makefile", top="make_check = true", tables=tables))
        site.build("probe", "-K", env=ODD)
    return probed[mode]


def facts(site: Site, phase: str) -> dict[str, str]:
    lines = site.log(phase, "probe-1.0_1").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("env:"))


def environment(site: Site, phase: str) -> dict[str, str]:
    lines = site.log(phase, "probe-1.0_1").splitlines()
    return dict(line[4:].split("=", 1) for line in lines if line.startswith("env:"))


@pytest.mark.parametrize("phase", PHASES)
def test_only_the_declared_places_can_be_written(probe: Site, phase: str) -> None:
    answers = dict(re.findall(r"^(/\S*): (.*)$", probe.log(phase, "probe-1.0_1"), re.MULTILINE))
    writable = {"/tmp", "/dev/shm", WRKSRC} | ({DESTDIR} if phase == "install" else set())
    assert {place for place, answer in answers.items() if answer == "yes"} == writable
    refused = {place: answer for place, answer in answers.items() if place not in writable}
    expected = dict.fromkeys(refused, "Read-only file system") | {"/proc": refused["/proc"]}
    assert refused == expected


@pytest.mark.parametrize("phase", PHASES)
def test_identity_and_isolation(probe: Site, phase: str) -> None:
    found = facts(probe, phase)
    user = probe.land.user
    assert (found["uid"], found["gid"]) == (str(user.uid), str(user.gid))
    assert (found["umask"], found["host"], found["cwd"]) == ("0022", "xsrc", WRKSRC)
    assert found["net"].split() == ["lo"]
    assert found["lo"].split() == ["unknown", "0x9"]  # IFF_UP | IFF_LOOPBACK
    assert (found["stdin"], found["stdout"]) == ("/dev/null", "pipe")
    assert found["fds"] == ""  # but for 10, where dash keeps its script
    assert found["tty"] == "not a tty"
    assert found["opentty"] in ("No such file", "No such device or address")
    assert all(int(pid) < 1000 for pid in found["pids"].split())
    assert set(found["caps"].split()) == {"0" * 16}
    assert found["nnp"] == "1"


@pytest.mark.parametrize("phase", PHASES)
def test_environment_is_made_from_nothing(probe: Site, phase: str) -> None:
    env = environment(probe, phase)
    assert not {"XSRC_ODD", "LD_PRELOAD", "MAKEFLAGS", "XSRC_ISOLATION"} & env.keys()
    triplet = env["HOST_TRIPLET"]
    expected = {
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
        "HOME": "/tmp",
        "SHELL": "/bin/sh",
        "USER": "xbuild",
        "LOGNAME": "xbuild",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "CC": "cc",
        "CXX": "c++",
        "AR": "ar",
        "STRIP": "strip",
        "BUILD_TRIPLET": triplet,
        "HOST_TRIPLET": triplet,
        "PKGNAME": "probe",
        "VERSION": "1.0",
        "REVISION": "1",
        "PKGVER": "probe-1.0_1",
        "INSTALL_STRIP": "strip",
        "LIBRARY_PATH": "/usr/bin:/usr/lib",
        "PKG_CONFIG_LIBDIR": "/usr/lib/pkgconfig:/usr/share/pkgconfig",
        "CFLAGS": FLAGS["CFLAGS"],
        "CXXFLAGS": FLAGS["CXXFLAGS"],
        "LDFLAGS": f"-L/usr/lib {FLAGS['LDFLAGS']}",
        "MAKEJOBS": str(len(os.sched_getaffinity(0))),
        "SOURCE_DATE_EPOCH": str(pack.EPOCH),
        "WRKSRC": WRKSRC,
        "FILESDIR": "/pkg-template/files",
        "PATCHESDIR": "/pkg-template/patches",
        "PWD": WRKSRC,
    }
    if phase == "install":
        expected["DESTDIR"] = DESTDIR
    assert env == expected


def test_modes_look_alike_from_inside(probed: dict[str, Site]) -> None:
    if len(probed) < 2:
        pytest.skip("only one mode of isolation can be used here")
    one, two = probed["caps"], probed["userns"]
    for phase in PHASES:
        assert environment(one, phase) == environment(two, phase)
        differing = {k for k, v in facts(one, phase).items() if facts(two, phase)[k] != v} - {"pids"}
        assert not differing, (phase, differing)


@pytest.fixture
def listening() -> Iterator[int]:
    """A TCP port of the host, and an abstract unix socket of the same number, that answer."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        port = int(tcp.getsockname()[1])
        unix.bind(f"\0xsrc-test-{port}")
        tcp.listen()
        unix.listen()
        yield port


def test_no_way_to_the_hosts_network(site_in_mode: Site, listening: int) -> None:
    """Nor to its abstract unix sockets; while lo works among the build's own processes."""
    code = f"""
import os, socket
def reach(family, address):
    with socket.socket(family) as s:
        s.settimeout(5)
        try:
            s.connect(address)
        except OSError as error:
            return error.strerror
        return "REACHED"
print("tcp", reach(socket.AF_INET, ("127.0.0.1", {listening})))
print("abstract", reach(socket.AF_UNIX, "\\0xsrc-test-{listening}"))
print("outside", reach(socket.AF_INET, ("192.0.2.1", 80)))
with socket.socket() as own:
    own.bind(("127.0.0.1", 0))
    own.listen()
    print("own", reach(socket.AF_INET, own.getsockname()))
"""
    site = site_in_mode
    unpack.tools(site, "tools", "python3")
    site.template(
        "net",
        pack.template(
            "net",
            style="gnu-makefile",
            top='make_check = "none"\nhostmakedepends = ["tools"]',
            tables=pack.phases(
                {
                    "do_build": '/usr/bin/python3 -I "$FILESDIR/net.py"\n',
                    "do_install": "mkdir -p $DESTDIR/usr/x; : >$DESTDIR/usr/x/y\n",
                }
            ),
        ),
        files={"net.py": code},
    )
    site.build("net")
    assert site.log("build", "net-1.0_1").splitlines() == [
        "tcp Connection refused",
        "abstract Connection refused",
        "outside Network is unreachable",
        "own REACHED",
    ]


def test_no_socket_of_the_host_is_in_sight(site_in_mode: Site) -> None:
    """SECURITY R21: a read-only bind does not stop a socket or a FIFO."""
    look_for = """find / -xdev \\( -type s -o -type p \\) 2>/dev/null | head -n 5
find /etc /usr /var /run /dev /tmp \\( -type s -o -type p \\) 2>/dev/null | head -n 5
"""
    site_in_mode.script("seek", do_build=look_for)
    site_in_mode.build("seek")
    assert site_in_mode.log("build", "seek-1.0_1") == ""


def test_source_date_epoch_is_the_newest_file_of_all_distfiles(site: Site) -> None:
    old = site.dist("old", [pack.Member("old/a", b"a", mtime=pack.EPOCH + 50)])
    later = pack.Member("new/", type=b"5", mtime=pack.EPOCH + 10**8)
    new = site.dist("new", [later, pack.Member("new/b", b"b", mtime=pack.EPOCH + 70)])
    site.script("two", tables=old + new, post_build="echo epoch $SOURCE_DATE_EPOCH\n")
    site.build("two")
    assert f"epoch {pack.EPOCH + 70}\n" in site.log("build", "two-1.0_1")
    assert max(status.st_mtime for _, status in look.walk(site.destdir("two-1.0_1"))) <= pack.EPOCH + 70


def test_sources_without_a_time_get_the_first_that_a_zip_can_say(site: Site) -> None:
    site.script("none", post_build="echo epoch $SOURCE_DATE_EPOCH\n")
    site.build("none")
    assert "epoch 315532800\n" in site.log("build", "none-1.0_1")
