"""A service with everything that its metrics tell of: five sandbox portals, callers, a log that is read or not, no collector."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "clients"))

from harness.ports import free_port  # noqa: E402

CHATS = range(1000, 1040)
APPLICATION, SECRET = "local.0123456789abcd.01234567", "sandboxclientsecret02"
# Tenants of the portal whose tokens all expire at once.
STORM = [f"storm-{number}" for number in range(20)]


class Portal:
    """`openlines sandbox` with one portal of the standard plan, or without a limit."""

    def __init__(self, binary: Path, folder: Path, name: str, intensity: str) -> None:
        chats = [{"chat_id": chat, "items": [{"kind": "lead", "id": 1195}], "members": [27]} for chat in CHATS]
        grants = [{"access_token": f"access-{tenant}", "refresh_token": f"refresh-{tenant}", "user_id": 1} for tenant in STORM]
        application = {"client_id": APPLICATION, "client_secret": SECRET, "application_token": "y",
                       "scopes": ["imopenlines", "imconnector", "im", "crm"], "grants": grants}  # fmt: skip
        portal = {"host": f"{name}.bitrix24.test", "demo": True, "crm_chats": chats, "applications": [application],
                  "limits": {"intensity": intensity, "command_latency_ms": 20}}  # fmt: skip
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"portals": [portal]}))
        self.process = subprocess.Popen(
            [binary, "sandbox", "--listen", "127.0.0.1:0", "--portals", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in self.process.stdout:
            if found := re.search(r"listens on (http://[^;\s]+)", line):
                self.url = found[1]
                break
        else:
            raise RuntimeError(f"the sandbox {name} does not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def control(self, address: str, body: dict | None = None, method: str = "POST") -> None:
        request = urllib.request.Request(
            f"{self.url}/sandbox/{address}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )  # fmt: skip
        urllib.request.urlopen(request, timeout=10).close()

    def fault(self, name: str, **fields) -> None:
        self.control("faults", {"fault": name, **fields})

    def well(self) -> None:
        self.control("faults", method="DELETE")

    def granted(self) -> int:
        """How often the authorization server has granted tokens, whether or not anybody knows yet."""
        return sum(entry["method"] == "oauth.token" and entry["executed"] for entry in self._entries())

    def met(self, fault: str) -> int:
        """How many requests have met this fault."""
        return sum(entry["fault"] == fault for entry in self._entries())

    def _entries(self) -> list[dict]:
        with urllib.request.urlopen(f"{self.url}/sandbox/record", timeout=10) as answer:
            return json.load(answer)["entries"]

    def expire_tokens(self) -> None:
        """An hour passes: every token that was granted is over."""
        self.control("clock", {"advance_seconds": 3700})


class Service:
    """`openlines serve`, with small limits, a certificate of one day and a collector that is away."""

    def __init__(self, binary: Path, folder: Path, portals: dict[str, Portal], store: str | None = None) -> None:
        self.binary, self.folder, self.portals = binary, folder, portals
        # Only limits are shared through a database.
        self.plan = "enterprise" if store else "unlimited"
        self.reads_log = threading.Event()
        self.reads_log.set()
        self.key, entry = key(binary)
        self.admin, self.installation = free_address(), free_address()
        for name in ["keyring", "tls.key"]:
            (folder / name).touch(mode=0o600)
        (folder / "keyring").write_bytes(subprocess.run([binary, "keys", "new-sealing-key"], check=True, capture_output=True).stdout)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.write_tenants(unlisted=False)
        settings = {
            "server": {"listen": "127.0.0.1:0", "drain_seconds": 6, "shares": {"maximum_percent": 100},
                       "tls": {"certificate_file": str(folder / "tls.crt"), "private_key_file": str(folder / "tls.key")}},
            "admin": {"listen": self.admin},
            "installation": {"listen": self.installation, "questions_per_minute": 6000, "questions_per_minute_and_address": 6000},
            "applications": [{"name": "chat", "client_id": APPLICATION, "client_secret": {"inline": SECRET}}],
            "auth": {"callers": [{"name": "load", "tenants": ["*"], "keys": [entry]}]},
            "authorization": {"timeout_seconds": 2},
            "store": {"url": store or f"sqlite:{folder}/openlines.db", "keyring_file": str(folder / "keyring")},
            "tenants": {"file": str(folder / "tenants.yaml")},
            "portals": {"dangerous_allow_insecure": True},
            "dispatch": {"maximum_waiting_calls": 80, "maximum_waiting_calls_per_portal": 80, "maximum_batch": 5, "longest_answer_seconds": 9},
            "log": {"buffer_bytes": 65536, "filter": "info"},
            # The discard port: nobody listens.
            "telemetry": {"otlp_endpoint": "http://127.0.0.1:9", "sample_percent": 100, "otlp_metrics": True, "otlp_metrics_interval_seconds": 1},
        }  # fmt: skip
        (folder / "settings.yaml").touch(mode=0o600)
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENLINES_", "OTEL_"))}
        self.process = subprocess.Popen(
            [binary, "serve", "--config", folder / "settings.yaml"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        self.address = None
        self.started = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self.started.wait(60) or self.address is None:
            raise RuntimeError(f"serve does not start:\n{(folder / 'log').read_text()}")

    def _read(self) -> None:
        with (self.folder / "log").open("wb") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if b'"message":"serving"' in line:
                    self.address = json.loads(line)["address"]
                    self.started.set()
                self.reads_log.wait()
        self.started.set()

    def flood_installations(self) -> None:
        """Forged events, from one address: more than may wait there, so that some are lost."""
        for number in range(600):
            authorization = {
                "member_id": f"{number:032x}", "server_endpoint": f"{self.portals['storm'].url}/rest/",
                "client_endpoint": f"{self.portals['fast'].url}/rest/", "access_token": "forged", "refresh_token": "forged",
                "application_token": "forged",
            }  # fmt: skip
            form = {"event": "ONAPPINSTALL", "ts": int(time.time())} | {f"auth[{name}]": text for name, text in authorization.items()}
            request = urllib.request.Request(
                f"http://{self.installation}/bitrix24/events/chat", data=urllib.parse.urlencode(form).encode()
            )
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except urllib.error.HTTPError as busy:
                busy.close()
                return

    def write_tenants(self, unlisted: bool) -> None:
        """The tenants file; `unlisted` leaves one out that was in it."""
        tenants = [
            {"id": name, "portal": portal.url, "plan": {"burst": 10, "per_second": 2} if name == "slow" else self.plan,
             "webhook": {"user_id": 1, "secret": {"inline": "sandboxwebhook01"}}}
            for name, portal in self.portals.items()
        ]  # fmt: skip
        for name in STORM:
            application = {"authorization_server": self.portals["storm"].url, "client_id": APPLICATION, "client_secret": {"inline": SECRET},
                           "access_token": {"inline": f"access-{name}"}, "refresh_token": {"inline": f"refresh-{name}"}}  # fmt: skip
            tenants.append({"id": name, "portal": self.portals["storm"].url, "plan": self.plan, "application": application})
        if not unlisted:
            tenants.append(tenants[0] | {"id": "former"})
        self._replace("tenants.yaml", yaml.safe_dump({"tenants": tenants}))

    def break_tenants(self) -> None:
        self._replace("tenants.yaml", "tenants: [{id: broken}]\n")

    def _replace(self, name: str, text: str) -> None:
        new = self.folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_text(text)
        new.replace(self.folder / name)

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.reads_log.set()
        self.process.kill()
        self.process.wait()


def key(binary: Path) -> tuple[str, str]:
    """A key and its entry."""
    printed = subprocess.run([binary, "keys", "new", "--tenant", "*"], check=True, capture_output=True, text=True).stdout
    secret = re.search(r"^ +(b24f_\w+)$", printed, re.MULTILINE)
    entry = re.search(r"^ +(\w+:[0-9a-f]{64})$", printed, re.MULTILINE)
    assert secret and entry, "keys new prints another form"
    return secret[1], entry[1]


def free_address() -> str:
    """On loopback, for somebody who names it in settings."""
    return f"127.0.0.1:{free_port()}"


def until(condition, seconds: float, what: str) -> None:
    """Waits, for as long as a loaded machine may need."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(what)
        time.sleep(0.2)
