"""Every kind of detail that a status can carry, decoded with grpcio-status, in a situation that yields it."""

from __future__ import annotations

import grpc
import pytest
from grpc import StatusCode

from harness import sandbox as portal
from harness.calls import (
    Client,
    connector_message,
    connector_request,
    crm_request,
    network_request,
)
from harness.sandbox import Sandbox
from harness.service import APPLICATION, UNREACHABLE, WEBHOOK
from harness.status import Failure

PUSHBACK = "grpc-retry-pushback-ms"
ALWAYS = {"ErrorInfo", "RequestInfo"}
SEEN_KINDS: set[str] = set()


@pytest.fixture(autouse=True)
def _fresh(sandbox: Sandbox) -> None:
    """Each test has the portal as new."""


def seen(failure: Failure, code: StatusCode, reason: str, *kinds: str) -> Failure:
    """Checks what a failure says at a glance: status, reason, and exactly these kinds of details."""
    assert failure.code is code, failure
    assert failure.reason == f"ERROR_REASON_{reason}", failure
    assert failure.kinds == ALWAYS | set(kinds), failure
    SEEN_KINDS.update(failure.kinds)
    return failure


def test_an_invalid_request_names_every_field(client: Client, sandbox: Sandbox) -> None:
    request = crm_request() | {"text": "", "user_id": -1}
    failure = client.refused("SendCrmMessage", request)

    seen(failure, StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "BadRequest")
    assert sorted(failure.fields) == ["text", "user_id"]
    for violation in failure.details["BadRequest"].field_violations:
        assert violation.description and violation.reason
    assert failure.metadata == {
        "errorSource": "facade",
        "outcome": "not_executed",
        "tenantId": WEBHOOK,
        "bitrix24Method": "imopenlines.crm.message.add",
    }
    assert sandbox.entries() == []


def test_a_limit_on_requests_says_when_to_come_back(
    client_apart: Client, portal_apart: Sandbox
) -> None:
    portal_apart.exceed_the_limit()
    failure = client_apart.refused("SendCrmMessage", crm_request(), timeout=3)

    kinds = ("Bitrix24Error", "RetryInfo", "QuotaFailure", "Help")
    seen(failure, StatusCode.RESOURCE_EXHAUSTED, "PORTAL_RATE_LIMITED", *kinds)
    # As long as the service would pause after the refusals that the deadline had room for.
    assert failure.retry_seconds == 2
    assert failure.trailers[PUSHBACK] == "2000"
    (violation,) = failure.details["QuotaFailure"].violations
    assert violation.subject == f"tenants/{WEBHOOK}"
    assert failure.details["Help"].links[0].url.startswith("https://")
    assert failure.metadata["bitrix24Code"] == "QUERY_LIMIT_EXCEEDED"


def test_a_limit_on_execution_time_asks_for_ten_minutes(
    client_apart: Client, portal_apart: Sandbox
) -> None:
    portal_apart.refuse("OPERATION_TIME_LIMIT")
    failure = client_apart.refused("SendCrmMessage", crm_request())

    kinds = ("Bitrix24Error", "RetryInfo", "QuotaFailure", "Help")
    seen(failure, StatusCode.RESOURCE_EXHAUSTED, "OPERATING_LIMIT", *kinds)
    assert failure.retry_seconds == 600
    assert failure.trailers[PUSHBACK] == "600000"


def test_the_weekly_limit_of_a_recipient_promises_no_time(client: Client) -> None:
    from openlines.v1.bitrix24_error_pb2 import NetworkMessageErrorCode

    client.call("SendNetworkMessage", network_request())
    failure = client.refused("SendNetworkMessage", network_request())

    kinds = ("Bitrix24Error", "QuotaFailure")
    seen(failure, StatusCode.RESOURCE_EXHAUSTED, "RECIPIENT_WEEKLY_LIMIT", *kinds)
    assert PUSHBACK not in failure.trailers
    error = failure.details["Bitrix24Error"]
    assert error.network_message_code == NetworkMessageErrorCode.Value(
        "NETWORK_MESSAGE_ERROR_CODE_USER_MESSAGE_LIMIT"
    )


def test_a_webhook_cannot_send_connector_messages(client: Client, sandbox: Sandbox) -> None:
    request = connector_request() | {"tenant_id": WEBHOOK}
    failure = client.refused("SendConnectorMessages", request)

    kinds = ("PreconditionFailure", "Help")
    seen(failure, StatusCode.FAILED_PRECONDITION, "WRONG_AUTHORIZATION_TYPE", *kinds)
    (violation,) = failure.details["PreconditionFailure"].violations
    assert violation.type == "WRONG_AUTHORIZATION_TYPE"
    assert violation.subject == f"tenants/{WEBHOOK}"
    assert failure.metadata["errorSource"] == "facade"
    assert sandbox.entries() == []


def test_a_line_that_was_not_joined_is_named(client: Client) -> None:
    line = "0" * 32
    failure = client.refused("SendNetworkMessage", network_request() | {"line_code": line})

    seen(failure, StatusCode.NOT_FOUND, "LINE_NOT_FOUND", "Bitrix24Error", "ResourceInfo")
    resource = failure.details["ResourceInfo"]
    assert resource.resource_type == "openlines.bitrix24/Line"
    assert resource.resource_name == line
    assert resource.owner == f"tenants/{WEBHOOK}"


def test_an_inactive_line_is_named_by_its_number(client: Client) -> None:
    request = connector_request() | {"line_id": portal.INACTIVE_LINE}
    failure = client.refused("SendConnectorMessages", request)

    assert failure.code is StatusCode.FAILED_PRECONDITION
    assert failure.reason == "ERROR_REASON_LINE_NOT_ACTIVE"
    assert failure.details["ResourceInfo"].resource_name == str(portal.INACTIVE_LINE)


