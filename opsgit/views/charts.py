"""Charts as inline SVG, each with a title, a description, and its figures as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from opsgit.domain import flow, statistics, times
from opsgit.domain.flow import Age, Cycle, Day, Flow
from opsgit.domain.vocabulary import STATUSES
from opsgit.views.figures import span

WIDTH, HEIGHT = 760, 280
LEFT, RIGHT, TOP, BOTTOM = 48, 150, 14, 30
LINE = 15.0
DAYS_MAX, ROWS_MAX, BARS_MAX, BAR = 120, 200, 30, 18
# From the bottom of the cumulative flow to its top: what has ended lies below what has not begun.
LAYERS = ("cancelled", "rolled-back", "deployed", "done", "review", "rejected", "in-progress", "assigned", "backlog")
SHARES = (0.5, 0.85, 0.95)


@dataclass(frozen=True)
class Chart:
    """A chart: `svg` is empty if there is nothing to show; `head` and `rows` are its figures."""

    title: str
    about: str
    svg: Markup
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class _Scale:
    """Places values in the area of a chart: `low` and `high` of x, and 0 to `top` of y."""

    low: float
    high: float
    top: float

    def x(self, value: float) -> float:
        """Return the horizontal position of a value."""
        return LEFT + (value - self.low) / ((self.high - self.low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        return HEIGHT - BOTTOM - value / (self.top or 1) * (HEIGHT - TOP - BOTTOM)


def charts(found: Flow, moment: int, names: Mapping[str, str]) -> list[Chart]:
    """Return the charts of flow.

    :param moment: the time of which they tell (seconds after the epoch).
    :param names: the id of each task by the path of its file.
    """
    recent = [one for one in found.cycles if one.done > moment - DAYS_MAX * times.DAY]
    weeks = flow.throughput(recent, max(moment - 11 * flow.WEEK, recent[0].done), moment) if recent else []
    return [
        cumulative(found.days[-DAYS_MAX:]),
        cycle_times(recent, moment, names),
        throughput(weeks),
        ageing(found.ages, recent, names),
    ]


def _cut(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return the first rows, and a last one that says how many more there are."""
    more = [(f"and {len(rows) - ROWS_MAX:,} more", *("" for _ in rows[0][1:]))] if len(rows) > ROWS_MAX else []
    return [*rows[:ROWS_MAX], *more]


def _day(moment: float) -> str:
    return times.text(int(moment))[:10]


def _drawn(title: str, description: str, parts: Iterator[str], height: int = HEIGHT) -> Markup:
    """Return an SVG with its title and description, which screen readers say."""
    name = title.lower().replace(" ", "-")
    inner = "".join(parts)
    return Markup(  # noqa: S704 - all text in it was escaped
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{inner}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _axes(scale: _Scale, unit: float = 1.0, suffix: str = "") -> Iterator[str]:
    """Yield the lines and numbers of the vertical axis, and the first and last day below."""
    for step in _steps(scale.top / unit):
        y = scale.y(step * unit)
        yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 6, y + 4, f"{step:g}{suffix}", "end", "dim-text")
    yield _text(LEFT, HEIGHT - 10, _day(scale.low), "start", "dim-text")
    yield _text(WIDTH - RIGHT, HEIGHT - 10, _day(scale.high), "end", "dim-text")


def _steps(top: float) -> list[float]:
    """Return about four round numbers from 0 to a value."""
    size = 10.0 ** (len(f"{int(top / 4)}") - 1) if top >= 4 else 1.0
    step = next((size * one for one in (1, 2, 5, 10) if top / (size * one) <= 5), size * 10)
    return [step * number for number in range(int(top / step) + 1)]


def cumulative(days: Sequence[Day]) -> Chart:
    """Return the cumulative flow: how many tasks were in each status at the end of each day."""
    title = "Cumulative flow"
    about = (
        "Tasks in each status at the end of each day (UTC), at last now. A band that grows wider is a queue that grows."
    )
    shown = [status for status in LAYERS if any(day.counts[status] for day in days)]
    rows = [(_day(day.begins), *(str(day.counts[status]) for status in STATUSES)) for day in reversed(days)]
    svg = Markup("")
    if len(days) > 1:
        last = ", ".join(f"{days[-1].counts[status]} {status}" for status in reversed(shown))
        svg = _drawn(
            title, f"{_day(days[0].begins)} to {_day(days[-1].begins)}; at the end {last}", _bands(days, shown)
        )
    return Chart(title, about, svg, ("day", *STATUSES), _cut(rows))


def _bands(days: Sequence[Day], shown: Sequence[str]) -> Iterator[str]:
    scale = _Scale(days[0].begins, days[-1].begins, max(sum(day.counts.values()) for day in days))
    yield from _axes(scale)
    below, used = [0] * len(days), list[float]()
    for status in shown:
        above = [low + day.counts[status] for low, day in zip(below, days, strict=True)]
        up = [f"{scale.x(day.begins):.1f},{scale.y(high):.1f}" for day, high in zip(days, above, strict=True)]
        down = [f"{scale.x(day.begins):.1f},{scale.y(low):.1f}" for day, low in zip(days, below, strict=True)]
        yield f'<polygon class="{status}" points="{" ".join([*up, *reversed(down)])}"/>'
        below = above
        used.append((scale.y(above[-1]) + scale.y(above[-1] - days[-1].counts[status])) / 2)
    for status, y in zip(shown, _apart(used), strict=True):
        yield f'<rect class="{status}" x="{WIDTH - RIGHT + 8}" y="{y - 9:.1f}" width="10" height="10"/>'
        yield _text(WIDTH - RIGHT + 22, y, f"{status} {days[-1].counts[status]}")


