"""Puts a secret into every place of the values where it does not belong, and reads what helm says. Usage: wrong_places.py CHART

A refusal must not quote it. Places that take any text accept it, which is no refusal.
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

CANARY = "CANARY"
# As it is; and as what breaks YAML, addresses and names.
TEXTS = [f"{CANARY}0123456789ab", f"https://{CANARY}.example/rest/1/{CANARY}: {{x\n- 'y#@%"]
# What an element of a list needs besides the wrong place itself.
ELEMENTS = {
    "tenants": {"id": "beta", "portal": "beta.bitrix24.com", "webhook": {"userId": 1, "secretKey": "acme-webhook"}},
    "applications": {"name": "chat", "clientId": "local.1", "clientSecretKey": "acme-webhook"},
    "callers": {"name": "desk", "tenants": ["*"], "keys": ["cbcdefghij23:" + 64 * "0"]},
    "extraEnv": {"name": "X", "value": "y"},
    "imagePullSecrets": {"name": "pull"},
}
# What makes the chart look at values that it otherwise ignores.
SWITCHED_ON = {
    "image": {"repository": "images.example/openlines"},
    "installation": {"ingress": {"host": "events.example.com"}, "httpRoute": {"parentRefs": [{"name": "public"}]}},
    "grpcRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    "autoscaling": {"enabled": True, "kind": "keda", "prometheusAddress": "http://prometheus:9090"},
    "podMonitor": {"enabled": True},
    "dashboards": {"enabled": True},
    "prometheusRule": {"enabled": True, "runbookUrl": "https://git.example/runbook.md"},
    "networkPolicy": {"grpcFrom": [{"podSelector": {}}], "installationFrom": [{"podSelector": {}}]},
    "service": {"type": "LoadBalancer"},
}


def places(schema: dict, path: tuple = ()):
    """Each place of the values and its schema: keys, and numbers of elements."""
    if path:
        yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from places(each, (*path, name))
    if "properties" in schema.get("items", {}):
        yield from places(schema["items"], (*path, 0))
    elif "items" in schema:
        yield (*path, 0), schema["items"]


def put(values: dict, path: tuple, wrong) -> dict:
    """The values with something wrong at a place, and what must be around it."""
    values = copy.deepcopy(values)
    if path[0] in ELEMENTS and len(path) > 1:
        values.setdefault(path[0], [])
        path = (path[0], len(values[path[0]]), *path[2:])
        values[path[0]].append(copy.deepcopy(ELEMENTS[path[0]]))
    place = values
    for name, following in zip(path, path[1:], strict=False):
        empty = [] if isinstance(following, int) else {}
        if isinstance(place, list):
            place.extend(copy.deepcopy(empty) for _ in range(len(place), name + 1))
        if not isinstance(place[name] if isinstance(place, list) else place.get(name), type(empty)):
            place[name] = empty
        place = place[name]
    if isinstance(place, list):
        place[path[-1] :] = [wrong]
    else:
        place[path[-1]] = wrong
    return values


def said(chart: Path, values: dict) -> str | None:
    """What helm says if it refuses the values."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        command = ["helm", "template", "chat-gateway", str(chart), "--values", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    # A warning beside an accepted value would be printed too.
    return done.stderr or ("refused" if done.returncode else None)


def main() -> int:
    chart = Path(sys.argv[1])
    schema = json.loads((chart / "values.schema.json").read_text())
    base = yaml.safe_load((chart / "ci/minimal-values.yaml").read_text())
    for name, values in SWITCHED_ON.items():
        base[name] = base.get(name, {}) | values
    assert said(chart, base) is None, said(chart, base)

    everywhere = list(places(schema))
    texts, others = [], []
    for path, each in everywhere:
        takes_text = "string" in each.get("type", "") or not each.get("type")
        (texts if takes_text and path[0] != "settings" else others).append(path)
    # The schema names all that is wrong at once, so what takes no text is tried together: texts, then objects and lists for texts.
    trials = [(base, others[number::8], text) for text in TEXTS for number in range(8)]
    trials += [(base, texts[number::4], wrong) for wrong in ({CANARY: CANARY}, [CANARY]) for number in range(4)]
    # What takes a text is judged by the templates, which stop at the first.
    trials += [(base, [path], text) for path in texts for text in TEXTS]

    def try_out(trial) -> tuple[list, str | None]:
        values, paths, wrong = trial
        # Deeper places first: a text in place of an object would hide them.
        for path in sorted(paths, key=len, reverse=True):
            values = put(values, path, wrong) if not hidden(path, paths) else values
        return paths, said(chart, values)

    refused = failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for paths, message in pool.map(try_out, trials):
            refused += message is not None
            # A wrong key is named, as every unknown key is; what stands there is not.
            quoted = (message or "").replace(f"'{CANARY}' not allowed", "")
            if CANARY in quoted:
                print("quoted at", *(".".join(map(str, path)) for path in paths), "\n", message)
                failed = 1
    print(f"{len(everywhere)} places, {len(trials)} trials, {refused} refused")
    assert refused > len(trials) / 4, "hardly anything is refused: the trials are no trials"
    return failed


def hidden(path: tuple, paths: list) -> bool:
    """Whether a place inside this one is tried at the same time."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


if __name__ == "__main__":
    sys.exit(main())
