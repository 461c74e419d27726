"""Fixtures of all tests: one sandbox and one service for the whole run, the sandbox reset before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import stubs
from harness.calls import Client
from harness.sandbox import Sandbox
from harness.service import Service
from harness.tenants import TenantClient


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A test that did not run has failed."""
    left_out = sum(len(terminalreporter.stats.get(kind, ())) for kind in ("skipped", "xfailed"))
    if left_out:
        terminalreporter.write_line(f"{left_out} tests were skipped, which counts as a failure")
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The generated stubs, importable."""
    stubs.generate(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def service(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service."""
    service = Service(shared_sandbox, tmp_path_factory.mktemp("service"))
    yield service
    service.close()


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The portal behind the service, as new."""
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def portal_apart(generated: None) -> Iterator[Sandbox]:
    """A portal of the test's own, for what a service remembers of its portal."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def client_apart(portal_apart: Sandbox, tmp_path: Path) -> Iterator[Client]:
    """A client of a service in front of it."""
    service = Service(portal_apart, tmp_path)
    yield Client(service)
    service.close()


@pytest.fixture(scope="session")
def tenants(service: Service, generated: None) -> TenantClient:
    """A client of the tenant service, for a caller that manages every tenant."""
    return TenantClient(service)


@pytest.fixture(scope="session")
def client(service: Service, generated: None) -> Client:
    """A client with generated stubs."""
    return Client(service)
