#!/usr/bin/env python3
"""Checks the files of target/release-VERSION/ after `.ci/release BINARY STATIC`: which there are, what is in them, their checksums.

    .ci/release_files.py BINARY STATIC

docs/release.md has the table of what a release is; a file that is missing in one of the two is a mistake.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.search(r'^version = "(\S+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
folder = ROOT / f"target/release-{VERSION}"
binary = Path(sys.argv[1])
programs = {f"openlines-{VERSION}-x86_64-linux-{kind}": Path(path) for kind, path in zip(("gnu", "musl"), sys.argv[1:], strict=True)}


def output(*command) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def files_of(archive: str, epoch: int | None = None) -> dict[str, bytes]:
    """The files of an archive. Nothing in it tells who made it, and with `epoch` nor when."""
    with tarfile.open(folder / archive) as tar:
        members = tar.getmembers()
        for member in members:
            assert (member.uid, member.gid, member.uname, member.gname) in {(0, 0, "", ""), (0, 0, "root", "root")}, (archive, member.name)
            assert epoch is None or member.mtime == epoch, (archive, member.name, member.mtime)
        return {member.name.removeprefix("./"): tar.extractfile(member).read() for member in members if member.isfile()}


def build_id(file: Path) -> str:
    return re.search(r"Build ID: (\w+)", output("readelf", "--notes", file))[1]


epoch = int(output("git", "log", "-1", "--format=%ct"))
commit = output("git", "rev-parse", "HEAD").strip()

# Which files: those of the page.
table = (ROOT / "docs/release.md").read_text().split("## What a release is")[1].split("\n## ")[0]
rows = re.findall(r"^\| (`.+`) \|", table, re.MULTILINE)
told = {file.replace("VERSION", VERSION) for row in rows for file in re.findall(r"`([^`]+)`", row)}
there = {path.name for path in folder.iterdir()}
assert told == there, f"only on the page: {sorted(told - there)}, only there: {sorted(there - told)}"

# Checksums, of all but their own file.
sums = dict(reversed(line.split("  ")) for line in (folder / f"openlines-{VERSION}.sha256").read_text().splitlines())
assert sums.keys() == there - {f"openlines-{VERSION}.sha256"}, sorted(sums)
for file, digest in sums.items():
    assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest, f"{file} has another checksum"


def program_of(name: str, built: Path) -> bytes:
    """The program of an archive, which is the one that was built, with what is installed beside it."""
    files = files_of(f"{name}.tar.gz", epoch)
    assert all(file.startswith(f"{name}/") for file in files), sorted(files)
    files = {file.removeprefix(f"{name}/"): content for file, content in files.items()}
    wanted = {"openlines", "LICENSE", "CHANGELOG.md", "man/man1/openlines.1", "man/man1/openlines-serve.1"}
    wanted |= {f"completions/openlines.{shell}" for shell in ("bash", "zsh", "fish")}
    wanted |= {f"schemas/{file}.schema.json" for file in ("settings", "callers", "tenants")}
    wanted |= {f"systemd/{path.name}" for path in (ROOT / "packaging/systemd").iterdir()}
    pages = {file for file in files if re.fullmatch(r"man/man1/openlines(-\w+)*\.1", file)}
    assert files.keys() - pages == wanted - pages and wanted <= files.keys(), sorted(files.keys() ^ wanted)
    assert all(files.values()), "a file is empty"
    for file in files:
        if file.endswith(".json"):
            json.loads(files[file])
    with tempfile.TemporaryDirectory() as place:
        unpacked = Path(place) / "openlines"
        unpacked.write_bytes(files["openlines"])
        unpacked.chmod(0o755)
        assert output(unpacked, "--version") == output(built, "--version")
        assert build_id(unpacked) == build_id(built), f"{name} has another program"
        assert build_id(unpacked) == build_id(folder / f"{name}.debug"), "the symbols are those of another program"
    return files["openlines"]


shipped, _static = (program_of(name, built) for name, built in programs.items())

# The image has this program, its version and its commit, and the digests that it names.
image = files_of(f"bitrix24-openlines-{VERSION}-oci.tar.gz", epoch)
[manifest] = json.loads(image["index.json"])["manifests"]
assert manifest["annotations"]["org.opencontainers.image.ref.name"] == VERSION


def blob(descriptor: dict) -> bytes:
    algorithm, digest = descriptor["digest"].split(":")
    content = image[f"blobs/{algorithm}/{digest}"]
    assert hashlib.sha256(content).hexdigest() == digest, descriptor
    return content


manifest = json.loads(blob(manifest))
config = json.loads(blob(manifest["config"]))["config"]
assert config["Labels"]["org.opencontainers.image.version"] == VERSION, config
assert config["Labels"]["org.opencontainers.image.revision"] == commit, config
assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["openlines"], ["serve"], "65532:65532"), config
layers = {}
for layer in manifest["layers"]:
    with tarfile.open(fileobj=io.BytesIO(blob(layer))) as tar:
        layers |= {member.name.removeprefix("./").lstrip("/"): tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}
assert layers["usr/local/bin/openlines"] == shipped, "the image has another program"

# The API and the chart.
assert (folder / f"openlines-{VERSION}.binpb").read_bytes() == subprocess.run([binary, "api"], capture_output=True, check=True).stdout
protos = set(files_of(f"openlines-{VERSION}-protos.tar.gz", epoch))
sources = {path for path in output("git", "ls-files", "buf.yaml", "proto", "third_party").splitlines()}
assert protos == sources, sorted(protos ^ sources)
chart = files_of(f"bitrix24-openlines-{VERSION}.tgz")
assert f"\nversion: {VERSION}\n" in chart["bitrix24-openlines/Chart.yaml"].decode()
assert not any(file.startswith(("bitrix24-openlines/ci/", "bitrix24-openlines/tests/")) for file in chart), sorted(chart)

# The list of all parts: every crate of Cargo.lock that the program is made of, and no other.
parts = json.loads((folder / f"openlines-{VERSION}.cdx.json").read_text())
assert (parts["bomFormat"], parts["specVersion"]) == ("CycloneDX", "1.5")
assert (parts["metadata"]["component"]["name"], parts["metadata"]["component"]["version"]) == ("bitrix24-openlines", VERSION)
components = {(each["name"], each["version"]) for each in parts["components"]}
locked = set(re.findall(r'^name = "(\S+)"\nversion = "(\S+)"', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
assert components <= locked, sorted(components - locked)
tree = output("cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}")
linked = {(words[0], words[1].removeprefix("v")) for line in tree.splitlines() if len(words := line.split()) > 1}
missing = linked - components - {("bitrix24-openlines", VERSION)}
assert not missing, f"the list of parts lacks {sorted(missing)}"
assert str(ROOT) not in json.dumps(parts), "the list of parts names a folder of this machine"

print(f"{len(there)} files of a release: their names, contents and checksums, {len(components)} parts")
