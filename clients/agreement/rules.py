"""The rules of the API's messages, as they stand in the .proto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

PACKAGES = ("openlines.v1.", "openlines.tenants.v1.")
BOUNDS = (("gt", "gte"), ("lt", "lte"))


class Rule(NamedTuple):
    """One rule of one field, oneof, or whole message (then the place is empty)."""

    message: str
    place: str
    rule: str


def declared(root: Descriptor) -> set[Rule]:
    """Every rule of the messages that a request can hold."""
    rules: set[Rule] = set()
    for message in _reachable(root, {}).values():
        rules.update(_of_message(message))
    return rules


def _reachable(message: Descriptor, found: dict[str, Descriptor]) -> dict[str, Descriptor]:
    if message.full_name.startswith(PACKAGES) and message.full_name not in found:
        found[message.full_name] = message
        for field in message.fields:
            if field.message_type is not None:
                _reachable(field.message_type, found)
    return found


def _of_message(message: Descriptor) -> Iterator[Rule]:
    from buf.validate import validate_pb2

    for rule in message.GetOptions().Extensions[validate_pb2.message].cel:
        yield Rule(message.name, "", rule.id)
    for oneof in message.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            yield Rule(message.name, oneof.name, "required")
    for field in message.fields:
        for rule in _of_field(field.GetOptions().Extensions[validate_pb2.field]):
            yield Rule(message.name, field.name, rule)


def _of_field(rules: Any) -> Iterator[str]:
    for kind, value in rules.ListFields():
        if kind.name == "required":
            yield "required"
        elif kind.type == FieldDescriptor.TYPE_MESSAGE:
            names = [rule.name for rule, _ in value.ListFields()]
            lower, upper = ([n for n in names if n in bounds] for bounds in BOUNDS)
            if lower and upper:
                # A range is one rule.
                names = [n for n in names if n not in (*lower, *upper)]
                names.append(f"{lower[0]}_{upper[0]}")
            yield from (f"{kind.name}.{name}" for name in names)
        elif kind.name != "ignore":
            raise AssertionError(f"{kind.name}: teach this file the rule")


def broken(root: Descriptor, violation: Any) -> Rule:
    """The rule that a violation of protovalidate is about."""
    message, place = root, ""
    for element in violation.field.elements:
        if place:
            message = message.fields_by_name[place].message_type
        place = element.field_name
    by_message = place and place in message.fields_by_name and violation.rule is None
    if by_message:
        # A rule of a whole message is reported at the field that holds it.
        message, place = message.fields_by_name[place].message_type, ""
    return Rule(message.name, place, violation.rule_id)


def path(violation: Any) -> str:
    """The path of a violation, as BadRequest writes it."""
    steps = []
    for element in violation.field.elements if violation.field else ():
        index = "" if element.subscript is None else f"[{element.subscript.value}]"
        steps.append(f"{element.field_name}{index}")
    return ".".join(steps)
