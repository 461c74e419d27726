"""Valid requests, and the three operations."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from . import sandbox
from .service import APPLICATION, WEBHOOK, Service
from .status import Failure, check_what_every_failure_has, failure_of

# Requests in the JSON form of protobuf, with the field names of the .proto.
Json = dict[str, Any]
Metadata = tuple[tuple[str, str], ...]

# Longer than any test takes, so that no test depends on the machine's speed.
PATIENCE_SECONDS = 30.0


def connector_message(message_id: str = "m1", text: str = "Good afternoon") -> Json:
    return {
        "user": {"id": "customer-42", "first_name": "Ada", "last_name": "Lovelace"},
        "message": {"id": message_id, "text": text},
        "chat": {"id": "channel-123", "name": "Support"},
    }


def connector_request(*messages: Json) -> Json:
    return {
        "tenant_id": APPLICATION,
        "connector_id": sandbox.CONNECTOR,
        "line_id": sandbox.LINE,
        "messages": list(messages) or [connector_message()],
    }


def crm_request() -> Json:
    return {
        "tenant_id": WEBHOOK,
        "crm_entity_type": "CRM_ENTITY_TYPE_LEAD",
        "crm_entity_id": sandbox.LEAD,
        "user_id": sandbox.MEMBER,
        "portal_chat_id": sandbox.CHAT,
        "text": "Your order has left our warehouse.",
    }


def network_request() -> Json:
    return {
        "tenant_id": WEBHOOK,
        "line_code": sandbox.NETWORK_CODE,
        "user_id": sandbox.OUTSIDER,
        "text": "[B]Your order is on its way[/B]",
    }


class Client:
    """Calls through generated stubs."""

    def __init__(self, service: Service) -> None:
        from openlines.v1.open_lines_service_pb2_grpc import OpenLinesServiceStub

        self._stub = OpenLinesServiceStub(service.channel)
        self._key = service.key

    @staticmethod
    def request(operation: str, request: Json) -> Any:
        """The request as a message of the generated class."""
        from openlines.v1 import (
            connector_messages_pb2,
            crm_message_pb2,
            network_message_pb2,
        )

        source = {
            "SendConnectorMessages": connector_messages_pb2,
            "SendCrmMessage": crm_message_pb2,
            "SendNetworkMessage": network_message_pb2,
        }[operation]
        return json_format.ParseDict(request, getattr(source, f"{operation}Request")())

    def call(
        self,
        operation: str,
        request: Json | Message,
        metadata: Metadata | None = None,
        timeout: float | None = PATIENCE_SECONDS,
    ) -> tuple[Any, grpc.Call]:
        """Makes a call, with the key for every tenant unless other metadata is given."""
        if isinstance(request, dict):
            request = self.request(operation, request)
        return getattr(self._stub, operation).with_call(
            request,
            metadata=self._key.metadata if metadata is None else metadata,
            timeout=timeout,
        )

    def refused(self, operation: str, request: Json, **options: Any) -> Failure:
        """Makes a call that must fail."""
        with pytest.raises(grpc.RpcError) as raised:
            self.call(operation, request, **options)
        failure = failure_of(raised.value)
        check_what_every_failure_has(failure)
        return failure
