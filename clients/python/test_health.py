"""Health, and the orderly stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness.sandbox import Sandbox
from harness.service import SERVICE, TENANT_SERVICE, Service

Status = health_pb2.HealthCheckResponse


@pytest.fixture
def own_service(shared_sandbox: Sandbox, tmp_path: Path) -> Iterator[Service]:
    """A service that a test may stop."""
    service = Service(shared_sandbox, tmp_path)
    yield service
    service.close()


@pytest.mark.parametrize("name", ["", SERVICE, TENANT_SERVICE])
def test_the_whole_and_the_service_are_serving(service: Service, name: str) -> None:
    health = health_pb2_grpc.HealthStub(service.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20)
    assert answer.status == Status.SERVING


def test_a_service_that_is_not_there_is_not_found(service: Service) -> None:
    health = health_pb2_grpc.HealthStub(service.channel)
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=20)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["", SERVICE, TENANT_SERVICE])
def test_a_watcher_hears_of_the_stop_and_the_process_ends_well(
    own_service: Service, name: str
) -> None:
    health = health_pb2_grpc.HealthStub(own_service.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=30)
    assert next(watch).status == Status.SERVING

    own_service.terminate()
    assert next(watch).status == Status.NOT_SERVING
    assert own_service.exit_code() == 0
