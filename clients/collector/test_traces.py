"""A call of a Python client with a traceparent appears in a real collector, over TLS, as one trace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from collector import real
from harness.calls import Client, crm_request
from harness.sandbox import Sandbox
from harness.service import Service


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real.build(tmp_path_factory.mktemp("otelcol"))


@pytest.fixture
def collector(program: Path, tmp_path: Path) -> Iterator[real.Collector]:
    collector = real.Collector(program, tmp_path)
    yield collector
    collector.close()


def stop(service: Service) -> None:
    """Stops it in order: the last spans and metrics are on their way then."""
    service.terminate()
    assert service.exit_code() == 0, service.output


def spans(printed: str) -> list[dict[str, str]]:
    """The fields and attributes of each span that the collector printed."""
    found = []
    for span in re.split(r"^Span #\d+$", printed, flags=re.MULTILINE)[1:]:
        fields = dict(re.findall(r"^    (\w[\w ]*?) *: *(\S*)$", span, re.MULTILINE))
        attributes = dict(re.findall(r"^     -> ([\w.]+): Str\((.*)\)$", span, re.MULTILINE))
        found.append(fields | attributes)
    return found


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_call_is_one_trace(
    collector: real.Collector, portal_apart: Sandbox, tmp_path: Path, protocol: str
) -> None:
    telemetry = {
        "otlp_endpoint": f"https://localhost:{collector.ports[protocol]}",
        "otlp_protocol": protocol,
        "otlp_ca_file": str(collector.certificate),
        "otlp_metrics": True,
        "service_name": "messages",
        "resource_attributes": ["k8s.pod.name=openlines-1"],
        "sample_percent": 0,
    }
    service = Service(portal_apart, tmp_path, {"telemetry": telemetry})
    client = Client(service)
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    metadata = (*service.key.metadata, ("traceparent", f"00-{trace}-{parent}-01"))
    client.call("SendCrmMessage", crm_request(), metadata=metadata)
    # Callers that do not trace theirs are not traced.
    client.call("SendCrmMessage", crm_request(), metadata=service.key.metadata)
    stop(service)

    for printed in ("Name: openlines_calls_total", ": Server\n", ": Client\n"):
        collector.wait_for(printed)
    found = {span["Kind"]: span for span in spans(collector.printed)}
    assert sorted(found) == ["Client", "Server"], collector.printed
    call, request = found["Server"], found["Client"]
    assert call["Trace ID"] == request["Trace ID"] == trace
    assert call["Parent ID"] == parent
    assert request["Parent ID"] == call["ID"]
    assert call["Name"] == "openlines.v1.OpenLinesService/SendCrmMessage"
    for attribute in ("service.name: Str(messages)", "k8s.pod.name: Str(openlines-1)", "service.version: Str("):
        # Of traces and of metrics.
        assert collector.printed.count(attribute) >= 2, attribute
    assert "Description: Ended calls." in collector.printed


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("key, is_taken", [("canary,key 1", True), ("canary,key 2", False)])
def test_a_collector_that_asks_for_a_key_gets_it(
    program: Path, portal_apart: Sandbox, tmp_path: Path, protocol: str, key: str, is_taken: bool
) -> None:
    collector = real.Collector(program, tmp_path, key="canary,key 1")
    headers = tmp_path / "headers"
    headers.write_text(f"api-key={quote(key)}\n")
    headers.chmod(0o600)
    telemetry = {
        "otlp_endpoint": f"https://localhost:{collector.ports[protocol]}",
        "otlp_protocol": protocol,
        "otlp_ca_file": str(collector.certificate),
        "otlp_headers_file": str(headers),
        "otlp_metrics": True,
        "sample_percent": 100,
    }
    try:
        service = Service(portal_apart, tmp_path, {"telemetry": telemetry})
        Client(service).call("SendCrmMessage", crm_request(), metadata=service.key.metadata)
        stop(service)
        told = [line for line in service.output if "does not take what it is sent" in line]
        if is_taken:
            collector.wait_for("Name: openlines_calls_total")
            collector.wait_for(": Server\n")
            assert not told, told
        else:
            # Of traces and of metrics.
            assert len(told) == 2 and all("check telemetry.otlp_headers" in line for line in told), service.output
            assert not spans(collector.printed)
        assert not [line for line in service.output if "canary" in line]
    finally:
        collector.close()


def test_a_collector_with_another_certificate_is_told_and_costs_no_call(
    collector: real.Collector, portal_apart: Sandbox, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    telemetry = {
        "otlp_endpoint": f"https://localhost:{collector.ports['grpc']}",
        "otlp_ca_file": str(real.certificate(other)[0]),
        "sample_percent": 100,
    }
    service = Service(portal_apart, tmp_path, {"telemetry": telemetry})
    Client(service).call("SendCrmMessage", crm_request(), metadata=service.key.metadata)
    stop(service)
    told = [line for line in service.output if "does not take what it is sent" in line]
    assert len(told) == 1 and "certificate" in told[0], service.output
    assert not spans(collector.printed)
