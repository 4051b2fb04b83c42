"""R22, R23: network, ipc, host name, processes and control groups of a build are its own."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.security.kit.box import PYTHON, Box, run_as


@contextlib.contextmanager
def listeners() -> Iterator[tuple[str, int, str]]:
    """A TCP server on all addresses and an abstract socket: one of the host's addresses, port and name."""
    name = f"xsrc-security-{os.getpid()}"
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("0.0.0.0", 0))
        tcp.listen()
        abstract.bind("\0" + name)
        abstract.listen()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            address = "127.0.0.1"
            with contextlib.suppress(OSError):
                s.connect(("192.0.2.1", 9))
                address = s.getsockname()[0]
        port = tcp.getsockname()[1]
        with socket.create_connection((address, port)), socket.socket(socket.AF_UNIX) as local:
            local.connect("\0" + name)  # both answer outside
        yield address, port, name


def test_r22_no_network_of_the_host(box: Box) -> None:
    with listeners() as (address, port, name):
        found = box.probe("net", address, str(port), name, options=("-l",))
    assert found["interfaces"] == ["lo"]
    assert found["listed"] == ["lo"]
    assert found["localhost"] == "ECONNREFUSED", "lo is up, and nobody listens on it"
    assert found["abstract"] == "ECONNREFUSED"
    assert found["host"] in ("ENETUNREACH", "ECONNREFUSED")


def test_r23_namespaces_are_new(box: Box) -> None:
    found = box.probe("spaces")
    kinds = {"mnt", "pid", "ipc", "uts", "net", "cgroup"}
    same = {kind for kind, name in found["links"].items() if name == str(Path("/proc/self/ns", kind).readlink())}
    assert not same & kinds, same
    assert ("user" in same) == (box.helper.mode == "caps")
    assert found["host"] == "xsrc"
    assert os.uname().nodename != "xsrc"


def test_r23_shared_memory_of_the_caller(box: Box) -> None:
    outside: list[str | Path] = [PYTHON, "-I", "-S", box.stage.kit / "outside.py"]
    number = run_as(box.person, [*outside, "ipc"]).out.strip()
    assert int(number) >= 0
    try:
        assert box.probe("spaces")["ipc"] == {"shm": 0, "msg": 0, "sem": 0}
    finally:
        run_as(box.person, [*outside, "no_ipc", number])


def test_r23_no_foreign_process(box: Box) -> None:
    with box.running():
        assert box.probe("processes") == [1, 2]
