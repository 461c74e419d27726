"""The wheel and the npm package of the stubs, as `.ci/stubs` built and installed them: one program with each."""

from __future__ import annotations

import subprocess

import pytest

from harness.process import REPOSITORY, environment
from harness.sandbox import Sandbox
from harness.service import WEBHOOK, Service

CACHE = REPOSITORY / ".cache/stubs"
PROGRAMS = {
    "wheel": [str(CACHE / "user/bin/python"), str(REPOSITORY / "packaging/python/smoke/main.py")],
    "npm": ["node", str(CACHE / "npm-user/out/main.js")],
}


@pytest.mark.parametrize("package", PROGRAMS)
def test_a_program_sends_with_the_installed_stubs(
    service: Service, sandbox: Sandbox, package: str
) -> None:
    done = subprocess.run(
        [*PROGRAMS[package], service.address, WEBHOOK],
        # Nothing of the checkout is importable from here.
        cwd="/",
        env=environment() | {"API_KEY": service.key.key},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    message, reason, state = done.stdout.splitlines()
    assert message.startswith("message ") and int(message.split()[1]) > 0
    assert reason == "reason ERROR_REASON_INVALID_REQUEST"
    assert state == "state STATE_ACTIVE"
    (entry,) = sandbox.entries()
    assert len(entry["deliveries"]) == 1
