"""The rules of the house: linters, types, layers, purity, names, sizes, and what may stand in a tracked file."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.builders import a_package, style_programs, style_texts, tidy_text
from xsrc.build.styles.expand import parse_styles
from xsrc.build.styles.install import install_script
from xsrc.build.tidy.strip import strip_script
from xsrc.core.settings import SITES

TREE = Path(__file__).resolve().parent.parent
INSIDE = "xsrc/build/styles/programs"
"""What styles run in build roots: no part of xsrc, and free to touch the world there."""
SOURCES = sorted(
    name for path in (TREE / "xsrc").rglob("*.py") if not (name := path.relative_to(TREE).as_posix()).startswith(INSIDE)
)


def run(*argv: str) -> tuple[int, str]:
    """A program's exit code and all that it said."""
    done = subprocess.run(argv, cwd=TREE, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@cache
def tracked() -> tuple[str, ...]:
    """Every file that git knows, and that is still there."""
    if shutil.which("git") is None or not (TREE / ".git").exists():
        pytest.skip("not a git work tree")
    code, said = run("git", "-c", f"safe.directory={TREE}", "ls-files", "-z")
    assert code == 0, said
    return tuple(name for name in said.split("\0") if name and os.path.lexists(TREE / name))


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse((TREE / source).read_text(), source)


def nodes(source: str, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(parsed(source)) if isinstance(node, kinds))


def none(rows: Iterable[str]) -> None:
    """Fail with all findings, a line each, if there are any."""
    found = sorted(rows)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


# ---- linters


@pytest.mark.parametrize(
    "words", [("check", "--output-format=concise"), ("format", "--check", "--output-format=concise")]
)
def test_ruff(words: tuple[str, ...]) -> None:
    code, said = run(sys.executable, "-m", "ruff", *words, ".")
    assert code == 0, said


def test_mypy() -> None:
    code, said = run(sys.executable, "-m", "mypy", "--strict")
    assert code == 0, said


# ---- rooms

BELOW: dict[str, str] = {
    "core": "",
    "unix": "core",
    "sources": "core unix",
    "store": "core unix",
    "runs": "core unix",
    "base": "core unix sources store",
    "tree": "core unix base sources store",
    "sandbox": "core unix base store",
    "farm": "core unix base sandbox store",
    "export": "core unix base farm store",
    "repo": "core unix export sources store",
    "build": "core unix base export farm repo runs sandbox sources store tree",
    "author": "core unix sources tree",
    "bootstrap": "core unix base build export farm repo runs sandbox sources store tree",
    "commands": "core unix author base bootstrap build export farm repo runs sandbox sources store tree",
    "__main__": "core unix commands",
    "__init__": "",
}
"""What each room may import beside itself, and the package for its version (DESIGN 6)."""

MIXED = ("unix", "commands", "__main__", "__init__")
"""Rooms without inner walls. Elsewhere files at the top are pure, disk/ touches the world, acts/ tells the story."""

INNER = {"pure": {"pure"}, "disk": {"pure", "disk"}, "acts": {"pure", "disk", "acts"}}
"""What each part of a room may import of the same room and of others."""


def module(source: str) -> str:
    return source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def part(name: str) -> str:
    """What a module is in its room: pure, disk or acts."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in INNER else "pure"


def imports(source: str) -> set[str]:
    """Every module of xsrc that a file imports, wherever in it the import stands."""
    known = {module(other) for other in SOURCES}
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "xsrc"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: a relative import"
            if node.module is not None and node.module.split(".")[0] == "xsrc":
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in known else node.module for name in names}
    return found


def test_every_room_is_known() -> None:
    assert {room(module(source)) for source in SOURCES} == set(BELOW)


def test_the_arrows_make_no_circle() -> None:
    TopologicalSorter({name: set(below.split()) for name, below in BELOW.items()}).prepare()  # raises CycleError


@pytest.mark.parametrize("source", SOURCES)
def test_imports_go_downward(source: str) -> None:
    here = room(module(source))
    allowed = {here, *BELOW[here].split(), *(["__init__"] if here in MIXED else [])}
    none(sorted(name for name in imports(source) if room(name) not in allowed))


@pytest.mark.parametrize("source", [source for source in SOURCES if room(module(source)) not in MIXED])
def test_the_inner_walls_hold(source: str) -> None:
    allowed = INNER[part(module(source))]
    pure = part(module(source)) == "pure" and room(module(source)) not in MIXED
    none(
        sorted(
            name
            for name in imports(source)
            if (room(name) not in MIXED and part(name) not in allowed) or (pure and room(name) in MIXED)
        )
    )


def test_the_test_of_imports_sees_them_all() -> None:
    assert "xsrc.farm.place" in imports("xsrc/farm/acts/commit.py")
    assert "xsrc.unix.trust" in imports("xsrc/commands/start.py"), "from a package, and of a name in a module"
    everywhere = set().union(*(imports(source) for source in SOURCES))
    assert len(everywhere) > len(SOURCES) / 2


def test_every_test_is_collected() -> None:
    """pytest leaves folders of some names out by itself."""
    code, said = run(sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider", "tests")
    assert code == 0, said
    known = {name for name in tracked() if re.fullmatch(r"tests/(?:.*/)?test_\w+\.py", name)}
    none(known - {line.partition("::")[0] for line in said.splitlines()})


def test_the_readme_names_every_room_and_no_other_path() -> None:
    """The rooms, and the table of changes that a contributor may want to make."""
    text = (TREE / "README.md").read_text().partition("## Hacking")[2]
    drawn = set(re.findall(r"^    xsrc/(\w+)/ ", text, re.M))
    assert drawn == {name for name in BELOW if not name.startswith("__")}
    table = [line for line in text.splitlines() if line.startswith("| ")][1:]
    paths = {path for line in table for path in re.findall(r"`((?:xsrc|tests|templates|helpers)/[^`]*)`", line)}
    assert len(table) >= 10
    none(path for path in paths if not (TREE / path).exists())


def test_no_function_takes_the_session_to_use_one_field() -> None:
    rows = []
    for source in SOURCES:
        for node in nodes(source, ast.FunctionDef):
            assert isinstance(node, ast.FunctionDef)
            if node.name == "go" or all(arg.arg != "session" for arg in (*node.args.args, *node.args.kwonlyargs)):
                continue
            above = {below: upper for upper in ast.walk(node) for below in ast.iter_child_nodes(upper)}
            uses = [above[n] for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == "session"]
            if len({use.attr for use in uses if isinstance(use, ast.Attribute)}) < 2 and all(
                isinstance(use, ast.Attribute) for use in uses
            ):
                rows.append(f"{source}:{node.lineno}: {node.name}")
    none(row for row in rows if not row.endswith(tuple(f": {name}" for name in ONE_FIELD)))


ONE_FIELD = ("_git",)
"""Functions of a table whose others use more of the session."""


def graph() -> dict[str, set[str]]:
    return {module(source): imports(source) for source in SOURCES}


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = graph()
    TopologicalSorter({name: below - {name, "xsrc"} for name, below in known.items()}).prepare()  # raises CycleError


# ---- purity

IMPURE_MODULES = re.compile(
    r"(?:asyncio|builtins|ctypes|fcntl|getpass|glob|grp|http|importlib|io|locale|logging|multiprocessing|os|platform|"
    r"plumbum|prctl|pwd|random|resource|rich|secrets|select|shelve|shutil|signal|socket|sqlite3|ssl|subprocess|sys|"
    r"tempfile|threading|time|urllib3|uuid|xattr)(?:\..*)?"
)
IMPURE_NAMES = re.compile(r"open|print|input|exec|eval|compile|__import__|globals|breakpoint")
IMPURE_METHODS = re.compile(
    r"absolute|chmod|cwd|exists|expanduser|getenv|glob|home|is_dir|is_file|is_mount|is_symlink|iterdir|lstat|mkdir|now|"
    r"open|read_bytes|read_text|readlink|rename|resolve|rglob|rmdir|samefile|stat|symlink_to|today|touch|unlink|utcnow|"
    r"write_bytes|write_text"
)


def impurities(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"{node.lineno}: {a.name}" for a in names if IMPURE_MODULES.fullmatch(a.name))
            case ast.ImportFrom(module=str(name)) if IMPURE_MODULES.fullmatch(name):
                yield f"{node.lineno}: {name}"
            case ast.Call(func=ast.Name(id=name)) if IMPURE_NAMES.fullmatch(name):
                yield f"{node.lineno}: {name}()"
            case ast.Call(func=ast.Attribute(attr=name)) if IMPURE_METHODS.fullmatch(name):
                yield f"{node.lineno}: .{name}()"
            case ast.Global():
                yield f"{node.lineno}: global"


@pytest.mark.parametrize("source", [s for s in SOURCES if room(module(s)) not in MIXED and part(module(s)) == "pure"])
def test_pure_rooms_touch_nothing(source: str) -> None:
    none(impurities(parsed(source)))


@pytest.mark.parametrize(
    "text",
    [
        "import os.path",
        "def f():\n    from time import monotonic",
        "open('x')",
        "Path('x').read_text()",
        "print(1)",
        "datetime.now()",
        "def f():\n    global x",
    ],
)
def test_the_test_of_purity_sees_what_it_looks_for(text: str) -> None:
    assert len(list(impurities(ast.parse(text)))) == 1


DOOR = "xsrc/unix/ui.py"
"""What goes to a person passes here and is made visible. Nothing else writes to standard output or standard error."""

PAST_THE_DOOR = {
    ("xsrc/__main__.py", "sys.stdout"): "opened where it was closed",
    ("xsrc/__main__.py", "sys.stderr"): "opened where it was closed",
    ("xsrc/unix/terminal.py", "os.write"): "`xsrc chroot` and `xsrc shell` join the user to a terminal of its own",
}
HARMLESS = ("flush", "isatty", "fileno", "close")
"""What may be done with a standard stream without writing to it."""


def constants(tree: ast.Module) -> dict[str, object]:
    """Names of a module that are set once to literals, also several at a time."""
    known: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            pairs: list[tuple[ast.expr, ast.expr]] = [(target, node.value) for target in node.targets]
            for target, value in pairs:
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    pairs += zip(target.elts, value.elts, strict=False)
                elif isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                    known[target.id] = value.value
    return known


def writes_past_the_door(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every place where a module may write to standard output or standard error by itself."""
    known = constants(tree)
    above = {below: node for node in ast.walk(tree) for below in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield node.lineno, "print"
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" | "__stdout__" | "__stderr__"):
                used = above[node]
                if not (isinstance(used, ast.Attribute) and used.attr in HARMLESS):
                    yield node.lineno, f"sys.{node.attr}"
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="os"), attr="write" | "writev" | "fdopen"), args=[to, *_]
            ):
                number = known.get(to.id) if isinstance(to, ast.Name) else getattr(to, "value", None)
                if number in (1, 2) or "fileno" in ast.unparse(to):
                    yield node.lineno, f"os.{ast.unparse(node.func).removeprefix('os.')}"
            case ast.Attribute(value=ast.Name(id="traceback"), attr=name) if name.startswith("print_"):
                yield node.lineno, f"traceback.{name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="warnings"), attr="warn" | "warn_explicit")):
                yield node.lineno, "warnings.warn"
            case ast.Import(names=names) if any(name.name in ("rich", "logging") for name in names):
                yield node.lineno, "import"
            case ast.ImportFrom(module=str(name)) if name.split(".")[0] in ("rich", "logging"):
                yield node.lineno, name
            case ast.ImportFrom(module="sys" | "traceback" | "warnings"):
                yield node.lineno, f"names of {node.module}"
            case ast.Constant(value="/dev/tty" | "/dev/stdout" | "/dev/stderr"):
                yield node.lineno, str(node.value)


