"""Starts the service as the rendered Deployment says: exactly its files, arguments, user and probes.

Usage: start.py BINARY RENDERED FOLDER (as root). The folder is an empty one; it is mounted over, in our namespace only.

The container is imitated in namespaces of its own: a root folder with the files of the ConfigMap and the Secrets at the
mounted paths, with their modes, everything read-only; no capability, no other user than the pod's; a network that ends at
the loopback interface, so that nobody else's ports matter. Then the probes are run as the kubelet would, the test pod's
containers with the Services' names leading to the container, and at last SIGTERM, after which the process must end with 0
in the time that the chart reckons with.

Where the store is PostgreSQL, a real one is started in the same network, and its address takes the place of the one in the
Secret. Where it is a file, its volume is an empty folder that belongs to the pod's group, as a new volume does.

START_WITHOUT is a list of what the binary does not have yet, separated by spaces: sections that are taken out of
settings.yaml, and `health` for the command of the test pod.
"""

import contextlib
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from release import Release, selects

WITHOUT = os.environ.get("START_WITHOUT", "").split()
IN_NAMESPACES = "START_IN_NAMESPACES"
# Set by .ci/postgres.
DATABASE = "OPENLINES_TEST_POSTGRES_URL"
NAMESPACE = "chat"
ROOTS = Path(sys.argv[3]).resolve()
# Beyond the shutdown delay: nothing is under way, so nothing is waited for.
STOP_SECONDS = 5


def main() -> None:
    if IN_NAMESPACES not in os.environ:
        os.environ[IN_NAMESPACES] = mount_namespace()
        # With the process namespace ends all that this run starts, with the mount namespace all that it mounts, however
        # it ends. So nothing is ever cleaned up, and nothing can be cleaned up that is not ours.
        namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        os.execvp("unshare", [*namespaces, sys.executable, *sys.argv])
    assert os.environ[IN_NAMESPACES] != mount_namespace(), "not in a mount namespace of its own"
    loopback_up()
    binary, release = Path(sys.argv[1]).resolve(), Release(Path(sys.argv[2]))
    if not release.on_a_file and DATABASE not in os.environ:
        # It ends with us, and with the namespace at the latest.
        sys.exit(subprocess.run([".ci/postgres", sys.executable, *sys.argv]).returncode)
    mount("-t", "tmpfs", "tmpfs", ROOTS)
    foreign = foreign_secrets(binary, release)

    server = Container("server", binary, release, release.pod["spec"], release.container, foreign)
    server.run("serve", "--config", config_argument(release), "--check")
    print("settings accepted by serve --check", flush=True)

    process = server.start(*release.container["args"])
    wait_for(release, process)
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        probed(release, probe)
    if release.serves_tls:
        credentials = grpc.ssl_channel_credentials(authority(release, foreign))
        serving = health(release.container_port("grpc"), "", credentials, service_names(release)[0])
        assert serving == "SERVING", serving
        print("gRPC health over TLS: SERVING")
    installation_answers(release)
    run_test_pod(binary, release, foreign)
    stop(release, process)


def mount_namespace() -> str:
    return os.readlink("/proc/self/ns/mnt")


def mount(*arguments) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


class Container:
    """A root folder and a way to run something in it."""

    def __init__(self, name: str, binary: Path, release: Release, pod: dict, container: dict, foreign) -> None:
        self.root, self.pod, self.container = ROOTS / name, pod, container
        self.root.mkdir()
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self.root)
        for folder in ["bin", "sbin", "lib", "lib64"]:
            if Path("/", folder).is_symlink():
                (self.root / folder).symlink_to(os.readlink(f"/{folder}"))
            elif Path("/", folder).exists():
                self.bind(Path("/", folder))
        # What the image has: a system, the authorities' certificates, the binary.
        for path in ["/usr", "/dev/null", "/dev/urandom", "/etc/ssl/certs/ca-certificates.crt"]:
            self.bind(Path(path))
        self.bind(binary, self.root / "openlines")
        (self.root / "proc").mkdir()
        mount("-t", "proc", "-o", "ro", "proc", self.root / "proc")
        (self.root / "etc/hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in service_names(release)))
        (self.root / "etc/nsswitch.conf").write_text("hosts: files\n")

        for given in container.get("volumeMounts", []):
            self.inside(given["mountPath"]).mkdir(parents=True)
        for path, (content, mode) in release.files(pod, container, foreign).items():
            if path.endswith("/settings.yaml"):
                content = known_settings(content)
            if path == f"{mounted_at(container, 'database')}/url":
                content = database_url("PGUSER" not in variables(container)).encode()
            file = self.inside(path)
            file.write_bytes(content)
            os.chown(file, 0, pod["securityContext"]["fsGroup"])
            file.chmod(mode)
        mount("-o", "remount,ro", self.root)
        if data := mounted_at(container, "data"):
            group = pod["securityContext"]["fsGroup"]
            mount("-t", "tmpfs", "-o", f"mode=2770,gid={group}", "tmpfs", self.inside(data))

    def inside(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def bind(self, source: Path, target: Path | None = None) -> None:
        target = target or self.inside(str(source))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if source.is_dir() else target.touch()
        mount("--bind", source, target)
        mount("-o", "remount,bind,ro", target)

    def command(self, arguments) -> list[str]:
        context = self.pod["securityContext"]
        assert context["runAsUser"] != 0
        confined = ["setpriv", f"--reuid={context['runAsUser']}", f"--regid={context['runAsGroup']}"]
        confined += [f"--groups={context['fsGroup']}"]
        confined += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        return ["chroot", str(self.root), *confined, "--", "/openlines", *arguments]

    def environment(self) -> dict[str, str]:
        given = {name: value or "x" for name, value in variables(self.container).items()}
        for name, value in given.items():
            # As Kubernetes does, from variables of the same container.
            given[name] = re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], value)
        if "PGUSER" in given:
            url = urllib.parse.urlsplit(os.environ[DATABASE])
            given |= {"PGUSER": url.username or "", "PGPASSWORD": urllib.parse.unquote(url.password or "")}
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | given

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(self.command(arguments), env=self.environment(), stdin=subprocess.DEVNULL)

    def run(self, *arguments: str) -> None:
        process = self.start(*arguments)
        code = process.wait(timeout=60)
        assert code == 0, f"{' '.join(arguments)}: exit code {code}"


