"""The values of the site: what needs somebody, figures of flow and delivery, agents, exceptions, and single tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsgit.domain import audit, flow, names, statistics, times
from opsgit.domain.flow import Delivery, Flow
from opsgit.domain.model import Submission
from opsgit.domain.records import Record, from_record
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.operations import attachments, board, compile, timeline
from opsgit.operations.overview import Overview, overview, with_fixed_clock
from opsgit.operations.session import Session
from opsgit.operations.timeline import Event
from opsgit.storage import reader
from opsgit.storage.trees import Trees

State = Mapping[str, Any]
PERIOD = 12 * flow.WEEK  # seconds before the newest operation: what the figures of delivery are about
DIFF_LINES, COLUMN_MAX = 400, 30


@dataclass(frozen=True)
class Site:
    """The values of all pages but those of single tasks.

    `state` is the compiled state. `columns` are those of the board. `touched` has the time of the last operation
    (seconds after the epoch) by path. `entries` are all operations, oldest first. `needed_by` has, for a task,
    the ids of those that depend on it.
    """

    overview: Overview
    state: State
    columns: Sequence[board.Column]
    touched: Mapping[str, int]
    entries: Sequence[Mapping[str, Any]]
    flow: Flow
    delivery: Delivery
    agents: Mapping[str, statistics.Performance]
    exceptions: Sequence[audit.Oddity]
    needed_by: Mapping[str, Sequence[str]]


def gather(session: Session, live: bool = False) -> Site:
    """Return the values of a site. They tell of the time of the newest operation, unless the session looks at another.

    :param live: let them tell of the present.
    :raises Refused: the code of the first finding if a new commit breaks a rule.
    """
    session = with_fixed_clock(session, live)
    index, moment = session.index(), int(session.clock())
    entries, state = index.log("1"), compile.state(session, moment)
    return Site(
        overview=overview(session),
        state=state,
        columns=board.columns(session, COLUMN_MAX),
        touched=index.last_times("path"),
        entries=entries,
        flow=flow.flow(entries, moment),
        delivery=flow.delivery(entries, raised(session), moment - PERIOD, moment + 1),
        agents=statistics.figures(entries, 0).agents,
        exceptions=list(audit.oddities(entries, index.oldest())),
        needed_by=_needed_by(state),
    )


def _needed_by(state: State) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for task in state["tasks"].values():
        for one in task["depends_on"]:
            found[one].append(task["id"])
    return dict(found)


def raised(session: Session) -> dict[str, list[int]]:
    """Return when alerts on each task were raised (seconds after the epoch), by the path of the task's file."""
    found: dict[str, list[int]] = defaultdict(list)
    for alert in session.index().select("kind = 'alert'", (), "name"):
        if "task" in alert:
            found[names.task_path(alert["task"])].append(times.seconds(alert["raised"]))
    return found


@dataclass(frozen=True)
class Round:
    """One round of a review: `number`, `submission` and `review` as records, and what changed in the deliverable.

    `diff` are lines of git's diff, None if the files are not here; `more` is how many lines were left out.
    """

    number: int
    submission: Mapping[str, Any]
    review: Mapping[str, Any]
    ended: str
    diff: Sequence[str] | None
    more: int


@dataclass(frozen=True)
class Page:
    """The values of the page of one task: its compiled record, its operations, its rounds, and what depends on it."""

    task: Mapping[str, Any]
    events: Sequence[Event]
    rounds: Sequence[Round]
    needed_by: Sequence[str]


def page(session: Session, site: Site, task_id: str, trees: Trees) -> Page:
    """Return the values of the page of one task.

    :param trees: compares attachments.
    :raises Refused: as `timeline.events`.
    """
    found = timeline.events(session, task_id)
    shown, before = list[Round](), ""
    for commit, record in _ended(session, task_id, found):
        submission = from_record(Submission, record["submission"])
        tree = attachments.find(session, task_id, submission) or ""
        lines, more = trees.between(before, tree, DIFF_LINES) if tree else (None, 0)
        before = tree or before
        review = record.get("review") or {}
        shown.append(Round(submission.round, record["submission"], review, commit, lines, more))
    return Page(site.state["tasks"][task_id], found, shown, site.needed_by.get(task_id, ()))


def _ended(session: Session, task_id: str, events: Sequence[Event]) -> Iterator[tuple[str, Record]]:
    """Yield the task at the end of each round with the commit that ended it; at last the open round, with no commit."""
    path, index, objects = names.task_path(task_id), session.index(), session.repository.objects()
    for one in events:
        if one.before == IN_REVIEW and not one.branch:
            yield one.commit, reader.read_record(objects, index, path, one.blob)
    if events and events[-1].branch:
        yield "", reader.read_record(objects, index, path, events[-1].blob)
