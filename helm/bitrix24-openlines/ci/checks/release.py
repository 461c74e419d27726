"""A rendered release: its manifests, and what Kubernetes would make of them."""

import base64
from pathlib import Path

import yaml

CONTAINER = "openlines"


class Release:
    def __init__(self, file: Path) -> None:
        self.manifests = [manifest for manifest in yaml.safe_load_all(file.read_text()) if manifest]

    def of_kind(self, kind: str) -> list[dict]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def find(self, kind: str, name: str) -> dict | None:
        return next((found for found in self.of_kind(kind) if found["metadata"]["name"] == name), None)

    @property
    def pod(self) -> dict:
        """The pod template of the only Deployment."""
        (deployment,) = self.of_kind("Deployment")
        return deployment["spec"]["template"]

    @property
    def container(self) -> dict:
        first = self.pod["spec"]["containers"][0]
        assert first["name"] == CONTAINER
        return first

    @property
    def test_pod(self) -> dict:
        (pod,) = self.of_kind("Pod")
        return pod

    @property
    def serves_tls(self) -> bool:
        return any(volume["name"] == "tls" for volume in self.pod["spec"]["volumes"])

    @property
    def on_a_file(self) -> bool:
        """Whether the store is an SQLite file."""
        return any(volume["name"] == "data" for volume in self.pod["spec"]["volumes"])

    def container_port(self, name: str | int) -> int:
        if isinstance(name, int):
            return name
        (port,) = [port for port in self.container["ports"] if port["name"] == name]
        return port["containerPort"]

    def files(self, pod: dict, container: dict, foreign: dict[str, dict[str, bytes]]) -> dict[str, tuple[bytes, int]]:
        """Path in the container → content and mode, of every mounted ConfigMap and Secret.

        `foreign` are those that the release names and does not have.
        """
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        files = {}
        for mount in container.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            if "configMap" in volume:
                source, name = volume["configMap"], volume["configMap"]["name"]
                found = self.find("ConfigMap", name)
                data = {key: text.encode() for key, text in found["data"].items()} if found else foreign[name]
            elif "secret" in volume:
                source, name = volume["secret"], volume["secret"]["secretName"]
                found = self.find("Secret", name)
                own = {key: base64.b64decode(text) for key, text in found["data"].items()} if found else None
                data = foreign[name] if own is None else own
            else:
                continue
            items = source.get("items") or [{"key": key, "path": key} for key in data]
            for item in items:
                # Kubernetes does not start a pod whose Secret lacks a key.
                path = f"{mount['mountPath']}/{item['path']}"
                files[path] = (data[item["key"]], source.get("defaultMode", 0o644))
        return files


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()
