"""Sends a message with the installed stubs, and one that is refused: ADDRESS TENANT, with the variable API_KEY."""

import os
import sys

import grpc
from google.rpc import error_details_pb2, status_pb2

from openlines.tenants.v1 import tenant_pb2
from openlines.v1 import crm_message_pb2, error_reason_pb2, open_lines_service_pb2_grpc

TIMEOUT_SECONDS = 20


def send(
    client: "open_lines_service_pb2_grpc.OpenLinesServiceStub", tenant_id: str, text: str
) -> crm_message_pb2.SendCrmMessageResponse:
    request = crm_message_pb2.SendCrmMessageRequest(
        tenant_id=tenant_id,
        crm_entity_type=crm_message_pb2.CRM_ENTITY_TYPE_LEAD,
        crm_entity_id=1195,
        user_id=27,
        portal_chat_id=1341,
        text=text,
    )
    key = ("authorization", f"Bearer {os.environ['API_KEY']}")
    return client.SendCrmMessage(request, timeout=TIMEOUT_SECONDS, metadata=(key,))


def reason_of(error: grpc.RpcError) -> str:
    assert isinstance(error, grpc.Call)
    metadata = {key: value for key, value in error.trailing_metadata()}
    details = metadata["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(details).details:
        if detail.Unpack(info):
            # A value that the stubs know.
            return error_reason_pb2.ErrorReason.Name(error_reason_pb2.ErrorReason.Value(info.reason))
    return "none"


def main(address: str, tenant_id: str) -> None:
    with grpc.insecure_channel(address) as channel:
        client = open_lines_service_pb2_grpc.OpenLinesServiceStub(channel)
        print("message", send(client, tenant_id, "Your order has left our warehouse.").portal_message_id)
        try:
            send(client, tenant_id, "")
        except grpc.RpcError as error:
            print("reason", reason_of(error))
    print("state", tenant_pb2.Tenant.State.Name(tenant_pb2.Tenant.STATE_ACTIVE))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
