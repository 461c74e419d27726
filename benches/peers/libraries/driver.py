"""What the drivers in Python share: the task from the environment, the messages, the report."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

TASK: dict[str, Any] = json.loads(os.environ["TASK"])
COUNT: int = TASK["count"]
METHOD = "imopenlines.crm.message.add"


def text(number: int) -> str:
    return f"{number} Your order has left our warehouse and will arrive tomorrow."


def parameters(number: int) -> dict[str, Any]:
    return {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 1195, "USER_ID": 27, "CHAT_ID": 1 + number, "MESSAGE": text(number)}


def name_of(error: BaseException) -> str:
    return type(error).__name__


class Stopwatch:
    """Runs from its creation: a driver makes it when everything is imported."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def report(self, errors: Iterable[str | None]) -> None:
        """Prints the time and what each caller was told, None for a result."""
        seconds = time.monotonic() - self._begun
        told = {number: error for number, error in enumerate(errors) if error is not None}
        json.dump({"seconds": seconds, "errors": told}, sys.stdout)
