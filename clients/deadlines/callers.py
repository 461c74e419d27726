"""The programs that call, each with the gRPC library of another language."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

from harness.go_stubs import generate
from harness.process import REPOSITORY, environment

from .scene import Scene, tenant

HERE = Path(__file__).parent
GO = REPOSITORY / "clients/go"
# Packages of other languages, kept between runs.
CACHE = REPOSITORY / ".cache/deadlines"


@dataclass(frozen=True)
class Caller:
    """A program that takes an address, a deadline, a number of calls and the pause between two, in milliseconds."""

    name: str
    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)

    def share(self, scene: Scene, deadline_ms: int, calls: int, gap_ms: int) -> float:
        """The share of calls that got our details and not the bare status of the library."""
        arguments = [scene.address, *map(str, (deadline_ms, calls, gap_ms))]
        variables = environment() | self.variables | {"API_KEY": scene.key.key}
        found = subprocess.run(
            [*self.command, *arguments], env=variables, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        counted = json.loads(found.stdout)
        assert counted["ours"] + counted["bare"] == calls, counted
        return counted["ours"] / calls


def callers(folder: Path, stubs: Path, calls: int) -> list[Caller]:
    """All of them, built for so many calls at most."""
    return [
        Caller("grpcio", [sys.executable, str(HERE / "grpcio_caller.py")], {"STUBS": str(stubs)}),
        _go(folder / "go"),
        _java(folder, calls),
        _node(folder),
    ]


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _go(module: Path) -> Caller:
    shutil.copytree(GO, module, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    generate(module)
    program = module / "caller"
    subprocess.run(["go", "build", "-o", program, "./deadlines"], cwd=module, check=True)
    return Caller("grpc-go", [str(program)])


def _java(folder: Path, calls: int) -> Caller:
    from openlines.v1 import crm_message_pb2

    libraries = CACHE / "java"
    pom = HERE / "java/pom.xml"
    if not (libraries / "pom.xml").is_file() or (libraries / "pom.xml").read_text() != pom.read_text():
        shutil.rmtree(libraries, ignore_errors=True)
        copy = f"-DoutputDirectory={libraries}"
        _run("mvn", "--quiet", "--batch-mode", f"--file={pom}", "dependency:copy-dependencies", copy)
        shutil.copy(pom, libraries)
    classes = folder / "java"
    _run("javac", "-cp", f"{libraries}/*", "-d", classes, HERE / "java/Caller.java")

    def encoded(tenant_id: str) -> str:
        request = crm_message_pb2.SendCrmMessageRequest(
            tenant_id=tenant_id,
            crm_entity_type=1,
            crm_entity_id=1195,
            user_id=27,
            portal_chat_id=1341,
            text="text",
        )
        return base64.b64encode(request.SerializeToString()).decode()

    requests = folder / "requests"
    tenants = ["nobody", *(tenant(call) for call in range(calls))]
    requests.write_text("\n".join(map(encoded, tenants)))
    path = os.pathsep.join([str(classes), f"{libraries}/*"])
    return Caller("grpc-java", ["java", "-cp", path, "Caller"], {"REQUESTS": str(requests)})


def _node(folder: Path) -> Caller:
    packages = HERE / "node"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run("npm", "ci", f"--prefix={packages}", *quiet)
    descriptors = folder / "descriptors.binpb"
    arguments = [
        "protoc",
        f"--proto_path={REPOSITORY / 'proto'}",
        f"--proto_path={REPOSITORY / 'third_party'}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        "--include_imports",
        f"--descriptor_set_out={descriptors}",
        "openlines/v1/open_lines_service.proto",
        "google/rpc/error_details.proto",
    ]
    assert protoc.main(arguments) == 0
    command = ["node", str(packages / "caller.mjs")]
    return Caller("connect-node", command, {"DESCRIPTORS": str(descriptors)})