def variables(container: dict) -> dict[str, str | None]:
    """The container's own variables; those that come from elsewhere without a value."""
    return {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def database_url(with_credentials: bool) -> str:
    """The address of the database of the tests, where the release has that of its own."""
    if with_credentials:
        return os.environ[DATABASE]
    url = urllib.parse.urlsplit(os.environ[DATABASE])
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def mounted_at(container: dict, volume: str) -> str | None:
    return next((mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] == volume), None)


def loopback_up() -> None:
    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def config_argument(release: Release) -> str:
    arguments = release.container["args"]
    return arguments[arguments.index("--config") + 1]


def known_settings(content: bytes) -> bytes:
    sections = [word for word in WITHOUT if word != "health"]
    if not sections:
        return content
    settings = yaml.safe_load(content)
    for section in sections:
        settings.pop(section, None)
    return yaml.safe_dump(settings).encode()


def foreign_secrets(binary: Path, release: Release) -> dict[str, dict[str, bytes]]:
    """Secrets, and ConfigMaps of authorities, that the release names and somebody else makes."""
    secrets: dict[str, dict[str, bytes]] = {}
    for volume in release.pod["spec"]["volumes"]:
        authorities = volume.get("configMap", {}).get("name")
        if authorities and not release.find("ConfigMap", authorities):
            secrets[authorities] = {"ca.crt": certificate(["client"])["ca.crt"]}
        name = volume.get("secret", {}).get("secretName")
        if name is None or release.find("Secret", name):
            continue
        if volume["name"] == "tls":
            # What an operator or cert-manager makes.
            secrets[name] = certificate(service_names(release))
        else:
            made = b"abcdefgh12345678\n"
            if volume["name"] == "keyring":
                made = subprocess.run([binary, "keys", "new-sealing-key"], check=True, stdout=subprocess.PIPE).stdout
            elif volume["name"] == "collector-headers":
                made = b"api-key=abcdefgh12345678\nx-scope-orgid=messages\n"
            # One Secret may serve several volumes.
            secrets.setdefault(name, {}).update({item["key"]: made for item in volume["secret"]["items"]})
    return secrets


def certificate(names: list[str]) -> dict[str, bytes]:
    """A Secret of type kubernetes.io/tls with ca.crt, as cert-manager makes it."""
    # A folder of our own and its files, nothing mounted.
    with tempfile.TemporaryDirectory(prefix="chart-certificate-") as folder:

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], check=True, cwd=folder, stderr=subprocess.DEVNULL)

        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "1")
        openssl("req", *new_key, "-keyout", "tls.key", "-out", "request", "-subj", f"/CN={names[0][:64]}")
        Path(folder, "extensions").write_text(f"subjectAltName={','.join(f'DNS:{name}' for name in names)}\n")
        openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-extfile", "extensions", "-out", "tls.crt", "-days", "1")  # fmt: skip
        return {name: Path(folder, name).read_bytes() for name in ["tls.crt", "tls.key", "ca.crt"]}


def authority(release: Release, foreign: dict[str, dict[str, bytes]]) -> bytes:
    (volume,) = [volume for volume in release.pod["spec"]["volumes"] if volume["name"] == "tls"]
    return foreign[volume["secret"]["secretName"]]["ca.crt"]


