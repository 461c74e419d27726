"""Runs the commands of the compose file without Docker, for CI: in the image's files, as the image's user, with the folder's settings.

Usage: check.py ROOTFS FOLDER COMPOSE.JSON, as root, beside the PostgreSQL of OPENLINES_TEST_POSTGRES_URL. FOLDER is a copy of
packaging/compose after ./prepare; COMPOSE.JSON is compose.yaml as compose-go writes it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients"))

from harness.ports import free_port  # noqa: E402

USER = 65532
rootfs, folder = Path(sys.argv[1]), Path(sys.argv[2])
services = json.loads(Path(sys.argv[3]).read_text())["services"]


def place(source: Path, target: str) -> None:
    """Mounts a file, which in a container of one's own user has that user's rights."""
    to = rootfs / target.lstrip("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)
    os.chown(to, USER, USER)
    to.chmod(0o400)


def run(service: dict, environment: dict[str, str], *words: str) -> subprocess.Popen:
    command = ["openlines", *(words or service["command"])]
    enter = ["chroot", f"--userspec={USER}:{USER}", str(rootfs)]
    return subprocess.Popen([*enter, *command], env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", **environment})


def succeeds(service: dict, environment: dict[str, str], *words: str) -> bool:
    return run(service, environment, *words).wait() == 0


ours = services["openlines"]
for mount in ours["volumes"]:
    place(folder / Path(mount["source"]).name, mount["target"])
# The server of the tests in place of that of the compose file.
(folder / "secrets/store_url").write_text(os.environ["OPENLINES_TEST_POSTGRES_URL"])
for secret in ours["secrets"]:
    place(folder / "secrets" / secret["source"], f"/run/secrets/{secret['source']}")
# Other ports than those that may be taken here.
grpc, admin, portal = free_port(), free_port(), free_port()
environment = {name: value for name, value in ours["environment"].items() if value is not None}
environment["OPENLINES_SERVER_LISTEN"] = f"0.0.0.0:{grpc}"
environment["OPENLINES_ADMIN_LISTEN"] = f"0.0.0.0:{admin}"
environment["OPENLINES_ADDRESS"] = f"http://127.0.0.1:{grpc}"
tenants = rootfs / "etc/openlines/tenants.yaml"
tenants.chmod(0o600)
tenants.write_text(tenants.read_text().replace(":8024", f":{portal}"))
sandbox_command = [word.replace(":8024", f":{portal}") for word in services["sandbox"]["command"]]

assert succeeds(ours, environment, *ours["command"], "--check", "--store"), "the settings are refused"
sandbox = run(services["sandbox"], {}, *sandbox_command)
service = run(ours, environment)
try:
    question = ours["healthcheck"]["test"]
    assert question[:2] == ["CMD", "openlines"], question
    for _ in range(300):
        if succeeds(ours, environment, *question[2:]):
            break
        assert service.poll() is None, "the service has ended"
        time.sleep(0.2)
    else:
        raise SystemExit("the service does not become healthy")
    request = {
        "tenant_id": "demo-webhook",
        "crm_entity_type": "CRM_ENTITY_TYPE_LEAD",
        "crm_entity_id": 1195,
        "user_id": 27,
        "portal_chat_id": 1341,
        "text": "From the compose file",
    }
    readme = (folder / "README.md").read_text()
    assert json.dumps({**request, "text": "Hello"}, separators=(",", ":")) in readme, "the README has another call"
    key = (folder / "secrets/api_key").read_text().strip()
    call = ["grpcurl", "-plaintext", "-H", f"authorization: Bearer {key}", "-d", json.dumps(request)]
    method = "openlines.v1.OpenLinesService/SendCrmMessage"
    answer = subprocess.run([*call, f"127.0.0.1:{grpc}", method], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
finally:
    service.terminate()
    sandbox.terminate()
    ended = service.wait(), sandbox.wait()
assert ended == (0, 0), ended
