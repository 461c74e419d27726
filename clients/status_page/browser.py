"""A headless Chromium, Debian's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# Of the page's own clock: it polls every 2 seconds.
PAGE_MS = 5000
PATIENCE_SECONDS = 120


def program() -> str:
    found = shutil.which("chromium")
    assert found, "install Debian's package chromium"
    return found


def visit(address: str, profile: Path, *arguments: str, dark: bool = False) -> tuple[str, str]:
    """The document after its script has run, and what the browser's console has."""
    dark_mode = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(
        [program(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        + [f"--user-data-dir={profile}", f"--virtual-time-budget={PAGE_MS}", "--enable-logging=stderr"]
        + [*dark_mode, *arguments, address],
        capture_output=True,
        check=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(console)
