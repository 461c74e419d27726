#!/usr/bin/env python3
"""Writes the package's code: IMAGE FOLDER. The image has the API without imports left out, as `buf build` makes it.

The rules of protovalidate are taken out: their generated code has no package on PyPI that this one could depend on, and with a copy
of its own it would not work beside another copy.
"""

import sys
from pathlib import Path

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

RULES = "buf/validate/validate.proto"


def without_rules(image: bytes) -> descriptor_pb2.FileDescriptorSet:
    # The annotations are known here, and stay. The rules are not.
    assert field_behavior_pb2.DESCRIPTOR
    described = descriptor_pb2.FileDescriptorSet.FromString(image)
    described.DiscardUnknownFields()
    for file in described.file:
        kept = [name for name in file.dependency if name != RULES]
        del file.dependency[:]
        file.dependency.extend(kept)
    return described


def main(image: Path, folder: Path) -> None:
    described = without_rules(image.read_bytes())
    reduced = folder / "api.binpb"
    reduced.write_bytes(described.SerializeToString())
    ours = [file.name for file in described.file if file.name.startswith("openlines/")]
    outs = (f"--{kind}_out={folder}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc"))
    if protoc.main(["protoc", f"--descriptor_set_in={reduced}", *outs, *ours]) != 0:
        sys.exit("protoc refuses the API")
    reduced.unlink()
    # Packages, so that a type checker finds `py.typed` at the top.
    for package in {parent for name in ours for parent in Path(name).parents if parent.name}:
        (folder / package / "__init__.py").touch()
    (folder / "openlines/py.typed").touch()


main(Path(sys.argv[1]), Path(sys.argv[2]))
