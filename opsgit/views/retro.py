"""A retrospective as Markdown, to be edited: words and figures, and room for what the team says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsgit.domain import statistics, times
from opsgit.domain.flow import Measure
from opsgit.domain.vocabulary import ENDED, STATUSES
from opsgit.views.figures import percent, span
from opsgit.views.markdown import escaped, table

REASONS_MAX = 10
QUESTIONS = ("- What went well:", "- What did not:", "- What we try next, who, until when:")
MUCH = 2.0  # weeks of work at an agent's own pace that are said to be much


def markdown(told: Any) -> str:
    """Return the text.

    :param told: an `operations.retro.Retro`.
    """
    parts = [
        f"# {escaped(told.project)}: retrospective",
        f"{times.text(told.now.start)[:10]} to {times.text(told.now.end)[:10]}",
    ]
    for title, lines in (
        ("In short", _short(told)), ("Where tasks waited", _waits(told)), ("Who rejects", _rejects(told)),
        ("Who has too much", _loads(told)), ("Delivery", _delivery(told)), ("Exceptions", _odd(told)),
        ("What we say about it", iter(QUESTIONS)),
    ):  # fmt: skip
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(parts)


def _cycles(period: Any) -> list[int]:
    return [one.seconds for one in period.flow.cycles]


def _short(told: Any) -> Iterator[str]:
    now, before = told.now, told.before
    done, old = len(now.flow.cycles), len(before.flow.cycles)
    yield f"- Tasks made: {now.made}, done: {done}. In the period before: {before.made} and {old}."
    if done:
        half, most = span(statistics.median(_cycles(now))), span(statistics.rank(_cycles(now)))
        was = _was(statistics.rank(_cycles(before)))
        yield f"- The median time from start to done was {half}. 85 % of the tasks took at most {most}{was}."
    verdicts, rejected = sum(now.verdicts.values()), sum(now.rejections.values())
    if verdicts:
        rate = sum(before.rejections.values()) / sum(before.verdicts.values()) if before.verdicts else None
        yield f"- {rejected} of {verdicts} reviews ended in a rejection{_was(rate, percent)}."
    for task, title, status, since in told.oldest[:1]:
        yield (f"- {escaped(task)} ({escaped(title)}) has waited longest: "
               f"{status} for {span(now.end - since)}.")  # fmt: skip


def _was(value: Any, words: Any = span) -> str:
    return f" ({words(value)} in the period before)" if value is not None else ""


def _waits(told: Any) -> Iterator[str]:
    """Yield how long tasks were in each status, of those that left it in the period."""
    now, before = told.now.flow.waits, told.before.flow.waits
    total = sum(sum(waits) for status, waits in now.items() if status not in ENDED)
    rows = [
        (status, str(len(now[status])), span(statistics.median(now[status])), span(statistics.rank(now[status])),
         percent(sum(now[status]) / total if total else None), span(statistics.median(before.get(status, []))))
        for status in STATUSES if now.get(status) and status not in ENDED
    ]  # fmt: skip
    if not rows:
        yield "No task left a status."
        return
    most = max(rows, key=lambda row: sum(now[row[0]]))
    yield f"Of the time spent in the statuses that tasks left in this period, {most[4]} was in **{most[0]}**.\n"
    yield table(("status", "left it", "median", "85 % took at most", "share of the time", "median before"), rows)


def _rejects(told: Any) -> Iterator[str]:
    rows = [
        (escaped(name), str(count), str(told.now.rejections[name]), percent(told.now.rejections[name] / count),
         str(told.before.rejections[name]))
        for name, count in sorted(told.now.verdicts.items(), key=lambda one: (-told.now.rejections[one[0]], one[0]))
    ]  # fmt: skip
    if not rows:
        yield "No review ended."
        return
    yield table(("by", "verdicts", "rejected", "rate", "rejected before"), rows)
    if told.reasons:
        yield "\nWhy:\n"
    for task, by, why in told.reasons[:REASONS_MAX]:
        yield f"- {escaped(task)}, {escaped(by)}: {escaped(why) or 'no words'}"
    if len(told.reasons) > REASONS_MAX:
        yield f"- and {len(told.reasons) - REASONS_MAX} more"


def _loads(told: Any) -> Iterator[str]:
    if not told.loads:
        yield "Nobody has open tasks."
        return
    rows = []
    for one in told.loads:
        weeks = one.open / one.weekly if one.weekly else None
        much = "no task done in this period" if weeks is None else f"{weeks:.1f} weeks"
        much += f" (more than {MUCH:g})" if weeks and weeks > MUCH else ""
        rows.append((escaped(one.name), str(one.open), f"{one.weekly:.1f}", much))
    yield table(("agent", "open", "done a week", "time to finish at this pace"), rows)


def _delivery(told: Any) -> Iterator[str]:
    now, before = told.now.delivery, told.before.delivery
    rows = [
        (name, _measure(new, words), _measure(old, words))
        for name, new, old, words in (
            ("deployments a week", now.frequency, before.frequency, lambda value: f"{value:.1f}"),
            ("lead time (median)", now.lead, before.lead, span),
            ("change failure rate", now.failures, before.failures, percent),
            ("time to restore (median)", now.restore, before.restore, span),
        )
    ]
    yield table(("figure", "now", "before"), rows)


def _measure(one: Measure, words: Any) -> str:
    return f"{words(one.value)} (n = {one.cases})" if one.value is not None else f"not enough data (n = {one.cases})"


def _odd(told: Any) -> Iterator[str]:
    if not told.exceptions:
        yield "Nothing."
    for one in told.exceptions[:REASONS_MAX]:
        yield f"- {one.at[:10]} {one.kind}, {escaped(one.about)} by {escaped(one.by)}: {escaped(one.what)}"
    if len(told.exceptions) > REASONS_MAX:
        yield f"- and {len(told.exceptions) - REASONS_MAX} more"