@pytest.mark.parametrize("source", [source for source in SOURCES if source != DOOR])
def test_whatever_a_person_sees_passes_the_user_interface(source: str) -> None:
    rows = writes_past_the_door(parsed(source))
    none(f"{source}:{line}: {what}" for line, what in rows if (source, what) not in PAST_THE_DOOR)


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "import sys\nsys.stdout.write('x')",
        "import sys\nsys.stderr.buffer.write(b'x')",
        "import sys\nout = sys.stdout",
        "import sys\nsys.__stderr__.writelines([])",
        "import os\nos.write(2, b'x')",
        "import os\nA, B = 0, 1\nos.write(B, b'x')",
        "import os\nos.write(x.fileno(), b'x')",
        "import traceback\ntraceback.print_exc()",
        "import warnings\nwarnings.warn('x')",
        "from rich import print as show",
        "from sys import stdout",
        "open('/dev/tty', 'w')",
    ],
)
def test_the_test_of_the_door_sees_what_it_looks_for(text: str) -> None:
    assert len(list(writes_past_the_door(ast.parse(text)))) == 1


def test_the_test_of_the_door_leaves_the_rest_alone() -> None:
    text = "import os, sys\nsys.stdout.flush()\nsys.stderr.isatty()\nos.write(pipe, b'x')\nfile.write(b'x')"
    assert not list(writes_past_the_door(ast.parse(text)))


