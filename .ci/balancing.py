"""Two instances of the service behind one name, and what an example makes of them: `.ci/examples` runs it.

The name has both addresses in a hosts file that only the example sees, as a headless Service has one address for each replica.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "clients"))

from harness.ports import free_port  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.sandbox import Sandbox  # noqa: E402

NAME = "replicas.test"
ADDRESSES = ("127.0.0.1", "127.0.0.2")
# Each instance gets at least so many of 60 calls.
SHARE, CALLS = 10, 60
PATIENCE_SECONDS = 60
# Of a call that is in progress when an instance is killed.
SLOW_MILLISECONDS = 500


class Unbalanced(Exception):
    """What did not work."""


class Replicas:
    """Both instances. `settings` gives the settings of one at an address, with a folder of its own."""

    def __init__(self, folder: Path, settings: Callable[[str, Path], dict[str, object]]) -> None:
        self.port = free_port(*ADDRESSES)
        self._files: list[Path] = []
        self._running: dict[int, Process] = {}
        for number, address in enumerate(ADDRESSES):
            own = folder / f"replica-{number}"
            own.mkdir()
            self._files.append(own / "settings.yaml")
            self._files[-1].write_text(json.dumps(settings(f"{address}:{self.port}", own)))
            self.start(number)

    def start(self, number: int) -> None:
        process = Process("serve", "--config", str(self._files[number]))
        process.wait_for(r'("serving")')
        self._running[number] = process

    def kill(self, number: int) -> None:
        """Without any warning to its clients."""
        self._running.pop(number).kill()

    def close(self) -> None:
        for number in list(self._running):
            self.kill(number)

    def calls(self, number: int) -> int:
        """How many calls an instance has answered."""
        running = self._running.get(number)
        return 0 if running is None else sum('"message":"call"' in line for line in list(running.output))


class Program:
    """An example that repeats a call until its input ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.statuses: list[str] = []
        self._told = b""
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.statuses.append(line.decode(errors="replace").strip())

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._told = self._process.stderr.read()

    def until(self, what: str, is_so: Callable[[], bool], patience: float = PATIENCE_SECONDS) -> None:
        deadline = time.monotonic() + patience
        while not is_so():
            if self._process.poll() is not None:
                told = self._told.decode(errors="replace")
                raise Unbalanced(f"{told}{self.statuses[-20:]}\nthe example has ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise Unbalanced(f"{self.statuses[-20:]}\nin vain: {what}")
            time.sleep(0.05)

    def until_calls(self, more: int) -> None:
        enough = len(self.statuses) + more
        self.until(f"{more} more calls", lambda: len(self.statuses) >= enough)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(timeout=PATIENCE_SECONDS) != 0:
            raise Unbalanced(f"the example has ended with {self._process.returncode}")


@contextmanager
def program(command: list[str], folder: Path, variables: dict[str, str]) -> Iterator[Program]:
    """A program for which the name has both addresses."""
    hosts = folder / "hosts"
    names = "".join(f"{address} {NAME}\n" for address in ADDRESSES)
    hosts.write_text(f"127.0.0.1 localhost\n{names}")
    # A mount that this program alone has.
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    process = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(hosts), *command],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Program(process)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def kill_at_work(replicas: Replicas, running: Program, portal: Sandbox) -> None:
    """Kills the first instance while it works on a call: the retry policy has to save that one."""
    portal.fault("slow_after", delay_ms=SLOW_MILLISECONDS, always=True)
    answered = replicas.calls(1)
    running.until("an answer of the second instance", lambda: replicas.calls(1) > answered)
    # They take turns, so the next call is one of the first.
    arrived = len(portal.entries())
    running.until("a request of the first instance", lambda: len(portal.entries()) > arrived)
    replicas.kill(0)
    portal.control("DELETE", "faults")


def check(replicas: Replicas, running: Program, portal: Sandbox, build_seconds: float) -> str:
    """Watches the example while an instance is lost and comes back. What is to be said of it."""
    running.until("its first call", lambda: bool(running.statuses), build_seconds)
    begun = time.monotonic()
    running.until_calls(CALLS)
    both = [replicas.calls(number) for number in range(len(ADDRESSES))]
    if min(both) < SHARE:
        raise Unbalanced(f"of the first {sum(both)} calls the instances got {both}")
    kill_at_work(replicas, running, portal)
    running.until_calls(CALLS)
    replicas.start(0)
    running.until("calls for the instance that has come back", lambda: replicas.calls(0) >= SHARE)
    running.end()
    if failed := [status for status in running.statuses if status != "OK"]:
        raise Unbalanced(f"{len(failed)} of {len(running.statuses)} calls failed: {sorted(set(failed))}")
    calls = f"{len(running.statuses)} calls in {time.monotonic() - begun:.0f} s, the first of them {both[0]} to {both[1]}"
    return f"{calls}, none failed when an instance was lost and came back"
