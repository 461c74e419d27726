"""The dashboards and the alerts against a real service under load, scraped by a real Prometheus.

    run.py CHART BINARY [--seconds 30] [--pictures FOLDER]

The scenario has a portal that answers slowly, one at its rate limit, one that falls silent, tokens that expire all at once, an authorization server that fails, a
tenant that is blocked, a flood of forged installations, a log that nobody reads, a collector that is away, and a stop that cuts calls off. Then

* each query of each dashboard must have data in the recording, and
* each alert that a single process can be brought to must have fired. (They fire at once here: how long they wait, and when they do not
  fire, is what ci/checks/alerts_test.yaml tests.)

With --pictures some panels are drawn as SVG. Beside .ci/postgres, alerts that a failing database raises are tried too.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import database
from pictures import draw
from prometheus import Prometheus, rules_of
from stage import Portal, Service, until
from traffic import Traffic

# What one process with an SQLite file cannot be brought to from outside.
NOT_PROVOKED = dict.fromkeys(database.ALERTS, "needs PostgreSQL that fails: .ci/chart load tries it")
# Set by .ci/postgres.
DATABASE = "OPENLINES_TEST_POSTGRES_URL"
PICTURES = {
    "calls": ["Calls by method", "Failed calls by reason", "Failed calls by who has to act", "Latency of calls"],
    "portals": ["Queued calls", "Fill of the buckets", "Circuit breakers and silence", "Refreshes of access tokens"],
    "process": ["Memory", "Connections of callers", "Processor time", "Lost log lines, spans and metrics"],
}
# The last one is well until the end and has few calls: its tenant is in memory and its circuit breaker closed when the service is stopped.
PORTALS = ["fast", "slow", "dead", "storm", "last"]


# What must have fired before the portals are well again, and what before the log is read again: however slow the machine is.
WHILE_ILL = {
    "OpenlinesCallsRefused", "OpenlinesCertificateExpires", "OpenlinesDependencyFails", "OpenlinesErrorBudgetBurn",
    "OpenlinesInstallationsLost", "OpenlinesOutcomesUnknown", "OpenlinesPortalsLimited", "OpenlinesPortalsNotAnswering", "OpenlinesPortalsRefuseRequests",
    "OpenlinesQueueNearLimit", "OpenlinesQueueWaitLong", "OpenlinesTenantsBlocked", "OpenlinesTenantsNeedReauthorization",
    "OpenlinesTenantsUnlisted", "OpenlinesTokenRefreshesFailing", "OpenlinesTelemetryLost",
}  # fmt: skip
WHILE_UNREAD = {"OpenlinesLogLinesLost"}
AFTER_THE_STOP = {"OpenlinesNoReadyReplica"}
LONGEST_WAIT = 60
# As the panel "Latency of portals" asks.
SLOW = "histogram_quantile(0.99, sum by (le) (rate(http_client_request_duration_seconds_bucket[8s]))) > 0.5"


def scenario(
    portals: dict[str, Portal], service: Service, traffic: Traffic, prometheus: Prometheus, seconds: float
) -> list[tuple[float, str]]:
    """What happens, at parts of the time or later. The marks say when."""
    fast, slow, dead, storm, last = (portals[name] for name in PORTALS)

    def slowness() -> None:
        fast.fault("slow_before", delay_ms=700, always=True)

    def quick_again() -> None:
        """Once the dashboard has it."""
        until(lambda: fast.met("slow_before") >= 5 and prometheus.ask("query", query=SLOW), LONGEST_WAIT, "latency of a slow portal")
        fast.well()

    def not_understood() -> None:
        # A success without the message's id.
        body = json.dumps({"result": True})
        fast.fault("scripted", status=200, content_type="application/json", body=body, executed=True, every=3)

    def limit() -> None:
        slow.control("limits", {"intensity": {"burst": 10, "drain_per_second": 2}, "command_latency_ms": 50})
        traffic.rates.update(slow=25.0, bulk=12.0)

    def silence() -> None:
        dead.well()
        dead.fault("silence_after", always=True)

    def refresh_failures() -> None:
        storm.fault("oauth_error", code="invalid_grant", method="oauth.token", next=1)
        storm.fault("html_before", status=502, method="oauth.token", next=30)
        storm.expire_tokens()

    def forgeries() -> None:
        # Questions about them are answered late, so that the queue fills however slowly they come.
        storm.fault("slow_before", method="app.info", delay_ms=1500, always=True)
        service.flood_installations()

    def seen(expected: set[str]) -> None:
        """Waits until they have fired. What has not is said at the end."""
        try:
            until(lambda: expected <= prometheus.fired(begun, time.time()), LONGEST_WAIT, "")
        except TimeoutError:
            pass

    def unanswered() -> None:
        """Calls that the portal has and does not answer, for the stop to cut off."""
        last.fault("silence_after", always=True)

        def are_there() -> bool:
            # Again and again: the connection may have just been closed, for the many calls that were cancelled.
            traffic.call("last", 50)
            return last.met("silence_after") >= 3

        until(are_there, 60, "calls in progress before the stop")
        # These wait for an answer for longer than the drain lasts.
        for _ in range(10):
            traffic.call("last", 50)

    steps = [
        (0.03, "a portal answers slowly", slowness),
        (0.09, "", quick_again),
        (0.10, "", not_understood),
        (0.15, "a portal at its limit", limit),
        (0.25, "", lambda: service.write_tenants(unlisted=True)),
        (0.30, "a portal cuts connections", lambda: dead.fault("close_after", always=True)),
        (0.35, "tokens expire", storm.expire_tokens),
        (0.40, "", lambda: fast.fault("refuse", code="QUERY_LIMIT_EXCEEDED", every=5)),
        (0.45, "", silence),
        (0.50, "refreshes fail", refresh_failures),
        (0.55, "nobody reads the log", service.reads_log.clear),
        (0.60, "", lambda: storm.fault("refuse", code="OVERLOAD_LIMIT", next=3)),
        (0.62, "", forgeries),
        (0.65, "", service.break_tenants),
        (0.70, "", lambda: seen(WHILE_ILL)),
        (0.70, "the portals are well again", lambda: [portal.well() for portal in portals.values()]),
        (0.72, "", lambda: traffic.rates.update(slow=1.0, bulk=0.0)),
        (0.90, "", lambda: seen(WHILE_UNREAD)),
        (0.90, "", service.reads_log.set),
        (0.95, "", unanswered),
        (0.95, "stop", service.stop),
    ]
    begun, marks = time.time(), []
    for part, name, step in steps:
        time.sleep(max(0.0, begun + part * seconds - time.time()))
        if name:
            marks.append((time.time(), name))
        step()
    # The drain, and that nothing is there any more.
    service.process.wait(timeout=60)
    seen(AFTER_THE_STOP)
    return marks


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("chart", type=Path)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    chart, binary = arguments.chart.resolve(), arguments.binary.resolve()

    with tempfile.TemporaryDirectory(prefix="chart-load-") as name:
        folder, processes = Path(name), []
        try:
            portals = {name: Portal(binary, folder, name, "none") for name in PORTALS}
            processes += [portal.process for portal in portals.values()]
            service = Service(binary, folder, portals)
            processes.append(service)
            prometheus = Prometheus(folder, service.admin, rules_of(chart, chart / "ci/restricted-values.yaml"))
            processes.append(prometheus)
            begun = time.time()
            traffic = Traffic(service)
            marks = scenario(portals, service, traffic, prometheus, arguments.seconds)
            traffic.end()
            ended = time.time()
            print("callers were told:", dict(traffic.told))
            failed = alerts(chart, prometheus, begun, marks[-1][0], ended)
            failed |= dashboards(chart, prometheus, begun, ended, marks, arguments.pictures)
            if failed:
                for series in prometheus.ask("query", query="sort_desc(max_over_time(openlines_calls_total[1h]))"):
                    print(series["value"][1], {name: text for name, text in series["metric"].items() if name in ("reason", "error_source")})
                print((folder / "log").read_text()[-2000:])
        except TimeoutError:
            print((folder / "log").read_text()[-4000:])
            raise
        finally:
            for process in reversed(processes):
                process.kill()
    if DATABASE in os.environ:
        with tempfile.TemporaryDirectory(prefix="chart-load-") as name:
            fired = database.run(chart, binary, Path(name), os.environ[DATABASE])
        print(f"with a database that fails: {', '.join(sorted(fired))}")
        failed |= fired != database.ALERTS
    return failed


def alerts(chart: Path, prometheus: Prometheus, begun: float, stopped: float, ended: float) -> int:
    rules = rules_of(chart, chart / "ci/restricted-values.yaml")
    known = {rule["alert"] for group in rules for rule in group["rules"]}
    fired = prometheus.fired(begun, ended)
    missing = known - fired - NOT_PROVOKED.keys()
    print(f"{len(fired)} of {len(known)} alerts have fired")
    for name, reason in sorted(NOT_PROVOKED.items()):
        print(f"NOT TRIED: {name} {reason}")
    for name in sorted(fired & NOT_PROVOKED.keys()):
        print(f"{name} has fired without being provoked")
    for name in sorted(missing):
        print(f"{name} has not fired")
    # Rules that ran before the first scrape may have fired at the start.
    early = AFTER_THE_STOP & prometheus.fired(begun + 5, stopped)
    for name in sorted(early):
        print(f"{name} has fired before the stop")
    return bool(missing) or bool(early) or not NOT_PROVOKED.keys() <= known


def dashboards(chart: Path, prometheus: Prometheus, begun: float, ended: float, marks: list, pictures: Path | None) -> int:
    # As Grafana chooses both: by the width of a panel, and at least four scrapes.
    step = max(1.0, round((ended - begun) / 200))
    rate = f"{max(8, int(4 * step))}s"
    queries = failed = 0
    for file in sorted((chart / "dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        drawn = {}
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                queries += 1
                series = prometheus.panel(target["expr"], begun, ended, step, rate)
                drawn.setdefault(panel["title"], []).append((target["legendFormat"], series))
                if not series:
                    print(f"{file.name}, {panel['title']}: no data for {target['expr']}")
                    failed = 1
        if pictures:
            chosen = [(panel, drawn[panel["title"]]) for panel in dashboard["panels"] if panel["title"] in PICTURES[file.stem]]
            text = draw(dashboard["title"], chosen, begun, ended, marks)
            (pictures / f"dashboard-{file.stem}.svg").write_text(text)
    print(f"{queries} queries of the dashboards")
    return failed


if __name__ == "__main__":
    sys.exit(main())
