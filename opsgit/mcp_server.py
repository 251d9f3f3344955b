"""The MCP server: ten tools, resources and prompts over the Python API. It needs the extra `opsgit[mcp]`.

The agent is fixed when the server starts: no call can name another one. A refusal is data: its code, reason and hint.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypedDict

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from opsgit.api.project import Project, open_project
from opsgit.domain.model import Task
from opsgit.domain.records import to_record
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.domain.values import Value
from opsgit.operations.work import Work
from opsgit.version import VERSION
from opsgit.views import guides
from opsgit.views import prime as primed

Id = Annotated[str, Field(description="The id of a task, such as T-7.")]
Note = Annotated[str, Field(description="Words for the commit's message; a reason where one is needed.")]
Count = Annotated[int, Field(ge=1, le=500, description="At most so many.")]
Optional = Annotated[str | None, Field(description="Leave out what is not needed.")]
Status = Literal[
    "backlog", "assigned", "in-progress", "review", "done", "deployed", "rolled-back", "rejected", "cancelled"
]
Verdict = Literal["approve", "sign-off", "reject", "withdraw", "resolve"]


class Answer(TypedDict, total=False):
    """What a tool answers: `result`, or `refused` with code, message, hint, exit and retryable."""

    result: Any
    refused: dict[str, Any]


def serve(path: Path, actor: str) -> None:
    """Serve over stdin and stdout until the client goes.

    :param path: the state repository.
    :param actor: the agent that acts in every call.
    """
    server(path, actor).run("stdio")


def server(path: Path, actor: str) -> MCPServer[Any]:
    """Return the server for one agent on one state repository."""
    made: MCPServer[Any] = MCPServer("opsgit", version=VERSION, instructions=_instructions(actor))
    desk = Desk(path, actor)
    for tool in (desk.list_tasks, desk.show_task, desk.next_task, desk.add_task, desk.move_task, desk.comment,
                 desk.review, desk.decide, desk.inbox, desk.use_quota):  # fmt: skip
        made.tool()(tool)
    made.resource("opsgit://board", mime_type="text/markdown", description="The dashboard.")(desk.board)
    made.resource("opsgit://task/{task}", mime_type="application/json", description="One task.")(desk.task)
    made.resource("opsgit://prime", mime_type="text/markdown", description="What the agent needs now.")(desk.prime)
    for right, guide in guides.GUIDES.items():
        made.prompt(right, description=guide.does)(_prompt(right))
    return made


def _instructions(actor: str) -> str:
    return (
        f"You act as {actor} in opsgit; every write is signed by {actor}'s key. Read opsgit://prime first. An answer "
        "with `refused` says what was refused, why, and the command line that would be right; do not repeat the call."
    )


def _prompt(right: str) -> Callable[[], str]:
    def text() -> str:
        lines = [f"- `{command}`: {why}" for command, why in guides.commands([right])]
        return "\n".join(
            [f"You {guides.GUIDES[right].does}.", *lines, *(f"- {rule}" for rule in guides.rules([right]))]
        )

    return text


def _plain(value: Any) -> Any:
    """Return a value of the API as JSON can show it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(to_record(value) if isinstance(value, Value) else asdict(value))
    if isinstance(value, MappingProxyType | dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, str):  # half of a character, such as a client's escape can make, is no JSON
        return value.encode("utf-8", "backslashreplace").decode()
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _row(task: Task) -> dict[str, Any]:
    """Return what a list shows of a task."""
    told = {"id": task.id, "title": task.title, "status": task.status, "priority": task.priority}
    return {**told, "assigned": task.assigned, "depends_on": task.depends_on}


def _taken(found: Work | None) -> dict[str, Any] | None:
    """Return a task that was taken, without the commits that were made for it."""
    return {name: value for name, value in found._asdict().items() if name != "written"} if found else None


def _refused(one: Refusal) -> dict[str, Any]:
    told = {"code": one.code, "message": one.message, "hint": one.hint, "exit": one.exit, "retryable": one.retryable}
    return {name: _plain(value) for name, value in told.items()}