PAGES = sorted((TREE / "xsrc").rglob("*.j2"))
ESCAPES_NOTHING = re.compile(
    r"\|\s*safe\b|\bautoescape\b|\bMarkup\b"  # what switches escaping off
    r"|=\s*\{[{%]"  # an attribute without quotes, that a space would end
    r"|\bon\w+\s*=|\bstyle\s*="  # a language of its own, that escaping does not know
    r"|<(?:script|style)\b[^>]*>[^<]"
)


@pytest.mark.parametrize("path", PAGES, ids=[path.name for path in PAGES])
def test_pages_are_escaped_by_their_templates(path: Path) -> None:
    markup = re.sub(r"\{#.*?#\}|\{% set .*?%\}", "", path.read_text(), flags=re.S)
    assert (hit := ESCAPES_NOTHING.search(markup)) is None, hit


@pytest.mark.parametrize(
    "text",
    [
        "{{ x|safe }}",
        "{{ x | safe }}",
        "{% autoescape false %}",
        "<a href={{ x }}>",
        "<p onclick='{{ x }}'>",
        '<p style="{{ x }}">',
        "<script>{{ x }}</script>",
    ],
)
def test_the_test_of_pages_sees_what_it_looks_for(text: str) -> None:
    assert ESCAPES_NOTHING.search(text)


