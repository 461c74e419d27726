"""A service in front of portals that never answer, behind a network that takes its time.

Each call has a portal of its own, because the service sends nothing more to one that does not answer.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness.process import START_SECONDS, Process, run
from harness.service import SERVICE, Key

HERE = Path(__file__).parent


def tenant(call: int) -> str:
    """The tenant of the call with this number."""
    return f"tenant-{call}"


class SilentPortals:
    """Takes connections on so many ports, and says nothing on any."""

    def __init__(self, count: int) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        # The kernel accepts connections and takes requests of this size by itself.
        self.addresses = ["127.0.0.1:%d" % l.getsockname()[1] for l in self._listeners]

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


class Scene:
    """The portals, the service and the network."""

    def __init__(self, folder: Path, calls: int, delay_ms: int) -> None:
        self._portals = SilentPortals(calls)
        self.key = Key.new()
        webhook = {"user_id": 1, "secret": {"inline": "sandboxwebhook01"}}
        addresses = enumerate(self._portals.addresses)
        tenants = [
            {"id": tenant(call), "portal": f"http://{address}", "webhook": webhook}
            for call, address in addresses
        ]
        (folder / "tenants.yaml").write_text(json.dumps({"tenants": tenants}))
        (folder / "keyring").write_text(run("keys", "new-sealing-key"))
        settings = {
            "server": {"listen": "127.0.0.1:0"},
            "auth": {"callers": [{"name": "all", "tenants": ["*"], "keys": [self.key.entry]}]},
            "tenants": {"file": str(folder / "tenants.yaml")},
            "portals": {"dangerous_allow_insecure": True},
            "store": {
                "url": f"sqlite:{folder / 'openlines.db'}",
                "keyring_file": str(folder / "keyring"),
            },
        }
        (folder / "settings.yaml").write_text(json.dumps(settings))
        self._service = Process("serve", "--config", str(folder / "settings.yaml"))
        address = self._service.wait_for(r'"serving","address":"([^"]+)"')
        _wait_until_serving(address)
        # A process of its own: nothing here may add to the delay.
        self._network = subprocess.Popen(
            [sys.executable, str(HERE / "delay.py"), address, str(delay_ms)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._network.stdout
        self.address = self._network.stdout.readline().strip()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._service.kill()
        self._network.kill()
        self._network.wait()
        self._portals.close()


def _wait_until_serving(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        health.Check(request, timeout=START_SECONDS, wait_for_ready=True)
