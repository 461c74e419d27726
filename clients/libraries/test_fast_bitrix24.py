"""fast_bitrix24, unchanged, against the sandbox."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from fast_bitrix24 import BitrixAsync
from fast_bitrix24.server_response import ErrorInServerResponseException

from portal import COUNT, METHOD, Portal, message, texts


def test_a_single_call_gives_the_id_of_the_message(portal: Portal) -> None:
    client = BitrixAsync(portal.webhook, verbose=False)
    answer = asyncio.run(client.call(METHOD, message("hello"), raw=True))
    assert isinstance(answer["result"], int)
    assert portal.delivered() == {"hello": 1}


def test_a_refused_call_raises(portal: Portal) -> None:
    client = BitrixAsync(portal.webhook, verbose=False)
    with pytest.raises(aiohttp.ClientResponseError) as raised:
        asyncio.run(client.call(METHOD, {"MESSAGE": "x"}, raw=True))
    assert raised.value.status == 400
    with pytest.raises(ErrorInServerResponseException, match="ERROR_ARGUMENT"):
        asyncio.run(client.call(METHOD, [{"MESSAGE": "x"}, {"MESSAGE": "y"}]))


def test_a_batch_gives_each_command_its_result(portal: Portal) -> None:
    client = BitrixAsync(portal.webhook, verbose=False)
    commands = {"one": f"{METHOD}?CRM_ENTITY_TYPE=lead&CRM_ENTITY=1195&USER_ID=27&CHAT_ID=1341&MESSAGE=a"}
    commands["two"] = commands["one"][:-1] + "$result[one]"
    results = asyncio.run(client.call_batch({"halt": 1, "cmd": commands}))
    assert set(results) == {"one", "two"}
    assert portal.delivered() == {"a": 1, str(results["one"]): 1}


def test_five_hundred_in_batches_arrive_once_within_the_limits(portal: Portal) -> None:
    client = BitrixAsync(portal.webhook, verbose=False)
    sent = texts("batch")
    asyncio.run(client.call(METHOD, [message(text) for text in sent]))
    portal.check_each_arrived_once(sent)
    assert [entry["method"] for entry in portal.entries()] == ["batch"] * (COUNT // 50)


def test_five_hundred_single_calls_arrive_once(portal: Portal) -> None:
    portal.lift_limits()
    sent = texts("single")

    async def send_all() -> None:
        client = BitrixAsync(portal.webhook, verbose=False, request_pool_size=COUNT)
        calls = (client.call(METHOD, message(text), raw=True) for text in sent)
        await asyncio.gather(*calls)

    asyncio.run(send_all())
    portal.check_each_arrived_once(sent)
    assert len(portal.entries()) == COUNT
