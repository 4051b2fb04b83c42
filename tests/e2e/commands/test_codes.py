"""The exit codes: each refusal ends with the code of the table that `xsrc help output` prints."""

from __future__ import annotations

import re

import pytest

from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import package
from xsrc.commands.topics import topic
from xsrc.core import errors

REFUSED = {
    1: ["build fails", "owner /nowhere", "test fails-test"],
    2: [
        "nosuch",
        "build --nosuch tool",
        "build --to nosuch tool",
        "build",
        "build nosuch",
        "build -o nosuch tool",
        "build -o .x tool",
        "build status:odd",
        "build odd:x",
        "build needs:nosuch",
        "build tool-9_1",
        "plan x*",
        "stow nosuch",
        "stow tool@9",
        "stow @",
        "unstow other",
        "files nosuch",
        "owner",
        "show tool nosuch",
        "log tool nosuch",
        "log other",
        "hold nosuch",
        "hold --release tool",
        "alternatives nosuch",
        "alternatives nosuch=tool",
        "rollback 99",
        "rollback x",
        "remove nosuch",
        "purge other",
        "report --run 99",
        "search",
        "help nosuch",
        "gc nosuch",
        "clean --keep-distfiles",
        "clean --masterdir",
        "bootstrap",
        "bootstrap --from nosuch",
        "bootstrap --remove nosuch",
        "build --base nosuch tool",
        "test other",
        "check-deps other",
        "shell",
        "-m nowhere stow tool",
    ],
    3: ["build broken", "show broken", "build needs-nothing"],
    4: ["-m templates build tool"],
    5: ["build twin", "unstow lib", "remove tool", "-m templates clean --masterdir --force", "unstow held"],
}


def test_each_refusal_has_its_code(site: Site) -> None:
    """No such base ended with 4, an unknown option in the settings with 2."""
    package(site, "lib", {"usr/share/lib": "lib"})
    package(site, "tool", {"usr/share/tool": "tool"}, top='depends = ["lib"]')
    package(site, "twin", {"usr/share/tool": "another"})
    package(site, "held", {"usr/share/held": "held"})
    site.script("fails-test", top='test = "false"')
    site.script("fails", do_build="false\n")
    site.script("other")
    site.template("broken", "name = 1\n")
    site.script("needs-nothing", top='depends = ["nosuch"]')
    site.build("tool", "held", "fails-test")
    site.xsrc("hold", "held").ok()
    wrong = []
    for code, commands in REFUSED.items():
        for command in commands:
            result = site.xsrc(*command.split())
            if result.code != code or "Traceback" in result.err:
                wrong.append(f"want {code}: {result}")
    assert not wrong, "\n".join(wrong)

    site.xsrc("build", "--no-stow", "twin").ok()
    site.xsrc("stow", "twin").ended(5, "refused, nothing was changed")
    site.xsrc("chroot", "true", mode="odd").ended(2)
    for command, code in (("exit 7", 7), ("exit 70", 70), ("kill -9 $$", 137)):
        assert site.xsrc("chroot", "sh", "-c", command).code == code
    assert site.xsrc("chroot", "nosuch-command").code == 127
    site.settings("jobs = 0\n")
    site.xsrc("list").ended(3)


def test_every_code_is_in_the_table() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", topic("output"), re.M)}
    known = {one.code for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.XsrcError)}
    assert known | {70} == listed
    assert {"125", "126", "127", "128"} <= set(re.findall(r"\d+", topic("output")))


@pytest.mark.parametrize("code", REFUSED)
def test_the_table_of_refusals_covers_each_code(code: int) -> None:
    assert REFUSED[code]
