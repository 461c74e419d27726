"""`openlines sandbox` over HTTPS, its public credentials, its controls, and what the tests send to it."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BINARY_UNDER_TEST", ROOT / "target/debug/openlines"))

METHOD = "imopenlines.crm.message.add"
WEBHOOK = "1/sandboxwebhook01"
# How many messages each library sends.
COUNT = 500


def message(text: str) -> dict[str, Any]:
    """Parameters that the demonstration portal accepts."""
    return {
        "CRM_ENTITY_TYPE": "lead",
        "CRM_ENTITY": 1195,
        "USER_ID": 27,
        "CHAT_ID": 1341,
        "MESSAGE": text,
    }


def texts(label: str) -> list[str]:
    """Distinct texts, with what an encoding may spoil."""
    return [f"{label} {number}: a & b = 100 % + «ёж» [0]" for number in range(COUNT)]


class Portal:
    """A running sandbox."""

    def __init__(self, certificate: Path, key: Path, *more: str) -> None:
        arguments = ["sandbox", "--listen", "127.0.0.1:0"]
        arguments += ["--certificate-file", str(certificate), "--private-key-file", str(key), *more]
        self._process = subprocess.Popen(
            [str(BINARY), *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        found = re.search(r"https://127\.0\.0\.1:(\d+)", first)
        assert found, f"the sandbox did not start: {first!r}"
        self.domain = f"localhost:{found[1]}"
        self.origin = f"https://{self.domain}"
        self.webhook = f"{self.origin}/rest/{WEBHOOK}/"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control request, which must succeed."""
        url = f"{self.origin}/sandbox/{path}"
        answer = requests.request(method, url, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        for path in ("record", "faults", "switches"):
            self.control("DELETE", path)
        limits = {"intensity": "standard", "operating_seconds_per_call": None}
        self.control("POST", "limits", limits)

    def lift_limits(self) -> None:
        """Takes any number of requests at once.

        No operating time either: fast_bitrix24 takes the accumulated `operating` for the time of one call,
        adds it up, and pauses for ten minutes when the sum of sums reaches 480 seconds.
        """
        limits = {"intensity": "none", "operating_seconds_per_call": 0}
        self.control("POST", "limits", limits)

    def entries(self) -> list[dict[str, Any]]:
        return self.control("GET", "record")["entries"]

    def delivered(self) -> Counter[str]:
        """How often each text has arrived."""
        return Counter(
            delivery["text"] for entry in self.entries() for delivery in entry["deliveries"]
        )

    def check_each_arrived_once(self, sent: list[str]) -> None:
        assert self.delivered() == Counter(sent)
        refused = [entry for entry in self.entries() if entry["error"]]
        assert not refused, refused[:3]
