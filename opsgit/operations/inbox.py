"""`inbox`: everything that waits for an agent, with the one command that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from opsgit.domain import concerns, policy, rules, times, vocabulary
from opsgit.domain.model import Agent, Comment, Remark, Task
from opsgit.domain.next_steps import steps
from opsgit.domain.request import Snapshot
from opsgit.domain.rules import RuleBook
from opsgit.domain.values import Value, positional
from opsgit.domain.vocabulary import OBSERVE, ORCHESTRATE
from opsgit.operations import sights
from opsgit.operations.next_steps import open_tasks
from opsgit.operations.session import Session

FILE = "inbox.json"


class Item(NamedTuple):
    """One thing that waits.

    `id` is the same each time. `to` is the agent. `kind` is step, reply, mention, check, blocked, deploy, alert or
    sync. `about` is a task or an alert. `since` is in seconds after the epoch.
    """

    id: str
    to: str
    kind: str
    about: str
    since: int
    why: str
    command: str


@positional
class _Asked(Value):
    """For whom, and with what, the items are collected."""

    session: Session
    snapshot: Snapshot
    book: RuleBook
    agents: Sequence[Agent]
    now: int


def items(session: Session, names: Sequence[str]) -> list[Item]:
    """Return what waits for some agents, the oldest first.

    :param names: the names of the agents.
    :raises Refused: `NOT_FOUND` if there is no such agent.
    """
    snapshot, index = session.look(), session.index()
    agents = [snapshot.agent(name) for name in names]
    book, now = rules.in_force(snapshot.project), session.now()
    asked = _Asked(session, snapshot, book, agents, now)
    keys = dict.fromkeys(key for agent in agents for key in concerns.of_agent(snapshot.project, agent))
    found: list[Item] = []
    for state, task, blockers, last in open_tasks(session, keys, names):
        found += _of_task(asked, state, task, blockers, last)
    found += _alerts(asked, index.select("kind = 'alert' AND status = 'open'", (), "name"))
    found += _syncs(asked)
    return sorted(found, key=lambda item: (item.since, item.about, item.id))


def described(found: Iterable[Item]) -> dict[str, dict[str, Any]]:
    """Return items as events describe them, by key."""
    return {
        f"{one.to} {one.id}": {"to": one.to, "about": one.about, "message": f"{one.to}: {one.about}: {one.why}",
                               "command": one.command}
        for one in found
    }  # fmt: skip


def people(session: Session) -> list[str]:
    """Return the names of the active agents that are people."""
    return [one.name for one in session.look().agents() if one.kind == "human" and one.status == "active"]


def _of_task(asked: _Asked, state: Snapshot, task: Task, blockers: Sequence[str], last: int) -> Iterator[Item]:
    """Yield what a task asks of the agents.

    :param last: the time of its last operation.
    """
    for agent in asked.agents:
        if blockers:
            yield from _blocked(agent, task, blockers, last)
        else:
            for step in steps(state, asked.book, agent, task, asked.now):
                since = times.seconds(task.submission.at) if step.op.startswith("review.") and task.submission else last
                yield Item(f"step {task.id} {step.op} {since}", agent.name, "step", task.id, since,
                           f"{step.act}: {task.title}{_reason(task)}", step.command)  # fmt: skip
        yield from _failed(asked, agent, task)
        yield from _words(agent, task)
        yield from _checks(asked, agent, task)


def _reason(task: Task) -> str:
    verdict = task.review.verdict if task.review and task.status == vocabulary.REJECTED else None
    return f"  (rejected by {verdict.by}: {verdict.reason})" if verdict else ""


def _blocked(agent: Agent, task: Task, blockers: Sequence[str], since: int) -> Iterator[Item]:
    if task.assigned == agent.name:
        yield Item(f"blocked {task.id} {' '.join(blockers)}", agent.name, "blocked", task.id, since,
                   f"{task.title} waits for {', '.join(blockers)}", f"opsgit task show {blockers[0]}")  # fmt: skip


def _failed(asked: _Asked, agent: Agent, task: Task) -> Iterator[Item]:
    """Yield a deployment that failed, for who ran it and for the orchestrators."""
    failed = task.deployment if task.deployment and task.deployment.state == "failed" else None
    concerned = failed and (failed.by == agent.name or ORCHESTRATE in policy.rights(asked.snapshot.project, agent))
    if failed and failed.finished and concerned:
        since, why = times.seconds(failed.finished), f"the deployment by {failed.by} failed: {failed.evidence}"
        name = f"deploy {task.id} {failed.finished}"
        yield Item(name, agent.name, "deploy", task.id, since, why, f"opsgit task show {task.id}")


def _words(agent: Agent, task: Task) -> Iterator[Item]:
    """Yield mentions, replies to the agent's words, and comments on its work, that it has not answered."""
    for number, one in enumerate(task.comments):
        answered = any(other.by == agent.name for other in task.comments[number + 1 :])
        if one.by != agent.name and not answered and _mentions(agent, one.text):
            yield _said(agent, task, one, "mention")
    review = task.review if task.status == vocabulary.IN_REVIEW else None
    if review is None:
        return
    spoke = agent.name in {*(one.by for one in review.comments), *(one.by for one in review.sign_offs)}
    if review.request and review.request.by != agent.name and not spoke and _mentions(agent, review.request.text):
        yield _said(agent, task, review.request, "mention")
    for number, remark in enumerate(review.comments):
        yield from _in_thread(agent, task, remark, review.comments[:number], review.comments[number + 1 :])


