"""Go stubs, generated into a module of another name with the options that the .proto files have."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.go_stubs import generate, run
from harness.sandbox import Sandbox
from harness.service import WEBHOOK, Service

HERE = Path(__file__).parent


def test_generated_stubs_are_importable_in_any_module(
    service: Service, sandbox: Sandbox, tmp_path: Path
) -> None:
    for name in ("go.mod", "go.sum", "main.go", "buf.gen.yaml"):
        shutil.copy(HERE / name, tmp_path)
    generate(tmp_path)
    printed = run(
        tmp_path, "go", "run", ".", service.address, WEBHOOK, API_KEY=service.key.key
    )
    (entry,) = sandbox.entries()
    assert len(entry["deliveries"]) == 1
    message, reason = printed.splitlines()
    assert message.startswith("message ") and int(message.split()[1]) > 0
    assert reason == "reason ERROR_REASON_ADMINISTRATION_NOT_PERMITTED"


def test_calls_beside_400_that_one_context_cancels_are_answered(
    service: Service, sandbox: Sandbox, tmp_path: Path
) -> None:
    for name in ("go.mod", "go.sum", "buf.gen.yaml"):
        shutil.copy(HERE / name, tmp_path)
    shutil.copytree(HERE / "burst", tmp_path / "burst")
    # So that the module has what the other program needs.
    shutil.copy(HERE / "main.go", tmp_path)
    generate(tmp_path)
    printed = run(
        tmp_path, "go", "run", "./burst", service.address, WEBHOOK, API_KEY=service.key.key
    )
    assert printed == "beside PermissionDenied 60"
