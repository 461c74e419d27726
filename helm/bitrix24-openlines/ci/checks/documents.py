"""What the alerts and the dashboards name is there. Usage: documents.py CHART REPOSITORY

* Each alert has an entry in docs/runbook.md, its `runbook_url` leads to that entry, and each entry has its alert.
* Each metric that an alert or a dashboard asks for is in docs/metrics.md.

(tests/it/pages.rs looks at what the runbook itself names.)
"""

import json
import re
import sys
from pathlib import Path

import yaml

METRIC = r"\b(?:openlines|rpc_server|http_client|process)_[a-z_]+\b"
SUFFIXES = r"_(?:bucket|count|sum)$"


def faults(chart: Path, root: Path):
    runbook = (root / "docs/runbook.md").read_text()
    metrics = set(re.findall(rf"`({METRIC})`", (root / "docs/metrics.md").read_text()))

    rules = [rule for group in yaml.safe_load((chart / "alerts/openlines.yaml").read_text())["groups"] for rule in group["rules"]]
    entries = set(re.findall(r"^### (Openlines\w+)$", runbook, re.MULTILINE))
    for name in sorted(entries - {rule["alert"] for rule in rules}):
        yield f"docs/runbook.md: the entry {name} has no alert"
    for rule in rules:
        name = rule["alert"]
        if name not in entries:
            yield f"docs/runbook.md: no entry for {name}"
        if rule["annotations"].get("runbook_url") != f"docs/runbook.md#{name.lower()}":
            yield f"alerts: the link of {name} does not lead to its entry"

    named = {"alerts": "\n".join(rule["expr"] for rule in rules)}
    for file in sorted(chart.glob("dashboards/*.json")):
        named[file.name] = "\n".join(
            target["expr"]
            for panel in json.loads(file.read_text()).get("panels", [])
            for target in panel.get("targets", [])
        )
    for place, text in named.items():
        for metric in sorted(set(re.findall(METRIC, text))):
            if metric not in metrics and re.sub(SUFFIXES, "", metric) not in metrics:
                yield f"{place}: no metric {metric}"


def main() -> int:
    found = list(faults(Path(sys.argv[1]), Path(sys.argv[2])))
    print(*found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