def test_only_pictures_call_text_markup() -> None:
    rows = []
    for source in SOURCES:
        for node in nodes(source, ast.Call):
            assert isinstance(node, ast.Call)
            if ast.unparse(node.func).endswith("Markup") and any(not isinstance(a, ast.Constant) for a in node.args):
                rows.append(source)
    assert PAGES
    assert rows == ["xsrc/runs/svg.py"]


def test_only_the_report_pays_for_templates_of_pages() -> None:
    """Commands that write no page start without Jinja, which takes as long to import as they take to start."""
    commands = {module(source) for source in SOURCES if source.startswith("xsrc/commands/")} - {"xsrc.commands.report"}
    words = ("import importlib, sys", *(f"importlib.import_module({name!r})" for name in sorted(commands)))
    code, said = run(sys.executable, "-c", "; ".join((*words, "sys.exit('jinja2' in sys.modules)")))
    assert code == 0, said


STARTS_PROCESSES = re.compile(
    r"os\.(?:fork|forkpty|system|popen|exec\w+|spawn\w+|posix_spawn\w*)$|pty\.(?:fork|spawn)$"
)


def test_one_door_to_processes() -> None:
    rows = []
    for source in SOURCES:
        # workers are forks of xsrc itself, and its start is another start
        if source in ("xsrc/unix/process.py", "xsrc/build/disk/workers.py", "xsrc/__main__.py"):
            continue
        for node in ast.walk(parsed(source)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Attribute) and STARTS_PROCESSES.match(ast.unparse(node)):
                rows.append(f"{source}:{node.lineno}: {ast.unparse(node)}")
            for name in names:
                first = name.split(".")[0]
                plumbing = first == "plumbum" and name != "plumbum.cli" and not name.startswith("plumbum.cli.")
                if plumbing or first in ("subprocess", "multiprocessing", "asyncio") or STARTS_PROCESSES.match(name):
                    rows.append(f"{source}: imports {name}")
    none(rows)


