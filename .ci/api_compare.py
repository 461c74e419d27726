#!/usr/bin/env python3
"""Compares two images of the API, in JSON as buf writes it, file by file: descriptors with their options, and comments.

.ci/api_compare.py ONE OTHER    every file of ONE is the same in OTHER
"""

import json
import sys
from pathlib import Path


def files(path: str) -> dict[str, dict]:
    """By name, without those that come with a compiler."""
    described = json.loads(Path(path).read_text())["file"]
    return {file["name"]: file for file in described if not file["name"].startswith("google/protobuf/")}


def comments(file: dict) -> dict[tuple[int, ...], str]:
    """The comments before each element, by the element's path."""
    locations = file.get("sourceCodeInfo", {}).get("location", [])
    found = {tuple(place.get("path", ())): place.get("leadingComments", "") for place in locations}
    return {path: comment.strip() for path, comment in found.items() if comment.strip()}


def described(file: dict) -> dict:
    return {key: value for key, value in file.items() if key not in ("sourceCodeInfo", "bufExtension")}


def main() -> str | None:
    one, other = map(files, sys.argv[1:3])
    ours = [name for name in one if name.startswith("openlines/")]
    if not ours:
        return f"{sys.argv[1]} has no file of the API"
    if missing := sorted(one.keys() - other.keys()):
        return f"{sys.argv[2]} lacks {', '.join(missing)}"
    if extra := sorted(name for name in other.keys() - one.keys() if name.startswith("openlines/")):
        return f"{sys.argv[2]} has {', '.join(extra)} too"
    for name, file in one.items():
        if described(file) != described(other[name]):
            return f"{name} is not the same in {sys.argv[1]} and {sys.argv[2]}"
        if name in ours and comments(file) != comments(other[name]):
            return f"the comments of {name} are not the same in {sys.argv[1]} and {sys.argv[2]}"
    if not any(comments(one[name]) for name in ours):
        return f"{sys.argv[1]} has no comments"
    return None


sys.exit(main())
