"""Requests to the tenant service on both sides of every rule, each with the fields that break one."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.calls import Json
from harness.tenants import TenantClient

from .cases import change

CREATE, UPDATE, LIST = "CreateTenant", "UpdateTenant", "ListTenants"
NAMED = ("GetTenant", "DisableTenant", "EnableTenant", "DeleteTenant", "VerifyTenant")
SECRET = 4096

WEBHOOK: Json = {"user_id": 1, "secret": "abc123"}
APPLICATION: Json = {
    "client_id": "local.5a6d0b0c8e1f27.10000001",
    "client_secret": "s",
    "access_token": "a",
    "refresh_token": "r",
}
FULL: dict[str, Json] = {
    CREATE: {"tenant_id": "agreement", "tenant": {"portal": "a.bitrix24.com", "webhook": WEBHOOK}},
    UPDATE: {"tenant": {"name": "tenants/no-such-tenant", "display_name": "x"}},
    LIST: {},
    **{operation: {"name": "tenants/no-such-tenant"} for operation in NAMED},
}


@dataclass(frozen=True)
class TenantCase:
    """A request and what is wrong with it."""

    name: str
    operation: str
    request: Json
    expected: frozenset[str]

    def message(self) -> Any:
        """The request as a message."""
        return TenantClient.request(self.operation, self.request)


def case(what: str, operation: str, changes: Json, *expected: str) -> TenantCase:
    request = copy.deepcopy(FULL[operation])
    for path, value in changes.items():
        change(request, path, value)
    return TenantCase(f"{operation}: {what}", operation, request, frozenset(expected))


def ids() -> Iterable[TenantCase]:
    for what, value in {"longest": "a" * 63, "odd": "0._-"}.items():
        yield case(f"an id that is {what}", CREATE, {"tenant_id": value})
        for operation in NAMED:
            yield case(f"a name that is {what}", operation, {"name": f"tenants/{value}"})
    for what, value in {
        "missing": "",
        "too long": "a" * 64,
        "in capitals": "Demo",
        "odd at the start": "-demo",
        "with a line end": "demo\n",
    }.items():
        yield case(f"an id that is {what}", CREATE, {"tenant_id": value}, "tenant_id")
        for operation in NAMED:
            name = f"tenants/{value}"
            yield case(f"a name with an id that is {what}", operation, {"name": name}, "name")
    for operation in NAMED:
        yield case("no name", operation, {"name": ""}, "name")
        yield case("another collection", operation, {"name": "tenant/a"}, "name")


def tenants() -> Iterable[TenantCase]:
    for operation in (CREATE, UPDATE):
        yield case("as it should be", operation, {})
        yield case("no tenant", operation, {"tenant": ...}, "tenant")
        path = "tenant.display_name"
        yield case("the longest display name", operation, {path: "ж" * 200})
        yield case("a display name too long", operation, {path: "ж" * 201}, path)
        for character in "\n\t\x00\x7f":
            what = f"a display name with {character!r}"
            yield case(what, operation, {path: f"a{character}"}, path)
        yield from plans(operation)
        path = "tenant.webhook.user_id"
        for user_id in (1, 2**63 - 1):
            webhook = WEBHOOK | {"user_id": user_id}
            yield case(f"webhook of user {user_id}", operation, {"tenant.webhook": webhook})
        webhook = WEBHOOK | {"user_id": -1}
        yield case("a webhook of no user", operation, {"tenant.webhook": webhook}, path)
        path = "tenant.webhook.secret"
        webhook = WEBHOOK | {"secret": "a" * SECRET}
        yield case("the longest webhook secret", operation, {"tenant.webhook": webhook})
        for secret in ("a" * (SECRET + 1), "a/b", "a.b", "a b", "ä", "a\n"):
            webhook = WEBHOOK | {"secret": secret}
            what = f"a webhook secret {secret[:9]!r}"
            yield case(what, operation, {"tenant.webhook": webhook}, path)
        yield from applications(operation)


def plans(operation: str) -> Iterable[TenantCase]:
    path = "tenant.plan"
    for kind in (1, 2, 3):
        yield case(f"plan {kind}", operation, {path: {"kind": kind}})
    for kind in (-1, 0, 4):
        yield case(f"plan {kind}", operation, {path: {"kind": kind}}, f"{path}.kind")
    yield case("a plan of nothing", operation, {path: {}}, f"{path}.limit")
    for burst, rate in ((1, 5e-324), (10_000, 1000.0)):
        own = {"burst": burst, "per_second": rate}
        yield case(f"a plan of {burst}, {rate}", operation, {path: {"own": own}})
    for burst in (-1, 0, 10_001):
        own = {"burst": burst, "per_second": 1.0}
        yield case(f"a plan of {burst} at once", operation, {path: {"own": own}}, f"{path}.own.burst")
    for rate in (-1.0, 0.0, 1000.1, "Infinity", "NaN"):
        own = {"burst": 1, "per_second": rate}
        what = f"a plan of {rate} a second"
        yield case(what, operation, {path: {"own": own}}, f"{path}.own.per_second")
    both = (f"{path}.own.burst", f"{path}.own.per_second")
    yield case("a plan without figures", operation, {path: {"own": {}}}, *both)


def applications(operation: str) -> Iterable[TenantCase]:
    def with_(what: str, fields: Json, *expected: str) -> TenantCase:
        changes = {"tenant.webhook": ..., "tenant.application": APPLICATION | fields}
        if operation == UPDATE:
            del changes["tenant.webhook"]
        return case(what, operation, changes, *expected)

    yield with_("an application", {})
    path = "tenant.application.client_id"
    yield with_("the longest client id", {"client_id": "a" * 100})
    for client_id in ("a" * 101, "a b", "a/b", "é", "a\n"):
        yield with_(f"a client id {client_id[:9]!r}", {"client_id": client_id}, path)
    for field in ("client_secret", "application_token", "access_token", "refresh_token"):
        path = f"tenant.application.{field}"
        yield with_(f"the longest {field}", {field: "!~" * (SECRET // 2)})
        for value in ("a" * (SECRET + 1), "a b", "a\n", "ä"):
            yield with_(f"{field} {value[:9]!r}", {field: value}, path)


def lists() -> Iterable[TenantCase]:
    for size in (0, 1, 2**31 - 1):
        yield case(f"a page of {size}", LIST, {"page_size": size})
    yield case("a page of less than nothing", LIST, {"page_size": -1}, "page_size")
    for state in range(4):
        yield case(f"state {state}", LIST, {"state": state})
    for state in (-1, 4):
        yield case(f"state {state}", LIST, {"state": state}, "state")
    yield case("the longest portal", LIST, {"portal": "a" * 253})
    yield case("a portal too long", LIST, {"portal": "a" * 254}, "portal")
    yield case("a token too long", LIST, {"page_token": "0" * 201}, "page_token")


CASES: list[TenantCase] = [*ids(), *tenants(), *lists()]

# Valid by the rules in the .proto, refused by the server.
SERVER_ONLY: list[TenantCase] = [
    case("no portal", CREATE, {"tenant.portal": ""}, "tenant.portal"),
    case("a portal elsewhere", CREATE, {"tenant.portal": "a.example"}, "tenant.portal"),
    case("no credentials", CREATE, {"tenant.webhook": ...}, "tenant.credentials"),
    case(
        "an empty webhook",
        CREATE,
        {"tenant.webhook": {}},
        "tenant.webhook.user_id",
        "tenant.webhook.secret",
    ),
    case(
        "an empty application",
        CREATE,
        {"tenant.webhook": ..., "tenant.application": {}},
        "tenant.application",
    ),
    case(
        "an authorization server elsewhere",
        CREATE,
        {
            "tenant.webhook": ...,
            "tenant.application": APPLICATION | {"authorization_server": "a.example"},
        },
        "tenant.application.authorization_server",
    ),
    case("an update without a name", UPDATE, {"tenant.name": ""}, "tenant.name"),
    case("an update of no tenant's name", UPDATE, {"tenant.name": "acme"}, "tenant.name"),
    case("an unknown path", UPDATE, {"update_mask": "portal,foo"}, "update_mask.paths[1]"),
    case("no token of a page", LIST, {"page_token": "00"}, "page_token"),
]