def _mentions(agent: Agent, text: str) -> bool:
    return agent.name in concerns.MENTION.findall(text)


def _in_thread(
    agent: Agent, task: Task, one: Remark, before: Sequence[Remark], after: Sequence[Remark]
) -> Iterator[Item]:
    same = one.thread
    if one.by == agent.name or any(other.by == agent.name and other.thread == same for other in after):
        return
    if any(first.id == same and first.resolved for first in (*before, one)):
        return
    spoke = any(other.by == agent.name and other.thread == same for other in before)
    if _mentions(agent, one.text):
        yield _said(agent, task, one, "mention")
    elif spoke or task.assigned == agent.name:
        yield _said(agent, task, one, "reply")


def _said(agent: Agent, task: Task, one: Comment | Remark, kind: str) -> Item:
    if isinstance(one, Remark):
        op, name = f"review comment {task.id} --reply-to {one.thread}", one.id
    else:
        op, name = f"{'review' if task.status == vocabulary.IN_REVIEW else 'task'} comment {task.id}", one.at
    return Item(f"{kind} {task.id} {name} {one.by}", agent.name, kind, task.id, times.seconds(one.at),
                f"{one.by}{_where(one)}: {one.text}", f'opsgit {op} --text "..." --as {agent.name}')  # fmt: skip


def _where(one: Comment | Remark) -> str:
    if not isinstance(one, Remark):
        return ""
    line = f":{one.place.line}" if one.place and one.place.line else ""
    return (f" at {one.place.file}{line}" if one.place else "") + (" (blocking)" if one.blocking else "")


def _checks(asked: _Asked, agent: Agent, task: Task) -> Iterator[Item]:
    """Yield the checks that an approval needs and nobody has reported, for agents that observe."""
    review, submission = task.review, task.submission
    observes = OBSERVE in policy.rights(asked.snapshot.project, agent) and agent.name not in task.contributors
    if task.status != vocabulary.IN_REVIEW or not submission or not observes:
        return
    known = {one.name for one in review.checks} if review else set()
    for name in asked.snapshot.project.review.checks:
        if name not in known:
            yield Item(f"check {task.id} {submission.version} {name}", agent.name, "check", task.id,
                       times.seconds(submission.at), f"the check {name} of round {submission.version}: {task.title}",
                       f"opsgit review check {task.id} --name {name} --status pass|fail --as {agent.name}")  # fmt: skip


def _alerts(asked: _Asked, found: Iterable[Any]) -> Iterator[Item]:
    """Yield the open alerts for agents that may resolve them."""
    for alert in found:
        for agent in asked.agents:
            if {ORCHESTRATE, OBSERVE} & policy.rights(asked.snapshot.project, agent):
                about = f" on {alert['task']}" if "task" in alert else ""
                yield Item(f"alert {alert['id']}", agent.name, "alert", alert["id"], times.seconds(alert["raised"]),
                           f"{alert['severity']}{about}, by {alert['raised_by']}: {alert['message']}",
                           f"opsgit alert resolve {alert['id']} --as {agent.name}")  # fmt: skip


def _syncs(asked: _Asked) -> Iterator[Item]:
    """Yield what the last sync in this clone did not publish, for the agents that made it."""
    if not (asked.session.repository.own / "syncs").exists():
        return
    from opsgit.operations import sync  # most clones were never offline
    from opsgit.operations.replay import BAD

    log = sync.log(asked.session)[-1:]
    for one in (fate for entry in log for fate in entry["operations"] if fate["fate"] in BAD):
        for agent in asked.agents:
            if one["by"] == agent.name:
                at = asked.session.repository.own / "syncs" / f"{log[0]['at']}.json"
                yield Item(f"sync {one['was']}", agent.name, "sync", one["subject"].partition(":")[0],
                           int(at.stat().st_mtime), f"{one['fate']}: {one['subject']} ({one['why']})",
                           "opsgit sync --log")  # fmt: skip


def new(session: Session, found: Iterable[Item]) -> list[Item]:
    """Return the items that were not shown in this clone before."""
    seen = _seen(session)
    return [item for item in found if item.id not in seen.get(item.to, ())]


def remember(session: Session, found: Sequence[Item]) -> None:
    """Remember that items were shown. What no longer waits is forgotten. A failure stops nothing."""
    seen = _seen(session)
    for name in {item.to for item in found}:
        seen[name] = [item.id for item in found if item.to == name]
    sights.save(session, FILE, seen)


def _seen(session: Session) -> dict[str, list[str]]:
    found = sights.load(session, FILE)
    return found if all(isinstance(one, list) for one in found.values()) else {}
