"""What no schema says of a rendered release. Usage: manifests.py RENDERED…"""

import base64
import re
import sys
from pathlib import Path

import yaml

from release import Release, selects


def faults(release: Release):
    pod, container, test_pod = release.pod, release.container, release.test_pod
    labels, test_labels = pod["metadata"]["labels"], test_pod["metadata"]["labels"]

    (deployment,) = release.of_kind("Deployment")
    selectors = {"Deployment": deployment["spec"]["selector"]["matchLabels"]}
    for service in release.of_kind("Service"):
        selectors[f"Service {service['metadata']['name']}"] = service["spec"]["selector"]
        for port in service["spec"]["ports"]:
            release.container_port(port["targetPort"])
            in_clear = port["name"] == "grpc" and not release.serves_tls
            if (port.get("appProtocol") == "kubernetes.io/h2c") != in_clear:
                yield f"Service {service['metadata']['name']}: h2c is HTTP/2 in clear text, and only that"
    for budget in release.of_kind("PodDisruptionBudget"):
        selectors["PodDisruptionBudget"] = budget["spec"]["selector"]["matchLabels"]
    for policy in release.of_kind("NetworkPolicy"):
        selectors["NetworkPolicy"] = policy["spec"]["podSelector"]["matchLabels"]
        for rule in policy["spec"]["ingress"]:
            for port in rule["ports"]:
                release.container_port(port["port"])
        if {port["name"] for port in container["ports"]} != open_ports(policy):
            yield "NetworkPolicy: the ports that it opens are not those of the container"
    for constraint in pod["spec"].get("topologySpreadConstraints", []):
        selectors["topologySpreadConstraints"] = constraint["labelSelector"]["matchLabels"]
    for name, selector in selectors.items():
        if not selects(selector, labels):
            yield f"{name}: does not select the pods"
        if selects(selector, test_labels):
            yield f"{name}: selects the test pod"

    strategy = deployment["spec"]["strategy"]
    if release.on_a_file:
        if deployment["spec"]["replicas"] != 1 or strategy != {"type": "Recreate"}:
            yield "two pods could meet on one SQLite file"
        if release.of_kind("PodDisruptionBudget"):
            yield "a budget for one pod holds up the drain of its node"
    elif strategy["rollingUpdate"]["maxUnavailable"] != 0:
        yield "an update takes pods away before new ones are available"

    for fault in claims(release):
        yield fault
    for fault in routes(release):
        yield fault

    for name, spec in {"pod": pod["spec"], "test pod": test_pod["spec"]}.items():
        if spec["automountServiceAccountToken"] or spec["enableServiceLinks"]:
            yield f"{name}: has a token or service links"
        context = spec["securityContext"]
        if not context["runAsNonRoot"] or context["seccompProfile"] != {"type": "RuntimeDefault"}:
            yield f"{name}: may run as root or without seccomp"
        for each in spec["containers"]:
            context = each["securityContext"]
            hardened = (
                context["readOnlyRootFilesystem"]
                and not context["allowPrivilegeEscalation"]
                and not context.get("privileged")
                and context["capabilities"] == {"drop": ["ALL"]}
            )
            if not hardened:
                yield f"{name}: container {each['name']} is not hardened"
            if not re.search(r":[\w.-]+$|@sha256:[0-9a-f]{64}$", each["image"]):
                yield f"{name}: the image {each['image']} has no version"

    for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
        if ("httpGet" if release.serves_tls else "grpc") not in container[probe]:
            yield f"{probe}: the kubelet's gRPC probes cannot speak TLS; without it they are wanted"

    for account in release.of_kind("ServiceAccount"):
        if account["metadata"]["name"] != pod["spec"]["serviceAccountName"]:
            yield "the ServiceAccount is not that of the pods"

    # `scratch` is that of the values.
    written = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")} - {"scratch"}
    if written != ({"data"} if release.on_a_file else set()):
        yield f"volumes that can be written: {', '.join(sorted(written))}"

    for secret in release.of_kind("Secret"):
        others = yaml.safe_dump([manifest for manifest in release.manifests if manifest is not secret])
        for key, text in secret["data"].items():
            if base64.b64decode(text).decode() in others or text in others:
                yield f"the secret {key} stands outside the Secret"


def open_ports(policy: dict) -> set[str]:
    return {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}


def claims(release: Release):
    """The claim is that of the pods, and outlives the release unless somebody wants otherwise."""
    claimed = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in release.pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    for claim in release.of_kind("PersistentVolumeClaim"):
        if {claim["metadata"]["name"]} != claimed:
            yield "the PersistentVolumeClaim is not that of the pods"
        if claim["metadata"].get("annotations", {}).get("helm.sh/resource-policy") != "keep":
            yield "the PersistentVolumeClaim goes with the release"


def routes(release: Release):
    """What leads from outside to a Service of ours: to a port that it has, over TLS, and nowhere else."""
    ways = []
    for ingress in release.of_kind("Ingress"):
        hosts = {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in hosts:
                yield "Ingress: a name without TLS"
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                ways.append((path["path"], service["name"], "name", service["port"]["name"]))
    for route in release.of_kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            (match,) = rule["matches"]
            (backend,) = rule["backendRefs"]
            ways.append((match["path"]["value"], backend["name"], "port", backend["port"]))
    for path, name, key, port in ways:
        service = release.find("Service", name)
        if not service or [each[key] for each in service["spec"]["ports"]] != [port]:
            yield f"a route leads to {name}, {port}, which is no Service"
        elif release.container_port(service["spec"]["ports"][0]["targetPort"]) == release.container_port("grpc"):
            yield "a route leads to gRPC"
        if path != "/bitrix24/events/":
            yield f"a route opens {path}"


def main() -> int:
    failed = 0
    for file in sys.argv[1:]:
        for fault in faults(Release(Path(file))):
            print(f"{Path(file).name}: {fault}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
