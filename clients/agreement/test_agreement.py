"""A table of requests, each judged by a real protovalidate and by the server with its default settings."""

from __future__ import annotations

from typing import Any

import grpc
import protovalidate
import pytest

from harness.calls import Client
from harness.sandbox import Sandbox
from harness.status import failure_of

from . import rules
from .cases import CASES, FULL, Case
from .server_only import AT_THE_LIMIT, OUT_OF_REACH, SERVER_ONLY


# A request with a valid idempotency key has passed, too: several requests of the table share one.
KEY_REUSED = "ERROR_REASON_REQUEST_ID_REUSED"


@pytest.fixture(scope="module", autouse=True)
def _fresh(shared_sandbox: Sandbox) -> None:
    shared_sandbox.reset()


def by_protovalidate(case: Case) -> list[Any]:
    return [violation.proto for violation in protovalidate.collect_violations(case.message())]


def by_server(client: Client, case: Case) -> frozenset[str]:
    """The fields that the server finds wrong. What Bitrix24 has to say of a request that passed is not asked."""
    try:
        client.call(case.operation, case.message())
    except grpc.RpcError as error:
        failure = failure_of(error)
        if failure.reason == "ERROR_REASON_INVALID_REQUEST":
            return frozenset(failure.fields)
        passed = (
            failure.metadata["errorSource"] == "bitrix24"
            and failure.code is not grpc.StatusCode.UNAVAILABLE
        ) or failure.reason == KEY_REUSED
        assert passed, f"the request was not judged: {failure}"
    return frozenset()


@pytest.mark.parametrize("case", [*CASES, *AT_THE_LIMIT], ids=lambda case: case.name)
def test_both_find_the_same_fields_wrong(client: Client, case: Case) -> None:
    judged = {
        "protovalidate": frozenset(map(rules.path, by_protovalidate(case))),
        "server": by_server(client, case),
    }
    assert judged == {"protovalidate": case.expected, "server": case.expected}


@pytest.mark.parametrize("case", SERVER_ONLY, ids=lambda case: case.name)
def test_what_the_rules_cannot_say_is_refused_by_the_server(client: Client, case: Case) -> None:
    assert by_protovalidate(case) == []
    assert by_server(client, case) == case.expected


def test_every_rule_of_the_proto_is_broken_by_some_request(client: Client) -> None:
    declared: set[rules.Rule] = set()
    broken: set[rules.Rule] = set()
    for operation in FULL:
        declared |= rules.declared(client.request(operation, {}).DESCRIPTOR)
    for case in CASES:
        root = client.request(case.operation, {}).DESCRIPTOR
        broken.update(rules.broken(root, found) for found in by_protovalidate(case))

    in_reach = {rule for rule in declared if rule.message not in OUT_OF_REACH}
    assert broken == in_reach


def test_the_table_has_each_request_once() -> None:
    names = [case.name for case in (*CASES, *AT_THE_LIMIT, *SERVER_ONLY)]
    assert len(names) == len(set(names))
