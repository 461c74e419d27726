"""Checks the syntax of C# files on a machine that has no compiler for them: syntax.py FILE…

Not that of generated files: the grammar does not know conditions within a list of base classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

PARSER = Parser(Language(tree_sitter_c_sharp.language()))


def faults(node: Node) -> Iterator[Node]:
    """What does not belong there, and what is missing."""
    if node.is_error or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from faults(child)


def main(files: list[str]) -> int:
    # A parser that finds no fault at all checks nothing.
    if not list(faults(PARSER.parse(b"class A { void B( { } }").root_node)):
        sys.exit("the parser accepts what is not C#")
    count = 0
    for file in files:
        for fault in faults(PARSER.parse(Path(file).read_bytes()).root_node):
            row, column = fault.start_point
            print(f"{file}:{row + 1}:{column + 1}: syntax error", file=sys.stderr)
            count += 1
    return 1 if count or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
