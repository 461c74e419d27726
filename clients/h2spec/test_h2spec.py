"""h2spec, which asks a server hundreds of questions about HTTP/2, against the service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from harness.service import Service

# h2spec asks for a page of a web server, without a credential, so that each of its requests is answered at once and with headers
# only (gRPC over HTTP/2, "Trailers-Only"). What fails for that, and why it is right:
_HEADERS_ONLY = "it waits for a DATA frame, and an error of gRPC has none"
EXPECTED = {
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"): _HEADERS_ONLY,
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"): _HEADERS_ONLY,
}

# Other cases fail if a request is answered before its second frame arrives: the stream is closed then, and what comes for it is
# ignored (RFC 9113, section 5.1). They are asked again until that frame is in time.
TRIES = 30

# More streams than are allowed are never open, because each ends at once; tests/it/hostile/resets.rs reaches the limit.
NOT_REACHED = {
    ("http2/5.1.2", "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"),
}


def program() -> str:
    """Where h2spec is: on the path, or where `go install` puts it."""
    found = shutil.which("h2spec") or shutil.which("h2spec", path=Path.home() / "go/bin")
    assert found, "h2spec is missing: see .ci/run for how to install it"
    return found


def ask(service: Service, report: Path, *sections: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]], str]:
    """Asks these sections, or all. The cases that were asked, those that failed, and what h2spec printed."""
    host, port = service.address.rsplit(":", 1)
    ran = subprocess.run(
        [program(), "-h", host, "-p", port, "--timeout", "5", "--junit-report", str(report), *sections],
        capture_output=True,
        check=False,
        text=True,
    )
    asked, failed = set(), set()
    for case in ElementTree.parse(report).iter("testcase"):
        name = (case.attrib["package"], case.attrib["classname"])
        asked.add(name)
        if any(part.tag in ("error", "failure") for part in case):
            failed.add(name)
    return asked, failed, ran.stdout


def test_the_service_speaks_http_2_as_h2spec_understands_it(service: Service, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    asked, failed, printed = ask(service, report)
    assert len(asked) > 140, printed
    known = set(EXPECTED) | NOT_REACHED
    assert known <= asked, f"h2spec does not ask any more: {known - asked}"
    assert failed >= set(EXPECTED), printed
    wrong = failed - known
    for _ in range(TRIES):
        if not wrong:
            break
        asked, failed, _ = ask(service, report, min(section for section, _ in wrong))
        wrong -= asked - failed
    assert not wrong, f"in {TRIES} tries always wrong: {wrong}\n{printed}"
