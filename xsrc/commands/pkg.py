"""`xsrc pkg` and `xsrc whence`: binary packages of what was built, and where a file or a package came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xsrc.commands.query import in_root
from xsrc.commands.verb import BUILT, Takes, WithJson, WithPlan
from xsrc.commands.words import choose_version
from xsrc.core.errors import UsageError
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.export.acts.pack import pack, package_file
from xsrc.farm.acts.rest import farm_at_rest

ENDING = ".xbps"


class Pkg(WithPlan):
    """Write binary packages of what was built, with their subpackages, for xbps: into pkg-binpkgs/"""

    takes = BUILT
    example = "pkg dash"
    more = "publish"

    def go(self, session: Session) -> int:
        names = session.names(self.given, "pkg")
        with farm_at_rest(session) as farm:
            chosen = [choose_version(session.tree, farm, name) for name in names]
            every = dict.fromkeys(one for pkgver in chosen for one in (*farm.parts(pkgver), pkgver))
            if self.plan_only:
                found = [props for pkgver in every if (props := farm.props(pkgver)) is not None]
                files = [package_file(session.masterdir, props) for props in found]
            else:
                files = pack(session, farm, every)
        for file in files:
            session.ui.output(str(file))
        return 0


class Whence(WithJson):
    """Print the template, commit and key that a stowed file or a package file came from"""

    takes = Takes("FILE…", None)
    example = "whence /usr/bin/dash"
    more = "publish"

    def go(self, session: Session) -> int:
        if not self.given:
            raise UsageError("whence: which file?", hint="xsrc whence /usr/bin/NAME, or a package file")
        rows = [row for word in self.given for row in _origins(session, word)]
        if self.json:
            session.ui.json(rows)
            return 0 if rows else 1
        for row in rows:
            session.ui.output(f"{row['path']}: {row['pkgver']}")
            for key in ("template", "commit", "key", "base"):
                session.ui.output(f"  {key:8}  {row[key] or 'not recorded'}")
        return 0 if rows else 1


def _origins(session: Session, word: str) -> Iterator[dict[str, str]]:
    """The origins of a word: of each stowed package that has the path, or of the package that the file is."""
    file = session.host.cwd / word
    if word.endswith(ENDING) and file.is_file():
        from xsrc.export.disk.read import read_props

        yield _of_package(word, read_props(file))
        return
    path = in_root(session, word)
    with farm_at_rest(session) as farm:
        found = [pkgver for pkgver, stowed in farm.owners(path) if stowed]
        for pkgver in found:
            props = farm.props(pkgver, farm.build(pkgver))
            if props is not None:
                template = PkgVer.parse(props.source).name if props.source else pkgver.name
                base = str(props.build.get("base", ""))
                origin = {"template": template, "commit": props.commit, "key": props.key, "base": base}
                yield {"path": f"/{path}", "pkgver": str(pkgver), **origin}
        if not found:
            session.ui.warn(f"/{path}: no stowed package has it")


def _of_package(word: str, props: Mapping[str, object]) -> dict[str, str]:
    """The origin that a package file records; an older or foreign one may not record all of it."""

    def text(key: str) -> str:
        value = props.get(key, "")
        return value if isinstance(value, str) else ""

    template, _, commit = text("source-revisions").partition(":")
    origin = {"template": template or text("sourcepkg").rpartition("-")[0], "commit": commit}
    return {"path": word, "pkgver": text("pkgver"), **origin, "key": text("build-key"), "base": text("build-base")}
