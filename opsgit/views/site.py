"""The pages of the site. Each can be read without scripts, network and server; text by others is escaped or cleaned."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from opsgit.domain import names, times
from opsgit.domain.flow import Measure
from opsgit.domain.statistics import Performance, median
from opsgit.domain.vocabulary import DEPLOYED, ENDED, IMPORTED, PRIORITIES, ROLLED_BACK, STATUSES
from opsgit.version import VERSION
from opsgit.views import charts, figures, page
from opsgit.views.figures import percent, span

NAV = (("index.html", "Overview"), ("board.html", "Board"), ("tasks.html", "Tasks"), ("flow.html", "Flow"),
       ("delivery.html", "Delivery"), ("agents.html", "Agents"), ("audit.html", "Audit"))  # fmt: skip
GROUP_MAX, LAST_MAX, LIST_MAX, AGENT_MAX, AUDIT_MAX = 8, 15, 500, 50, 500
POLICY = "default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action {form}"
Render = Callable[[], str]


@cache
def _templates() -> jinja2.Environment:
    made = page.templates().overlay()
    made.filters |= {"stamp": times.text, "age": figures.age, "plain": _plain, "thousands": _thousands,
                     "sign": _sign, "completed": figures.completed, "exhausted": figures.exhausted}  # fmt: skip
    return made


def _plain(text: str) -> str:
    """Return RFC 3339 text as people read it."""
    return text.replace("T", " ").replace("Z", " UTC")


def _thousands(number: int) -> str:
    return f"{number:,}"


def _sign(line: str) -> str:
    """Return the class of a line of a diff."""
    return (
        "hunk"
        if line.startswith(("@@", "diff ", "index ", "+++", "---"))
        else {"+": "add", "-": "del"}.get(line[:1], "")
    )


def assets() -> dict[str, str]:
    """Return the style sheet and the script by their file names."""
    place = files("opsgit.views").joinpath("templates/site")
    return {name: place.joinpath(name).read_text("utf-8") for name in ("site.css", "site.js")}


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one}"


def health(told: Any) -> str:
    """Return one sentence on the state of a project.

    :param told: an `operations.overview.Overview`.
    """
    open_ones = sum(number for status, number in told.summary["counts"] if status not in ENDED)
    people = {one.task for who, group in told.groups.items() if told.kinds.get(who) == "human" for one in group}
    late = {one.task for group in told.groups.values() for one in group if one.overdue}
    rest = ", the others imported, unproven" if told.total > told.proven else ""
    return (f"{open_ones:,} open, {counted(len(people), 'waits', 'wait')} for people, {len(late):,} overdue, "
            f"{told.proven:,} of {told.total:,} operations proven{rest}")  # fmt: skip


def common(told: Any, here: str, title: str, /, live: bool = False, **more: Any) -> dict[str, Any]:
    """Return what each page needs.

    :param told: an `operations.overview.Overview`.
    :param here: the path of the page in the site.
    :param live: whether it is served and told of changes.
    """
    known = told.summary
    policy = POLICY.format(style="'self'", script="'self'", form="'self'" if live else "'none'")
    policy += "; connect-src 'self'" if live else ""
    return {"project": known["project"], "title": title, "here": here, "root": "../" * here.count("/"), "nav": NAV,
            "policy": policy, "style": "", "live": live, "asof": "", "now": told.moment,
            "commit": known["commit"][:10], "version": VERSION, "agents": known["agents"], "linked": True,
            "priorities": PRIORITIES, **more}  # fmt: skip


def overview(told: Any) -> dict[str, Any]:
    """Return the values of the overview for its template.

    :param told: an `operations.overview.Overview`.
    """
    known = told.summary
    groups = [
        {"who": who, "kind": told.kinds.get(who, "role"), "total": len(group), "shown": group[:GROUP_MAX]}
        for who, group in told.groups.items()
    ]
    raised = ({**one, "task": one.get("task"), "since": times.seconds(one["raised"])}
              for one in known["metrics"]["alerts"])  # fmt: skip
    alerts = sorted(raised, key=lambda one: (-one["since"], one["id"]))
    return {"alerts": alerts[:LAST_MAX], "alerts_more": max(0, len(alerts) - LAST_MAX),
            "health": health(told), "groups": groups, "counts": known["counts"],
            "quotas": known["quotas"], "gauges": figures.metrics(known),
            "last": [_told(one, one["task"], one["title"]) for one in told.last]}  # fmt: skip


def _told(entry: Mapping[str, Any], task: str | None, title: str) -> dict[str, Any]:
    """Return an operation as lists show it."""
    known = {name: entry.get(name) for name in ("at", "by", "op", "what", "status", "note")}
    return {**known, "task": task, "title": title}


def _page(told: Any, template: str, here: str, title: str, /, **more: Any) -> str:
    """Return a page; the parameters are those of `common`, and the template."""
    values = common(told, here, title, asof=times.text(told.moment), **more)
    return _templates().get_template(f"site/{template}").render(values)


def overview_page(told: Any, live: bool = False, number: int = 0) -> str:
    """Return the first page of the site.

    :param told: an `operations.overview.Overview`.
    :param live: whether it is served and told of changes, those after the change of `number`.
    """
    return _page(told, "overview.html", "index.html", "Overview", live=live, number=number, **overview(told))


class Pages:
    """All pages of a site but those of single tasks.

    :param site: an `operations.site.Site`.
    :param live: whether they are served and told of changes, those after the change of `number`.
    """

    def __init__(self, site: Any, live: bool = False) -> None:
        self.site, self.live, self.number = site, live, 0
        self.tasks: Mapping[str, Any] = site.state["tasks"]
        self.ids = {names.task_path(task_id): task_id for task_id in self.tasks}

    def common(self, here: str, title: str, **more: Any) -> dict[str, Any]:
        """Return what each page needs, as `common` does."""
        return common(self.site.overview, here, title, live=self.live, number=self.number, **more)

    @cached_property
    def paths(self) -> dict[str, Render]:
        """Return how each page is rendered, by its path in the site."""
        found: dict[str, Render] = {
            "index.html": lambda: overview_page(self.site.overview, self.live, self.number),
            "board.html": lambda: self._page("board.html", "board.html", "Board", **self.board()),
            "tasks.html": lambda: self._page("search.html", "tasks.html", "Tasks", search=True,
                                             counts=self.site.overview.summary["counts"]),
            "flow.html": lambda: self._page("flow.html", "flow.html", "Flow", **self.flow()),
            "delivery.html": lambda: self._page("delivery.html", "delivery.html", "Delivery", **self.delivery()),
            "agents.html": lambda: self._page("agents.html", "agents.html", "Agents", **self.performances()),
            "audit.html": lambda: self._page("audit.html", "audit.html", "Audit", **self.audit()),
            "index.js": self.search_index,
            **{name: lambda text=text: text for name, text in assets().items()},  # type: ignore[misc]
        }  # fmt: skip
        for name in self.site.state["agents"]:
            found[f"agent/{name}.html"] = lambda name=name: self.agent(name)  # type: ignore[misc]
        for status in STATUSES:
            rows = [task for task in self.tasks.values() if task["status"] == status]
            found |= self._lists(f"list/{status}", f"Tasks: {status}", rows)
        for who, group in self.site.overview.groups.items():
            rows = [self.tasks[one.task] for one in group]
            found |= self._lists(f"waiting/{who}", f"Waits for {who}", rows)
        return found

    def _page(self, template: str, here: str, title: str, **more: Any) -> str:
        return _page(self.site.overview, template, here, title, live=self.live, number=self.number, **more)

    def _told(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        task = self.ids.get(entry["path"])
        return _told(entry, task, self.tasks[task]["title"] if task else "")

    def _row(self, task: Mapping[str, Any]) -> dict[str, Any]:
        return {**task, "since": self.site.touched.get(names.task_path(task["id"]), 0)}

    def board(self) -> dict[str, Any]:
        """Return the values of the board."""
        return {"columns": self.site.columns}

    def flow(self) -> dict[str, Any]:
        """Return the charts of flow."""
        return {"charts": charts.charts(self.site.flow, self.site.overview.moment, self.ids)}

    def delivery(self) -> dict[str, Any]:
        """Return the four figures of delivery, and the deployments with the rollbacks, the newest first."""
        told = self.site.delivery
        measures = [
            ("Deployment frequency", _figure(told.frequency, lambda value: f"{value:.1f} a week"), told.frequency.cases,
             "Deployments a week."),
            ("Lead time", _figure(told.lead, span), told.lead.cases,
             "Median, from the first start of work to the deployment."),
            ("Change failure rate", _figure(told.failures, percent), told.failures.cases,
             "Deployments that were rolled back."),
            ("Time to restore", _figure(told.restore, span), told.restore.cases,
             "Median, from the first alert, else from the deployment, to the rollback."),
        ]  # fmt: skip
        moved = [
            one
            for one in self.site.entries
            if one.get("status") in (DEPLOYED, ROLLED_BACK) and one["before"] != IMPORTED
        ]
        shown = [
            {"at": one["at"], "task": self.ids[one["path"]], "step": one["status"], "by": one["by"],
             "ref": one.get("ref"), "evidence": one.get("evidence")}
            for one in moved[: -AGENT_MAX - 1 : -1]
        ]  # fmt: skip
        return {"measures": measures, "deployments": shown, "more_deployments": max(0, len(moved) - AGENT_MAX)}

    def performances(self) -> dict[str, Any]:
        """Return the figures of all agents."""
        return {"performances": [self._agent(name) for name in self.site.state["agents"]]}

    def _agent(self, name: str) -> dict[str, Any]:
        told, one = self.site.state["agents"][name], self.site.agents.get(name, Performance())
        rate = "" if one.success is None else percent(1 - one.success)
        return {"name": name, "role": told["role"], "kind": told["kind"], "rights": told["rights"],
                "description": told["description"], "removed": told["status"] != "active", "open": told["tasks_open"],
                "done": one.done, "rejected": one.rejected, "rate": rate,
                "reviews": one.reviewed, "review_time": span(median(one.reviews)), "deployed": one.deployed,
                "uses": self._uses[name], "last_active": told["last_active"]}  # fmt: skip

    @cached_property
    def _uses(self) -> Counter[str]:
        """How often each agent has used a quota."""
        return Counter(one["by"] for one in self.site.entries if one["op"] == "quota.use")

    @cached_property
    def _by(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """The operations of each agent, oldest first."""
        found = defaultdict[str, list[Mapping[str, Any]]](list)
        for entry in self.site.entries:
            found[entry["by"]].append(entry)
        return found

    def agent(self, name: str) -> str:
        """Return the page of one agent."""
        waiting = list(self.site.overview.groups.get(name, ()))
        last = [self._told(one) for one in self._by[name][: -AGENT_MAX - 1 : -1]]
        told = self.common(f"agent/{name}.html", name, one=self._agent(name), waiting=waiting[:AGENT_MAX],
                           waiting_more=max(0, len(waiting) - AGENT_MAX), last=last)  # fmt: skip
        return _templates().get_template("site/agent.html").render(told)

    def audit(self) -> dict[str, Any]:
        """Return what is out of the ordinary, the newest first."""
        found, told = list(reversed(self.site.exceptions)), self.site.overview
        return {"exceptions": found[:AUDIT_MAX], "exceptions_more": max(0, len(found) - AUDIT_MAX),
                "proven": told.proven, "told": told.total, "known_tasks": self.tasks}  # fmt: skip

    def _lists(self, stem: str, title: str, tasks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Render]]:
        """Yield the pages of a list, each with its path."""
        count = max(1, -(-len(tasks) // LIST_MAX))
        ends = [".html", *(f".{number}.html" for number in range(2, count + 1))]
        for number, end in enumerate(ends, 1):
            told = {
                "total": len(tasks),
                "page": number,
                "pages": count,
                "paths": [stem.rpartition("/")[2] + e for e in ends],
            }

            def render(number: int = number, path: str = stem + end, told: dict[str, Any] = told) -> str:
                rows = [self._row(one) for one in tasks[(number - 1) * LIST_MAX : number * LIST_MAX]]
                return _templates().get_template("site/list.html").render(self.common(path, title, rows=rows, **told))

            yield stem + end, render

    def search_index(self) -> str:
        """Return the index for the search: id, title, status, priority and assignee of each task."""
        rows = (
            [one["id"], one["title"], one["status"], one["priority"], one["assigned"] or ""]
            for one in self.tasks.values()
        )
        lines = ",\n".join(json.dumps(row).replace("<", "\\u003c") for row in rows)
        return f"window.opsgit = [\n{lines}\n];\n"

    def task(self, found: Any, actions: str = "") -> str:
        """Return the page of one task.

        :param found: an `operations.site.Page`.
        :param actions: HTML with what can be done here.
        """
        task = found.task
        told = self.common(
            f"task/{task['id']}.html", task["id"], task=task, events=list(reversed(found.events)), rounds=found.rounds,
            needed_by=found.needed_by, gates=list(gates(task)), actions=Markup(actions),  # noqa: S704 - our own template
            imported=[one for one in task["history"] if one.get("imported")],
        )  # fmt: skip
        return _templates().get_template("site/task.html").render(told)


def _figure(measure: Measure, words: Callable[[float], str]) -> str:
    return words(measure.value) if measure.value is not None else "not enough data"


def gates(task: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the gates that a task came to: what they ask for, whether it is there, and the evidence."""
    submission, review, deployment = task.get("submission"), task.get("review") or {}, task.get("deployment")
    if not submission:
        return
    yield "a deliverable is named", "passed", f"{submission['deliverable']}, {submission['digest']}"
    for one in review.get("checks", ()):
        yield (
            f"check {one['name']}",
            "passed" if one["status"] == "pass" else "failed",
            f"{one['by']}, {one.get('url', one['digest'])}",
        )
    for one in review.get("sign_offs", ()):
        yield f"stage {one['stage']} signed off", "passed", f"{one['by']}, {one['at']}, {one['digest']}"
    blocking = [one["id"] for one in review.get("comments", ()) if one.get("blocking") and not one.get("resolved")]
    if blocking:
        yield "no blocking thread is open", "open", ", ".join(blocking)
    verdict = review.get("verdict")
    if verdict:
        passed = "passed" if verdict["outcome"] == "approved" else "failed"
        yield (
            "approved by somebody who did not work on it",
            passed,
            f"{verdict['outcome']} by {verdict['by']}, {verdict['at']}",
        )
    elif task["status"] == "review":
        yield "approved by somebody who did not work on it", "open", f"waits for {task['waiting_for']}"
    if deployment:
        state = {"deployed": "passed", "rolled-back": "passed", "started": "open"}.get(deployment["state"], "failed")
        yield (
            "the deployment succeeded",
            state,
            f"{deployment['by']}, {deployment.get('evidence', 'running')}, {deployment['digest']}",
        )
        if "rollback" in deployment:
            back = deployment["rollback"]
            yield (
                "rolled back",
                "passed",
                f"{back['by']}, {back['evidence']}" + (f", alert {back['alert']}" if "alert" in back else ""),
            )