def _apart(wanted: Sequence[float]) -> list[float]:
    """Return positions of labels near those that are wanted, at least a line apart, and inside the chart."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    found, limit = [0.0] * len(wanted), TOP - LINE
    for number in order:
        limit = max(wanted[number] + 4, limit + LINE)
        found[number] = limit
    limit = HEIGHT - BOTTOM + 4 + LINE
    for number in reversed(order):
        limit = min(found[number], limit - LINE)
        found[number] = limit
    return found


def cycle_times(cycles: Sequence[Cycle], moment: int, names: Mapping[str, str]) -> Chart:
    """Return the cycle times as points, with the lines under which 50, 85 and 95 % of them lie."""
    title = "Cycle time"
    about = "Each point is a task: when it was done, and how long that took from the first start of work."
    rows = [(_day(one.done), names.get(one.path, one.path), span(one.seconds)) for one in reversed(cycles)]
    svg = Markup("")
    if cycles:
        lines = [(share, statistics.rank([one.seconds for one in cycles], share) or 0) for share in SHARES]
        said = "; ".join(f"{share:.0%} within {span(value)}" for share, value in lines)
        svg = _drawn(title, f"{len(cycles)} tasks: {said}", _points(cycles, moment, lines))
    return Chart(title, about, svg, ("done", "task", "cycle time"), _cut(rows))


def _points(cycles: Sequence[Cycle], moment: int, lines: Sequence[tuple[float, int]]) -> Iterator[str]:
    longest = max(one.seconds for one in cycles)
    unit, suffix = (times.DAY, " d") if longest > 2 * times.DAY else (3600, " h") if longest > 7200 else (60, " min")
    scale = _Scale(min(cycles[0].done, moment - times.DAY), moment, longest)
    yield from _axes(scale, unit, suffix)
    places = dict.fromkeys((round(scale.x(one.done)), round(scale.y(one.seconds))) for one in cycles)
    yield from (f'<circle class="point" r="3" cx="{x}" cy="{y}"/>' for x, y in places)
    labels = _apart([scale.y(value) for _, value in lines])
    for (share, value), label in zip(lines, labels, strict=True):
        y = scale.y(value)
        yield f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(WIDTH - RIGHT + 8, label, f"{share:.0%}: {span(value)}")


def throughput(weeks: Sequence[tuple[int, int]]) -> Chart:
    """Return how many tasks were done in each week."""
    title = "Throughput"
    about = "Tasks that were done in each week, from Monday."
    rows = [(_day(week), str(number)) for week, number in reversed(weeks)]
    svg = Markup("")
    if weeks:
        said = ", ".join(f"{_day(week)}: {number}" for week, number in weeks)
        svg = _drawn(title, said, _columns(weeks))
    return Chart(title, about, svg, ("week", "done"), rows)


def _columns(weeks: Sequence[tuple[int, int]]) -> Iterator[str]:
    scale = _Scale(weeks[0][0], weeks[-1][0] + flow.WEEK, max(number for _, number in weeks) or 1)
    yield from _axes(scale)
    for week, number in weeks:
        x, wide = scale.x(week), scale.x(week + flow.WEEK) - scale.x(week) - 4
        y = scale.y(number)
        yield f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"/>'
        yield _text(x + wide / 2, y - 3, str(number), "middle") if number else ""


def ageing(ages: Sequence[Age], cycles: Sequence[Cycle], names: Mapping[str, str]) -> Chart:
    """Return how long ago the work in progress was started, the oldest first, beside how long finished work took."""
    title = "Ageing work in progress"
    usual = statistics.rank([one.seconds for one in cycles])
    about = "How long ago work was started that is not done."
    about += f" The {BARS_MAX} oldest of {len(ages)} are drawn." if len(ages) > BARS_MAX else ""
    about += f" The line is the time within which 85 % of finished tasks were done: {span(usual)}." if usual else ""
    rows = [(names.get(one.path, one.path), one.status, span(one.seconds)) for one in ages]
    svg = Markup("")
    if ages:
        said = f"{len(ages)} tasks; the oldest, {rows[0][0]}, was started {rows[0][2]} ago"
        shown = ages[:BARS_MAX]
        svg = _drawn(title, said, _bars(shown, usual, names), round(TOP + len(shown) * BAR + 6))
    return Chart(title, about, svg, ("task", "status", "age"), _cut(rows))


def _bars(ages: Sequence[Age], usual: int | None, names: Mapping[str, str]) -> Iterator[str]:
    top, space = max(ages[0].seconds, usual or 0) or 1, WIDTH - LEFT - RIGHT - 90
    for number, one in enumerate(ages):
        y, wide = TOP + number * BAR, max(2.0, one.seconds / top * space)
        yield _text(LEFT + 84, y + 12, names.get(one.path, one.path)[:14], "end")
        yield _text(LEFT + 96 + wide, y + 12, f"{span(one.seconds)}, {one.status}")
        yield f'<rect class="{one.status}" x="{LEFT + 90}" y="{y:.1f}" width="{wide:.1f}" height="{BAR - 3}"/>'
    if usual:
        x = LEFT + 90 + usual / top * space
        yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + len(ages) * BAR:.1f}"/>'
