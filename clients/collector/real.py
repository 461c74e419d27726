"""A real OpenTelemetry collector with TLS, which prints what it gets."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

from harness.service import unused_address

START_SECONDS = 60
MODULE = Path(__file__).parent / "otelcol"


def build(folder: Path) -> Path:
    """The collector, built from its own modules; Go keeps what it has compiled."""
    program = folder / "otelcol"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=MODULE, check=True)
    return program


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, which is its own authority, and its key."""
    certificate, key = folder / "collector.pem", folder / "collector.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


class Collector:
    """Listens for OTLP over gRPC and over HTTP."""

    def __init__(self, program: Path, folder: Path, key: str | None = None) -> None:
        """With a key it takes only what has it in the header `api-key`."""
        self.certificate, private_key = certificate(folder)
        self.ports = {protocol: unused_address().rpartition(":")[2] for protocol in ("grpc", "http")}
        tls = {"cert_file": str(self.certificate), "key_file": str(private_key)}
        auth = {"auth": {"authenticator": "key"}} if key else {}
        protocols = {name: {"endpoint": f"localhost:{port}", "tls": tls} | auth for name, port in self.ports.items()}
        pipeline = {"receivers": ["otlp"], "exporters": ["debug"]}
        settings = folder / "collector.yaml"
        settings.write_text(
            json.dumps(
                {
                    "receivers": {"otlp": {"protocols": protocols}},
                    "exporters": {"debug": {"verbosity": "detailed"}},
                    "extensions": {"key": {"header": "api-key", "key": key}} if key else {},
                    "service": {
                        "extensions": ["key"] if key else [],
                        "pipelines": {"traces": pipeline, "metrics": pipeline},
                        "telemetry": {"metrics": {"level": "none"}},
                    },
                }
            )
        )
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [str(program), "--config", f"file:{settings}"],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("Everything is ready")

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._lines.extend(self._process.stdout)

    @property
    def printed(self) -> str:
        return "".join(self._lines)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.printed:
            assert time.monotonic() < deadline, f"{text!r} is not in\n{self.printed}"
            assert self._process.poll() is None, self.printed
            time.sleep(0.02)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
