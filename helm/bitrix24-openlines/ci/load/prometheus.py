"""A real Prometheus with the chart's rules, and the questions that Grafana would ask it."""

import json
import math
import re
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from stage import free_address, until


# What the Prometheus operator names the pods of the release with; one of the alerts watches exactly these.
RELEASE, NAMESPACE = "chat-gateway", "chat"
JOB = f"{NAMESPACE}/{RELEASE}-bitrix24-openlines"


class Prometheus:
    """Scrapes every second, so that seconds are enough for what a dashboard shows of hours."""

    def __init__(self, folder: Path, target: str, rules: list[dict]) -> None:
        self.folder = folder
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")],
            "scrape_configs": [
                {"job_name": JOB, "static_configs": [{"targets": [target], "labels": {"namespace": NAMESPACE}}]}
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        address = free_address()
        self.url = f"http://{address}/api/v1"
        self.log = (folder / "prometheus.log").open("w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        until(self._scrapes, 60, f"Prometheus does not scrape:\n{(folder / 'prometheus.log').read_text()[-2000:]}")

    def _scrapes(self) -> bool:
        try:
            return bool(self.ask("query", query="openlines_build_info"))
        except OSError:
            return False

    def ask(self, what: str, **parameters) -> list[dict]:
        with urllib.request.urlopen(f"{self.url}/{what}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
            return json.load(answer)["data"]["result"]

    def fired(self, begun: float, ended: float) -> set[str]:
        """The alerts that have fired at any time."""
        series = self.ask("query_range", query='ALERTS{alertstate="firing"}', start=begun, end=ended, step=1)
        return {each["metric"]["alertname"] for each in series}

    def panel(self, expression: str, begun: float, ended: float, step: float, rate: str) -> list[tuple[dict, list[tuple[float, float]]]]:
        """What a panel's query draws: labels and points, without those that are no number."""
        expression = re.sub(r"\$(namespace|job)\b", ".*", expression).replace("$__rate_interval", rate)
        series = self.ask("query_range", query=expression, start=begun, end=ended, step=step)
        drawn = []
        for each in series:
            points = [(time, float(value)) for time, value in each["values"]]
            points = [(time, value) for time, value in points if math.isfinite(value)]
            if points:
                drawn.append((each["metric"], points))
        return drawn

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def rules_of(chart: Path, values: Path) -> list[dict]:
    """The groups of the rendered PrometheusRule, with seconds for minutes, and without waiting: promtool tests their times."""
    command = ["helm", "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--values", str(values), "--show-only", "templates/prometheusrule.yaml"]
    rendered = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    groups = rendered["spec"]["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        rule.pop("for", None)
        # Half a minute at least, which has enough scrapes.
        rule["expr"] = re.sub(r"\[(\d+)([mh])\]", lambda found: f"[{max(30, int(found[1]) * (60 if found[2] == 'h' else 1))}s]", rule["expr"])
    return groups
