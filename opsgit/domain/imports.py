"""Tasks from another tracker: taken as they were, marked as imported, and trusted for nothing."""

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

# What a status from elsewhere becomes. A review cannot be taken over: there is no submission that anybody signed.
BECOMES = {status: status for status in STATUSES} | {IN_REVIEW: IN_PROGRESS}
# The steps of a past whose authors did not work on the task; whoever is named in any other did.
JUDGED = (BACKLOG, DONE, REJECTED, DEPLOYED, ROLLED_BACK, CANCELLED)
WORKED = (ASSIGNED, IN_PROGRESS, IN_REVIEW)


def _history(context: Context) -> ImportedHistory:
    """The past that the request brings, of a status that there is."""
    past = checked(ImportedHistory, context.request.get("imported"), "imported")
    if past.status not in BECOMES:
        known = ", ".join(STATUSES)
        refuse("BAD_VALUE", f"{past.status!r} is no status; there are {known}", "opsgit import --help", "imported")
    return past


def imported_as(context: Context, _: None) -> str:
    """The status that an imported task gets here."""
    return BECOMES[_history(context).status]


def bring(context: Context, _: None) -> Task:
    """A task with its status and history from elsewhere.

    Approvals and deployments of the past are words in `imported`; nothing here counts them as approved or deployed: a
    task that is done must be reopened, submitted and approved here before it is deployed from here.
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
