"""`openlines serve` in front of a sandbox, with settings and tenants as an operator would write them."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from . import sandbox
from .ports import free_port
from .process import START_SECONDS, Process, run
from .sandbox import Sandbox

SERVICE = "openlines.v1.OpenLinesService"
TENANT_SERVICE = "openlines.tenants.v1.TenantService"

# Tenants. The odd ones exist so that ids at the edge of the rule lead to a portal too.
APPLICATION = "demo"
WEBHOOK = "demo-webhook"
UNREACHABLE = "nowhere"
ODD_TENANTS = ("a" * 63, "0", "a._-")


@dataclass(frozen=True)
class Key:
    """An API key and its entry for the settings."""

    key: str
    entry: str

    @classmethod
    def new(cls) -> Key:
        """A key from `openlines keys new`."""
        output = run("keys", "new", "--tenant", "*")
        key = re.search(r"^ +(b24f_\w+)$", output, re.MULTILINE)
        entry = re.search(r"^ +(\w+:[0-9a-f]{64})$", output, re.MULTILINE)
        assert key and entry, "keys new prints another form"
        return cls(key.group(1), entry.group(1))

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),)


def unused_address() -> str:
    """For somebody who names it in settings."""
    return f"127.0.0.1:{free_port()}"


ISSUER = "https://issuer.example"
AUDIENCE = "openlines"


class Issuer:
    """Signs JWTs as Kubernetes does, with RS256, through openssl."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "issuer.pem"
        self.key_set = folder / "keys.json"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self._key))
        printed = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(printed.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": _encoded(modulus), "e": "AQAB"}
        self.key_set.write_text(json.dumps({"keys": [key]}))

    def token(self, subject: str, **claims: Any) -> str:
        """A token for this subject, with claims that differ."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": [AUDIENCE], "sub": subject, "nbf": now, "exp": now + 600}
        header = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        parts = [_encoded(json.dumps(part).encode()) for part in (header, usual | claims)]
        message = ".".join(parts)
        signature = _openssl("dgst", "-sha256", "-sign", str(self._key), text=message.encode())
        return f"{message}.{_encoded(signature)}"


def _openssl(*arguments: str, text: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, check=True)
    return done.stdout


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


class Service:
    """The service with a caller for every tenant, one for the webhook tenant alone, and one that manages tenants.

    The one for the webhook tenant may also show a JWT with the subject `narrow`.
    """

    def __init__(self, portal: Sandbox, folder: Path, more: dict[str, Any] | None = None) -> None:
        """`more` are settings beside the usual ones."""
        self.key = Key.new()
        self.narrow_key = Key.new()
        self.manager_key = Key.new()
        self.issuer = Issuer(folder)
        # A settings file is YAML, and JSON is YAML.
        tenants = folder / "tenants.yaml"
        tenants.write_text(json.dumps({"tenants": _tenants(portal)}))
        keyring = folder / "keyring"
        keyring.write_text(run("keys", "new-sealing-key"))
        store = {"url": f"sqlite:{folder / 'openlines.db'}", "keyring_file": str(keyring)}
        settings = folder / "settings.yaml"
        settings.write_text(json.dumps({**self._settings(tenants), "store": store, **(more or {})}))
        self._process = Process("serve", "--config", str(settings))
        self.address = self._process.wait_for(r'"serving","address":"([^"]+)"')
        self.channel = grpc.insecure_channel(self.address)
        self._wait_until_serving()

    def _settings(self, tenants: Path) -> dict[str, Any]:
        callers = [
            {"name": "every", "tenants": ["*"], "keys": [self.key.entry]},
            {
                "name": "narrow",
                "tenants": [WEBHOOK],
                "keys": [self.narrow_key.entry],
                "tokens": [{"issuer": ISSUER, "subject": "narrow"}],
            },
            {
                "name": "manager",
                "tenants": ["*"],
                "manages_tenants": True,
                "keys": [self.manager_key.entry],
            },
        ]
        issuer = {"issuer": ISSUER, "audience": AUDIENCE, "keys_file": str(self.issuer.key_set)}
        return {
            # The deadline of a call without one is short, so that a test of it is.
            "server": {"listen": "127.0.0.1:0", "reflection": True, "default_deadline_seconds": 2},
            "auth": {"callers": callers, "issuers": [issuer]},
            "tenants": {"file": str(tenants)},
            "portals": {"dangerous_allow_insecure": True},
        }

    def _wait_until_serving(self) -> None:
        health = health_pb2_grpc.HealthStub(self.channel)
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = health.Check(request, timeout=START_SECONDS, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    @property
    def output(self) -> list[str]:
        """The lines of its log so far."""
        return self._process.output

    def terminate(self) -> None:
        """Sends SIGTERM and does not wait."""
        self._process.terminate()

    def exit_code(self) -> int:
        """Waits for the end."""
        return self._process.exit_code()

    def close(self) -> None:
        self.channel.close()
        self._process.kill()


def _tenants(portal: Sandbox) -> list[dict[str, Any]]:
    application = {"application": {"access_token": {"inline": sandbox.ACCESS_TOKEN}}}
    webhook = {"webhook": {"user_id": sandbox.OWNER, "secret": {"inline": sandbox.WEBHOOK_SECRET}}}
    return [
        {"id": WEBHOOK, "portal": portal.url, **webhook},
        {"id": UNREACHABLE, "portal": f"http://{unused_address()}", **webhook},
        *({"id": id_, "portal": portal.url, **application} for id_ in (APPLICATION, *ODD_TENANTS)),
    ]
