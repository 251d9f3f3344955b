"""The import of tasks from another tracker. Imported data is marked as such, and no gate relies on it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import tasks
from opsgit.domain.context import Context
from opsgit.domain.model import ImportedHistory, Task
from opsgit.domain.records import checked
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import (
    ASSIGNED,
    BACKLOG,
    CANCELLED,
    DEPLOYED,
    DONE,
    IN_PROGRESS,
    IN_REVIEW,
    REJECTED,
    ROLLED_BACK,
    STATUSES,
)

# The status here for each imported status. A task in review becomes in-progress: no agent here signed its submission.
BECOMES = {status: status for status in STATUSES} | {IN_REVIEW: IN_PROGRESS}
# Imported events with these statuses do not make their author a contributor; all other events do.
JUDGED = (BACKLOG, DONE, REJECTED, DEPLOYED, ROLLED_BACK, CANCELLED)
WORKED = (ASSIGNED, IN_PROGRESS, IN_REVIEW)


def _history(context: Context) -> ImportedHistory:
    """Return the imported history of the request; its status must be a known one."""
    past = checked(ImportedHistory, context.request.get("imported"), "imported")
    if past.status not in BECOMES:
        known = ", ".join(STATUSES)
        refuse("BAD_VALUE", f"{past.status!r} is no status; there are {known}", "opsgit import --help", "imported")
    return past


def imported_as(context: Context, _: None) -> str:
    """Return the status that an imported task gets here.

    :raises Refused: `BAD_VALUE`.
    """
    return BECOMES[_history(context).status]


def bring(context: Context, _: None) -> Task:
    """Return a new task with the status and the history that it has in another tracker.

    Imported approvals and deployments do not count here. An imported done task must be reopened, submitted and approved
    in this ledger before it can be deployed from it.

    :raises Refused: `BAD_VALUE`; `NOT_FOUND` for an unknown assignee; the codes of `tasks.add`.
    """
    past, assignee = _history(context), context.request.get("assigned")
    plain = replace(context.request, fields={**context.request.fields, "assigned": None})
    task = tasks.add(replace(context, request=plain), None)
    if assignee:
        context.snapshot.agent(assignee)
    elif BECOMES[past.status] in WORKED:
        why = f"{task.id} is {BECOMES[past.status]} and assigned to nobody"
        refuse("BAD_VALUE", why, "import it as backlog", "assigned")
    known = (assignee, *(event.by for event in past.history if event.status not in JUDGED))
    contributors = tuple(dict.fromkeys(name for name in known if name and context.snapshot.find_agent(name)))
    return replace(task, assigned=assignee, imported=past, contributors=contributors)
