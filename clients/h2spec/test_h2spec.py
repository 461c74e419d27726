"""h2spec, which asks a server hundreds of questions about HTTP/2, against the service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from harness.service import Service

# What fails, and why that is right. h2spec asks for a page of a web server, without a credential, so that each of its requests is
# answered at once and with headers only (gRPC over HTTP/2, "Trailers-Only").
_HEADERS_ONLY = "it waits for a DATA frame, and an error of gRPC has none"
EXPECTED = {
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"): _HEADERS_ONLY,
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"): _HEADERS_ONLY,
    (
        "http2/5.1.2",
        "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
    ): "its requests end at once, so the limit is not reached; tests/it/hostile/resets.rs reaches it",
}


def program() -> str:
    """Where h2spec is: on the path, or where `go install` puts it."""
    found = shutil.which("h2spec") or shutil.which("h2spec", path=Path.home() / "go/bin")
    assert found, "h2spec is missing: see .ci/run for how to install it"
    return found


def test_the_service_speaks_http_2_as_h2spec_understands_it(service: Service, tmp_path: Path) -> None:
    host, port = service.address.rsplit(":", 1)
    report = tmp_path / "report.xml"
    ran = subprocess.run(
        [program(), "-h", host, "-p", port, "--timeout", "5", "--junit-report", str(report)],
        capture_output=True,
        check=False,
        text=True,
    )
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert len(cases) > 140, ran.stdout
    failed = {
        (case.attrib["package"], case.attrib["classname"])
        for case in cases
        if any(part.tag in ("error", "failure") for part in case)
    }
    assert failed == set(EXPECTED), ran.stdout
