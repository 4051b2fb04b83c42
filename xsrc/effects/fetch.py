"""Brings distfiles: several addresses, retries, resumes; nothing unverified is kept under its final name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from xsrc.effects.lock import locked
from xsrc.errors import ChecksumError, FetchFailed
from xsrc.model.package import Distfile

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all, where the server told."""
Say = Callable[[str], None]


def path_of(distfile: Distfile, srcdistdir: Path) -> Path:
    """Where a verified distfile is kept: by checksum and name, so that two files of one name never meet."""
    return srcdistdir / distfile.sha256[:16] / distfile.name


def present(distfile: Distfile, srcdistdir: Path) -> bool:
    """Whether a distfile is there."""
    return path_of(distfile, srcdistdir).is_file()


def verify(distfile: Distfile, path: Path) -> None:
    """Compare a file with the template's checksum; a file that differs is removed and ChecksumError raised."""
    got = _sha256(path)
    if got != distfile.sha256:
        path.unlink(missing_ok=True)
        raise ChecksumError(
            f"{distfile.name}: its sha256 is {got}, the template says {distfile.sha256}",
            hint="fetch it again; if upstream changed it on purpose, look at the file and change the template",
        )


def fetch(
    distfile: Distfile, urls: tuple[str, ...], srcdistdir: Path, say: Say, progress: Progress = lambda now, total: None
) -> Path:
    """The path of a verified distfile, downloaded from the first of `urls` that has it.

    One that is there is taken, unless its template has come to name other addresses since: then these have to give it,
    once, or be out of reach. Raises FetchFailed that names every address and its answer, ChecksumError when all that
    came was wrong.
    """
    path = path_of(distfile, srcdistdir)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = path.with_name(f".{path.name}.named")
    text = "".join(f"{url}\n" for url in distfile.url)
    with locked(path.parent / ".lock", f"fetching {distfile.name}", say):
        there = path.is_file()
        if there:
            verify(distfile, path)
            try:
                if named.read_text() == text:
                    return path
                say(f"{distfile.name}: the template names other addresses than before: asking them")
            except FileNotFoundError:  # it was put there by hand
                urls = ()
        try:
            if urls or not there:
                _download(distfile, urls, path, say, progress)
        except FetchFailed as error:
            if not there:
                raise
            say(f"{error.message}; what is there has the right sha256")
        else:
            named.write_text(text)
    return path


def _download(distfile: Distfile, urls: tuple[str, ...], path: Path, say: Say, progress: Progress) -> None:
    """Bring a distfile to `path` from the first of `urls` that has it."""
    # imported here: most builds have their distfiles, and the library costs as much as all else of a short command
    from xsrc.effects.download import TROUBLE, download, reason

    part = path.with_name(f".{path.name}.part")
    failures: list[str] = []
    mismatch: ChecksumError | None = None
    for url in urls:
        try:
            if distfile.commit:
                from xsrc.effects.git import archive  # few need it

                archive(url, distfile.commit, part)
            else:
                download(url, part, progress)
            verify(distfile, part)
        except ChecksumError as error:
            mismatch = error
            failures.append(f"  {url}: wrong sha256")
        except TROUBLE as error:
            failures.append(f"  {url}: {reason(error)}")
            if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
                raise
        else:
            os.replace(part, path)
            return
        say(failures[-1].strip())
    if mismatch is not None:
        raise ChecksumError(mismatch.message, hint=mismatch.hint, detail=failures)
    raise FetchFailed(
        f"{distfile.name}: none of {len(urls)} addresses gave it",
        detail=failures,
        hint=f"put the file there by hand: {path}",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
