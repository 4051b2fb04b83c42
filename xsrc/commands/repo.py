"""`xsrc repo`: the indexes of a folder of binary packages."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from plumbum import cli

from xsrc.commands.verb import Takes, WithPlan
from xsrc.core.errors import UsageError
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.repo.acts import publish
from xsrc.repo.acts.publish import Repository
from xsrc.tree.disk.templates import names as all_names

_WORDS = ("index", "sign", "check", "clean")
_FORM = "%Y-%m-%dT%H:%M:%SZ"


class Repo(WithPlan):
    """Keep the indexes of a folder of packages: index, sign, check or clean [DIR]; without DIR, pkg-binpkgs/"""

    takes = Takes("index|sign|check|clean [DIR]", None)
    example = "repo index"
    more = "publish"

    force = cli.Flag(["-f", "--force"], help="index: make the index anew from the files")
    key = cli.SwitchAttr(["--key"], str, argname="FILE", help="sign: a key of OpenSSH, for xsrc's own index")
    rsa_key = cli.SwitchAttr(["--rsa-key"], str, argname="FILE", help="sign: an RSA key in PEM, for xbps")
    signer = cli.SwitchAttr(["--signed-by"], str, argname="WHO", default="xsrc", help="sign: a name for xbps to show")
    days = cli.SwitchAttr(["--days"], cli.Range(1, 3650), argname="N", default=30, help="sign: for how many days")
    signers = cli.SwitchAttr(["--allowed-signers"], str, argname="FILE", help="check: who may have signed the index")

    def go(self, session: Session) -> int:
        word, *rest = self.given or ("",)
        if word not in _WORDS:
            raise UsageError(f"repo: want one of {', '.join(_WORDS)}", hint=nearest(word, _WORDS) or "xsrc repo index")
        here = session.host.cwd
        repository = Repository((here / rest[0]).resolve() if rest else session.masterdir.binpkgs, session.ui)
        match word:
            case "index":
                return publish.index(repository, [(here / path).resolve() for path in rest[1:]], force=self.force)
            case "sign":
                now = datetime.strptime(session.host.now, _FORM)
                expires = (now + timedelta(days=int(str(self.days)))).strftime(_FORM)
                key, rsa_key = (here / name if name else None for name in (self.key, self.rsa_key))
                return publish.sign(repository, key, rsa_key, str(self.signer), expires)
            case "check":
                return self.check(session, repository)
        for path in publish.clean(repository, plan_only=self.plan_only):
            session.ui.output(f"- {path.name}")
        return 0

    def check(self, session: Session, repository: Repository) -> int:
        """Print what is wrong; return the exit code."""
        allowed = Path(session.host.cwd, self.signers) if self.signers else None
        names = frozenset(all_names(session.tree))
        found = [
            line
            for arch in repository.archs()
            for line in publish.problems(repository, arch, names, session.host.now, allowed)
        ]
        for line in found:
            session.ui.output(line)
        return 1 if found else 0
