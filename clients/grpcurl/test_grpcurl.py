"""grpcurl, which knows the API through reflection only and prints the details of an error decoded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.calls import Json, connector_request, crm_request, network_request
from harness.sandbox import OWNER, WEBHOOK_SECRET, Sandbox
from harness.service import SERVICE, TENANT_SERVICE, Service

FAILED = 64


def program() -> str:
    """Where grpcurl is: on the path, or where `go install` puts it."""
    found = shutil.which("grpcurl") or shutil.which("grpcurl", path=Path.home() / "go/bin")
    assert found, "grpcurl is missing: see .ci/run for how to install it"
    return found


class Grpcurl:
    """grpcurl against the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`grpcurl -plaintext` with these arguments; the word ADDRESS stands for the service's."""
        arguments = tuple(self._service.address if a == "ADDRESS" else a for a in arguments)
        return subprocess.run(
            [program(), "-plaintext", *arguments],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )

    def output(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def call(self, operation: str, request: Json) -> subprocess.CompletedProcess[str]:
        key = f"authorization: Bearer {self._service.key.key}"
        data = json.dumps(request)
        return self.run("-H", key, "-d", data, "ADDRESS", f"{SERVICE}/{operation}")


@pytest.fixture
def grpcurl(service: Service, sandbox: Sandbox) -> Grpcurl:
    return Grpcurl(service)


def test_it_lists_services_and_operations(grpcurl: Grpcurl) -> None:
    assert {SERVICE, TENANT_SERVICE, "grpc.health.v1.Health"} <= set(grpcurl.output("ADDRESS", "list").split())
    operations = grpcurl.output("ADDRESS", "list", SERVICE).split()
    assert operations == [
        f"{SERVICE}.{name}"
        for name in (
            "GetSendStatus",
            "ListErrorReasons",
            "SendConnectorMessages",
            "SendCrmMessage",
            "SendNetworkMessage",
            "StreamingSendMessages",
        )
    ]


def test_it_describes_the_service(grpcurl: Grpcurl) -> None:
    description = grpcurl.output("ADDRESS", "describe", SERVICE)
    assert f"{SERVICE} is a service:" in description
    assert "rpc SendCrmMessage (" in description


def test_it_describes_a_message_with_its_rules(grpcurl: Grpcurl) -> None:
    name = "openlines.v1.SendCrmMessageRequest"
    description = grpcurl.output("ADDRESS", "describe", name)
    assert "int64 portal_chat_id = 6" in description
    assert "max_len: 20000" in description


@pytest.mark.parametrize(
    ("operation", "request_", "field"),
    [
        ("SendConnectorMessages", connector_request(), "results"),
        ("SendCrmMessage", crm_request(), "portalMessageId"),
        ("SendNetworkMessage", network_request(), "timing"),
    ],
)
def test_it_calls_an_operation(
    grpcurl: Grpcurl, operation: str, request_: Json, field: str
) -> None:
    done = grpcurl.call(operation, request_)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[field]


@pytest.mark.parametrize("name", ["", SERVICE, TENANT_SERVICE])
def test_it_asks_for_health(grpcurl: Grpcurl, name: str) -> None:
    data = json.dumps({"service": name})
    answer = grpcurl.output("-d", data, "ADDRESS", "grpc.health.v1.Health/Check")
    assert json.loads(answer) == {"status": "SERVING"}


def test_it_prints_the_details_of_an_error_decoded(grpcurl: Grpcurl, sandbox: Sandbox) -> None:
    sandbox.exceed_the_limit()
    done = grpcurl.call("SendCrmMessage", crm_request())

    assert done.returncode == FAILED + 8
    assert "Code: ResourceExhausted" in done.stderr
    bodies = re.split(r"^ *\d+\)\t", done.stderr.split("Details:\n")[1], flags=re.MULTILINE)[1:]
    details = {body["@type"].rsplit("/", 1)[1]: body for body in map(json.loads, bodies)}
    assert details["google.rpc.ErrorInfo"]["reason"] == "ERROR_REASON_PORTAL_RATE_LIMITED"
    # Without a deadline of its own the call has two seconds here, and the third pause ends 1.5 s later.
    assert details["google.rpc.RetryInfo"]["retryDelay"] == "2s"
    error = details["openlines.v1.Bitrix24Error"]
    assert error["systemCode"] == "SYSTEM_ERROR_CODE_QUERY_LIMIT_EXCEEDED"


def test_it_names_every_wrong_field(grpcurl: Grpcurl) -> None:
    done = grpcurl.call("SendCrmMessage", crm_request() | {"text": "", "user_id": 0})
    assert done.returncode == FAILED + 3
    assert '"field": "text"' in done.stderr and '"field": "user_id"' in done.stderr


def test_it_manages_tenants(grpcurl: Grpcurl, service: Service, sandbox: Sandbox) -> None:
    """The commands of docs/tenants.md."""
    key = f"authorization: Bearer {service.manager_key.key}"

    def call(operation: str, request: Json) -> subprocess.CompletedProcess[str]:
        data = json.dumps(request)
        return grpcurl.run("-H", key, "-d", data, "ADDRESS", f"{TENANT_SERVICE}/{operation}")

    webhook = {"user_id": OWNER, "secret": WEBHOOK_SECRET}
    tenant = {"display_name": "Acme", "portal": sandbox.url, "webhook": webhook}
    created = call("CreateTenant", {"tenant_id": "by-grpcurl", "tenant": tenant})
    assert created.returncode == 0, created.stderr
    assert json.loads(created.stdout)["tenant"]["webhook"]["hasSecret"]
    assert WEBHOOK_SECRET not in created.stdout

    change = {"name": "tenants/by-grpcurl", "display_name": "Acme GmbH"}
    updated = call("UpdateTenant", {"tenant": change, "update_mask": {"paths": ["display_name"]}})
    assert json.loads(updated.stdout)["tenant"]["displayName"] == "Acme GmbH"
    plan = {"own": {"burst": 100, "per_second": 3}}
    planned = call("UpdateTenant", {"tenant": {"name": "tenants/by-grpcurl", "plan": plan}})
    assert json.loads(planned.stdout)["tenant"]["plan"] == {"own": {"burst": 100, "perSecond": 3}}
    verified = call("VerifyTenant", {"name": "tenants/by-grpcurl"})
    assert json.loads(verified.stdout)["verdict"] == "VERDICT_WORKING"
    deleted = call("DeleteTenant", {"name": "tenants/by-grpcurl"})
    assert deleted.returncode == 0, deleted.stderr
    gone = call("GetTenant", {"name": "tenants/by-grpcurl"})
    assert gone.returncode == FAILED + 5
    assert "ERROR_REASON_TENANT_NOT_FOUND" in gone.stderr
