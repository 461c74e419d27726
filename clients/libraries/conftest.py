"""One sandbox over HTTPS for the whole run, with a certificate made for it; reset before each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from portal import Portal

# Made before any library is imported: aiohttp reads the trusted certificates on import.
_FOLDER = tempfile.TemporaryDirectory(prefix="openlines-libraries-")
_CA_FILE = Path(_FOLDER.name) / "ca.pem"
_CERTIFICATE_FILE = Path(_FOLDER.name) / "certificate.pem"
_KEY_FILE = Path(_FOLDER.name) / "key.pem"


def pytest_configure() -> None:
    """Lets every runtime trust the certificate by its usual variable."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(_CA_FILE)
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(_KEY_FILE)
    for certificate in issued.cert_chain_pems:
        certificate.write_to_path(_CERTIFICATE_FILE, append=True)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        os.environ[variable] = str(_CA_FILE)


def pytest_unconfigure() -> None:
    _FOLDER.cleanup()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A test that did not run has failed."""
    if terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("skipped tests count as failures")
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared_portal() -> Iterator[Portal]:
    portal = Portal(_CERTIFICATE_FILE, _KEY_FILE)
    yield portal
    portal.close()


@pytest.fixture
def portal(shared_portal: Portal) -> Portal:
    """The demonstration portal, as new, with the limits of a standard plan."""
    shared_portal.reset()
    return shared_portal
