"""One tree of templates with a masterdir of its own, for one test."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.kit import look, pack
from tests.e2e.kit.land import Land
from tests.e2e.kit.pack import Member
from tests.e2e.kit.people import Result, Running, User
from tests.e2e.kit.server import Act, Server


@dataclass
class Site:
    """Templates, a masterdir, distfiles on the server; every command is P's."""

    land: Land
    server: Server
    root: Path
    masterdir: Path = field(init=False)
    mode: str | None = None
    owner: User | None = None
    """Whose the tree is; P's where nobody is named."""

    def __post_init__(self) -> None:
        self.masterdir = self.root / "masterdir"
        (self.root / "templates").mkdir()
        shutil.copytree(self.land.clone / "masterdir-skel", self.root / "masterdir-skel", symlinks=True)
        self.land.own(self.root)

    # --- what it is given

    def write(self, path: str, text: str | bytes, *, executable: bool = False) -> Path:
        """A file of P's below the tree."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(0o755 if executable else 0o644)
        self.land.own(self.root / path.split("/", 1)[0], self.owner)
        return file

    def template(
        self,
        name: str,
        text: str,
        *,
        patches: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a template with what stands beside it, in place of one of the same name."""
        folder = self.root / "templates" / name
        if folder.exists():
            shutil.rmtree(folder)
        for path, content in {**{f"patches/{k}": v for k, v in (patches or {}).items()}}.items():
            self.write(f"templates/{name}/{path}", content)
        for path, content in (files or {}).items():
            self.write(f"templates/{name}/files/{path}", content, executable=content.startswith("#!"))
        return self.write(f"templates/{name}/template.toml", text)

    def serve(self, name: str, data: bytes, *acts: Act) -> str:
        """An address of `data`."""
        return self.server.serve(f"/{self.root.name}/{name}", data, *acts)

    def dist(self, name: str, members: Iterable[Member], form: str = "tar.gz", **more: object) -> str:
        """The [[distfiles]] table of an archive that the server has."""
        data = pack.packed(members, form)
        return pack.distfile(self.serve(f"{name}.{form}", data), data, **more)

    def hello(
        self,
        version: str = "1.0",
        *,
        name: str = "hello",
        top: str = "",
        tables: str = "",
        revision: int = 1,
        **files: str,
    ) -> Path:
        """A template of the small C project; `files` replaces files of the project."""
        dist = self.dist(f"{name}-{version}", pack.hello(version, name, **files))
        text = pack.template(name, version, revision=revision, top=top, tables=f"{dist}{tables}")
        return self.template(name, text)

    def script(
        self,
        name: str,
        install: str = "",
        *,
        version: str = "1.0",
        revision: int = 1,
        top: str = "",
        tables: str = "",
        scripts: Mapping[str, str] | None = None,
        **more: str,
    ) -> Path:
        """A template without sources, made of sh texts; it installs /usr/share/NAME where nothing else is said."""
        texts = {"do_build": ":\n", **(scripts or {}), **more}
        install = install or f"mkdir -p $DESTDIR/usr/share; echo {name} {version} >$DESTDIR/usr/share/{name}\n"
        texts["do_install"] = install
        if "do_check" not in texts:
            top += '\nmake_check = "no tests"'
        return self.template(
            name,
            pack.template(
                name, version, revision=revision, style="gnu-makefile", top=top, tables=tables + pack.phases(texts)
            ),
        )

    def settings(self, text: str) -> Path:
        """The settings of P's own configuration, below a home of this site; every later command reads them."""
        return self.write("home/.config/xsrc/config.toml", text)

    # --- what is done

    def start(self, *words: str | Path, **more: Any) -> Running:
        self._defaults(more)
        return self.land.start(*words, **more)

    def xsrc(self, *words: str | Path, **more: Any) -> Result:
        self._defaults(more)
        return self.land.xsrc(*words, **more)

    def _defaults(self, more: dict[str, Any]) -> None:
        more.setdefault("mode", self.mode)
        more.setdefault("cwd", self.root)
        config = self.root / "home/.config"
        own = {"XDG_CONFIG_HOME": str(config)} if config.is_dir() else {}
        more["env"] = {**own, **(more.get("env") or {})}

    def build(self, *words: str, **more: Any) -> Result:
        """`xsrc build`, which must succeed."""
        return self.xsrc("build", *words, **more).ok()

    # --- what is there

    def farm(self) -> dict[str, object]:
        """All that a command which fails must leave alone."""
        return look.farm(self.masterdir)

    def stowed_root(self) -> dict[str, object]:
        """The stowed root itself, without the destdirs and the records."""
        return {path: seen for path, seen in self.farm().items() if not path.startswith(("database", "pkg-"))}

    def destdir(self, pkgver: str = "hello-1.0_1") -> Path:
        return self.masterdir / "pkg-destdir" / pkgver

    def work(self, name: str = "hello-1.0") -> Path:
        return self.masterdir / "pkg-builddir" / name

    def log(self, phase: str, pkgver: str = "hello-1.0_1") -> str:
        """What a phase said."""
        return (self.masterdir / "var/db/xsrc/logs" / pkgver / f"{phase}.log").read_text(errors="replace")

    def distfiles(self) -> list[str]:
        """The names of files in the folder of distfiles, without locks and notes of addresses."""
        top = self.masterdir / "pkg-srcdistdir"
        return sorted(
            path.name for path in top.rglob("*") if path.is_file() and not path.name.endswith((".lock", ".named"))
        )
