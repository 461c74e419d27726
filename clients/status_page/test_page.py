"""The status page in a real browser."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import sandbox as portal
from harness.calls import Client, crm_request
from harness.sandbox import Sandbox
from harness.service import WEBHOOK, Service, unused_address

from .browser import visit

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


class Admin:
    """A service with its admin port."""

    def __init__(self, portal_apart: Sandbox, folder: Path) -> None:
        self.address = unused_address()
        self.service = Service(portal_apart, folder, {"admin": {"listen": self.address}})
        self.client = Client(self.service)

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return found


@pytest.fixture
def admin(portal_apart: Sandbox, tmp_path: Path, generated: None) -> Iterator[Admin]:
    admin = Admin(portal_apart, tmp_path)
    yield admin
    admin.service.close()


def text_of(document: str) -> str:
    """The texts of the document, without its style and script."""
    document = re.sub(r"<(script|style)>.*?</\1>", "", document, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", document)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_shows_what_the_service_is_about(admin: Admin, tmp_path: Path, dark: bool) -> None:
    admin.client.call("SendCrmMessage", crm_request(), metadata=admin.service.key.metadata)
    admin.client.refused("SendCrmMessage", crm_request() | {"text": ""}, metadata=admin.service.key.metadata)
    picture = tmp_path / "page.png"
    window = ("--window-size=1200,1400", f"--screenshot={picture}")
    document, console = visit(f"http://{admin.address}/", tmp_path / "profile", "--dump-dom", *window, dark=dark)
    assert console == "", "the page breaks its own policy, or its script fails"
    text = text_of(document)
    for expected in (
        "Ready, serving",
        "127.0.0.1:",
        WEBHOOK,
        "INVALID_ARGUMENT",
        "ERROR_REASON_INVALID_REQUEST",
        "openlines.v1.OpenLinesService/SendCrmMessage",
        "works",
    ):
        assert expected in text, expected
    for secret in (portal.WEBHOOK_SECRET, portal.ACCESS_TOKEN, crm_request()["text"], "/rest/", admin.service.key.key):
        assert secret not in document
    # Every heading of a column and of a row says what it heads, and the language is set.
    assert re.search(r"<html lang=", document)
    assert not re.search(r"<th(?=[ >])(?! scope=)", document)


def test_nothing_that_is_told_becomes_markup(admin: Admin, tmp_path: Path) -> None:
    """The page as it is served, in front of a service that tells hostile texts everywhere."""
    status, page, headers = admin.get("/")
    assert status == 200
    _, told, _ = admin.get("/status")
    hostile = json.loads(told, parse_constant=str)

    def spoil(value: object) -> object:
        if isinstance(value, dict):
            return {key: spoil(found) for key, found in value.items()}
        if isinstance(value, list):
            return [spoil(found) for found in value]
        return HOSTILE if isinstance(value, str) or value is None else value

    hostile = spoil(hostile)
    hostile["portals"]["busiest"] = [
        {"host": HOSTILE, "waiting": 1, "in_flight": 0, "bucket_fill": 0.5, "breaker_open": True, "backoff_seconds": 1, "held_conversations": 2}
    ]
    hostile["last_failures"] = [{"at": HOSTILE, "operation": HOSTILE, "tenant": HOSTILE, "code": HOSTILE, "reason": HOSTILE}]
    hostile["readiness"]["dependencies"] = [
        {"name": HOSTILE, "state": HOSTILE, "required": True, "for_seconds": 1, "problem": HOSTILE}
    ]
    hostile["calls"]["by_code"] = {HOSTILE: 7}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802, the library's name
            is_page = self.path == "/"
            self.send_response(200 if self.path in ("/", "/status") else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8" if is_page else "application/json")
            self.send_header("Content-Security-Policy", headers["content-security-policy"])
            self.end_headers()
            self.wfile.write((page if is_page else json.dumps(hostile)).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    document, console = visit(f"http://127.0.0.1:{server.server_port}/", tmp_path / "profile", "--dump-dom")
    server.shutdown()
    assert console == ""
    assert "<title>openlines: status</title>" in document
    assert document.count("<script>") == 1 and "<img" not in document
    # It was shown, as text, in each place.
    assert document.count("&lt;script&gt;document.title") >= 15


def test_the_page_allows_nothing_from_elsewhere(admin: Admin) -> None:
    _, page, headers = admin.get("/")
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"):
        assert part in policy, policy
    assert "unsafe" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


@pytest.mark.parametrize("path", ["/", "/status", "/log-level"])
def test_a_name_that_was_made_to_lead_here_is_refused(admin: Admin, path: str) -> None:
    assert admin.get(path)[0] == 200
    assert admin.get(path, Host="evil.example")[0] == 421
    assert admin.get(path, **{"Sec-Fetch-Site": "cross-site"})[0] == 421
    assert admin.get("/live", Host="openlines.svc")[0] == 200


def test_the_log_becomes_finer_for_a_while(admin: Admin) -> None:
    def debug_lines() -> int:
        return sum('"level":"DEBUG"' in line for line in admin.service.output)

    assert debug_lines() == 0
    for wrong in ("bitrix24_openlines=loud", "", "info," * 300):
        assert admin.get("/log-level", "PUT", wrong)[0] == 400
    assert admin.get("/log-level?seconds=0", "PUT", "debug")[0] == 400
    assert admin.get("/log-level", "PUT", "x" * 10_000)[0] == 413
    status, told, _ = admin.get("/log-level?seconds=2", "PUT", "debug")
    assert status == 200 and json.loads(told)["filter"] == "debug"
    assert json.loads(told)["falls_back_in_seconds"] is not None
    wait_for(admin, "the filter of the log is changed")
    # It falls back by itself.
    wait_for(admin, "the filter of the log is that of the settings again")
    assert json.loads(admin.get("/log-level")[1]) == {
        "filter": "info",
        "filter_of_settings": "info",
        "falls_back_in_seconds": None,
    }
    assert admin.get("/log-level", "PUT", "error")[0] == 200
    assert json.loads(admin.get("/log-level", "DELETE")[1])["filter"] == "info"


def wait_for(admin: Admin, message: str) -> None:
    deadline = threading.Event()
    for _ in range(1200):
        if any(message in line for line in admin.service.output):
            return
        deadline.wait(0.05)
    raise AssertionError(f"{message!r} is not in the log")
