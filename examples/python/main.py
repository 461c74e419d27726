"""Calls the service in every way that matters, and prints a line for each: examples/README.md has the table."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import grpc
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2
from grpc_status import rpc_status
from openlines.v1 import connector_messages_pb2 as connector
from openlines.v1 import crm_message_pb2 as crm
from openlines.v1 import network_message_pb2 as network
from openlines.v1 import open_lines_service_pb2_grpc as service
from openlines.v1 import streaming_pb2 as streaming
from openlines.v1.bitrix24_error_pb2 import Bitrix24Error

TENANT = os.environ["OPENLINES_TENANT"]
DEADLINE_SECONDS = 10

# UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from the library means that the connection broke, and
# the outcome is unknown: a retry is safe only because every call has a request_id.
SERVICE_CONFIG = {
    # A headless Service has one address for each replica; without this all calls go to the first.
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "openlines.v1.OpenLinesService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.5s",
                "maxBackoff": "5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # While most calls fail, retries stop.
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


def connect() -> grpc.Channel:
    """One channel for the whole program: it holds the connections."""
    with open(os.environ["OPENLINES_CA_FILE"], "rb") as file:
        tls = grpc.ssl_channel_credentials(root_certificates=file.read())
    # Sent with each call, as `authorization: Bearer …`, and never without TLS.
    key = grpc.access_token_call_credentials(os.environ["OPENLINES_API_KEY"])
    return grpc.secure_channel(
        f"dns:///{os.environ['OPENLINES_ADDRESS']}",
        grpc.composite_channel_credentials(tls, key),
        options=[("grpc.service_config", json.dumps(SERVICE_CONFIG))],
    )


def new_request_id() -> str:
    """The idempotency key: a new one for each call, the same one for its retries."""
    return str(uuid.uuid4())


def crm_message(tenant: str = TENANT, **fields: object) -> crm.SendCrmMessageRequest:
    usual = {
        "crm_entity_type": crm.CRM_ENTITY_TYPE_LEAD,
        "crm_entity_id": 1195,
        "user_id": 27,
        "portal_chat_id": 1341,
        "text": "Your order has left our warehouse.",
    }
    return crm.SendCrmMessageRequest(tenant_id=tenant, request_id=new_request_id(), **usual | fields)


def network_message(tenant: str = TENANT) -> network.SendNetworkMessageRequest:
    return network.SendNetworkMessageRequest(
        tenant_id=tenant,
        request_id=new_request_id(),
        line_code="ab515f5d85a8b844d484f6ea75a2e494",
        user_id=2,
        text="Your order is on its way.",
    )


def connector_messages(*ids: str) -> connector.SendConnectorMessagesRequest:
    messages = [
        connector.ConnectorMessage(
            user=connector.ExternalUser(id="customer-42", first_name="Ada"),
            message=connector.ExternalMessage(id=id, text="Good afternoon"),
            chat=connector.ExternalChat(id="channel-123"),
        )
        for id in ids
    ]
    return connector.SendConnectorMessagesRequest(
        tenant_id=TENANT, request_id=new_request_id(), connector_id="myconnector", line_id=107, messages=messages
    )


# How each type of detail is read. Those that are not here are shown by their address.
READERS: dict[type, Callable[..., str]] = {
    details.ErrorInfo: lambda d: f"ErrorInfo source={d.metadata['errorSource']} outcome={d.metadata['outcome']}",
    details.RequestInfo: lambda d: "RequestInfo",
    details.BadRequest: lambda d: f"BadRequest fields={','.join(v.field for v in d.field_violations)}",
    details.PreconditionFailure: lambda d: f"PreconditionFailure type={d.violations[0].type}",
    details.QuotaFailure: lambda d: f"QuotaFailure subject={d.violations[0].subject}",
    details.RetryInfo: lambda d: f"RetryInfo seconds={d.retry_delay.seconds}",
    details.ResourceInfo: lambda d: f"ResourceInfo name={d.resource_name}",
    details.Help: lambda d: f"Help links={len(d.links)}",
    Bitrix24Error: lambda d: f"Bitrix24Error code={d.code}",
}


def read(status: status_pb2.Status) -> list:
    """The details of a status, each as a message of its own type, or as it came if the type is unknown."""
    found = []
    for packed in status.details:
        kind = next((kind for kind in READERS if packed.Is(kind.DESCRIPTOR)), None)
        message = kind() if kind else packed
        if kind:
            packed.Unpack(message)
        found.append(message)
    return found


def shown(detail: object) -> str:
    reader = READERS.get(type(detail))
    return reader(detail) if reader else detail.type_url


def row(*cells: str) -> None:
    print(" | ".join(cells), flush=True)


def success(case: str, detail: str) -> None:
    row(case, "OK", "-", "-", detail)


def failure(case: str, status: status_pb2.Status) -> None:
    """Whether a call may have been executed is in ErrorInfo. A status without it comes from the library."""
    found = read(status)
    info = next((d for d in found if isinstance(d, details.ErrorInfo)), None)
    name = next(code.name for code in grpc.StatusCode if code.value[0] == status.code)
    executed_nothing = info is not None and info.metadata["outcome"] == "not_executed"
    row(
        case,
        name,
        info.reason if info else "-",
        "yes" if executed_nothing else "with request_id",
        "; ".join(map(shown, found)) or "-",
    )


def status_of(error: grpc.RpcError) -> status_pb2.Status:
    """The status with its details; one that the library made has none."""
    return rpc_status.from_call(error) or status_pb2.Status(code=error.code().value[0], message=error.details())


def refused(case: str, call: Callable, request: object, timeout: float = DEADLINE_SECONDS) -> None:
    """A call that is expected to fail."""
    try:
        call(request, timeout=timeout)
    except grpc.RpcError as error:
        failure(case, status_of(error))
    else:
        success(case, "a failure was expected")


def partial_failure(client: service.OpenLinesServiceStub) -> None:
    """The call is OK, and each of its messages has a result of its own."""
    response = client.SendConnectorMessages(connector_messages("m-1", "m-refused"), timeout=DEADLINE_SECONDS)
    for number, result in enumerate(response.results, start=1):
        case = f"partial failure, message {number}"
        if result.WhichOneof("outcome") == "accepted":
            success(case, "accepted")
        else:
            failure(case, result.error)


def replay(client: service.OpenLinesServiceStub, request: crm.SendCrmMessageRequest, first: crm.SendCrmMessageResponse) -> None:
    """The same request with the same request_id: the service returns the first response and sends nothing."""
    again = client.SendCrmMessage(request, timeout=DEADLINE_SECONDS)
    message = "same message" if again.portal_message_id == first.portal_message_id else "another message"
    success("replay", f"replayed=yes, {message}" if again.replayed else "replayed=no")


def cancellation(client: service.OpenLinesServiceStub) -> None:
    """A call that is cancelled while the portal works on it: the outcome is unknown."""
    call = client.SendNetworkMessage.future(network_message(f"{TENANT}-silent"), timeout=DEADLINE_SECONDS)
    time.sleep(0.5)
    call.cancel()
    failure("cancellation", status_of(call))


def stream(client: service.OpenLinesServiceStub) -> None:
    """Many items through one stream. Results come in any order; the key says which item one belongs to."""

    def items() -> Iterator[streaming.StreamingSendMessagesRequest]:
        # Read from where the messages are. The library asks for the next item when there is room for it.
        for number in range(1, 6):
            message = crm_message(portal_chat_id=1342 if number == 3 else 1341)
            yield streaming.StreamingSendMessagesRequest(item_key=f"item-{number}", crm_message=message)

    results = client.StreamingSendMessages(items(), timeout=DEADLINE_SECONDS)
    for result in sorted(results, key=lambda result: result.item_key):
        case = f"stream, {result.item_key}"
        if result.WhichOneof("result") == "error":
            failure(case, result.error)
        else:
            success(case, f"replayed={'yes' if result.crm_message.replayed else 'no'}")


def repeat(client: service.OpenLinesServiceStub) -> None:
    """Sends a message every 20 ms until the input ends, and prints the status of each: to watch while replicas come and go."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.02):
        try:
            client.SendCrmMessage(crm_message(), timeout=DEADLINE_SECONDS)
            row("OK")
        except grpc.RpcError as error:
            row(error.code().name)


def main() -> None:
    if "repeat" in sys.argv:
        with connect() as channel:
            repeat(service.OpenLinesServiceStub(channel))
        return
    row("case", "status", "reason", "safe to repeat", "detail")
    with connect() as channel:
        client = service.OpenLinesServiceStub(channel)

        request = crm_message()
        first = client.SendCrmMessage(request, timeout=DEADLINE_SECONDS)
        success("success", f"replayed={'yes' if first.replayed else 'no'}")

        partial_failure(client)
        refused("refusal", client.SendCrmMessage, crm_message(portal_chat_id=1342))
        refused("bad request", client.SendCrmMessage, crm_message(text="", user_id=-1))
        # Bitrix24 accepts one network message for each user and week.
        client.SendNetworkMessage(network_message(), timeout=DEADLINE_SECONDS)
        refused("limit", client.SendNetworkMessage, network_message())
        refused("unavailable", client.SendCrmMessage, crm_message(f"{TENANT}-away"))
        replay(client, request, first)
        refused("deadline", client.SendCrmMessage, crm_message(f"{TENANT}-silent"), timeout=5)
        cancellation(client)
        stream(client)


if __name__ == "__main__":
    main()
