"""A picture of the measured times by the number of tasks, both on a logarithmic scale."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from xml.sax.saxutils import escape

from tests.bench.measure import Row

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT = 860, 520, 70, 40, 260
COLOURS = ("#1b6ca8", "#c0392b", "#2e7d32", "#8e44ad", "#b9770e", "#16697a", "#7b241c", "#5d6d7e")


def drawn(rows: Iterable[Row]) -> str:
    """Return an SVG: a line for each work that was measured in ms at several sizes."""
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        if row.unit == "ms" and not row.work.endswith("flat"):
            lines[row.work].append((row.tasks, row.value))
    several = {work: points for work, points in lines.items() if len(points) > 1}
    sizes = sorted({size for points in several.values() for size, _ in points})
    times = [value for points in several.values() for _, value in points]
    if not times:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"/>\n'
    low, high = 10 ** math.floor(math.log10(min(times))), 10 ** math.ceil(math.log10(max(times)))

    def x(size: float) -> float:
        share = math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return 20 + (1 - math.log(value / low) / math.log(high / low)) * (HEIGHT - BOTTOM - 20)

    marks = [low * 10**step for step in range(round(math.log10(high / low)) + 1)]
    parts = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(one):.1f}" y2="{y(one):.1f}" stroke="#ccc"/>'
             f'<text x="{LEFT - 8}" y="{y(one) + 4:.1f}" text-anchor="end">{one:g} ms</text>' for one in marks]  # fmt: skip
    parts += [f'<text x="{x(size):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{size:,} tasks</text>' for size in sizes]
    for number, (work, points) in enumerate(sorted(several.items(), key=lambda one: -one[1][-1][1])):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in sorted(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{30 + 20 * number}" fill="{colour}">{escape(work)} '
                     f"{points[-1][1]:,.1f} ms</text>")  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            f'font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')  # fmt: skip
