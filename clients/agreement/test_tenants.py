"""Requests to the tenant service, each judged by a real protovalidate and by the server."""

from __future__ import annotations

from typing import Any

import grpc
import protovalidate
import pytest

from harness.status import failure_of
from harness.tenants import TenantClient

from . import rules
from .tenant_cases import CASES, FULL, SERVER_ONLY, TenantCase


def by_protovalidate(case: TenantCase) -> list[Any]:
    return [violation.proto for violation in protovalidate.collect_violations(case.message())]


def by_server(tenants: TenantClient, case: TenantCase) -> frozenset[str]:
    """The fields that the server finds wrong."""
    try:
        tenants.call(case.operation, case.message())
    except grpc.RpcError as error:
        failure = failure_of(error)
        if failure.reason == "ERROR_REASON_INVALID_REQUEST":
            return frozenset(failure.fields)
        judged = ("ERROR_REASON_TENANT_NOT_FOUND", "ERROR_REASON_TENANT_ALREADY_EXISTS")
        assert failure.reason in judged, f"the request was not judged: {failure}"
    return frozenset()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_find_the_same_fields_wrong(tenants: TenantClient, case: TenantCase) -> None:
    judged = {
        "protovalidate": frozenset(map(rules.path, by_protovalidate(case))),
        "server": by_server(tenants, case),
    }
    assert judged == {"protovalidate": case.expected, "server": case.expected}


@pytest.mark.parametrize("case", SERVER_ONLY, ids=lambda case: case.name)
def test_what_the_rules_cannot_say_is_refused_by_the_server(
    tenants: TenantClient, case: TenantCase
) -> None:
    assert by_protovalidate(case) == []
    assert by_server(tenants, case) == case.expected


def test_every_rule_of_the_proto_is_broken_by_some_request(tenants: TenantClient) -> None:
    declared: set[rules.Rule] = set()
    broken: set[rules.Rule] = set()
    for operation in FULL:
        declared |= rules.declared(tenants.request(operation, {}).DESCRIPTOR)
    for case in CASES:
        root = tenants.request(case.operation, {}).DESCRIPTOR
        broken.update(rules.broken(root, found) for found in by_protovalidate(case))
    assert broken == declared


def test_the_table_has_each_request_once() -> None:
    names = [case.name for case in (*CASES, *SERVER_ONLY)]
    assert len(names) == len(set(names))
