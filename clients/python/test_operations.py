"""Calls through generated stubs."""

from __future__ import annotations

import grpc
import pytest

from harness import sandbox as portal
from harness.calls import (
    Client,
    connector_message,
    connector_request,
    crm_request,
    network_request,
)
from harness.sandbox import Sandbox
from harness.service import APPLICATION
from harness.status import details_of


def test_a_connector_message_is_delivered(client: Client, sandbox: Sandbox) -> None:
    response, call = client.call("SendConnectorMessages", connector_request())

    assert call.code() is grpc.StatusCode.OK
    (result,) = response.results
    assert result.WhichOneof("outcome") == "accepted"
    assert result.accepted.message.id == "m1"
    assert result.accepted.session.portal_chat_id > 0
    assert response.operating_budget.HasField("reset_time")
    (entry,) = sandbox.entries()
    assert [delivery["text"] for delivery in entry["deliveries"]] == ["Good afternoon"]


def test_a_crm_message_is_delivered(client: Client, sandbox: Sandbox) -> None:
    response, _ = client.call("SendCrmMessage", crm_request())

    (entry,) = sandbox.entries()
    (delivery,) = entry["deliveries"]
    assert delivery["message_id"] == response.portal_message_id
    assert delivery["chat_id"] == portal.CHAT
    assert response.timing.HasField("duration")


def test_a_network_message_is_delivered_with_attachment_and_keyboard(
    client: Client, sandbox: Sandbox
) -> None:
    request = network_request() | {
        "attachment": {"color_token": "COLOR_TOKEN_ALERT", "blocks": [{"message": "Parcel"}]},
        "keyboard_struct": {
            "BUTTONS": [{"TEXT": "Track", "LINK": "https://a.example/", "WIDTH": 5}]
        },
        "disable_url_preview": True,
    }
    client.call("SendNetworkMessage", request)

    (entry,) = sandbox.entries()
    (delivery,) = entry["deliveries"]
    assert delivery["attach"] == {"COLOR_TOKEN": "alert", "BLOCKS": [{"MESSAGE": "Parcel"}]}
    assert delivery["keyboard"]["BUTTONS"][0]["WIDTH"] == 5
    assert delivery["url_preview"] is False


def test_one_message_fails_alone_with_a_status_of_its_own(client: Client, sandbox: Sandbox) -> None:
    from openlines.v1.error_reason_pb2 import ErrorReason

    text = "Not all the required data was provided"
    sandbox.control("POST", "message-rules", {"message_id": "m2", "error": text})
    request = connector_request(*(connector_message(f"m{number}") for number in (1, 2, 3)))
    response, call = client.call("SendConnectorMessages", request)

    assert call.code() is grpc.StatusCode.OK
    outcomes = [result.WhichOneof("outcome") for result in response.results]
    assert outcomes == ["accepted", "error", "accepted"]
    status = response.results[1].error
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    details = details_of(status)
    info = details["ErrorInfo"]
    assert ErrorReason.Value(info.reason) == ErrorReason.ERROR_REASON_MESSAGE_REJECTED
    assert info.metadata["tenantId"] == APPLICATION
    assert info.metadata["outcome"] == "not_executed"
    assert details["Bitrix24Error"].description == text
    assert details["Bitrix24Error"].http_status == 200
    headers = dict(call.initial_metadata())
    assert details["RequestInfo"].request_id == headers["x-request-id"]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [("SendCrmMessage", crm_request()), ("SendConnectorMessages", connector_request())],
)
def test_a_request_id_of_the_caller_comes_back_with_success(
    client: Client, sandbox: Sandbox, service, operation: str, request_: dict
) -> None:
    metadata = (*service.key.metadata, ("x-request-id", "order-7.1"))
    _, call = client.call(operation, request_, metadata=metadata)
    assert dict(call.initial_metadata())["x-request-id"] == "order-7.1"
