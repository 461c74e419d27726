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
            if (port.get("appProtocol") == "kubernetes.io/h2c") == release.serves_tls:
                yield f"Service {service['metadata']['name']}: h2c is HTTP/2 in clear text, and only that"
    for budget in release.of_kind("PodDisruptionBudget"):
        selectors["PodDisruptionBudget"] = budget["spec"]["selector"]["matchLabels"]
    for constraint in pod["spec"].get("topologySpreadConstraints", []):
        selectors["topologySpreadConstraints"] = constraint["labelSelector"]["matchLabels"]
    for name, selector in selectors.items():
        if not selects(selector, labels):
            yield f"{name}: does not select the pods"
        if selects(selector, test_labels):
            yield f"{name}: selects the test pod"

    strategy = deployment["spec"]["strategy"]["rollingUpdate"]
    if strategy["maxUnavailable"] != 0:
        yield "an update takes pods away before new ones are available"

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

    for secret in release.of_kind("Secret"):
        others = yaml.safe_dump([manifest for manifest in release.manifests if manifest is not secret])
        for key, text in secret["data"].items():
            if base64.b64decode(text).decode() in others or text in others:
                yield f"the secret {key} stands outside the Secret"


def main() -> int:
    failed = 0
    for file in sys.argv[1:]:
        for fault in faults(Release(Path(file))):
            print(f"{Path(file).name}: {fault}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
