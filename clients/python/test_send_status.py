"""Calls that are checked, sent, repeated and asked for."""

from __future__ import annotations

import uuid

import grpc

from harness.calls import Client, crm_request
from harness.sandbox import Sandbox
from harness.service import WEBHOOK


def test_what_became_of_a_call_is_told_without_sending_it(
    client: Client, sandbox: Sandbox
) -> None:
    from openlines.v1 import send_status_pb2

    request_id = str(uuid.uuid4())
    request = crm_request() | {"request_id": request_id}
    asked = send_status_pb2.GetSendStatusRequest(tenant_id=WEBHOOK, request_id=request_id)

    checked, _ = client.call("SendCrmMessage", request | {"validate_only": True})
    assert checked.HasField("estimate")
    assert not checked.replayed
    status, _ = client.call("GetSendStatus", asked)
    assert status.state == send_status_pb2.SEND_STATE_NOT_KNOWN
    assert sandbox.entries() == []

    first, _ = client.call("SendCrmMessage", request)
    second, _ = client.call("SendCrmMessage", request)
    assert (first.replayed, second.replayed) == (False, True)
    assert first.portal_message_id == second.portal_message_id
    status, _ = client.call("GetSendStatus", asked)
    assert status.state == send_status_pb2.SEND_STATE_ANSWERED
    assert status.answer.result.number_value == first.portal_message_id

    failure = client.refused("SendCrmMessage", request | {"text": "another"})
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.reason == "ERROR_REASON_REQUEST_ID_REUSED"
    assert len(sandbox.entries()) == 1


def test_the_errors_are_listed(client: Client) -> None:
    from openlines.v1 import error_reason_list_pb2, error_reason_pb2

    listed, _ = client.call(
        "ListErrorReasons", error_reason_list_pb2.ListErrorReasonsRequest()
    )
    reasons = [described.name for described in listed.error_reasons]
    assert reasons == error_reason_pb2.ErrorReason.keys()[1:]
