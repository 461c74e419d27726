"""Calls with deadlines through grpcio: `ADDRESS MILLISECONDS CALLS GAP_MILLISECONDS`, with STUBS, the folder of the stubs."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, os.environ["STUBS"])

from openlines.v1 import crm_message_pb2
from openlines.v1.open_lines_service_pb2_grpc import OpenLinesServiceStub

WARM_UP_CALLS = 20


def main() -> None:
    address, deadline_ms, calls, gap_ms = sys.argv[1], *map(int, sys.argv[2:])
    stub = OpenLinesServiceStub(grpc.insecure_channel(address))
    metadata = (("authorization", f"Bearer {os.environ['API_KEY']}"),)

    def begin(tenant: str, seconds: float) -> Any:
        request = crm_message_pb2.SendCrmMessageRequest(
            tenant_id=tenant,
            crm_entity_type=1,
            crm_entity_id=1195,
            user_id=27,
            portal_chat_id=1341,
            text="text",
        )
        return stub.SendCrmMessage.future(request, metadata=metadata, timeout=seconds)

    for _ in range(WARM_UP_CALLS):
        begin("nobody", 10).exception()
    begun = []
    for call in range(calls):
        begun.append(begin(f"tenant-{call}", deadline_ms / 1000))
        time.sleep(gap_ms / 1000)
    ours = sum(has_our_details(call.exception()) for call in begun)
    print(json.dumps({"ours": ours, "bare": calls - ours}))


def has_our_details(error: grpc.RpcError) -> bool:
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == "openlines.bitrix24":
            return True
    return False


main()
