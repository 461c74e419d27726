"""JSON schemas of kinds that other projects define, from their CustomResourceDefinitions. Usage: crds.py FOLDER FILE…

Fields that a definition does not name are refused, as kubeconform's strict schemas of Kubernetes' own kinds do.
"""

import json
import sys
from pathlib import Path

import yaml


def closed(schema):
    """The schema, with its objects closed, except where the definition keeps unknown fields."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for file in map(Path, sys.argv[2:]):
        (definition,) = [each for each in yaml.safe_load_all(file.read_text()) if each]
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            # Kubernetes knows it; definitions only say that it is an object.
            schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
            name = f"{spec['names']['kind'].lower()}-{version['name']}.json"
            (folder / name).write_text(json.dumps(closed(schema)))


if __name__ == "__main__":
    main()
