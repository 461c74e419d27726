"""@bitrix24/b24jssdk, the vendor's SDK for JavaScript: its tests are in b24jssdk/ and run in Node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from portal import Portal

FOLDER = Path(__file__).resolve().parent / "b24jssdk"


def test_the_tests_of_b24jssdk_pass(portal: Portal) -> None:
    environment = {**os.environ, "PORTAL_ORIGIN": portal.origin}
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "test.mjs"],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
