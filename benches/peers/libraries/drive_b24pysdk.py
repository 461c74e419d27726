"""b24pysdk, the vendor's SDK for Python. It is synchronous: callers are threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from b24pysdk import BitrixWebhook

from driver import COUNT, METHOD, TASK, Stopwatch, name_of, parameters

_user, _secret = TASK["webhook"].rstrip("/").split("/")[-2:]
_token = BitrixWebhook(domain=TASK["domain"], webhook_token=f"{_user}/{_secret}")


def call(number: int) -> str | None:
    try:
        _token.call_method(METHOD, parameters(number))
    except Exception as error:
        return name_of(error)
    return None


def call_list() -> list[str | None]:
    try:
        answer = _token.call_batches([(METHOD, parameters(number)) for number in range(COUNT)])
    except Exception as error:  # What its caller would get for the list.
        return [name_of(error)] * COUNT
    assert len(answer["result"]["result"]) == COUNT
    return [None] * COUNT


watch = Stopwatch()
if TASK["way"] == "list":
    watch.report(call_list())
else:
    with ThreadPoolExecutor(max_workers=COUNT) as pool:
        watch.report(list(pool.map(call, range(COUNT))))