def single(told: Any, links: str = "", whole: Any = None) -> str:
    """Return one file that needs no other: the overview, or all pages but those of single tasks.

    :param told: an `operations.overview.Overview`.
    :param links: the path of a site beside the file, to which it links; empty: there is none.
    :param whole: the `operations.site.Site` whose board, flow, delivery, agents and audit follow; None: they do not.
    """
    style = assets()["site.css"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = POLICY.format(style=f"'sha256-{digest}'", script="'none'", form="'none'")
    parts, pages = overview(told), Pages(whole) if whole else None
    if pages:
        parts |= {**pages.board(), **pages.flow(), **pages.delivery(), **pages.performances(), **pages.audit()}
    values = common(told, "index.html", "Overview", asof=times.text(told.moment), whole=bool(pages), number=0, **parts)
    values |= {"policy": policy, "style": Markup(style), "root": links, "linked": bool(links)}  # noqa: S704 - our own file
    values["nav"] = NAV if links else ()
    return _templates().get_template("site/single.html").render(values)


def actions(told: Mapping[str, Any]) -> str:
    """Return the forms for what an agent may do with a task.

    :param told: task, actor, version, `can` (what is allowed, by operation) and the open `threads`.
    """
    return _templates().get_template("site/actions.html").render(told)


def message(words: str, hint: str) -> str:
    """Return a page that says why something was not done."""
    return _templates().get_template("site/message.html").render(words=words, hint=hint)
