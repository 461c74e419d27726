"""Who may call, and for whom."""

from __future__ import annotations

import pytest
from grpc import StatusCode

from harness.calls import Client, Metadata, crm_request
from harness.sandbox import Sandbox
from harness.service import APPLICATION, WEBHOOK, Key, Service


def test_a_call_without_a_key_is_unauthenticated(client: Client) -> None:
    failure = client.refused("SendCrmMessage", crm_request(), metadata=())
    assert failure.code is StatusCode.UNAUTHENTICATED
    assert failure.reason == "ERROR_REASON_CREDENTIALS_MISSING"


def wrong_keys() -> dict[str, Metadata]:
    stranger = Key.new()
    return {
        "a key that the settings do not have": stranger.metadata,
        "no key at all": (("authorization", "Bearer nonsense"),),
        "another scheme": (("authorization", f"Basic {stranger.key}"),),
        "two keys": (*stranger.metadata, *stranger.metadata),
    }


@pytest.mark.parametrize("case", sorted(wrong_keys()))
def test_a_call_with_a_wrong_key_is_unauthenticated(client: Client, case: str) -> None:
    failure = client.refused("SendCrmMessage", crm_request(), metadata=wrong_keys()[case])
    assert failure.code is StatusCode.UNAUTHENTICATED
    assert failure.reason == "ERROR_REASON_CREDENTIALS_INVALID"


def test_a_key_with_a_changed_secret_is_refused(client: Client, service: Service) -> None:
    changed = service.key.key[:-1] + ("a" if service.key.key[-1] != "a" else "b")
    metadata = (("authorization", f"Bearer {changed}"),)
    failure = client.refused("SendCrmMessage", crm_request(), metadata=metadata)
    assert failure.code is StatusCode.UNAUTHENTICATED


def test_a_caller_may_act_for_its_own_tenant(
    client: Client, sandbox: Sandbox, service: Service
) -> None:
    request = crm_request() | {"tenant_id": WEBHOOK}
    response, _ = client.call("SendCrmMessage", request, metadata=service.narrow_key.metadata)
    assert response.portal_message_id > 0


def test_a_foreign_tenant_looks_like_one_that_does_not_exist(
    client: Client, sandbox: Sandbox, service: Service
) -> None:
    metadata = (*service.narrow_key.metadata, ("x-request-id", "same"))
    foreign, missing = (
        client.refused("SendCrmMessage", crm_request() | {"tenant_id": id_}, metadata=metadata)
        for id_ in (APPLICATION, "no-such-tenant")
    )
    assert foreign.code is StatusCode.PERMISSION_DENIED
    assert foreign.reason == "ERROR_REASON_TENANT_NOT_PERMITTED"
    assert foreign == missing
    assert sandbox.entries() == []


def test_a_foreign_tenant_is_refused_before_the_request_is_judged(
    client: Client, service: Service
) -> None:
    request = crm_request() | {"tenant_id": APPLICATION, "text": ""}
    failure = client.refused("SendCrmMessage", request, metadata=service.narrow_key.metadata)
    assert failure.code is StatusCode.PERMISSION_DENIED


def test_a_jwt_is_the_caller_of_its_subject(client: Client, sandbox: Sandbox, service: Service) -> None:
    metadata = (("authorization", f"Bearer {service.issuer.token('narrow')}"),)
    request = crm_request() | {"tenant_id": WEBHOOK}
    response, _ = client.call("SendCrmMessage", request, metadata=metadata)
    assert response.portal_message_id > 0
    foreign = crm_request() | {"tenant_id": APPLICATION}
    failure = client.refused("SendCrmMessage", foreign, metadata=metadata)
    assert failure.reason == "ERROR_REASON_TENANT_NOT_PERMITTED"


@pytest.mark.parametrize("claims", [{"sub": "other"}, {"aud": "other"}, {"exp": 1}, {"iss": "other"}], ids=str)
def test_a_jwt_with_a_wrong_claim_is_unauthenticated(
    client: Client, service: Service, claims: dict[str, object]
) -> None:
    token = service.issuer.token(**({"subject": "narrow"} | claims))
    metadata = (("authorization", f"Bearer {token}"),)
    failure = client.refused("SendCrmMessage", crm_request(), metadata=metadata)
    assert failure.code is StatusCode.UNAUTHENTICATED
    assert failure.reason == "ERROR_REASON_CREDENTIALS_INVALID"
