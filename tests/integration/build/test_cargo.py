"""The program of the style cargo: what a real cargo makes of its settings, with crates of an index and of git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.builders import style_programs

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["app"]\n',
    "app/Cargo.toml": '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2018"\n[dependencies]\ntwice = "1"\n'
    'thrice = { git = "https://example.org/thrice", branch = "a/b" }\n',
    # as cbindgen does, in the folder of the member
    "app/build.rs": "fn main() {\n"
    '    let mut cargo = std::process::Command::new(std::env::var("CARGO").unwrap());\n'
    '    let words = ["metadata", "--format-version", "1", "--offline", "--locked"];\n'
    "    assert!(cargo.args(words).output().unwrap().status.success());\n}\n",
    "app/src/main.rs": 'fn main() { println!("{} {}", thrice::thrice(twice::twice(2)), cfg!(own)) }\n',
    "vendor/twice/src/lib.rs": 'pub fn twice(x: i32) -> i32 { x.checked_mul(2).expect("small") }\n',
    "vendor/thrice/src/lib.rs": "pub fn thrice(x: i32) -> i32 { 3 * x }\n",
    **{
        f"vendor/{name}/Cargo.toml": f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2018"\n'
        for name in ("twice", "thrice")
    },
    **{f"vendor/{name}/.cargo-checksum.json": '{"files":{},"package":null}' for name in ("twice", "thrice")},
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "1.0.0"\n'
    'dependencies = [\n "thrice",\n "twice",\n]\n\n[[package]]\nname = "thrice"\nversion = "1.0.0"\n'
    f'source = "git+https://example.org/thrice?branch=a%2Fb#{"0123456789" * 4}"\n\n'
    '[[package]]\nname = "twice"\nversion = "1.0.0"\n'
    'source = "registry+https://github.com/rust-lang/crates.io-index"\n',
}
OWN = {
    "target": '[target.x86_64-unknown-linux-gnu]\nrustflags = ["--cfg", "own"]\n',
    "build": '[build]\nrustflags = ["--cfg", "own"]\n',
}


@pytest.mark.parametrize("table", OWN)
def test_crates_of_git_and_flags_beside_those_of_the_project(tmp_path: Path, table: str) -> None:
    """What once went wrong, all in one workspace.

    https://github.com/mozilla/cbindgen/issues/630, https://github.com/chimera-linux/cports/issues/2235,
    https://github.com/Kobzol/cargo-pgo/issues/56
    """
    cargo = shutil.which("cargo")
    if cargo is None or shutil.which("cc") is None:
        pytest.skip("this machine has no cargo or no cc")
    for path, text in {**FILES, ".cargo/config.toml": OWN[table]}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    env = {**os.environ, "CARGO_HOME": f"{tmp_path}/.xsrc-cargo", "CC": "cc", "LDFLAGS": "-Wl,--defsym=ours=42"}
    for words in (("sh", "-euc", style_programs()["cargo.sh"]), (cargo, "build", "--release", "--frozen")):
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        if "lock file version 4" in done.stderr or "rustup could not choose" in done.stderr:
            pytest.skip("this cargo is too old, or none")
        assert done.returncode == 0, done.stderr
    program = tmp_path / "target/release/app"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "12 true\n"
    assert f"{tmp_path}/vendor".encode() not in program.read_bytes(), "the path of the build is left out"
    assert b"ours" in subprocess.run(["nm", program], capture_output=True, check=True).stdout, "LDFLAGS are used"