def test_an_expired_token_asks_for_reauthorization(client: Client, sandbox: Sandbox) -> None:
    from openlines.v1.bitrix24_error_pb2 import SystemErrorCode

    sandbox.set_token("expired")
    failure = client.refused("SendConnectorMessages", connector_request())

    kinds = ("Bitrix24Error", "PreconditionFailure", "Help")
    seen(failure, StatusCode.FAILED_PRECONDITION, "REAUTHORIZATION_REQUIRED", *kinds)
    error = failure.details["Bitrix24Error"]
    assert (error.method, error.http_status) == ("imconnector.send.messages", 401)
    assert error.code == "expired_token"
    assert error.system_code == SystemErrorCode.SYSTEM_ERROR_CODE_EXPIRED_TOKEN
    assert failure.metadata == {
        "errorSource": "bitrix24",
        "outcome": "not_executed",
        "tenantId": APPLICATION,
        "bitrix24Method": "imconnector.send.messages",
        "bitrix24Code": "expired_token",
    }


def test_a_field_that_bitrix24_refused_is_named_as_ours(client: Client, sandbox: Sandbox) -> None:
    sandbox.answer_error("CODE")
    failure = client.refused("SendNetworkMessage", network_request())

    kinds = ("Bitrix24Error", "BadRequest")
    seen(failure, StatusCode.INVALID_ARGUMENT, "REJECTED_ARGUMENT", *kinds)
    assert failure.fields == ["line_code"]


def test_an_undocumented_code_is_passed_through(client: Client, sandbox: Sandbox) -> None:
    sandbox.answer_error("BRAND_NEW")
    failure = client.refused("SendCrmMessage", crm_request())

    seen(failure, StatusCode.UNKNOWN, "UNDOCUMENTED_CODE", "Bitrix24Error")
    error = failure.details["Bitrix24Error"]
    assert error.code == "BRAND_NEW"
    assert error.WhichOneof("documented_code") is None


def test_a_call_to_an_unreachable_portal_may_be_retried(client: Client) -> None:
    failure = client.refused("SendCrmMessage", crm_request() | {"tenant_id": UNREACHABLE})

    seen(failure, StatusCode.UNAVAILABLE, "PORTAL_UNREACHABLE", "RetryInfo")
    assert failure.trailers[PUSHBACK] == "1000"
    assert failure.metadata["outcome"] == "not_executed"


@pytest.mark.parametrize("fault", ["close_after", "reset_after", "empty_after"])
def test_a_lost_answer_leaves_the_outcome_unknown(
    client: Client, sandbox: Sandbox, fault: str
) -> None:
    sandbox.fault(fault)
    failure = client.refused("SendCrmMessage", crm_request())

    seen(failure, StatusCode.UNKNOWN, "OUTCOME_UNKNOWN")
    assert failure.metadata["outcome"] == "unknown"
    assert PUSHBACK not in failure.trailers
    (entry,) = sandbox.entries()
    assert entry["executed"]


def test_silence_until_the_deadline_leaves_the_outcome_unknown(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.fault("silence_after")
    # In a conversation that no other test uses: the next call there would wait for the answer.
    message = connector_message() | {"user": {"id": "silent"}, "chat": {"id": "silent"}}
    failure = client.refused("SendConnectorMessages", connector_request(message), timeout=None)

    seen(failure, StatusCode.DEADLINE_EXCEEDED, "OUTCOME_UNKNOWN")
    assert failure.metadata["outcome"] == "unknown"


def test_the_largest_list_of_violations_still_arrives(client: Client) -> None:
    broken = {"user": {"first_name": "7" * 26}, "message": {}, "chat": {"url": "x" * 2049}}
    failure = client.refused("SendConnectorMessages", connector_request(*[broken] * 100))

    seen(failure, StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "BadRequest")
    assert len(failure.fields) == 20


def test_text_beyond_ascii_arrives_in_the_message(client: Client, sandbox: Sandbox) -> None:
    body = '{"error":"ERROR_CORE","error_description":"Сообщение не отправлено"}'
    sandbox.fault(
        "scripted", status=400, content_type="application/json", body=body, executed=False
    )
    failure = client.refused("SendCrmMessage", crm_request())
    assert "Сообщение не отправлено" in failure.message


def test_a_request_id_of_the_caller_is_in_the_details(client: Client, service) -> None:
    metadata = (*service.key.metadata, ("x-request-id", "order-7.1"))
    failure = client.refused("SendCrmMessage", crm_request() | {"text": ""}, metadata=metadata)
    assert failure.details["RequestInfo"].request_id == "order-7.1"


def test_an_unknown_operation_has_details_too(service, client: Client) -> None:
    from harness.status import check_what_every_failure_has, failure_of

    call = service.channel.unary_unary(
        "/openlines.v1.OpenLinesService/NoSuchOperation",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    with pytest.raises(grpc.RpcError) as raised:
        call(b"", metadata=service.key.metadata, timeout=20)
    failure = failure_of(raised.value)
    check_what_every_failure_has(failure)
    assert failure.code is StatusCode.UNIMPLEMENTED


def test_these_situations_yield_every_kind_of_detail() -> None:
    assert SEEN_KINDS == ALWAYS | {
        "BadRequest",
        "Bitrix24Error",
        "Help",
        "PreconditionFailure",
        "QuotaFailure",
        "ResourceInfo",
        "RetryInfo",
    }
