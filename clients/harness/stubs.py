"""Generates the stubs, as a client's build would."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

from .process import REPOSITORY


def generate(folder: Path) -> None:
    """Writes the stubs into the folder and makes them importable."""
    protos, third_party = REPOSITORY / "proto", REPOSITORY / "third_party"
    # google.api and google.rpc come with googleapis-common-protos; no package has the validation rules.
    files = [*protos.rglob("*.proto"), third_party / "buf/validate/validate.proto"]
    arguments = [
        "protoc",
        f"--proto_path={protos}",
        f"--proto_path={third_party}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
        *map(str, sorted(files)),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refuses the API")
    sys.path.insert(0, str(folder))
