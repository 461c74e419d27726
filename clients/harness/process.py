"""Starts the binary under test and waits until it says where it listens."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 20


def binary() -> Path:
    """The program under test. Its name is no setting's: `OPENLINES_…` would be read by the program itself."""
    path = Path(os.environ.get("BINARY_UNDER_TEST", REPOSITORY / "target/debug/openlines"))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: build it first, or set BINARY_UNDER_TEST")
    return path.resolve()


def environment() -> dict[str, str]:
    """Our own environment, without settings that would change what is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPENLINES_")}


class Process:
    """A running program whose output is read to the end, so that it never waits for us."""

    def __init__(self, *arguments: str) -> None:
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [str(binary()), *arguments],
            cwd=REPOSITORY,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern: str) -> str:
        """The first group of the pattern, from the first line of output that has it."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self.kill()
                raise RuntimeError(f"no line with {pattern!r} came:\n{''.join(self.output)}")
            if found := re.search(pattern, line):
                return found.group(1)

    def terminate(self) -> None:
        """Sends SIGTERM and does not wait."""
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Waits for the end."""
        return self._process.wait(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """Ends it, whatever its state."""
        self._process.kill()
        self._process.wait(timeout=STOP_SECONDS)


def run(*arguments: str) -> str:
    """Runs a command of the program to its end and gives its output."""
    done = subprocess.run(
        [str(binary()), *arguments],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        check=True,
        text=True,
        timeout=START_SECONDS,
    )
    return done.stdout
