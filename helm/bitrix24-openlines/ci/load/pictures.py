"""Draws panels of a dashboard as SVG, from what their queries returned. Not by Grafana, and each picture says so."""

import re
from html import escape

WIDTH, HEIGHT, COLUMNS = 560, 250, 2
HEAD = 72
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 62
COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17a0a8", "#7f7f7f", "#bcbd22"]
# So many lines of a panel can be told apart.
MOST_LINES = 8
Points = list[tuple[float, float]]


def draw(title: str, panels: list, begun: float, ended: float, marks: list[tuple[float, str]]) -> str:
    """A dashboard's panels: each with the legends and series of its queries. Marks say what happened when."""
    rows = -(-len(panels) // COLUMNS)
    height = HEAD + rows * HEIGHT
    drawn = "Drawn from the dashboard's queries and Prometheus' answers by ci/load/pictures.py, not by Grafana."
    happened = "; ".join(f"{letter(number)}: {name}" for number, (_, name) in enumerate(marks))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {height}" width="{COLUMNS * WIDTH}" role="img">',
        f"<title>{escape(title)}</title><style>text{{font:11px sans-serif;fill:#333}}.h{{font-size:15px;font-weight:bold}}"
        ".p{font-size:12px;font-weight:bold}.m{fill:#888}</style>",
        f'<rect width="{COLUMNS * WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="14" y="22" class="h">{escape(title)}</text>',
        f'<text x="14" y="41" class="m">{escape(drawn)}</text><text x="14" y="57">{escape(happened)}</text>',
    ]
    for number, (panel, queries) in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, HEAD + number // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{one(panel, queries, begun, ended, marks)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def one(panel: dict, queries: list, begun: float, ended: float, marks: list) -> str:
    lines = [(legend(form, labels), points) for form, series in queries for labels, points in series]
    # What says most: the largest, and nothing that is zero all the time if there is anything else.
    lines.sort(key=lambda line: -max(value for _, value in line[1]))
    said = [line for line in lines if any(value for _, value in line[1])] or lines
    lines = sorted(said[:MOST_LINES])
    defaults = panel["fieldConfig"]["defaults"]
    most, step, name = scale(max(value for _, points in lines for _, value in points), defaults["unit"])
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(time: float, value: float) -> str:
        return f"{LEFT + (time - begun) / (ended - begun) * across:.1f},{TOP + (1 - value / most) * down:.1f}"

    parts = [f'<text x="{LEFT}" y="18" class="p">{escape(panel["title"])}</text>']
    for number in range(round(most / step) + 1):
        x, y = place(begun, number * step).split(",")
        parts.append(f'<path d="M{x} {y}h{across}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{name(number * step)}</text>')
    for number, (time, _) in enumerate(marks):
        x, y = place(time, most).split(",")
        parts.append(f'<path d="M{x} {y}v{down}" stroke="#aaa" stroke-dasharray="3 3"/>')
        parts.append(f'<text x="{x}" y="{TOP - 4}" text-anchor="middle" class="m">{letter(number)}</text>')
    spacing = (ended - begun) / 200
    for number, (_, points) in enumerate(lines):
        path = " ".join(
            ("M" if before is None or point[0] - before[0] > 4 * max(spacing, 1) else "L") + place(*point)
            for before, point in zip([None, *points], points, strict=False)
        )
        parts.append(f'<path d="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>')
    seconds = ended - begun
    for part in range(5):
        x = LEFT + part / 4 * across
        parts.append(f'<text x="{x:.1f}" y="{TOP + down + 14}" text-anchor="middle" class="m">{part / 4 * seconds:.0f} s</text>')
    x, y = LEFT, TOP + down + 32
    for number, (text, _) in enumerate(lines):
        wide = 26 + sum(8 if letter.isupper() else 6 for letter in text)
        if x + wide > WIDTH and x > LEFT:
            x, y = LEFT, y + 14
        parts.append(f'<rect x="{x}" y="{y - 8}" width="10" height="4" fill="{COLOURS[number]}"/>')
        parts.append(f'<text x="{x + 14}" y="{y - 2}">{escape(text)}</text>')
        x += wide
    return "".join(parts)


def legend(form: str, labels: dict[str, str]) -> str:
    """What Grafana makes of a legend's form."""
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)
    return text.removeprefix("ERROR_REASON_").rpartition("/")[2].strip() or "no response"


def scale(most: float, unit: str) -> tuple[float, float, object]:
    """The end of the axis, a step of a round number, and how a number is written."""
    if most <= 0:
        most = 1.0
    binary = unit == "bytes"
    base = 1024 ** (2 if most >= 1024**2 else 1) if binary else 1
    step = next(each * 10**power for power in range(-6, 12) for each in (1, 2, 5) if each * 10**power * 5 >= most / base) * base
    ends = -(-most // step) * step
    endings = {"s": " s", "reqps": "/s", "bytes": " MiB" if base > 1024 else " KiB", "d": " d"}

    def name(value: float) -> str:
        if unit == "percentunit":
            return f"{value * 100:g} %"
        return f"{round(value / base, 6):g}{endings.get(unit, '')}"

    return ends, step, name


def letter(number: int) -> str:
    return "ABCDEFGHIJ"[number]
