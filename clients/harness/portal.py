"""Calls of a portal as its clients make them, for the page to show."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from . import sandbox
from .sandbox import Sandbox

CONNECTOR = "imconnector.send.messages"
CRM = "imopenlines.crm.message.add"
NETWORK = "imopenlines.network.message.add"


class Portal:
    """The sandbox's portal, called with its webhook or its application's token."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def call(self, method: str, document: dict[str, Any], token: bool = False) -> tuple[int, Any]:
        """One request. The status is 0 if no answer came."""
        address = f"{self.sandbox.url}/rest/{method}"
        if token:
            document = {**document, "auth": sandbox.ACCESS_TOKEN}
        else:
            address = f"{self.sandbox.url}/rest/{sandbox.OWNER}/{sandbox.WEBHOOK_SECRET}/{method}"
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(address, json.dumps(document).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()
        except OSError:
            return 0, None

    def write(self, *messages: dict[str, Any], user: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Messages of a customer, through the connector."""
        user = user or {"id": "customer-42", "name": "Ada", "last_name": "Lovelace"}
        chat = {"id": "channel-123", "name": "Support"}
        elements = [{"user": user, "message": message, "chat": chat} for message in messages]
        document = {"CONNECTOR": sandbox.CONNECTOR, "LINE": sandbox.LINE, "MESSAGES": elements}
        return self.call(CONNECTOR, document, token=True)

    def crm(self, text: str, chat: int = sandbox.CHAT) -> tuple[int, Any]:
        """A message of an employee into the chat of the lead."""
        return self.call(CRM, crm_parameters(text, chat))

    def network(self, text: str, user: int = sandbox.OUTSIDER, **more: Any) -> tuple[int, Any]:
        """A message of the network line."""
        document = {"CODE": sandbox.NETWORK_CODE, "USER_ID": user, "MESSAGE": text, **more}
        return self.call(NETWORK, document)


def crm_parameters(text: str, chat: int = sandbox.CHAT) -> dict[str, Any]:
    return {
        "CRM_ENTITY_TYPE": "lead",
        "CRM_ENTITY": sandbox.LEAD,
        "USER_ID": sandbox.MEMBER,
        "CHAT_ID": chat,
        "MESSAGE": text,
    }
