"""What no schema says of a rendered release. Usage: manifests.py RENDERED…"""

import base64
import ipaddress
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
            if port["name"] == "admin" and service["spec"].get("type", "ClusterIP") != "ClusterIP":
                yield f"Service {service['metadata']['name']}: opens the admin port to the outside"
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
        for fault in closed(policy):
            yield fault
    for constraint in pod["spec"].get("topologySpreadConstraints", []):
        selectors["topologySpreadConstraints"] = constraint["labelSelector"]["matchLabels"]
    for name, selector in selectors.items():
        if not selects(selector, labels):
            yield f"{name}: does not select the pods"
        if selects(selector, test_labels):
            yield f"{name}: selects the test pod"

    for fault in scaling(release, deployment):
        yield fault
    for fault in monitoring(release):
        yield fault

    strategy = deployment["spec"]["strategy"]
    if release.on_a_file:
        if deployment["spec"].get("replicas") != 1 or strategy != {"type": "Recreate"}:
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
        for fault in not_restricted(spec):
            yield f"{name}: the namespace's level restricted would refuse it: {fault}"
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


def not_restricted(spec: dict):
    """What Kubernetes' Pod Security level "restricted" refuses."""
    for field in ["hostNetwork", "hostPID", "hostIPC"]:
        if spec.get(field):
            yield field
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in spec.get("volumes", []):
        if not kinds & volume.keys():
            yield f"the volume {volume['name']}"
    of_pod = spec.get("securityContext", {})
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        context, name = container.get("securityContext", {}), container["name"]
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"a port of the node for {name}"
        if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
            yield f"privileges of {name}"
        capabilities = context.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"capabilities of {name}"
        if not context.get("runAsNonRoot", of_pod.get("runAsNonRoot")) or context.get("runAsUser", of_pod.get("runAsUser")) == 0:
            yield f"{name} may run as root"
        profile = context.get("seccompProfile", of_pod.get("seccompProfile", {}))
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{name} has no seccomp profile"


# Where clouds keep what a machine may do.
METADATA = [
    ipaddress.ip_address(address)
    for address in ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
                    "fd00:ec2::254", "fe80::a9fe:a9fe", "64:ff9b::a9fe:a9fe"]
]  # fmt: skip


def closed(policy: dict):
    """Nothing is open to all, and the cloud's metadata to none. (What users write into `extraEgress` is theirs.)"""
    for rule in policy["spec"]["ingress"]:
        if not rule.get("from"):
            yield "NetworkPolicy: a port is open to all"
    for rule in policy["spec"]["egress"]:
        ports = {port["port"] for port in rule["ports"]}
        if not rule.get("to") and ports != {3128}:
            yield f"NetworkPolicy: {ports} lead anywhere"
        for peer in rule.get("to", []):
            block = peer.get("ipBlock")
            if block is None:
                continue
            networks = [ipaddress.ip_network(network) for network in [block["cidr"], *block.get("except", [])]]
            for address in METADATA:
                if address in networks[0] and not any(address in network for network in networks[1:]):
                    yield f"NetworkPolicy: {ports} lead to {address}"
            for network in networks[1:]:
                if not network.subnet_of(networks[0]):
                    yield f"NetworkPolicy: {network} is not part of {networks[0]}"


def scaling(release: Release, deployment: dict):
    """One thing alone decides how many pods there are."""
    name = deployment["metadata"]["name"]
    scalers = [*release.of_kind("HorizontalPodAutoscaler"), *release.of_kind("ScaledObject")]
    if len(scalers) != ("replicas" not in deployment["spec"]):
        yield "the Deployment's replicas and an autoscaler contradict each other"
    for scaler in scalers:
        if scaler["spec"]["scaleTargetRef"]["name"] != name:
            yield f"{scaler['kind']}: scales another Deployment"


def monitoring(release: Release):
    """A monitor finds the pods and their port, and a rule's links lead to one page."""
    for monitor in release.of_kind("PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        release.container_port(endpoint["port"])
        if not selects(monitor["spec"]["selector"]["matchLabels"], release.pod["metadata"]["labels"]):
            yield "PodMonitor: does not select the pods"
    for monitor in release.of_kind("ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [service for service in release.of_kind("Service") if selects(wanted, service["metadata"]["labels"])]
        if [[port["name"] for port in service["spec"]["ports"]] for service in found] != [[endpoint["port"]]]:
            yield "ServiceMonitor: does not select one Service with its port"
    for rule in release.of_kind("PrometheusRule"):
        for alert in (alert for group in rule["spec"]["groups"] for alert in group["rules"]):
            if not re.fullmatch(rf"https?://.*#{alert['alert'].lower()}", alert["annotations"]["runbook_url"]):
                yield f"PrometheusRule: {alert['alert']} does not link to its entry"
            if alert["labels"]["severity"] not in ("critical", "warning", "info"):
                yield f"PrometheusRule: {alert['alert']} has no known severity"


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
    for route in release.of_kind("GRPCRoute"):
        for rule in route["spec"]["rules"]:
            (backend,) = rule["backendRefs"]
            service = release.find("Service", backend["name"])
            ports = {port["port"]: port["targetPort"] for port in service["spec"]["ports"]} if service else {}
            if ports.get(backend["port"]) != "grpc":
                yield f"the GRPCRoute leads to {backend['name']}, {backend['port']}, which is not gRPC"
            services = {match["method"]["service"] for match in rule["matches"]}
            if services != {"openlines.v1.OpenLinesService", "openlines.tenants.v1.TenantService"}:
                yield f"the GRPCRoute opens {', '.join(sorted(services))}"
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
