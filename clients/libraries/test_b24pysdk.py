"""b24pysdk, the vendor's SDK for Python, unchanged, against the sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from b24pysdk import BitrixWebhook, Client
from b24pysdk.errors import BitrixAPIBadRequest, BitrixAPIInvalidCredentials

from portal import COUNT, METHOD, WEBHOOK, Portal, message, texts


def webhook(portal: Portal, token: str = WEBHOOK) -> BitrixWebhook:
    return BitrixWebhook(domain=portal.domain, webhook_token=token)


def test_a_single_call_gives_the_id_of_the_message(portal: Portal) -> None:
    answer = webhook(portal).call_method(METHOD, message("hello"))
    assert isinstance(answer["result"], int)
    assert answer["time"]["operating_reset_at"] > 0
    assert portal.delivered() == {"hello": 1}


def test_its_objects_read_what_they_ask_for(portal: Portal) -> None:
    client = Client(webhook(portal))
    assert client.profile().response.result["ID"] == "1"
    assert "imopenlines" in client.scope().response.result


def test_a_refused_call_raises_the_error_of_its_code(portal: Portal) -> None:
    with pytest.raises(BitrixAPIBadRequest, match="CRM_ENTITY_TYPE"):
        webhook(portal).call_method(METHOD, {"MESSAGE": "x"})
    with pytest.raises(BitrixAPIInvalidCredentials):
        webhook(portal, "1/wrong").call_method(METHOD, message("x"))


def test_a_batch_gives_each_command_its_result_or_error(portal: Portal) -> None:
    methods = {"good": (METHOD, message("a & b")), "bad": ("im.nothing", {})}
    result = webhook(portal).call_batch(methods)["result"]
    assert isinstance(result["result"]["good"], int)
    assert result["result_error"]["bad"]["error"] == "ERROR_METHOD_NOT_FOUND"
    assert portal.delivered() == {"a & b": 1}


def test_five_hundred_in_batches_arrive_once_within_the_limits(portal: Portal) -> None:
    sent = texts("batch")
    answer = webhook(portal).call_batches([(METHOD, message(text)) for text in sent])
    assert len(answer["result"]["result"]) == COUNT
    portal.check_each_arrived_once(sent)
    assert [entry["method"] for entry in portal.entries()] == ["batch"] * (COUNT // 50)


def test_five_hundred_single_calls_arrive_once(portal: Portal) -> None:
    portal.lift_limits()
    sent = texts("single")
    token = webhook(portal)
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = pool.map(lambda text: token.call_method(METHOD, message(text)), sent)
        assert len({answer["result"] for answer in answers}) == COUNT
    portal.check_each_arrived_once(sent)