class Desk:
    """The tools of one agent. Each call opens the repository anew, one call after the other."""

    def __init__(self, path: Path, actor: str) -> None:
        self._path, self._actor, self._one = path, actor, threading.Lock()

    def _answer(self, work: Callable[[Project], Any]) -> Answer:
        try:
            return {"result": self._result(work)}
        except Refused as refused:
            return {"refused": _refused(refused.refusal)}

    def _result(self, work: Callable[[Project], Any]) -> Any:
        with self._one, open_project(self._path, self._actor) as project:
            return _plain(work(project))

    def list_tasks(
        self,
        status: Annotated[list[Status] | None, Field(description="Statuses; none: all open ones.")] = None,
        assigned: Optional = None,
        waiting_for: Optional = None,
        text: Optional = None,
        limit: Count = 50,
    ) -> Answer:
        """List tasks, the most urgent first."""
        return self._answer(lambda p: [_row(one) for one in p.tasks.list(
            status=status or (), assigned=assigned, waiting_for=waiting_for, text=text, limit=limit)])  # fmt: skip

    def show_task(self, task: Id) -> Answer:
        """Show one task with the words of all rounds of its review and its history."""

        def work(project: Project) -> Any:
            found = {"rounds": project.reviews.rounds(task), "history": project.tasks.history(task, 50)}
            return {"task": project.tasks.show(task), **found}

        return self._answer(work)

    def next_task(
        self,
        claim: Annotated[
            bool, Field(description="Put the next task in progress and return all that it needs.")
        ] = False,
        lease: Annotated[str | None, Field(description="A lease for the claim, such as 2h.")] = None,
    ) -> Answer:
        """Say what to do now; with claim, take the next task to work on in one atomic step."""
        return self._answer(lambda p: _taken(p.tasks.take(lease=lease)) if claim else p.tasks.next())

    def add_task(
        self,
        title: str,
        description: Optional = None,
        priority: Literal["critical", "high", "medium", "low"] | None = None,
        assign: Optional = None,
        pipeline: Annotated[str | None, Field(description="Stages, such as dev→qa→deploy.")] = None,
        depends_on: list[str] | None = None,
        tags: list[str] | None = None,
        id: Optional = None,
    ) -> Answer:
        """Add a task to the backlog, or assign it at once."""
        words = {"id": id, "description": description, "priority": priority, "assign": assign, "pipeline": pipeline,
                 "depends_on": depends_on, "tags": tags}  # fmt: skip
        return self._answer(lambda p: p.tasks.add(title, **words))  # type: ignore[arg-type]

    def move_task(
        self,
        task: Id,
        to: Annotated[
            str, Field(description="backlog, assigned, in-progress, review, deployed, rolled-back, cancelled.")
        ],
        output: Annotated[
            str | None, Field(description="To review: the path of the deliverable, or 'commit: ID'.")
        ] = None,
        repository: Annotated[str | None, Field(description="To review: the repository of a commit.")] = None,
        assignee: Annotated[str | None, Field(description="To assigned: the agent.")] = None,
        deploy_ref: Annotated[str | None, Field(description="To deployed: what is deployed, such as a tag.")] = None,
        alert: Annotated[str | None, Field(description="To rolled-back: the alert, for observers.")] = None,
        note: Note = "",
    ) -> Answer:
        """Take a task to a status: start, submit, release, deploy, roll back, cancel. Every gate applies.

        A deliverable lies in the workspace of the project, in the folder that `agent spawn` made, or in the folder that
        the server was started in.
        """
        words = {
            "output": output,
            "repository": repository,
            "assignee": assignee,
            "deploy_ref": deploy_ref,
            "alert": alert,
        }

        def work(project: Project) -> Any:
            for place in (repository, None if (output or "").startswith("commit:") else output):
                self._refuse_outside(project, place)
            return project.tasks.move(task, to, note=note, **words)

        return self._answer(work)

    def _refuse_outside(self, project: Project, place: str | None) -> None:
        """Refuse a path that the client's model could only use to read files that are not its work.

        :raises Refused: `BAD_VALUE`.
        """
        if place is None:
            return
        here, workspace = Path.cwd(), project.policy().get("workspace")
        roots = [self._path.resolve().with_name(f"{self._path.resolve().name}.work")]
        roots += [Path(workspace).absolute()] if workspace else []
        roots += [here] if not Path.home().is_relative_to(here) else []
        if not any(Path(place).resolve().is_relative_to(root.resolve()) for root in roots):
            where = " or ".join(map(str, roots))
            refuse(
                "BAD_VALUE", f"{place} is not in {where}", "write it there, or submit it at the command line", "output"
            )

    def comment(
        self,
        task: Id,
        text: str,
        progress: Annotated[bool, Field(description="Record it as the progress of your own task.")] = False,
        at: Annotated[str | None, Field(description="In a review: a file of the deliverable, or file:line.")] = None,
        reply_to: Annotated[str | None, Field(description="In a review: the thread that it answers.")] = None,
        blocking: Annotated[bool, Field(description="In a review: nobody approves while it is open.")] = False,
    ) -> Answer:
        """Comment on a task or its review, or say how the work goes."""

        def work(project: Project) -> Any:
            if progress:
                return project.tasks.progress(task, text)
            if at or reply_to or blocking:
                return project.reviews.comment(task, text, at=at, reply_to=reply_to, blocking=blocking)
            return project.tasks.comment(task, text)

        return self._answer(work)

    def review(
        self,
        task: Annotated[str | None, Field(description="The task; none lists the open reviews.")] = None,
        versions: Annotated[str | None, Field(description="Two versions to compare, such as 1..2.")] = None,
    ) -> Answer:
        """Show what is judged, with the difference to the last round and the commands that decide."""

        def work(project: Project) -> Any:
            if task is None:
                return project.reviews.list()
            page = dict(project.reviews.show(task))
            try:
                page["diff"] = list(project.reviews.diff(task, versions=versions))
            except Refused as refused:
                page["diff"] = _refused(refused.refusal)
            return page

        return self._answer(work)

    def decide(
        self,
        task: Id,
        verdict: Verdict,
        reason: Annotated[str, Field(description="Why; needed to reject.")] = "",
        thread: Annotated[str | None, Field(description="The thread to resolve.")] = None,
    ) -> Answer:
        """Decide a review: approve, sign off, reject, withdraw one's own submission, or resolve a thread."""

        def work(project: Project) -> Any:
            steps = {
                "approve": lambda: project.reviews.approve(task, note=reason),
                "sign-off": lambda: project.reviews.sign_off(task, note=reason),
                "reject": lambda: project.reviews.reject(task, reason),
                "withdraw": lambda: project.reviews.withdraw(task, note=reason),
                "resolve": lambda: project.reviews.resolve(task, thread or "", note=reason),
            }
            return steps[verdict]()

        return self._answer(work)

    def inbox(self) -> Answer:
        """List everything that waits for you, the oldest first."""
        return self._answer(lambda p: p.inbox())

    def use_quota(
        self,
        name: str,
        amount: Annotated[int, Field(ge=0, description="How much to use; 0 only looks.")] = 0,
    ) -> Answer:
        """Use an amount of a quota, or see what is left."""
        return self._answer(lambda p: p.quotas.use(name, amount) if amount else p.quotas.check(name))

    def board(self) -> str:
        """Return the dashboard as Markdown."""
        return str(self._result(lambda p: p.dashboard()))

    def task(self, task: str) -> dict[str, Any]:
        """Return one task."""
        found: dict[str, Any] = self._result(lambda p: p.tasks.show(task))
        return found

    def prime(self) -> str:
        """Return what the agent needs to know now."""
        return str(self._result(lambda p: "\n".join(primed.lines(p.prime()._asdict()))))