TEXT_CALLS = re.compile(r"(?:^|\.)(?:open|fdopen|read_text|write_text|TextIOWrapper)$")
"""Calls that may read or write text."""


def texts_without_encoding(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Calls that leave the encoding of a text to the locale of the user."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if "encoding" in given:
            continue
        if given.get("text") == "True" or given.get("universal_newlines") == "True":
            yield node.lineno, ast.unparse(node)
        hit = TEXT_CALLS.search(name)
        if hit is None or name in ("os.open", "webbrowser.open"):
            continue
        if name.endswith(("read_text", "write_text", "TextIOWrapper")):
            yield node.lineno, ast.unparse(node)
        elif name in ("open", "io.open", "os.fdopen", "fdopen") or name.endswith(".open"):
            at = 0 if name.endswith(".open") and name != "io.open" else 1
            words = [given["mode"]] if "mode" in given else [ast.unparse(a) for a in node.args[at : at + 1]]
            plain = not words and name in ("open", "io.open", "os.fdopen", "fdopen")
            if plain or any(re.fullmatch(r"'[rwax+t]+'", word) for word in words):
                yield node.lineno, ast.unparse(node)


PROGRAMS = sorted(
    path.relative_to(TREE).as_posix() for top in ("xsrc", "helpers") for path in (TREE / top).rglob("*.py")
)


@pytest.mark.parametrize("source", PROGRAMS)
def test_no_text_without_its_encoding(source: str) -> None:
    """The locale of whoever builds decides about no content: https://github.com/OSInside/kiwi/issues/829"""
    none(f"{source}:{line}: {call}" for line, call in texts_without_encoding(parsed(source)))


@pytest.mark.parametrize(
    "text",
    [
        "path.read_text()",
        "path.write_text(text)",
        "open(path)",
        "open(path, 'w')",
        "path.open('r')",
        "os.fdopen(1, mode='a')",
        "subprocess.run(words, text=True)",
    ],
)
def test_the_test_of_encodings_sees_what_it_looks_for(text: str) -> None:
    assert list(texts_without_encoding(ast.parse(text)))
    assert not list(
        texts_without_encoding(ast.parse(f"{text[:-1]}{'' if text.endswith('()') else ', '}encoding='utf-8')"))
    )


def test_no_private_name_is_imported() -> None:
    """A name with a leading underscore belongs to its file."""
    rows = []
    for source in SOURCES:
        for node in nodes(source, ast.ImportFrom):
            assert isinstance(node, ast.ImportFrom)
            rows += [f"{source}:{node.lineno}: {one.name}" for one in node.names if re.match(r"_(?!_)", one.name)]
    none(rows)


def test_the_environment_and_the_clock_are_read_at_the_edge() -> None:
    """os.environ, the uid and the CPU count: once, in cli; the rest is told (DESIGN 6)."""
    rows = []
    for source in SOURCES:
        if source == "xsrc/commands/main.py" or source.startswith("xsrc/unix/") or "/disk/" in source:
            continue
        for node in nodes(source, ast.Attribute):
            assert isinstance(node, ast.Attribute)
            if re.fullmatch(
                r"os\.(?:environb?|getenv|getuid|geteuid|getlogin|cpu_count|sched_getaffinity)", ast.unparse(node)
            ):
                rows.append(f"{source}:{node.lineno}: {ast.unparse(node)}")
    none(rows)


CLOCKS = {
    "xsrc/commands/main.py": "the time of a command",
    "xsrc/build/acts/runner.py": "when a run, and each build of it, begins and ends",
    "xsrc/build/disk/workers.py": "when a worker reports",
    "xsrc/build/disk/conditions.py": "which of two clocks of a second build differs",
    "xsrc/tree/disk/index.py": "whether a template may have changed while it was read",
    "xsrc/unix/ui.py": "how long a line of the table has been running",
}
"""The files that read the time of day, and for what."""


def test_the_time_of_day_is_read_in_few_places() -> None:
    """All else gets it as an argument; time.monotonic measures durations, and pure files read no clock at all."""
    clock = re.compile(
        r"time\.(?:time|time_ns|gmtime|localtime|strftime|ctime)|(?:datetime|date)\.(?:utc)?(?:now|today)"
    )
    found = {s for s in SOURCES for node in nodes(s, ast.Attribute) if clock.fullmatch(ast.unparse(node))}
    assert found == CLOCKS.keys()


def test_the_places_of_a_masterdir_have_one_text() -> None:
    """The names of its folders are in core/layout.py and core/paths.py."""
    rows = []
    for source in set(SOURCES) - {"xsrc/core/layout.py", "xsrc/core/paths.py"}:
        prose = {id(node.value) for node in nodes(source, ast.Expr) if isinstance(node, ast.Expr)}
        for node in nodes(source, ast.Constant):
            assert isinstance(node, ast.Constant)
            text = node.value if isinstance(node.value, str) else ""
            if id(node) not in prose and re.match(r"/?pkg-(?:destdir|builddir|srcdistdir|binpkgs|base)\b", text):
                rows.append(f"{source}:{node.lineno}: {text!r}")
    none(rows)


# ---- sizes, names, words

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("source", SOURCES)
def test_no_file_is_too_long(source: str) -> None:
    assert len((TREE / source).read_text().splitlines()) <= 400


@pytest.mark.parametrize("source", SOURCES)
def test_no_function_is_too_long(source: str) -> None:
    rows = [
        f"{source}:{node.lineno}: {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in nodes(source, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, Function) and node.end_lineno and node.end_lineno - node.lineno >= 60
    ]
    none(rows)


GLOSSARY = {
    "recipe": "template",
    "recipes": "templates",
    "port": "template",
    "ports": "templates",
    "tarball": "distfile",
    "tarballs": "distfiles",
    "srcdir": "wrksrc",
    "staging": "destdir",
    "stagedir": "destdir",
    "pkgdir": "destdir",
    "sysroot": "root",
    "chroot": "root",
    "soname_lib": "shlib",
}
"""Words for which another one is used (STYLE 3.1)."""

ALLOWED_WORDS = {
    ("xsrc/commands/chroot.py", "chroot"): "the verb `xsrc chroot` is named after what people call it",
    ("xsrc/sources/disk/git.py", "port"): "that of a network",
    ("xsrc/sources/disk/web.py", "port"): "that of a network",
    ("xsrc/sources/disk/web.py", "ports"): "those of a network",
}
"""Names that the glossary gives to something else, with the reason why a file may have them."""


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    """Every name that a file makes: functions, classes, arguments, variables, fields."""
    for node in ast.walk(parsed(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def words(name: str) -> list[str]:
    """`_srcDir_of` as src, dir, srcdir, of."""
    parts = [part for part in re.split(r"_+|(?<=[a-z0-9])(?=[A-Z])", name) if part]
    return [part.lower() for part in (*parts, *("".join(pair) for pair in pairwise(parts)))]


@pytest.mark.parametrize("source", SOURCES)
def test_one_word_for_one_thing(source: str) -> None:
    rows = [
        f"{source}:{line}: {name}: say {GLOSSARY[word]}"
        for line, name in identifiers(source)
        for word in words(name)
        if word in GLOSSARY and (source, word) not in ALLOWED_WORDS
    ]
    none(rows)


def test_no_banners() -> None:
    """A file that needs headings is two files."""
    none(
        f"{source}:{number}"
        for source in SOURCES
        for number, line in enumerate(lines(source), 1)
        if re.match(r"\s*# ?[-=#*]{3}", line)
    )


def types_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The types that a module makes, with their lines: its classes and its aliases."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if re.match(r"_?[A-Z]\w*[a-z]", name):
                    yield name, node.lineno


def test_one_meaning_for_the_name_of_a_type() -> None:
    places: dict[str, list[str]] = {}
    for source in SOURCES:
        for name, line in types_of(parsed(source)):
            places.setdefault(name, []).append(f"{source}:{line}")
    places.setdefault("Path", []).append("pathlib")
    none(f"{name}: {', '.join(found)}" for name, found in places.items() if len(found) > 1)


def test_the_test_of_types_sees_aliases() -> None:
    text = "class A: ...\nBee = int\nSee: TypeAlias = int\nE_F = 1\n_Gee = Callable[[], None]\n"
    assert [name for name, _ in types_of(ast.parse(text))] == ["A", "Bee", "See", "_Gee"]


def test_words_of_a_name() -> None:
    assert words("_src_dir") == ["src", "dir", "srcdir"]
    assert "srcdir" in words("theSrcDir")
    assert "chroot" in words("chroot_root")
    assert "port" not in words("import_support")


def public(source: str) -> Iterator[tuple[Function | ast.ClassDef, str]]:
    """Public functions and classes of a module, and the public methods of its classes with the name of the class."""
    for node in parsed(source).body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node, ""
            for below in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(below, Function) and not below.name.startswith("_"):
                    yield below, node.name


@cache
def promised() -> frozenset[str]:
    """Names of methods that some class of xsrc explains or some protocol asks for: overriding one needs no words."""
    return frozenset(
        node.name
        for source in SOURCES
        for node, owner in public(source)
        if owner and (ast.get_docstring(node) or ast.unparse(node.body[-1]) == "...")
    )


@pytest.mark.parametrize("source", SOURCES)
def test_everything_public_is_explained(source: str) -> None:
    rows = []
    for node, owner in public(source):
        obvious = bool(owner) and (len(node.body) == 1 or node.name in promised())
        if not ast.get_docstring(node) and not obvious:
            rows.append(f"{source}:{node.lineno}: {owner + '.' if owner else ''}{node.name}")
    none(rows)


@pytest.mark.parametrize("source", SOURCES)
def test_every_module_says_what_it_is_for(source: str) -> None:
    assert ast.get_docstring(parsed(source))


MARKS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!.{0,20}#\d)")


def test_no_mark_without_an_issue() -> None:
    rows = []
    for name in tracked():
        if name.startswith(("xsrc/", "helpers/", "tests/", "templates/")) and not name.endswith(".patch"):
            for number, line in enumerate(lines(name), 1):
                if MARKS.search(line):
                    rows.append(f"{name}:{number}")
    none(rows)


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a tracked file; of a link, its text; of what is no text, none."""
    path = TREE / name
    if path.is_symlink():
        return (str(path.readlink()),)
    try:
        return tuple(path.read_text().split("\n"))
    except (UnicodeDecodeError, IsADirectoryError):
        return ()


# ---- shell text


@pytest.mark.parametrize("shell", ["sh", "dash", "busybox sh"])
def test_scripts_of_xsrc_are_posix_sh(shell: str) -> None:
    argv = shell.split()
    if shutil.which(argv[0]) is None:
        pytest.skip(f"no {argv[0]} on this machine")
    table = {
        "license": ["COPYING"],
        "bin": ["a b"],
        "man": ["*.1"],
        "files": {"x'y": "usr/z"},
        "rename": {"usr/a": "usr/b"},
        "symlinks": {"usr/s": "$t"},
        "remove": ["?usr/*.la"],
        "modes": {"usr/m": "4755"},
    }
    programs = [path.read_text() for path in (TREE / INSIDE).glob("*.sh")]
    assert programs
    texts = (tidy_text(), strip_script({"-g": ["it's"]}), install_script(a_package(install=table)))
    for text in (*texts, *programs):
        done = subprocess.run([*argv, "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", ["if true; then", "a() {", "echo 'x"])
def test_the_test_of_sh_sees_what_is_wrong(text: str) -> None:
    assert subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False).returncode != 0


# ---- templates

PACKAGES = {"cargo": "rust", "rustc": "rust"}
"""What gives a program that a style runs, where the package has another name."""


def test_templates_name_what_their_build_style_runs() -> None:
    styles = parse_styles(style_texts(), style_programs())
    missing = set()
    for file in (TREE / "templates").glob("*/template.toml"):
        raw = tomllib.loads(file.read_text())
        tools = {*styles[raw["build_style"]].tools} - {"make"}  # which every base has
        wanted = {PACKAGES.get(tool, tool) for tool in tools}
        missing |= {f"{file.parent.name}: {name}" for name in wanted.difference(raw.get("hostmakedepends", ()))}
    none(missing)


# ---- what is tracked

TOP = re.compile(r"pyproject\.toml|xsrc|templates|helpers|masterdir-skel|tests|README\.md|LICENSE|\..*")


def test_the_top_level_is_given() -> None:
    none({top for name in tracked() if not TOP.fullmatch(top := name.split("/")[0])})


def hosts() -> set[str]:
    """The registries that this machine uses: of apt and of pip, whatever they are here."""
    texts = [
        path.read_text(errors="replace")
        for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
        if path.is_file() and os.access(path, os.R_OK)
    ]
    texts += [value for name, value in os.environ.items() if name.startswith("PIP_") and "://" in value]
    home = Path(os.environ.get("HOME", "/nonexistent"))
    settings = configparser.RawConfigParser(strict=False)
    for file in (
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        Path(sys.prefix, "pip.conf"),
    ):
        try:
            settings.read(file)
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
    texts += [value for section in settings.sections() for _, value in settings.items(section)]
    found = {urlsplit(url).hostname for text in texts for url in re.findall(r"https?://[^\s\"']+", text)}
    own = {"localhost", "127.0.0.1", "::1", *(urlsplit(site).hostname for site in SITES.values())}
    return {host for host in found if host and host not in own}


def machine_words() -> Iterator[re.Pattern[str]]:
    """What names this machine: its registries, and the folder that the tree lies in."""
    for host in sorted(hosts()):
        yield re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-])")
    if len(TREE.parts) > 2 and TREE.parent not in (Path("/tmp"), Path("/var/tmp")):
        yield re.compile(rf"(?<![\w/]){re.escape(str(TREE))}(?![\w-])")


def test_no_registry_and_no_path_of_this_machine() -> None:
    patterns = list(machine_words())
    rows = [
        f"{name}:{number}"  # without the words themselves: they may be nobody's business
        for name in tracked()
        for number, line in enumerate(lines(name), 1)
        if any(pattern.search(line) for pattern in patterns)
    ]
    none(rows)


def test_no_file_is_unreadably_large() -> None:
    none(name for name in tracked() if (TREE / name).lstat().st_size > 1 << 20)
