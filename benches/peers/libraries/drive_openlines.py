"""The service, called over gRPC: a unary call for each message, all at once, over eight connections."""

from __future__ import annotations

import asyncio
import sys

import grpc
from google.rpc import error_details_pb2, status_pb2

from driver import COUNT, TASK, Stopwatch, text

sys.path.insert(0, TASK["stubs"])
from openlines.v1 import crm_message_pb2  # noqa: E402
from openlines.v1.open_lines_service_pb2_grpc import OpenLinesServiceStub  # noqa: E402

CONNECTIONS = 8
DEADLINE_SECONDS = 60


def reason(error: grpc.aio.AioRpcError) -> str:
    """The reason in ErrorInfo, or the bare status."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if packed.Unpack(info):
                    return info.reason.removeprefix("ERROR_REASON_")
    return error.code().name


async def main() -> None:
    # Channels of one process share a connection unless their options differ.
    channels = [
        grpc.aio.insecure_channel(TASK["service"], options=[("openlines.number", number)])
        for number in range(CONNECTIONS)
    ]
    stubs = [OpenLinesServiceStub(channel) for channel in channels]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))

    async def call(number: int) -> str | None:
        request = crm_message_pb2.SendCrmMessageRequest(
            tenant_id="portal",
            crm_entity_type=crm_message_pb2.CRM_ENTITY_TYPE_LEAD,
            crm_entity_id=1195,
            user_id=27,
            portal_chat_id=1 + number,
            text=text(number),
            disable_batching=not TASK["may_be_batched"],
        )
        try:
            await stubs[number % CONNECTIONS].SendCrmMessage(
                request, timeout=DEADLINE_SECONDS, metadata=(("authorization", f"Bearer {TASK['key']}"),)
            )
        except grpc.aio.AioRpcError as error:
            return reason(error)
        return None

    watch = Stopwatch()
    watch.report(await asyncio.gather(*map(call, range(COUNT))))


asyncio.run(main())
