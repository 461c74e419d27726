"""Makes values.schema.json, and the table of values in README.md, from one source: values.yaml with its comments.

* The text of the comment above a key, up to its first indented line, is the key's description. Types are those of the defaults;
  `# @schema` above a key, with YAML in its line or below it, says the rest. Objects are closed unless it says otherwise.
* The section `settings` is made from the tables of docs/settings.md.

Usage: pages.py CHART SETTINGS_PAGE. Fails if a file differs from what it should be; with UPDATE_DOCS=1 writes it.
"""

import json
import os
import re
import sys
from pathlib import Path

import yaml

# What only the chart can know. Given by a user, it would break the pod or pass the chart's checks.
SET_BY_THE_CHART = {
    "server.listen": "the chart sets it; see `listenAddress`",
    "server.tls.certificate_file": "the chart sets it; see `tls.secretName`",
    "server.tls.private_key_file": "the chart sets it; see `tls.secretName`",
    "server.tls.dangerous_plaintext": "the chart sets it; see `tls.dangerousPlaintext`",
    "admin.listen": "the chart sets it; see `listenAddress`",
    "auth.mode": "always `callers`: the other mode is for loopback addresses",
    "auth.callers": "the chart sets it; see `callers`",
    "auth.callers_file": "the chart sets it; see `callers`",
    "tenants.file": "the chart sets it; see `tenants`",
    "store.url": "the chart sets it; see `store`",
    "store.url_file": "the chart sets it; see `store`",
    "store.keyring_file": "the chart sets it; see `store.keyring`",
    "store.keyring": "the chart sets it; see `store.keyring`",
    "applications": "the chart sets it; see `applications`",
    "installation.listen": "the chart sets it; see `installation`",
    "telemetry.otlp_headers": "the chart sets it; see `collectorHeaders`",
    "telemetry.otlp_headers_file": "the chart sets it; see `collectorHeaders`",
}

# Descriptions that end so need none for the keys below.
DESCRIBED_ELSEWHERE = (
    "As in Kubernetes.",
    "As in the Gateway API.",
    "As in the Prometheus operator.",
    "As in KEDA.",
)
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): None}

START, END = "<!-- values -->\n", "<!-- end of values -->\n"


def settings_of(page: str) -> dict[str, dict]:
    """The schema of each setting in the page's tables."""
    tables = page.split("<!-- tables -->")[1].split("<!-- end of tables -->")[0]
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \|(.+)\|$", tables, re.MULTILINE)
    settings = {}
    for name, rest in rows:
        # A `|` inside a cell is written \\|.
        _variable, _default, allowed, meaning = [cell.strip() for cell in re.split(r"(?<!\\)\|", rest)]
        if name in SET_BY_THE_CHART:
            settings[name] = {"description": f"Refused: {SET_BY_THE_CHART[name]}.", "not": {}}
        else:
            settings[name] = {"description": meaning} | form(allowed)
    return settings


def form(allowed: str) -> dict:
    """The schema of what a table says is allowed."""
    if allowed == "`true` or `false`":
        return {"type": "boolean"}
    if limits := re.fullmatch(r"(\d+) to (\d+) \w+", allowed):
        return {"type": "integer", "minimum": int(limits[1]), "maximum": int(limits[2])}
    if allowed.startswith("a list of "):
        return {"type": "array", "items": {"type": "object"}}
    if "a list in the file" in allowed:
        return {"type": "array", "items": {"type": "string", "minLength": 1}}
    if re.fullmatch(r"`\w+`(, `\w+`)* or `\w+`", allowed):
        return {"type": "string", "enum": re.findall(r"`(\w+)`", allowed)}
    return {"type": "string", "minLength": 1}


def tree(settings: dict[str, dict]) -> dict:
    """Nested closed objects, from names with dots."""
    root: dict = {}
    for name, schema in settings.items():
        *sections, last = name.split(".")
        place = root
        for section in sections:
            empty = {"type": "object", "additionalProperties": False, "properties": {}}
            place = place.setdefault(section, empty)["properties"]
        place[last] = schema
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": root,
    }


