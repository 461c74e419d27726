"""What the server refuses and the rules in the .proto do not: they cannot say it. docs/errors.md and the .proto's comments do."""

from __future__ import annotations

from .cases import BUTTON, HOST, NETWORK, Case, changed, connector_message, connector_request

# The size that a typed attachment or keyboard has as JSON beside the text inside.
ATTACHMENT_FRAME = len('{"BLOCKS":[{"MESSAGE":""}]}')
KEYBOARD_FRAME = len('{"BUTTONS":[{"LINK":"%s","TEXT":""}]}' % HOST)
LIMIT = 30 * 1024


def attachment(text_bytes: int) -> dict:
    return {"attachment": {"blocks": [{"message": "x" * text_bytes}]}}


def attachment_struct(text_bytes: int) -> dict:
    return {"attachment": ..., "attachment_struct": {"BLOCKS": [{"MESSAGE": "x" * text_bytes}]}}


def keyboard(text_bytes: int) -> dict:
    return {"keyboard": {"items": [{"button": BUTTON | {"text": "x" * text_bytes}}]}}


def keyboard_struct(text_bytes: int) -> dict:
    button = {"LINK": HOST, "TEXT": "x" * text_bytes}
    return {"keyboard": ..., "keyboard_struct": {"BUTTONS": [button]}}


def network(name: str, changes: dict, *expected: str) -> Case:
    return Case(name, NETWORK, changed(NETWORK, changes), frozenset(expected))


def with_action(action: dict) -> dict:
    return {"keyboard": {"items": [{"button": {"text": "Do", **action}}]}}


BUTTON_PATH = "keyboard.items[0].button"

# Valid for both: exactly at each size.
AT_THE_LIMIT: list[Case] = [
    network("an attachment of 30 KB", attachment(LIMIT - ATTACHMENT_FRAME)),
    network("an attachment as a struct of 30 KB", attachment_struct(LIMIT - ATTACHMENT_FRAME)),
    network("a keyboard of 30 KB", keyboard(LIMIT - KEYBOARD_FRAME)),
    network("a keyboard as a struct of 30 KB", keyboard_struct(LIMIT - KEYBOARD_FRAME)),
]

# Valid by the rules in the .proto, refused by the server.
SERVER_ONLY: list[Case] = [
    network("an attachment above 30 KB", attachment(LIMIT - ATTACHMENT_FRAME + 1), "attachment"),
    network(
        "an attachment as a struct above 30 KB",
        attachment_struct(LIMIT - ATTACHMENT_FRAME + 1),
        "attachment_struct",
    ),
    network("a keyboard above 30 KB", keyboard(LIMIT - KEYBOARD_FRAME + 1), "keyboard"),
    network(
        "a keyboard as a struct above 30 KB",
        keyboard_struct(LIMIT - KEYBOARD_FRAME + 1),
        "keyboard_struct",
    ),
    network(
        "a button with a bot command",
        with_action({"bot_command": {"command": "help"}}),
        f"{BUTTON_PATH}.bot_command",
    ),
    network(
        "a button with a messenger action",
        with_action({"messenger_action": {"type": 1, "value": "text"}}),
        f"{BUTTON_PATH}.messenger_action",
    ),
    network(
        "a button with an application",
        with_action({"application_launch": {"application_id": 1}}),
        f"{BUTTON_PATH}.application_launch",
    ),
    network(
        "a keyboard as a struct with a command",
        {"keyboard": ..., "keyboard_struct": {"BUTTONS": [{"TEXT": "a", "COMMAND": "help"}]}},
        "keyboard_struct",
    ),
    network(
        "a keyboard as a struct without buttons",
        {"keyboard": ..., "keyboard_struct": {}},
        "keyboard_struct",
    ),
    network(
        "an attachment as a struct with a number that is none",
        {"attachment": ..., "attachment_struct": {"ID": float("nan")}},
        "attachment_struct",
    ),
    network(
        "a keyboard as a struct with an infinite number",
        {
            "keyboard": ...,
            "keyboard_struct": {"BUTTONS": [{"TEXT": "a", "LINK": HOST, "WIDTH": float("inf")}]},
        },
        "keyboard_struct",
    ),
    # The whole request is too large for the server to read: the violation names no field.
    Case(
        "a request above 1 MiB",
        "SendConnectorMessages",
        connector_request(*[connector_message(text="x" * 20_000)] * 60),
        frozenset({""}),
    ),
]

# Rules below actions that network messages do not accept at all: no request of today's API can break them alone.
OUT_OF_REACH = ("BotCommand", "MessengerAction", "ApplicationLaunch")
