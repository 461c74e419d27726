"""Generates stubs into a Go module, with the options that the .proto files have."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.process import REPOSITORY

PLUGINS = ("protoc-gen-go", "protoc-gen-go-grpc")


def run(module: Path, *command: str | Path, **variables: str) -> str:
    """Runs a command in the module and gives what it prints."""
    # A plugin of a `tool` line is built on its first use, and is on no path.
    found = subprocess.run(
        command, cwd=module, env=os.environ | variables, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def generate(module: Path) -> None:
    """Writes the stubs into the module, which has a go.mod and a buf.gen.yaml."""
    buf = next(REPOSITORY.glob(".cache/buf-*/node_modules/.bin/buf"), None)
    assert buf, "buf is missing: .ci/api check installs it"
    folders = {str(Path(run(module, "go", "tool", "-n", plugin)).parent) for plugin in PLUGINS}
    run(
        module,
        buf,
        "generate",
        REPOSITORY,
        f"--path={REPOSITORY / 'proto/openlines'}",
        "--template=buf.gen.yaml",
        PATH=os.pathsep.join([*folders, os.environ["PATH"]]),
    )
