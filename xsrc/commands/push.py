"""`xsrc push`: builds for others, in a cache by key."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from plumbum import cli

from xsrc.build.acts.push import push
from xsrc.commands.verb import SOME_NAMES, WithBase
from xsrc.commands.words import names_in_tree
from xsrc.core.errors import UsageError
from xsrc.core.session import Session


class Push(WithBase):
    """Share builds with others: write them to a cache, DIR, that `caches` of their settings name; without NAME, all"""

    takes = SOME_NAMES
    example = "push --to /srv/cache dash"
    more = "publish"

    to = cli.SwitchAttr(["--to"], str, argname="DIR", help="the folder of the cache, or its file:// address")
    key = cli.SwitchAttr(["--key"], str, argname="FILE", help="sign with this key of OpenSSH")

    def go(self, session: Session) -> int:
        here = session.host.cwd
        names = names_in_tree(session, self.given, "push") if self.given else ()
        return push(session, names, here / _folder(self), here / str(self.key) if self.key else None)


def _folder(verb: Push) -> str:
    """The folder that --to means. Raises UsageError."""
    if not verb.to:
        raise UsageError("push: to which cache?", hint="xsrc push --to DIR")
    place = urlsplit(str(verb.to))
    if not place.scheme:
        return str(verb.to)
    if place.scheme != "file" or place.netloc or not place.path:
        raise UsageError(f"push --to: want a folder or file:///FOLDER, got {verb.to!r}", hint="xsrc push --to DIR")
    return unquote(place.path)
