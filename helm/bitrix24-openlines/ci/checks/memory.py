"""Adds up the table of memory in README.md and compares the sum with what the chart refuses less of.

Usage: memory.py README "give at least NMi"
"""

import math
import re
import sys
from pathlib import Path

UNITS = {"bytes": 1, "KiB": 1024, "MiB": 1024**2}

page = Path(sys.argv[1]).read_text().split("## Memory")[1].split("\n## ")[0]
total = 0.0
for what, figure, unit in re.findall(r"^\| (.+) \| ([\d.]+) (\w+) \|$", page, re.MULTILINE):
    # How many there are of it: the last number in its row, with its unit.
    number = re.search(r"\(([\d,]+)( MiB)?(?: here)?\)$", what)
    count = int(number[1].replace(",", "")) * (UNITS["MiB"] if number[2] else 1) if number else 1
    total += count * float(figure) * UNITS[unit]
    print(f"{what}: {count} times {figure} {unit}")

sum_of_rows = math.ceil(total / UNITS["MiB"])
said = re.search(r"That is (\d+) MiB at most", page)
refused = re.search(r"(\d+)Mi", sys.argv[2])
print(f"the rows make {sum_of_rows} MiB, the page says {said and said[1]}, the chart {refused and refused[1]}")
sys.exit(not (said and refused and int(said[1]) == sum_of_rows == int(refused[1])))
