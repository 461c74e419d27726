"""Runs each library in each scene against a sandbox of its own, and prints what became of it as JSON.

`cargo bench --bench peers -- libraries` installs what this needs and runs it. BINARY_UNDER_TEST names the program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import trustme

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "clients"), str(ROOT / "clients/libraries")]

from harness import stubs  # noqa: E402
from harness.process import Process, run  # noqa: E402
from harness.service import Key  # noqa: E402
from portal import Portal  # noqa: E402
from scenes import Result, Scene, scenes  # noqa: E402

HERE = Path(__file__).parent
SERVICE = "openlines"
DRIVERS = {
    "fast_bitrix24": [sys.executable, "drive_fast_bitrix24.py"],
    "b24pysdk": [sys.executable, "drive_b24pysdk.py"],
    "@bitrix24/b24jssdk": ["node", "drive_b24jssdk.mjs"],
    SERVICE: [sys.executable, "drive_openlines.py"],
}
APPLICATION = {"client_id": "local.5a6d0b0c8e1f27.10000001", "client_secret": "sandboxclientsecret01"}
# What a request takes and what each command of it, in milliseconds, as measured on real portals.
LATENCY = {"request_latency_ms": 50, "command_latency_ms": 20}
# After this a scene is given up.
LONGEST_SECONDS = 300


class Testbed:
    """A folder with a certificate, portals and stubs for all scenes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.certificate = folder / "certificate.pem"
        self.private_key = folder / "key.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(self.private_key)
        for certificate in issued.cert_chain_pems:
            certificate.write_to_path(self.certificate, append=True)
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            os.environ[variable] = str(self.ca)
        self.portals = folder / "portals.yaml"
        chats = [{"chat_id": chat, "items": [{"kind": "lead", "id": 1195}], "members": [27]} for chat in range(1, 501)]
        # A settings file is YAML, and JSON is YAML.
        self.portals.write_text(
            json.dumps({"portals": [{"host": "demo.bitrix24.test", "demo": True, "crm_chats": chats}]})
        )
        self.stubs = folder / "stubs"
        self.stubs.mkdir()
        stubs.generate(self.stubs)

    def measure(self, scene: Scene, library: str) -> Result:
        """Lets a library play a scene."""
        result = Result(scene.title, library, scene.way, scene.count)
        if scene.way == "token" and library == "b24pysdk":
            result.missing = "its authorization server's address is fixed"
            return result
        portal = Portal(self.certificate, self.private_key, "--portals", str(self.portals))
        try:
            # Operating time is no part of these scenes: fast_bitrix24 adds sums up, and would pause for ten minutes.
            limits = {"intensity": "standard", "operating_seconds_per_call": 0, **LATENCY}
            portal.control("POST", "limits", limits)
            task = self._task(scene, portal)
            if scene.lost_every:
                portal.control("POST", "faults", {"fault": "close_after", "every": scene.lost_every})
            if library == SERVICE:
                with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                    service = Service(Path(folder), self.ca, portal, task)
                    try:
                        self._drive(library, {**task, **service.task}, portal, result)
                    finally:
                        service.process.kill()
            else:
                self._drive(library, task, portal, result)
        finally:
            portal.close()
        return result

    def _task(self, scene: Scene, portal: Portal) -> dict[str, Any]:
        task = {
            "way": scene.way,
            "count": scene.count,
            "may_be_batched": scene.may_be_batched,
            "origin": portal.origin,
            "domain": portal.domain,
            "webhook": portal.webhook,
            "stubs": str(self.stubs),
            "libraries": str(ROOT / "clients/libraries"),
        }
        if scene.way == "token":
            pair = portal.control("POST", "oauth/grants", {"client_id": APPLICATION["client_id"]})
            portal.control("POST", "tokens", {"token": pair["access_token"], "state": "expired"})
            task |= {"pair": pair, "application": APPLICATION}
        return task

    def _drive(self, library: str, task: dict[str, Any], portal: Portal, result: Result) -> None:
        environment = {**os.environ, "TASK": json.dumps(task)}
        driver = subprocess.Popen(
            DRIVERS[library], cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        errors: dict[int, str] = {}
        try:
            printed, complaint = driver.communicate(timeout=LONGEST_SECONDS)
            if driver.returncode != 0 and library == SERVICE:
                raise RuntimeError(f"{result.scene}: {complaint}")
            if driver.returncode != 0:
                result.missing = (complaint.strip().splitlines() or ["it ended without a word"])[-1]
                return
            told = json.loads(printed)
            result.seconds = told["seconds"]
            errors = {int(number): error for number, error in told["errors"].items()}
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate()
        result.judge(portal.entries(), errors)


class Service:
    """`openlines serve` with one tenant: the portal, by webhook or as an application with an expired token."""

    def __init__(self, folder: Path, ca: Path, portal: Portal, task: dict[str, Any]) -> None:
        key = Key.new()
        keyring = folder / "keyring"
        keyring.write_text(run("keys", "new-sealing-key"))
        address = portal.domain.replace("localhost", "127.0.0.1")
        tenant: dict[str, Any] = {"id": "portal", "portal": f"https://{address}", "plan": "standard"}
        if pair := task.get("pair"):
            tenant["application"] = {
                "client_id": APPLICATION["client_id"],
                "client_secret": {"inline": APPLICATION["client_secret"]},
                "refresh_token": {"inline": pair["refresh_token"]},
                "access_token": {"inline": pair["access_token"]},
            }
        else:
            user_id, secret = portal.webhook.rstrip("/").split("/")[-2:]
            tenant["webhook"] = {"user_id": int(user_id), "secret": {"inline": secret}}
        tenants = folder / "tenants.yaml"
        tenants.write_text(json.dumps({"tenants": [tenant]}))
        settings = folder / "settings.yaml"
        settings.write_text(
            json.dumps(
                {
                    "server": {"listen": "127.0.0.1:0"},
                    "auth": {"callers": [{"name": "bench", "tenants": ["*"], "keys": [key.entry]}]},
                    "tenants": {"file": str(tenants)},
                    "store": {"url": f"sqlite:{folder / 'openlines.db'}", "keyring_file": str(keyring)},
                    "portals": {"dangerous_allow_insecure": True, "ca_file": str(ca)},
                    "authorization": {"default_server": f"http://{address}"},
                }
            )
        )
        self.process = Process("serve", "--config", str(settings))
        self.task = {"service": self.process.wait_for(r'"serving","address":"([^"]+)"'), "key": key.key}


def main() -> None:
    every = scenes(short="--short" in sys.argv)
    with tempfile.TemporaryDirectory(prefix="openlines-peers-") as folder:
        testbed = Testbed(Path(folder))
        results = [testbed.measure(scene, SERVICE) for scene in every]
        # The others mostly wait: the longest scene of each library runs beside the rest, which run in turn.
        longest, rest = every[:1], every[1:]
        libraries = [library for library in DRIVERS if library != SERVICE]
        with ThreadPoolExecutor() as pool:
            played = [
                pool.submit(lambda library=library, part=part: [testbed.measure(scene, library) for scene in part])
                for library in libraries
                for part in (longest, rest)
            ]
            for part in played:
                results.extend(part.result())
    order = {scene.title: number for number, scene in enumerate(every)}
    results.sort(key=lambda result: order[result.scene])
    json.dump([result.as_json() for result in results], sys.stdout, indent=1)


main()
