"""Calls without stubs: everything is learned from the server by reflection."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from harness.calls import connector_request, crm_request, network_request
from harness.sandbox import Sandbox
from harness.service import SERVICE, TENANT_SERVICE, Service


class Reflected:
    """A client that knows nothing but the server's address."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.database = ProtoReflectionDescriptorDatabase(service.channel)
        self.pool = DescriptorPool(self.database)

    def message_class(self, name: str) -> Any:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, operation: str, request: dict[str, Any]) -> Any:
        method = self.pool.FindServiceByName(SERVICE).FindMethodByName(operation)
        request_class = message_factory.GetMessageClass(method.input_type)
        response_class = message_factory.GetMessageClass(method.output_type)
        call = self._service.channel.unary_unary(
            f"/{SERVICE}/{operation}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        message = json_format.ParseDict(request, request_class(), descriptor_pool=self.pool)
        return call(message, metadata=self._service.key.metadata, timeout=30)

    def details(self, error: grpc.RpcError) -> dict[str, Any]:
        """The details in their JSON form, decoded with the server's own descriptors."""
        trailers = dict(error.trailing_metadata())
        status = self.message_class("google.rpc.Status").FromString(
            trailers["grpc-status-details-bin"]
        )
        decoded = json_format.MessageToDict(status, descriptor_pool=self.pool)
        return {detail["@type"].rsplit("/", 1)[1]: detail for detail in decoded["details"]}


@pytest.fixture
def reflected(service: Service, sandbox: Sandbox) -> Reflected:
    return Reflected(service)


def test_reflection_lists_the_services(reflected: Reflected) -> None:
    assert {SERVICE, TENANT_SERVICE, "grpc.health.v1.Health"} <= set(reflected.database.get_services())


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("SendConnectorMessages", connector_request()),
        ("SendCrmMessage", crm_request()),
        ("SendNetworkMessage", network_request()),
    ],
)
def test_an_operation_is_called_without_stubs(
    reflected: Reflected, sandbox: Sandbox, operation: str, request_: dict[str, Any]
) -> None:
    response = reflected.call(operation, request_)
    assert response.HasField("timing")
    (entry,) = sandbox.entries()
    assert len(entry["deliveries"]) == 1


def test_details_are_decoded_without_stubs(reflected: Reflected, sandbox: Sandbox) -> None:
    sandbox.exceed_the_limit()
    with pytest.raises(grpc.RpcError) as raised:
        reflected.call("SendCrmMessage", crm_request())
    details = reflected.details(raised.value)

    reason = details["google.rpc.ErrorInfo"]["reason"]
    reasons = reflected.pool.FindEnumTypeByName("openlines.v1.ErrorReason")
    assert reasons.values_by_name[reason].number > 0
    assert details["google.rpc.RetryInfo"]["retryDelay"] == "4s"
    error = details["openlines.v1.Bitrix24Error"]
    assert error["systemCode"] == "SYSTEM_ERROR_CODE_QUERY_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "name",
    [
        "google.rpc.BadRequest",
        "google.rpc.ErrorInfo",
        "google.rpc.Help",
        "google.rpc.PreconditionFailure",
        "google.rpc.QuotaFailure",
        "google.rpc.RequestInfo",
        "google.rpc.ResourceInfo",
        "google.rpc.RetryInfo",
        "google.rpc.Status",
        "openlines.v1.Bitrix24Error",
    ],
)
def test_reflection_knows_every_type_of_a_status(reflected: Reflected, name: str) -> None:
    assert reflected.pool.FindMessageTypeByName(name).full_name == name


def test_reflection_gives_the_validation_rules(reflected: Reflected) -> None:
    """The rules are extensions, which some servers lose."""
    field = reflected.pool.FindMessageTypeByName(
        "openlines.v1.SendCrmMessageRequest"
    ).fields_by_name["text"]
    rules = reflected.pool.FindExtensionByName("buf.validate.field")
    options = message_factory.GetMessageClass(
        reflected.pool.FindMessageTypeByName("google.protobuf.FieldOptions")
    )
    again = options.FromString(field.GetOptions().SerializeToString())
    assert again.Extensions[rules].string.max_len == 20000
