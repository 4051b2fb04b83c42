"""The conditions of all builds."""

from __future__ import annotations

from functools import cache

from xsrc.base.acts.choose import chosen_arch, chosen_base
from xsrc.build.job import Ground
from xsrc.build.styles.expand import Style, parse_styles
from xsrc.core.session import Session
from xsrc.unix.program import style_programs, style_texts, tidy_text


@cache
def styles() -> dict[str, Style]:
    """All build styles, read once. Raises TemplateError for a bad one."""
    return parse_styles(style_texts(), style_programs())


def ground(session: Session) -> Ground:
    """The conditions that are the same for every package of this command.

    Raises TemplateError for a bad build style, HostError, UsageError and ConflictError as `chosen_base` does.
    """
    return Ground(styles(), tidy_text(), session.settings, chosen_base(session), chosen_arch(session))
