"""Takes Kubernetes' JSON schemas out of the package kubernetes-validate. Usage: schemas.py WHEEL FOLDER VERSION…

The package refers to its file of definitions by an address of its own; kubeconform wants the file beside the schema.
"""

import json
import sys
import zipfile
from pathlib import Path

WITH_ADDRESS, BESIDE = '"/api/_definitions.json#', '"_definitions.json#'


def main() -> None:
    wheel, folder, versions = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    with zipfile.ZipFile(wheel) as package:
        for version in versions:
            part = f"v{version}-local-strict"
            names = [name for name in package.namelist() if f"/{part}/" in name and name.endswith(".json")]
            assert names, f"the package has no schemas of {version}"
            (folder / part).mkdir(exist_ok=True)
            for name in names:
                schema = json.loads(package.read(name).replace(WITH_ADDRESS.encode(), BESIDE.encode()))
                schema.pop("$id", None)
                (folder / part / Path(name).name).write_text(json.dumps(schema))


if __name__ == "__main__":
    main()