def comments_of(text: str) -> dict[tuple[str, ...], list[str]]:
    """The path of each key of a YAML text → the lines of the comment right above it, without `# `."""
    comments: dict[tuple[str, ...], list[str]] = {}
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").removeprefix(" "))
            continue
        if key := re.match(r"( *)([\w./-]+):( |$)", line):
            indent = len(key[1])
            path = [(depth, name) for depth, name in path if depth < indent] + [(indent, key[2])]
            comments.setdefault(tuple(name for _, name in path), comment)
        comment = []
    return comments


def split(comment: list[str]) -> tuple[str, dict]:
    """A comment's description, and what its `@schema` says."""
    description, rules = [], []
    for number, line in enumerate(comment):
        if line.startswith("@schema"):
            rules = [line.removeprefix("@schema"), *comment[number + 1 :]]
            break
        if line.startswith(" ") or not line:
            break
        description.append(line)
    if not rules:
        at = next((number for number, line in enumerate(comment) if line.startswith("@schema")), None)
        rules = [] if at is None else [comment[at].removeprefix("@schema"), *comment[at + 1 :]]
    return " ".join(description), yaml.safe_load("\n".join(rules)) or {}


def schema_of(path: tuple[str, ...], value, comments: dict[tuple[str, ...], list[str]], described: bool) -> dict:
    """The schema of a value with this default."""
    description, rules = split(comments.get(path, []))
    if not description and not described:
        sys.exit(f"values.yaml: {'.'.join(path)} has no description")
    schema = {"description": description} if description else {}
    schema |= {"type": TYPES[type(value)]} if value is not None else {}
    described = described or description.endswith(DESCRIBED_ELSEWHERE)
    if isinstance(value, dict) and "additionalProperties" not in rules:
        given = rules.pop("properties", {})
        inner = {name: schema_of((*path, name), each, comments, described) for name, each in value.items()}
        schema |= {"additionalProperties": False, "properties": inner | given}
    return schema | rules


def schema_of_values(text: str, settings: dict) -> dict:
    comments = comments_of(text)
    properties = {}
    for name, value in yaml.safe_load(text).items():
        if name == "settings":
            properties[name] = {"description": split(comments[(name,)])[0]} | settings
        else:
            properties[name] = schema_of((name,), value, comments, described=False)
    properties["global"] = {"description": "For charts that include this one; not used.", "type": "object"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart bitrix24-openlines",
        "description": "Made from the comments in values.yaml and from docs/settings.md by `UPDATE_DOCS=1 .ci/chart`.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def table(schema: dict, values: dict) -> str:
    """A row for each value that stands on its own."""
    lines = ["| Value | Default | Meaning |", "|---|---|---|"]

    def rows(prefix: str, properties: dict, values: dict) -> None:
        for name, value in properties.items():
            path, default = f"{prefix}{name}", values.get(name)
            whole = name == "settings" or value.get("description", "").endswith(DESCRIBED_ELSEWHERE)
            if "properties" in value and not whole:
                rows(f"{path}.", value["properties"], default or {})
            elif path != "global":
                shown = "–" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"
                if len(shown) > 60:
                    shown = "see values.yaml"
                lines.append(f"| `{path}` | {shown} | {value['description']} |")

    rows("", schema["properties"], values)
    return "\n".join(lines) + "\n"


def main() -> int:
    chart, page = Path(sys.argv[1]), Path(sys.argv[2])
    schema_file, readme_file = chart / "values.schema.json", chart / "README.md"

    settings = settings_of(page.read_text())
    gone = SET_BY_THE_CHART.keys() - settings.keys()
    if not settings or gone:
        print(f"{page}: no settings, or not those that the chart sets: {', '.join(sorted(gone))}")
        return 1
    values_text = (chart / "values.yaml").read_text()
    schema = schema_of_values(values_text, tree(settings))

    readme = readme_file.read_text()
    before, rest = readme.split(START)
    _, after = rest.split(END)
    values = yaml.safe_load(values_text)

    failed = 0
    for file, text in [
        (schema_file, json.dumps(schema, indent=2, ensure_ascii=False) + "\n"),
        (readme_file, before + START + table(schema, values) + END + after),
    ]:
        if file.read_text() == text:
            continue
        if os.environ.get("UPDATE_DOCS"):
            file.write_text(text)
            print(f"{file}: written")
        else:
            print(f"{file}: old; run UPDATE_DOCS=1 .ci/chart")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
