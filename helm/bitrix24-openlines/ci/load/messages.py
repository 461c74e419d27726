"""Requests of the API as bytes, written by hand: generated stubs would need a compiler here, and two messages are enough."""

Fields = dict[int, "int | str | Fields"]

CRM = "/openlines.v1.OpenLinesService/SendCrmMessage"
CONNECTOR = "/openlines.v1.OpenLinesService/SendConnectorMessages"
BULK = 2


def encoded(fields: Fields) -> bytes:
    """A message of protobuf: numbers as varints, texts and messages with their length."""
    parts = []
    for number, value in fields.items():
        if isinstance(value, int):
            parts += [varint(number << 3), varint(value)]
        else:
            content = encoded(value) if isinstance(value, dict) else value.encode()
            parts += [varint(number << 3 | 2), varint(len(content)), content]
    return b"".join(parts)


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def crm(tenant: str, chat: int, bulk: bool = False, key: str | None = None) -> bytes:
    """A message into a chat of the demonstration portal's lead."""
    fields: Fields = {1: tenant, 3: 1, 4: 1195, 5: 27, 6: chat, 7: "Your order has left our warehouse."}
    return encoded(fields | ({2: key} if key else {}) | ({8: BULK} if bulk else {}))


def connector(tenant: str, user: str, message: str) -> bytes:
    """A customer's message."""
    inner: Fields = {1: {1: user, 2: "Ada"}, 2: {1: message, 3: "Good afternoon"}, 3: {1: user}}
    return encoded({1: tenant, 3: "myconnector", 4: 107, 5: inner})
