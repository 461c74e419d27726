"""fast_bitrix24, as its documentation has it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from fast_bitrix24 import BitrixAsync

from driver import COUNT, METHOD, TASK, Stopwatch, name_of, parameters

# As an application would keep them. The access token has expired.
_pair = TASK.get("pair", {})
_asked = 0


async def token() -> str:
    """Gives the stored access token, and a new one when asked again."""
    global _asked
    _asked += 1
    if _asked > 1:
        query = {"grant_type": "refresh_token", "refresh_token": _pair["refresh_token"], **TASK["application"]}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{TASK['origin']}/oauth/token/", params=query) as answer:
                _pair.update(await answer.json())
    return _pair["access_token"]


async def main() -> None:
    if TASK["way"] == "token":
        client = BitrixAsync(f"{TASK['origin']}/rest/", token_func=token, verbose=False)
    else:
        client = BitrixAsync(TASK["webhook"], verbose=False)
    messages = [parameters(number) for number in range(COUNT)]
    watch = Stopwatch()
    results: list[Any]
    if TASK["way"] == "list":
        try:
            results = list(await client.call(METHOD, messages))
        except Exception as error:  # What its caller would get for the list.
            results = [error] * COUNT
    else:
        calls = (client.call(METHOD, message, raw=True) for message in messages)
        results = await asyncio.gather(*calls, return_exceptions=True)
    watch.report(name_of(result) if isinstance(result, BaseException) else None for result in results)


asyncio.run(main())
