"""The simulated portal and its control interface."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from .process import Process

# The demonstration portal: crates/sandbox/src/portal/demo.rs. Its credentials are public.
OWNER = 1
WEBHOOK_SECRET = "sandboxwebhook01"
ACCESS_TOKEN = "sandbox0access0token0of0the0demo"
CONNECTOR = "myconnector"
LINE = 107
INACTIVE_LINE = 108
LEAD = 1195
CHAT = 1341
MEMBER = 27
OUTSIDER = 2
NETWORK_CODE = "ab515f5d85a8b844d484f6ea75a2e494"

EIGHT_DAYS = 8 * 24 * 3600


class Sandbox:
    """`openlines sandbox` on a free port."""

    def __init__(self) -> None:
        self._process = Process("sandbox", "--listen", "127.0.0.1:0", "--intensity", "none")
        self.url = self._process.wait_for(r"listens on (http://[^;\s]+)")

    def control(self, method: str, address: str, body: dict[str, Any] | None = None) -> Any:
        """One request to the control interface."""
        request = urllib.request.Request(
            f"{self.url}/sandbox/{address}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, name: str, **fields: Any) -> None:
        """Something goes wrong with the next request."""
        self.control("POST", "faults", {"fault": name, **fields})

    def refuse(self, code: str, times: int = 1) -> None:
        """The next requests are refused with a system error."""
        self.fault("refuse", code=code, next=times)

    def exceed_the_limit(self) -> None:
        """The portal's bucket stays full for some seconds, however often the service tries."""
        self.refuse("QUERY_LIMIT_EXCEEDED", times=10)

    def answer_error(self, code: str) -> None:
        """The next request is refused with any code, and not executed."""
        body = json.dumps({"error": code, "error_description": "Scripted"})
        self.fault(
            "scripted", status=400, content_type="application/json", body=body, executed=False
        )

    def set_token(self, state: str) -> None:
        """`valid`, `expired` or `user_not_allowed`."""
        self.control("POST", "tokens", {"token": ACCESS_TOKEN, "state": state})

    def entries(self) -> list[dict[str, Any]]:
        """Every request that reached the portal since the last reset."""
        return self.control("GET", "record")["entries"]

    def reset(self) -> None:
        """As if nothing had happened; the week of each recipient is over."""
        for address in ("faults", "message-rules", "switches", "record"):
            self.control("DELETE", address)
        self.set_token("valid")
        self.control("POST", "clock", {"advance_seconds": EIGHT_DAYS})

    def close(self) -> None:
        self._process.kill()
