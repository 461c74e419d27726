"""Calls whose time runs out at a silent portal: the caller gets our answer, and not the bare one of its own library."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from grpc import StatusCode

from harness.calls import Client, connector_message, connector_request
from harness.sandbox import Sandbox
from harness.status import Failure

DEADLINES_SECONDS = [2.0 + 6.0 * call / 9.0 for call in range(10)]


def test_every_caller_of_a_silent_portal_gets_our_answer_before_its_deadline(
    client_apart: Client, portal_apart: Sandbox
) -> None:
    portal_apart.fault("silence_after", next=len(DEADLINES_SECONDS))

    def call(number: int) -> Failure:
        message = connector_message() | {"user": {"id": f"u{number}"}, "chat": {"id": f"c{number}"}}
        request = connector_request(message) | {"disable_batching": True}
        timeout = DEADLINES_SECONDS[number]
        return client_apart.refused("SendConnectorMessages", request, timeout=timeout)

    numbers = range(len(DEADLINES_SECONDS))
    with ThreadPoolExecutor(len(numbers)) as callers:
        for failure in callers.map(call, numbers):
            # `refused` has checked that the details are there.
            assert failure.code is StatusCode.DEADLINE_EXCEEDED, failure
            assert failure.reason == "ERROR_REASON_OUTCOME_UNKNOWN", failure
            assert failure.metadata["outcome"] == "unknown"
