"""Reads settings: the user's own file, then that of the checkout, each only if nobody else could have written it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xsrc.core.errors import Diagnostic, SettingsError, Span
from xsrc.core.layout import Tree
from xsrc.core.settings import Settings
from xsrc.core.trust import Trust
from xsrc.unix import trust


@dataclass(frozen=True)
class Own:
    """The user's own settings as they are on disk."""

    path: Path
    text: str = ""

    @property
    def safe(self) -> tuple[str, ...]:
        """The directories that they vouch for. Raises SettingsError."""
        return Settings().over(str(self.path), self.text).safe_directories


def own_settings(env: Mapping[str, str], believed: Trust, warn: Callable[[str], None]) -> Own:
    """Read the user's own settings. Raises HostError where somebody else could have written them, SettingsError."""
    home = Path(env.get("HOME", "/nonexistent"))
    path = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "xsrc/config.toml"
    return Own(path, _text("your settings", path, believed, warn, follow=True))


def read_settings(own: Own, tree: Tree, believed: Trust, warn: Callable[[str], None]) -> Settings:
    """Defaults, the checkout's settings, the user's. Raises HostError or SettingsError."""
    settings = Settings()
    text = _text("the settings of the checkout", tree.settings, believed, warn)
    settings = settings.over(str(tree.settings), text, str(own.path)) if text else settings
    return settings.over(str(own.path), own.text) if own.text else settings


def _text(what: str, path: Path, believed: Trust, warn: Callable[[str], None], *, follow: bool = False) -> str:
    try:
        return trust.read(what, path, believed, follow=follow).decode()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except PermissionError as error:
        warn(f"{path}: {error.strerror}: its settings are not in force")
        return ""
    except UnicodeDecodeError as error:
        problem = Diagnostic(Span(str(path)), f"not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}")
        raise SettingsError([problem]) from error