def service_names(release: Release) -> list[str]:
    return [f"{service['metadata']['name']}.{NAMESPACE}.svc" for service in release.of_kind("Service")]


def health(port: int, service: str, credentials=None, name: str | None = None) -> str:
    address = f"127.0.0.1:{port}"
    options = [("grpc.ssl_target_name_override", name)] if name else []
    secure = contextlib.closing(grpc.secure_channel(address, credentials, options)) if credentials else None
    with secure or contextlib.closing(grpc.insecure_channel(address)) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def probe_answer(release: Release, name: str) -> str:
    """What the kubelet would be told: SERVING, or HTTP 200."""
    probe = release.container[name]
    if "grpc" in probe:
        return health(probe["grpc"]["port"], probe["grpc"].get("service", ""))
    get = probe["httpGet"]
    url = f"http://127.0.0.1:{release.container_port(get['port'])}{get['path']}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"


def can_probe(release: Release, name: str) -> bool:
    return "grpc" in release.container[name] or "admin" not in WITHOUT


def probed(release: Release, name: str) -> None:
    if not can_probe(release, name):
        print(f"{name}: NOT TRIED, the binary has no admin port yet")
        return
    answer = probe_answer(release, name)
    assert answer in ("SERVING", "HTTP 200"), f"{name}: {answer}"
    print(f"{name}: {answer}")


def installation_answers(release: Release) -> None:
    """Where the chart opens the port for Bitrix24's events, it takes them, for every application, and nothing else."""
    settings = yaml.safe_load(release.of_kind("ConfigMap")[0]["data"]["settings.yaml"])
    if "installation" not in settings:
        return
    address = f"http://127.0.0.1:{release.container_port('installation')}/bitrix24/events"
    for name, expected in [*((application["name"], 405) for application in settings["applications"]), ("nobody", 404)]:
        try:
            answer = urllib.request.urlopen(f"{address}/{name}", timeout=5).status
        except urllib.error.HTTPError as error:
            answer = error.code
        assert answer == expected, f"GET {name}: HTTP {answer}"
    print("the port for installations: only events, only of the applications")


def wait_for(release: Release, process: subprocess.Popen) -> None:
    """Until the port is open, for as long as the startup probe allows."""
    probe = release.container["startupProbe"]
    began = time.monotonic()
    while True:
        assert process.poll() is None, f"serve ended with {process.returncode}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", release.container_port("grpc")), 1).close()
            break
        waited = time.monotonic() - began
        assert waited < probe["periodSeconds"] * probe["failureThreshold"], "serve does not listen"
        time.sleep(0.02)
    print(f"listening after {time.monotonic() - began:.2f} s")


def run_test_pod(binary: Path, release: Release, foreign: dict[str, dict[str, bytes]]) -> None:
    pod = release.test_pod["spec"]
    for container in pod["containers"]:
        name, arguments = container["name"], list(container["args"])
        place = arguments.index("--address") + 1
        arguments[place] = reached(release, arguments[place])
        if "health" in WITHOUT:
            print(f"helm test, {name}: NOT TRIED, the binary has no command `health` yet")
            continue
        Container(f"test-{name}", binary, release, pod, container, foreign).run(*arguments)
        print(f"helm test, {name}: passed")


def reached(release: Release, address: str) -> str:
    """Where a Service leads: the same name (our hosts file knows it) and the container's port."""
    host, port = address.rsplit(":", 1)
    name, namespace, _svc = host.split(".")
    assert namespace == NAMESPACE
    service = release.find("Service", name)
    assert service and selects(service["spec"]["selector"], release.pod["metadata"]["labels"])
    (found,) = [found for found in service["spec"]["ports"] if found["port"] == int(port)]
    return f"{host}:{release.container_port(found['targetPort'])}"


def stop(release: Release, process: subprocess.Popen) -> None:
    settings = yaml.safe_load(release.of_kind("ConfigMap")[0]["data"]["settings.yaml"])
    delay = settings["server"].get("shutdown_delay_seconds", 0)
    grace = release.pod["spec"]["terminationGracePeriodSeconds"]
    before = release.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert grace >= before + delay + settings["server"].get("drain_seconds", 30) + 35

    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    if delay and can_probe(release, "readinessProbe"):
        time.sleep(0.3)
        answer = probe_answer(release, "readinessProbe")
        assert answer in ("NOT_SERVING", "HTTP 503"), f"ready while stopping: {answer}"
        print(f"readinessProbe while stopping: {answer}")
    code = process.wait(timeout=delay + STOP_SECONDS)
    assert code == 0, f"exit code {code} after SIGTERM"
    print(f"ended with 0, {time.monotonic() - began:.2f} s after SIGTERM")


if __name__ == "__main__":
    main()
