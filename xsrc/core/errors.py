"""All errors with their exit codes; every message names the expected and the found value, and the next command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xsrc.core.redact import masked, redacted
from xsrc.core.ui import counted


@dataclass(frozen=True, order=True)
class Span:
    """A place in a text file: lines and columns count from 1, `length` is in characters."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def excerpt(self) -> list[str]:
        """The line itself and carets below the place."""
        if not self.line or not self.text:
            return []
        number = f"{self.line:5d}"
        carets = "^" * max(1, min(self.length, len(self.text) - self.column + 1))
        pad = "".join("\t" if c == "\t" else " " for c in self.text[: self.column - 1])
        return [f"{number} | {masked(self.text)}", f"{' ' * len(number)} | {pad}{carets}"]


@dataclass(frozen=True)
class Diagnostic:
    """One problem of one file."""

    span: Span
    message: str
    hint: str | None = None
    severity: str = "error"

    def render(self) -> list[str]:
        """The lines that a person sees: place, message, excerpt, hint."""
        lines = [f"{self.span}: {self.severity}: {redacted(self.message)}", *self.span.excerpt()]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return lines


class XsrcError(Exception):
    """A failure that is not a bug of xsrc. `code` is the exit code of the whole command."""

    code = 1

    def __init__(self, message: str, *, hint: str | None = None, detail: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = tuple(detail)

    def render(self) -> list[str]:
        """The lines that a person sees."""
        lines = [f"error: {self.message}", *self.detail]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return lines


class NothingToDo(XsrcError):
    """A request that asks for nothing: a selection that no package matches. It is no failure."""

    code = 0

    def render(self) -> list[str]:
        return [self.message]


class UsageError(XsrcError):
    """Wrong flags or names on the command line."""

    code = 2


class InputError(XsrcError):
    """Bad input from a file; holds every diagnostic of it."""

    code = 3

    def __init__(self, diagnostics: Iterable[Diagnostic], *, hint: str | None = None) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: d.span))
        count = len(self.diagnostics)
        super().__init__(counted(count, "problem"), hint=hint)

    def render(self) -> list[str]:
        lines = [line for diagnostic in self.diagnostics for line in diagnostic.render()]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return lines


class TemplateError(InputError):
    """A template, a style or a patch list that cannot be used."""


class SettingsError(InputError):
    """A configuration file that cannot be used."""


class HostError(XsrcError):
    """The machine cannot: a helper, a namespace, a mount, the disk."""

    code = 4


class ConflictError(XsrcError):
    """A request that was refused; nothing was changed."""

    code = 5


class BuildFailed(XsrcError):
    """A phase of a package failed."""


class FetchFailed(XsrcError):
    """No address of a distfile gave it."""


class ChecksumError(XsrcError):
    """A distfile is not the one that the template names."""


class ArchiveError(XsrcError):
    """An archive that is damaged or that wants to write outside its work directory."""


class Interrupted(XsrcError):
    """The user or a signal stopped the command; `code` is 128 plus the number of the signal."""

    code = 130

    def __init__(self, message: str, *, hint: str | None = None, code: int = 130) -> None:
        super().__init__(message, hint=hint)
        self.code = code
