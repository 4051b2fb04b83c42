"""`xsrc doctor`: looks at everything that xsrc needs of a machine, and prints the command that mends what is wrong."""

from __future__ import annotations

import contextlib
import grp
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from plumbum import cli

from xsrc.effects import enter
from xsrc.effects.machine import free_bytes
from xsrc.effects.privilege import USER
from xsrc.effects.work import user_name
from xsrc.errors import XsrcError
from xsrc.model.sandbox import Sandbox
from xsrc.plan.root import layers
from xsrc.verbs.context import Context
from xsrc.verbs.verb import Verb, dumps


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    found: str
    mend: str = ""
    grave: bool = True
    """Whether builds cannot work like this."""


def findings(context: Context) -> Iterator[Finding]:
    """Everything, in the order in which it is needed."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    text = os.uname().release
    yield Finding("kernel", release >= (5, 12), text, "boot Linux 5.12 or newer")
    yield from _helpers(context)
    yield from _namespaces(context)
    yield from _programs()
    yield from _masterdir(context)
    if context.settings.sites.get("DEBIAN_SITE"):
        yield Finding("mirror", True, context.settings.sites["DEBIAN_SITE"])
    else:
        mend = "set DEBIAN_SITE under [sites] in ~/.config/xsrc/config.toml"
        yield Finding("mirror", False, "apt's sources name no Debian mirror", mend, grave=False)
    yield from _sandbox(context)


def _helpers(context: Context) -> Iterator[Finding]:
    trouble = enter.capability_trouble(enter.SYSTEM)
    mend = "run helpers/setup as root"
    if trouble and "group" in trouble:
        with contextlib.suppress(KeyError):
            member = user_name() in grp.getgrnam(USER).gr_mem
            mend = "log in again" if member else f"usermod -aG {USER} {user_name()}  # as root"
    yield Finding("capabilities", trouble is None, trouble or f"{enter.SYSTEM}", mend, grave=False)
    plain = [folder for folder in enter.plain_folders(context.host.env) if os.access(folder / "xsrc-mount", os.X_OK)]
    yield Finding(
        "plain helpers", bool(plain), str(plain[0]) if plain else "none", "run helpers/setup", grave=trouble is not None
    )


def _namespaces(context: Context) -> Iterator[Finding]:
    """The switches that forbid user namespaces; they matter where the helpers have no capabilities."""
    grave = enter.capability_trouble(enter.SYSTEM) is not None
    for name, bad, mend in (
        ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000  # as root"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1  # as root"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0  # as root",
        ),
    ):
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        yield Finding(name.replace("/", "."), value != bad, value, mend, grave=grave)


def _programs() -> Iterator[Finding]:
    for program, package in (("cc", "gcc"), ("make", "make"), ("patch", "patch"), ("tar", "tar")):
        path = shutil.which(program, path="/usr/bin:/bin")
        yield Finding(
            program, path is not None, path or "missing from /usr/bin", f"install {package}; run helpers/setup"
        )


def _masterdir(context: Context) -> Iterator[Finding]:
    root = context.masterdir.root
    here = next(path for path in (root, *root.parents) if path.exists())
    writable = os.access(here, os.W_OK | os.X_OK)
    yield Finding(
        "masterdir", writable, f"{root}" if writable else f"{here} is not writable", "choose another with -m DIR"
    )
    flags = os.statvfs(here).f_flag
    yield Finding(
        "exec", not flags & os.ST_NOEXEC, "noexec" if flags & os.ST_NOEXEC else "allowed", "choose another with -m"
    )
    free = free_bytes(here)
    yield Finding(
        "room", free > 1 << 30, f"{free >> 20} MiB free", "make room; 1 GiB is little for builds", grave=False
    )
    status = os.statvfs(here)
    few = status.f_files > 0 and status.f_favail < 10_000
    yield Finding("inodes", not few, f"{status.f_favail} free", "make room for more files", grave=False)


def _sandbox(context: Context) -> Iterator[Finding]:
    """The proof of all of it: a sandbox over the base, entered."""
    if not context.exists:
        yield Finding("sandbox", True, "not tried: there is no masterdir yet", grave=False)
        return
    said: list[bytes] = []
    sandbox = Sandbox(
        context.masterdir.root, layers(context.masterdir.root, (), context.base), {"PATH": "/usr/bin:/bin"}
    )
    try:
        code = enter.run(context.helpers, sandbox, ("/bin/sh", "-c", "test -d /proc/1 && echo ok"), said.append)
    except XsrcError as error:
        yield Finding("sandbox", False, error.message, error.hint or "run helpers/setup")
        return
    words = b"".join(said).decode(errors="replace").strip()
    yield Finding(
        "sandbox", code == 0 and words == "ok", f"entered by {context.helpers.mode}" if not code else words, ""
    )


class Doctor(Verb):
    """Look at all that xsrc needs of this machine; print what mends what is wrong"""

    json = cli.Flag(["--json"], help="print JSON")

    def go(self, context: Context) -> int:
        found = list(findings(context))
        if self.json:
            context.ui.output(dumps([asdict(finding) for finding in found]))
        else:
            width = max(len(finding.what) for finding in found)
            for finding in found:
                mark = "ok  " if finding.good else "BAD " if finding.grave else "note"
                context.ui.output(f"{mark} {finding.what:{width}}  {finding.found}")
                if not finding.good and finding.mend:
                    context.ui.output(f"     {'':{width}}  mend: {finding.mend}")
        return 0 if all(finding.good or not finding.grave for finding in found) else 4
