#!/usr/bin/env python3
"""Compares the error codes of the Bitrix24 reference with crates/bitrix24/src/error_code.rs.

The reference is beside the checkout, in ../shared/. Without it nothing is compared, and the script
says so.

In its sections every token in back ticks that could be a code counts as one, unless NOT_CODES lists
it. A new token therefore fails the check until it is added to one of the two.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "crates/bitrix24/src/error_code.rs"
REFERENCE = ROOT.parent / "shared/bitrix24/reference.md"

SECTIONS = ("2.5", "4", "5.1", "5.2", "5.3", "6.1", "6.2", "6.3", "7.1")

# Codes are compared without regard to case: `invalid_scope` and `INVALID_SCOPE` are one.
# Tokens of those sections that are not codes, in any case.
NOT_CODES = {
    "methods that may not travel in a batch": "batch download upload",
    "parameters of methods": """
        active attach auth chat_group chat_id cmd crm_entity crm_entity_type data_image del_external_messages
        del_internal_messages edit_internal_messages halt icon icon_disabled id keyboard message name need_signature
        need_system_messages newsletter placement_handler url_preview user_id""",
    "fields of messages": """
        chat date disable_crm email files gender last_name phone sex skip_phone_validate text url user""",
    "fields of answers": """
        description disable_tracker entity_id error error_description errors result result_error result_time time""",
    "fields of tokens": "client_id client_secret expires scope",
    "values": "ab515f5d85a8b844d484f6ea75a2e494 0 company contact deal female lead male n null true y",
    "permissions": "imconnector imopenlines",
}


def section(text: str, number: str) -> str:
    """The text below a heading, to the next heading of its rank or above."""
    start = re.search(rf"^(#+) {re.escape(number)}\.? .*\n", text, re.MULTILINE)
    if start is None:
        sys.exit(f"the reference has no section {number}")
    end = re.compile(rf"^#{{1,{len(start.group(1))}}} ", re.MULTILINE).search(text, start.end())
    return text[start.end() : end.start() if end else len(text)]


def candidates(text: str) -> set[str]:
    """Every token that could be a code: a word in back ticks or in capitals, and the value of "error" in JSON."""
    found = set(re.findall(r'"error" ?: ?"(\w*)"', text))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"`([^`]*)`", prose)
    found.update(word for word in quoted if re.fullmatch(r"\w+", word))
    if '""' in quoted:
        found.add("")
    # Some codes stand without back ticks. An underscore tells them from abbreviations, and so does a word like "errors" before.
    bare = re.sub(r"`[^`]*`|\[[^\]]*\]", "", prose)
    found.update(re.findall(r"\b[A-Z]+_[A-Z_]+\b", bare))
    for listed in re.findall(r"(?:errors|[Cc]odes:?) ((?:[A-Z_]+(?:, )?)+)", bare):
        found.update(re.findall(r"[A-Z_]+", listed))
    return {token.lower() for token in found}


def documented() -> set[str]:
    text = REFERENCE.read_text(encoding="utf-8")
    return set().union(*(candidates(section(text, number)) for number in SECTIONS))


def mapped() -> set[str]:
    rows = re.findall(r'^    \w+ "(\w*)" \w+;', TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {code.lower() for code in rows}


def listed(codes: set[str]) -> str:
    return ", ".join(code or '""' for code in sorted(codes))


def main() -> int:
    codes = mapped()
    if not codes:
        print(f"{TABLE.name} has no rows of the expected form", file=sys.stderr)
        return 1
    if not REFERENCE.is_file():
        print(
            f"The reference is not beside this checkout: nothing compared. Mapped codes: {len(codes)}."
        )
        return 0
    tokens = documented()
    known = {token for group in NOT_CODES.values() for token in group.split()}
    faults = {
        "documented and not in error_code.rs (or not a code: then list it in this script)": tokens
        - codes
        - known,
        "in error_code.rs and not documented": codes - tokens,
        "listed as not a code and in error_code.rs": codes & known,
        "listed as not a code and not in the reference": known - tokens,
    }
    for what, found in faults.items():
        if found:
            print(f"{what}: {listed(found)}", file=sys.stderr)
    print(
        f"documented Bitrix24 codes in the reference: {len(tokens - known)}, mapped: {len(codes)}"
    )
    return 1 if any(faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
