"""What is asked of each library: scenes, and how their outcomes are judged by the sandbox's record."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Scene:
    """Messages to one portal, each to a chat of its own."""

    title: str
    # single: a call for each message, all at once; list: all of them given to the library, which sends batches;
    # token: single, by an application whose access token has expired.
    way: str
    count: int
    # Every so-many-th request is executed, and its answer lost.
    lost_every: int | None = None
    # The service has no lists: it makes batches of single calls, unless they forbid it.
    may_be_batched: bool = True


@dataclass
class Result:
    """What one library made of a scene."""

    scene: str
    library: str
    way: str
    count: int
    # Seconds until the last message was answered, or None if that took too long.
    seconds: float | None = None
    # Why the library was not tried.
    missing: str | None = None
    requests: int = 0
    # Requests, and commands of batches, that the portal refused.
    refused: int = 0
    answers_lost: int = 0
    refreshes: int = 0
    # Messages that the portal never executed, and those that it executed more than once.
    undelivered: int = 0
    doubled: int = 0
    # What callers were told instead of a result, and how many of those messages were delivered.
    errors: dict[str, int] | None = None
    errors_of_delivered: int = 0

    def judge(self, entries: list[dict[str, Any]], errors: dict[int, str]) -> None:
        """Compares what callers were told with the sandbox's record."""
        calls = [entry for entry in entries if not entry["grant"]]
        executed = Counter(
            int(delivery["text"].split()[0]) for entry in calls for delivery in entry["deliveries"]
        )
        commands = [command for entry in calls for command in entry["commands"] or []]
        self.requests = len(calls)
        self.refused = sum(bool(one["error"]) for one in [*calls, *commands])
        self.answers_lost = sum(bool(entry["fault"]) for entry in calls)
        self.refreshes = sum(bool(entry["grant"]) and entry["executed"] for entry in entries)
        self.undelivered = sum(executed[number] == 0 for number in range(self.count))
        self.doubled = sum(times > 1 for times in executed.values())
        self.errors = dict(Counter(errors.values()).most_common())
        self.errors_of_delivered = sum(executed[number] > 0 for number in errors)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def scenes(short: bool) -> list[Scene]:
    """All of them; the short form sends fewer messages."""
    many, few, some = (60, 55, 10) if short else (500, 100, 50)
    return [
        Scene(f"{many} messages at once, a call for each", "single", many),
        Scene(f"{many} messages, given to the library as a list", "list", many),
        Scene(f"{few} messages at once, a call for each; every fifth answer lost", "single", few, 5, False),
        Scene(f"{many} messages as a list; every third answer lost", "list", many, 3),
        Scene(f"{some} messages at once by an application whose access token has expired", "token", some),
    ]
