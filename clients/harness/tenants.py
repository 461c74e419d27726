"""The operations of the tenant service."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from .calls import PATIENCE_SECONDS, Json
from .service import Service
from .status import Failure, check_what_every_failure_has, failure_of


class TenantClient:
    """Manages tenants through generated stubs."""

    def __init__(self, service: Service) -> None:
        from openlines.tenants.v1.tenant_service_pb2_grpc import TenantServiceStub

        self._stub = TenantServiceStub(service.channel)
        self._key = service.manager_key

    @staticmethod
    def request(operation: str, request: Json) -> Any:
        """The request as a message of the generated class."""
        from openlines.tenants.v1 import tenant_service_pb2

        empty = getattr(tenant_service_pb2, f"{operation}Request")()
        return json_format.ParseDict(request, empty)

    def call(self, operation: str, request: Any) -> Any:
        """Makes a call."""
        if isinstance(request, dict):
            request = self.request(operation, request)
        method = getattr(self._stub, operation)
        return method(request, metadata=self._key.metadata, timeout=PATIENCE_SECONDS)

    def refused(self, operation: str, request: Any) -> Failure:
        """Makes a call that must fail."""
        with pytest.raises(grpc.RpcError) as raised:
            self.call(operation, request)
        failure = failure_of(raised.value)
        check_what_every_failure_has(failure)
        return failure
