"""Signs and verifies by openssl and ssh-keygen, which keep to the keys that people have."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xsrc.core.command import Command
from xsrc.core.errors import HostError, UsageError
from xsrc.unix import files
from xsrc.unix.process import capture

_PROGRAMS: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_LARGEST = 1 << 16


def _run(*words: str, text: str = "") -> str:
    """The output of a program. Raises UsageError if it refuses, HostError if it is missing."""
    done = capture(Command(words, _PROGRAMS), text)
    if done.code:
        why = next((line for line in done.err.splitlines() if line.strip()), f"exit code {done.code}")
        raise UsageError(f"{words[0]}: {why}", hint=f"try it by hand: {' '.join(words[:6])} …")
    return done.out


def public_key(key: Path, signer: str) -> dict[str, Any]:
    """What the index says of the key of a repository. Raises UsageError for a file that holds no RSA key."""
    pem = _run("openssl", "rsa", "-in", str(key), "-pubout")
    size = re.search(r"\((\d+) bit", _run("openssl", "rsa", "-in", str(key), "-text", "-noout"))
    if size is None:
        raise UsageError(f"{key}: want an RSA key in PEM", hint="openssl genrsa -out FILE 4096")
    return {
        "public-key": pem.encode(),
        "public-key-size": int(size[1]),
        "signature-by": signer,
        "signature-type": "rsa",
    }


def sign_packages(key: Path, paths: list[Path]) -> Iterator[Path]:
    """Sign each package that has no signature as new as itself; yield those that are signed. Raises UsageError."""
    for path in paths:
        signature = path.with_name(f"{path.name}.sig2")
        if signature.exists() and signature.stat().st_mtime_ns >= path.stat().st_mtime_ns:
            continue
        with tempfile.TemporaryDirectory(prefix=".sign-", dir=path.parent) as folder:
            made = Path(folder, "sig2")
            _run("openssl", "dgst", "-sha256", "-sign", str(key), "-out", str(made), str(path))
            files.replace(signature, files.read(made, _LARGEST))
        yield path


def sign(key: Path, text: bytes, namespace: str) -> bytes:
    """The signature of a text by a key of OpenSSH. Raises UsageError if ssh-keygen refuses."""
    with tempfile.TemporaryDirectory(prefix="xsrc-sign-") as folder:
        file = Path(folder, "text")
        file.write_bytes(text)
        _run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(file))
        return files.read(Path(folder, "text.sig"), _LARGEST)


def signer_of(text: bytes, signature: bytes, allowed: Path, namespace: str) -> str:
    """Who signed a text, of those that a file of allowed signers names; "" if nobody of them did. Raises HostError."""
    if not os.access(allowed, os.R_OK):
        raise HostError(f"{allowed}: no file of allowed signers", hint="ssh-keygen(1), ALLOWED SIGNERS")
    with tempfile.TemporaryDirectory(prefix="xsrc-sign-") as folder:
        file = Path(folder, "sig")
        file.write_bytes(signature)
        common = ("-f", str(allowed), "-s", str(file))
        found = capture(Command(("ssh-keygen", "-Y", "find-principals", *common), _PROGRAMS))
        for who in found.out.split() if found.code == 0 else ():
            words = ("ssh-keygen", "-Y", "verify", "-I", who, "-n", namespace, *common)
            if capture(Command(words, _PROGRAMS), text.decode()).code == 0:
                return who
    return ""
