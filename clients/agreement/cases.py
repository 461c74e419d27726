"""Requests on both sides of every rule of the API, each with the fields that break one.

A case changes a valid request at the paths it names. `expected` are the paths that both judges must report, no other and none
less; an empty set means that the request is valid.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.calls import (
    Client,
    Json,
    connector_message,
    connector_request,
    crm_request,
    network_request,
)
from harness.service import APPLICATION, ODD_TENANTS

CONNECTOR, CRM, NETWORK = "SendConnectorMessages", "SendCrmMessage", "SendNetworkMessage"
TEXT = 20_000
URL = 2048
# The first second after the last that a Timestamp may hold.
END_OF_TIME = 253_402_300_800
HOST = "https://a.example/"


@dataclass(frozen=True)
class Case:
    """A request and what is wrong with it."""

    name: str
    operation: str
    request: Json
    expected: frozenset[str]
    # For what the JSON form of a message cannot hold.
    adjust: Callable[[Any], None] | None = None

    def message(self) -> Any:
        """The request as a message."""
        message = Client.request(self.operation, self.request)
        if self.adjust is not None:
            self.adjust(message)
        return message


def change(request: Json, path: str, value: Any) -> None:
    """Sets what stands at a path like `messages[0].user.id`; `...` removes it."""
    *parents, last = re.findall(r"\w+", path)
    place: Any = request
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value


def changed(operation: str, changes: dict[str, Any]) -> Json:
    """A full and valid request with changes."""
    request = copy.deepcopy(FULL[operation])
    for path, value in changes.items():
        change(request, path, value)
    return request


def url(length: int, start: str = HOST) -> str:
    return start + "x" * (length - len(start))


def set_send_time(request: Any, seconds: int, nanos: int) -> None:
    """Sets a time that has no form in JSON."""
    time = request.messages[0].message.send_time
    time.seconds, time.nanos = seconds, nanos


BUTTON: Json = {"text": "Track", "url": HOST}
BLOCKS: list[Json] = [
    {"message": "[B]Parcel[/B]"},
    {"link": {"url": HOST}},
    {"user": {"name": "Ada"}},
    {"grid": {"entries": [{"display": "GRID_DISPLAY_ROW"}]}},
    {"image": {"images": [{"url": "/logo.png"}]}},
    {"file": {"files": [{"url": HOST}]}},
    {"delimiter": {}},
]
LINK, USER, GRID, IMAGE, FILE, DELIMITER = (
    f"attachment.blocks[{place}].{inner}"
    for place, inner in enumerate(
        ("link", "user", "grid.entries[0]", "image.images[0]", "file.files[0]", "delimiter"), 1
    )
)
FULL: dict[str, Json] = {
    CONNECTOR: connector_request(),
    CRM: crm_request(),
    # The tenant has an application: nothing but the rules differs between the operations.
    NETWORK: network_request()
    | {"tenant_id": APPLICATION}
    | {"attachment": {"blocks": BLOCKS}, "keyboard": {"items": [{"button": BUTTON}]}},
}


def good(operation: str, path: str, **values: Any) -> Iterable[Case]:
    """Valid values of one field, by what they are."""
    for what, value in values.items():
        name = f"{operation} {path} may be {what.replace('_', ' ')}"
        yield Case(name, operation, changed(operation, {path: value}), frozenset())


def bad(operation: str, path: str, **values: Any) -> Iterable[Case]:
    """Values of one field that break its rules, by what they are."""
    for what, value in values.items():
        name = f"{operation} {path} may not be {what.replace('_', ' ')}"
        yield Case(name, operation, changed(operation, {path: value}), frozenset({path}))


def case(name: str, operation: str, changes: dict[str, Any], *expected: str) -> Case:
    return Case(name, operation, changed(operation, changes), frozenset(expected))


def every_operation() -> Iterable[Case]:
    for operation in FULL:
        yield Case(f"{operation} as it should be", operation, FULL[operation], frozenset())
        longest, shortest, odd = ODD_TENANTS
        yield from good(operation, "tenant_id", longest=longest, shortest=shortest, odd=odd)
        yield from bad(
            operation,
            "tenant_id",
            missing="",
            too_long="a" * 64,
            in_capitals="Demo",
            with_a_leading_dot=".demo",
            with_a_leading_hyphen="-demo",
            with_a_space="de mo",
            with_a_line_end="demo\n",
            beyond_ascii="démo",
        )
        yield from good(
            operation,
            "request_id",
            missing="",
            random="0b9f4a52-5c1c-4f5e-8f4e-0b8b5d0c4a11",
            in_capitals="0B9F4A52-5C1C-4F5E-8F4E-0B8B5D0C4A11",
            nil="00000000-0000-0000-0000-000000000000",
            of_no_known_version="ffffffff-ffff-ffff-ffff-ffffffffffff",
        )
        yield from bad(
            operation,
            "request_id",
            a_word="order-7",
            without_hyphens="0b9f4a525c1c4f5e8f4e0b8b5d0c4a11",
            in_braces="{0b9f4a52-5c1c-4f5e-8f4e-0b8b5d0c4a11}",
            a_urn="urn:uuid:0b9f4a52-5c1c-4f5e-8f4e-0b8b5d0c4a11",
            with_other_letters="0b9f4a52-5c1c-4f5e-8f4e-0b8b5d0c4a1g",
            with_misplaced_hyphens="0b9f4a525-c1c-4f5e-8f4e-0b8b5d0c4a11",
            with_a_space=" 0b9f4a52-5c1c-4f5e-8f4e-0b8b5d0c4a11",
        )
        yield from enums(operation, 2, "priority")


def texts() -> Iterable[Case]:
    for operation in (CRM, NETWORK):
        yield from good(operation, "text", one_space=" ", longest="x" * TEXT, wide="😀" * TEXT)
        yield from bad(operation, "text", missing="", too_long="x" * (TEXT + 1))
        yield from bad(operation, "text", too_long_and_wide="ж" * (TEXT + 1))


def ids(operation: str, *paths: str) -> Iterable[Case]:
    """Numbers of Bitrix24 that must be above 0."""
    for path in paths:
        yield from good(operation, path, one=1, the_largest=2**63 - 1)
        yield from bad(operation, path, zero=0, negative=-1, the_smallest=-(2**63))


def counts(operation: str, largest: int, *paths: str) -> Iterable[Case]:
    """Numbers that are left out when 0."""
    for path in paths:
        yield from good(operation, path, zero=0, the_largest=largest)
        yield from bad(operation, path, negative=-1)


def optional_urls(operation: str, *paths: str) -> Iterable[Case]:
    for path in paths:
        yield from good(
            operation,
            path,
            missing="",
            longest=url(URL),
            short="http://a",
            in_capitals="HTTPS://A.EXAMPLE",
            beyond_ascii="https://пример.рф/ж",
        )
        yield from bad(
            operation,
            path,
            too_long=url(URL + 1),
            without_scheme="a.example",
            of_another_scheme="ftp://a.example/",
            without_host="https://",
            with_an_empty_host="https:///a",
            with_a_space="https://a.example/ b",
            with_a_line_end="https://a.example/\n",
            with_a_delete_character="https://a.example/\x7f",
            after_a_line_end="\nhttps://a.example/",
        )


def optional_links(*paths: str) -> Iterable[Case]:
    """Addresses that may also be a path on the portal."""
    for path in paths:
        yield from good(
            NETWORK,
            path,
            missing="",
            longest=url(URL),
            a_path="/crm/lead/1/",
            the_root="/",
            the_longest_path=url(URL, "/"),
        )
        yield from bad(
            NETWORK,
            path,
            too_long=url(URL + 1),
            too_long_a_path=url(URL + 1, "/"),
            a_word="crm",
            another_host="//a.example/",
            a_script="javascript:alert(1)",
            a_path_with_a_space="/a b",
        )


def colors(*paths: str) -> Iterable[Case]:
    for path in paths:
        yield from good(NETWORK, path, missing="", short="#aB3", long="#00ff0F")
        yield from bad(
            NETWORK,
            path,
            a_name="red",
            without_hash="29619b",
            of_four_digits="#1234",
            no_number="#ggg",
            with_a_line_end="#fff\n",
        )


def enums(operation: str, last: int, *paths: str) -> Iterable[Case]:
    """Enums that may be left out."""
    for path in paths:
        yield from good(operation, path, left_out=0, the_last=last)
        yield from bad(operation, path, unknown=last + 1, negative=-1)


def required_enums(operation: str, last: int, *paths: str) -> Iterable[Case]:
    for path in paths:
        yield from good(operation, path, the_first=1, the_last=last)
        yield from bad(operation, path, left_out=0, unknown=last + 1, negative=-1)


def connector_messages() -> Iterable[Case]:
    yield from good(
        CONNECTOR,
        "connector_id",
        one_letter="c",
        longest="c" * 255,
        beyond_ascii="коннектор",
        mixed="My_Connector-1",
    )
    yield from bad(
        CONNECTOR,
        "connector_id",
        missing="",
        too_long="c" * 256,
        dotted="my.connector",
        with_a_space="my connector",
        with_a_tab="my\tconnector",
        with_a_line_end="myconnector\n",
        with_a_delete_character="my\x7f",
    )
    yield from ids(CONNECTOR, "line_id")
    yield from bad(CONNECTOR, "messages", missing=[])
    hundred = [connector_message(f"m{number}") for number in range(101)]
    yield from good(CONNECTOR, "messages", a_hundred=hundred[:100])
    yield from bad(CONNECTOR, "messages", a_hundred_and_one=hundred)
    yield from bad(CONNECTOR, "messages[0].user", missing=...)
    yield from bad(CONNECTOR, "messages[0].message", missing=...)
    yield from bad(CONNECTOR, "messages[0].chat", missing=...)
    for path in ("messages[0].user.id", "messages[0].message.id", "messages[0].chat.id"):
        yield from good(CONNECTOR, path, one_space=" ", longest="й" * 255)
        yield from bad(CONNECTOR, path, missing="", too_long="й" * 256)
    for path in ("messages[0].user.first_name", "messages[0].user.last_name"):
        yield from good(
            CONNECTOR,
            path,
            missing="",
            longest="ж" * 25,
            with_signs="Mary-Ann d’Arc O'Neil",
            with_combining_marks="Zoe\u0308",
            indian="अदिति",
            chinese="王小明",
        )
        yield from bad(
            CONNECTOR,
            path,
            too_long="ж" * 26,
            with_a_digit="R2D2",
            with_a_dot="J. R.",
            with_a_tab="a\tb",
            with_a_line_end="Ada\n",
            an_emoji="😀",
            too_long_and_with_digits="7" * 26,
        )
    yield from optional_urls(
        CONNECTOR,
        "messages[0].user.picture_url",
        "messages[0].user.profile_url",
        "messages[0].chat.url",
    )
    yield from enums(CONNECTOR, 2, "messages[0].user.gender")
    for path, longest in (
        ("messages[0].user.email", 254),
        ("messages[0].user.phone", 64),
        ("messages[0].chat.name", 255),
    ):
        yield from good(CONNECTOR, path, missing="", longest="é" * longest)
        yield from bad(CONNECTOR, path, too_long="é" * (longest + 1))
    yield from external_messages()


def external_messages() -> Iterable[Case]:
    message = "messages[0].message"
    yield from good(
        CONNECTOR,
        f"{message}.send_time",
        missing=None,
        the_first_second="1970-01-01T00:00:01Z",
        the_last_second="9999-12-31T23:59:59Z",
        a_fraction="2026-11-21T14:00:00.5Z",
    )
    yield from bad(
        CONNECTOR,
        f"{message}.send_time",
        the_epoch="1970-01-01T00:00:00Z",
        just_before_the_first_second="1970-01-01T00:00:00.999999999Z",
        before_the_epoch="1969-12-31T23:59:59Z",
    )
    for seconds, nanos, what in (
        (END_OF_TIME, 0, "in the year 10000"),
        (2**63 - 1, 0, "at the end of int64"),
        (1, -1, "with a negative fraction before the first second"),
    ):
        yield Case(
            f"a message may not be sent {what}",
            CONNECTOR,
            FULL[CONNECTOR],
            frozenset({f"{message}.send_time"}),
            partial(set_send_time, seconds=seconds, nanos=nanos),
        )
    yield from good(CONNECTOR, f"{message}.text", longest="x" * TEXT)
    yield from bad(CONNECTOR, f"{message}.text", too_long="x" * (TEXT + 1))
    files = [{"url": HOST, "name": "a.pdf"}] * 101
    yield case(
        "a message may have files alone",
        CONNECTOR,
        {f"{message}.text": "", f"{message}.files": files[:1]},
    )
    yield case("a message may not be empty", CONNECTOR, {f"{message}.text": ""}, message)
    yield from good(CONNECTOR, f"{message}.files", a_hundred=files[:100])
    yield from bad(CONNECTOR, f"{message}.files", a_hundred_and_one=files)
    for what, value in {
        "missing": "",
        "too long": url(URL + 1),
        "relative": "/a.pdf",
        "without host": "http://",
    }.items():
        yield case(
            f"a file's address may not be {what}",
            CONNECTOR,
            {f"{message}.files": [{"url": HOST}, {"url": value}]},
            f"{message}.files[1].url",
        )
    for length in (255, 256):
        yield case(
            f"a file's name of {length} characters",
            CONNECTOR,
            {f"{message}.files": [{"url": url(URL), "name": "n" * length}]},
            *([f"{message}.files[0].name"] if length > 255 else []),
        )
    yield from good(CONNECTOR, f"{message}.portal_user_id", the_system=0, somebody=1)
    yield from bad(CONNECTOR, f"{message}.portal_user_id", negative=-1)


def crm_messages() -> Iterable[Case]:
    yield from required_enums(CRM, 4, "crm_entity_type")
    yield from ids(CRM, "crm_entity_id", "user_id", "portal_chat_id")


def network_messages() -> Iterable[Case]:
    yield from good(NETWORK, "line_code", digits="0" * 32, mixed="aZ09" * 8)
    yield from bad(
        NETWORK,
        "line_code",
        missing="",
        too_short="a" * 31,
        too_long="a" * 33,
        with_a_hyphen="a" * 31 + "-",
        with_a_line_end="a" * 32 + "\n",
        beyond_ascii="é" * 32,
    )
    yield from ids(NETWORK, "user_id")
    yield from good(NETWORK, "attachment", missing=...)
    yield from good(NETWORK, "keyboard", missing=...)


def attachments() -> Iterable[Case]:
    long, int_ = 2**63 - 1, 2**31 - 1
    yield from counts(NETWORK, long, "attachment.id")
    yield from enums(NETWORK, 4, "attachment.color_token", f"{GRID}.color_token")
    yield from colors("attachment.color", f"{GRID}.color", f"{DELIMITER}.color")
    yield from bad(NETWORK, "attachment.blocks", missing=[])
    yield case(
        "a block needs a kind",
        NETWORK,
        {"attachment.blocks": [{}, *BLOCKS, {}]},
        "attachment.blocks[0].block",
        "attachment.blocks[8].block",
    )
    yield from bad(NETWORK, "attachment.blocks[0].message", missing="")
    for path in (LINK, IMAGE, FILE):
        yield from bad(NETWORK, f"{path}.url", missing="")
    yield from (
        case
        for case in optional_links(
            f"{LINK}.url",
            f"{LINK}.preview_url",
            f"{USER}.avatar_url",
            f"{USER}.url",
            f"{GRID}.url",
            f"{IMAGE}.url",
            f"{IMAGE}.preview_url",
            f"{FILE}.url",
        )
        # Required ones may not be missing, as said above.
        if not case.name.endswith(
            tuple(f"{path}.url may be missing" for path in (LINK, IMAGE, FILE))
        )
    )
    for path in (LINK, GRID, IMAGE):
        yield from counts(NETWORK, int_, f"{path}.width_pixels", f"{path}.height_pixels")
    for path in (LINK, USER, GRID):
        yield from counts(NETWORK, long, f"{path}.user_id", f"{path}.portal_chat_id")
    yield from counts(NETWORK, long, f"{USER}.bot_id", f"{FILE}.size_bytes")
    yield from counts(NETWORK, int_, f"{DELIMITER}.size_pixels")
    yield from bad(NETWORK, f"{USER}.name", missing="")
    yield from enums(NETWORK, 3, f"{USER}.avatar_type")
    yield from required_enums(NETWORK, 4, f"{GRID}.display")
    for place, inner in ((3, "grid.entries"), (4, "image.images"), (5, "file.files")):
        yield from bad(NETWORK, f"attachment.blocks[{place}].{inner}", missing=[])


def keyboards() -> Iterable[Case]:
    button = "keyboard.items[0].button"
    yield from bad(NETWORK, "keyboard.items", missing=[])
    yield from good(NETWORK, "keyboard.items[0]", a_row_break={"row_break": {}})
    yield case("an item needs a kind", NETWORK, {"keyboard.items[0]": {}}, "keyboard.items[0].item")
    yield from bad(NETWORK, f"{button}.text", missing="")
    yield case("a button needs an action", NETWORK, {f"{button}.url": ...}, f"{button}.action")
    yield from bad(NETWORK, f"{button}.url", missing="", a_path="/crm/")
    yield from (
        case for case in optional_urls(NETWORK, f"{button}.url") if "missing" not in case.name
    )
    yield from enums(NETWORK, 3, f"{button}.context")
    yield from enums(NETWORK, 2, f"{button}.display")
    yield from enums(NETWORK, 4, f"{button}.background_color_token")
    yield from counts(NETWORK, 2**31 - 1, f"{button}.width_pixels")
    kinds = ("background_color", "text_color", "disabled_background_color", "disabled_text_color")
    yield from colors(*(f"{button}.{kind}" for kind in kinds))


def several_at_once() -> Iterable[Case]:
    yield Case(
        "an empty CRM message",
        CRM,
        {},
        frozenset(
            {"tenant_id", "crm_entity_type", "crm_entity_id", "user_id", "portal_chat_id", "text"}
        ),
    )
    yield Case(
        "an empty network message",
        NETWORK,
        {},
        frozenset({"tenant_id", "line_code", "user_id", "text"}),
    )
    yield Case(
        "an empty connector call",
        CONNECTOR,
        {},
        frozenset({"tenant_id", "connector_id", "line_id", "messages"}),
    )
    yield case(
        "faults in several messages",
        CONNECTOR,
        {
            "messages": [
                connector_message(),
                {"user": {}, "message": {"text": "x"}},
                {},
                {"user": {"id": "u"}, "message": {"id": "m", "files": [{}]}, "chat": {"id": "c"}},
            ],
            "line_id": -5,
            "request_id": "x",
        },
        "line_id",
        "request_id",
        "messages[1].user.id",
        "messages[1].message.id",
        "messages[1].chat",
        "messages[2].user",
        "messages[2].message",
        "messages[2].chat",
        "messages[3].message.files[0].url",
    )
    yield case(
        "an empty message breaks two rules",
        CONNECTOR,
        {"messages[0].message": {}},
        "messages[0].message",
        "messages[0].message.id",
    )
    yield case(
        "faults deep in attachment and keyboard",
        NETWORK,
        {
            "text": "",
            "attachment.id": -1,
            "attachment.blocks": [
                {"link": {"width_pixels": -1}},
                {"grid": {"entries": [{}, {"display": 1, "color": "x"}]}},
                {"image": {}},
                {"user": {}},
            ],
            "keyboard.items": [{"button": {"width_pixels": -1}}, {}, {"row_break": {}}],
        },
        "text",
        "attachment.id",
        "attachment.blocks[0].link.url",
        "attachment.blocks[0].link.width_pixels",
        "attachment.blocks[1].grid.entries[0].display",
        "attachment.blocks[1].grid.entries[1].color",
        "attachment.blocks[2].image.images",
        "attachment.blocks[3].user.name",
        "keyboard.items[0].button.text",
        "keyboard.items[0].button.action",
        "keyboard.items[0].button.width_pixels",
        "keyboard.items[1].item",
    )


CASES: list[Case] = [
    *every_operation(),
    *texts(),
    *connector_messages(),
    *crm_messages(),
    *network_messages(),
    *attachments(),
    *keyboards(),
    *several_at_once(),
]
