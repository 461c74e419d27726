"""Tenants are managed through generated stubs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from grpc import StatusCode

from harness.calls import Client, Json, crm_request
from harness.sandbox import OWNER, WEBHOOK_SECRET, Sandbox
from harness.service import APPLICATION, WEBHOOK
from harness.tenants import TenantClient

NAME = "tenants/by-python"


@pytest.fixture
def tenant(tenants: TenantClient, sandbox: Sandbox) -> Iterator[Any]:
    """A tenant of the portal, with its webhook."""
    webhook = {"user_id": OWNER, "secret": WEBHOOK_SECRET}
    request: Json = {"tenant_id": "by-python", "tenant": {"portal": sandbox.url, "webhook": webhook}}
    yield tenants.call("CreateTenant", request).tenant
    tenants.call("DeleteTenant", {"name": NAME})


def test_a_created_tenant_shows_no_secret_and_sends(tenant: Any, client: Client) -> None:
    assert tenant.name == NAME
    assert tenant.webhook.secret == "" and tenant.webhook.has_secret
    response, _ = client.call("SendCrmMessage", crm_request() | {"tenant_id": "by-python"})
    assert response.portal_message_id > 0


def test_tenants_are_listed_page_by_page(tenant: Any, tenants: TenantClient) -> None:
    found, token = [], ""
    while True:
        page = tenants.call("ListTenants", {"page_size": 2, "page_token": token})
        found += [listed.name for listed in page.tenants]
        if not (token := page.next_page_token):
            break
    assert found == sorted(found)
    assert {NAME, f"tenants/{APPLICATION}", f"tenants/{WEBHOOK}"} <= set(found)


def test_a_field_mask_of_python_changes_what_it_names(tenant: Any, tenants: TenantClient) -> None:
    change: Json = {"tenant": {"name": NAME, "display_name": "Python"}, "update_mask": "displayName"}
    updated = tenants.call("UpdateTenant", change).tenant
    assert updated.display_name == "Python"
    assert updated.etag != tenant.etag

    change["tenant"]["etag"] = tenant.etag
    failure = tenants.refused("UpdateTenant", change)
    assert failure.code is StatusCode.ABORTED
    assert failure.reason == "ERROR_REASON_TENANT_CHANGED"


def test_a_plan_is_entered_and_taken_away(tenant: Any, tenants: TenantClient) -> None:
    assert not tenant.HasField("plan")
    change: Json = {"name": NAME, "plan": {"own": {"burst": 100, "perSecond": 2.5}}}
    updated = tenants.call("UpdateTenant", {"tenant": change}).tenant
    assert (updated.plan.own.burst, updated.plan.own.per_second) == (100, 2.5)
    updated = tenants.call("UpdateTenant", {"tenant": {"name": NAME}, "update_mask": "plan"}).tenant
    assert not updated.HasField("plan")


def test_credentials_are_verified(tenant: Any, tenants: TenantClient) -> None:
    verified = tenants.call("VerifyTenant", {"name": NAME})
    assert verified.verdict == verified.VERDICT_WORKING
    tenants.call("UpdateTenant", {"tenant": {"name": NAME, "webhook": {"secret": "wrong"}}})
    verified = tenants.call("VerifyTenant", {"name": NAME})
    assert verified.verdict == verified.VERDICT_REFUSED
    assert verified.explanation and verified.error.code != 0


def test_a_tenant_that_exists_is_named(tenant: Any, tenants: TenantClient) -> None:
    webhook = {"user_id": OWNER, "secret": "x"}
    request = {"tenant_id": "by-python", "tenant": {"portal": "a.bitrix24.com", "webhook": webhook}}
    failure = tenants.refused("CreateTenant", request)
    assert failure.code is StatusCode.ALREADY_EXISTS
    assert failure.details["ResourceInfo"].resource_name == NAME


def test_every_wrong_field_is_named(tenants: TenantClient) -> None:
    request = {"tenant_id": "A", "tenant": {"portal": "a.example", "webhook": {"user_id": -1}}}
    failure = tenants.refused("CreateTenant", request)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.fields == [
        "tenant_id",
        "tenant.portal",
        "tenant.webhook.user_id",
        "tenant.webhook.secret",
    ]


def test_a_caller_without_the_right_is_refused(client: Client, tenants: TenantClient) -> None:
    tenants._key, manager = client._key, tenants._key
    try:
        failure = tenants.refused("GetTenant", {"name": f"tenants/{WEBHOOK}"})
    finally:
        tenants._key = manager
    assert failure.code is StatusCode.PERMISSION_DENIED
    assert failure.reason == "ERROR_REASON_ADMINISTRATION_NOT_PERMITTED"
