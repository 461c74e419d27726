"""A failed call with its details decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "openlines.bitrix24"
METADATA_KEYS = {"errorSource", "outcome", "tenantId", "bitrix24Method", "bitrix24Code"}


@dataclass(frozen=True)
class Failure:
    """What a caller is told."""

    code: grpc.StatusCode
    message: str
    details: dict[str, Any]
    trailers: dict[str, str]

    @property
    def kinds(self) -> set[str]:
        """The names of the details' types, without their packages."""
        return set(self.details)

    @property
    def reason(self) -> str:
        return self.details["ErrorInfo"].reason

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.details["ErrorInfo"].metadata)

    @property
    def fields(self) -> list[str]:
        """The fields that BadRequest names."""
        bad_request = self.details.get("BadRequest")
        return [] if bad_request is None else [v.field for v in bad_request.field_violations]

    @property
    def retry_seconds(self) -> float | None:
        retry = self.details.get("RetryInfo")
        return None if retry is None else retry.retry_delay.ToTimedelta().total_seconds()


def details_of(status: status_pb2.Status) -> dict[str, Any]:
    """Every detail, decoded, by the short name of its type. No type comes twice."""
    from openlines.v1 import bitrix24_error_pb2

    details: dict[str, Any] = {}
    for packed in status.details:
        package, name = packed.TypeName().rsplit(".", 1)
        source = error_details_pb2 if package == "google.rpc" else bitrix24_error_pb2
        message = getattr(source, name)()
        assert packed.Unpack(message), packed.type_url
        assert name not in details, f"{name} comes twice"
        details[name] = message
    return details


def failure_of(error: grpc.RpcError) -> Failure:
    """Decodes a failed call with grpcio-status."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, f"a status without details: {error}"
    trailers = {
        key: value for key, value in error.trailing_metadata() or () if isinstance(value, str)
    }
    return Failure(error.code(), status.message, details_of(status), trailers)


def check_what_every_failure_has(failure: Failure) -> None:
    """ErrorInfo with a reason that the API knows, and RequestInfo that agrees with the header."""
    from openlines.v1.error_reason_pb2 import ErrorReason

    info = failure.details["ErrorInfo"]
    assert info.domain == DOMAIN
    assert ErrorReason.Value(info.reason) != 0
    assert {"errorSource", "outcome"} <= set(info.metadata) <= METADATA_KEYS
    assert info.metadata["errorSource"] in {"facade", "bitrix24"}
    assert info.metadata["outcome"] in {"not_executed", "executed", "unknown"}
    request_id = failure.details["RequestInfo"].request_id
    assert request_id and request_id == failure.trailers["x-request-id"]
    # A status travels in HTTP headers, which many clients take up to 8 KiB only.
    assert sum(len(key) + len(value) for key, value in failure.trailers.items()) < 8192
