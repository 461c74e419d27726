"""Generated stubs beside other packages."""

from __future__ import annotations

import importlib

import pytest

# bitrix24-rest on PyPI: a client library whose top-level package is `bitrix24`.
OTHER = "bitrix24"


@pytest.mark.parametrize("module", ["openlines.v1.crm_message_pb2", "openlines.tenants.v1.tenant_pb2"])
def test_stubs_import_beside_bitrix24_rest(generated: None, module: str) -> None:
    assert importlib.import_module(OTHER).Bitrix24
    assert importlib.import_module(module).DESCRIPTOR.package == module.rpartition(".")[0]
