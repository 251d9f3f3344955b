"""Tasks from another tracker: taken as they were, marked as imported, and trusted for nothing."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import names, tasks
from opsgit.domain.context import Context
from opsgit.domain.model import ImportedHistory, Task
from opsgit.domain.records import from_record
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
JUDGED = (
    BACKLOG,
    DONE,
    REJECTED,
    DEPLOYED,
    ROLLED_BACK,
    CANCELLED,
)
WORKED = (ASSIGNED, IN_PROGRESS, IN_REVIEW)


def bring(context: Context) -> Task:
    """A task with its status and history from elsewhere.

    Approvals and deployments of the past are words in `imported`; nothing here counts them as approved or deployed: a
    task that is done must be reopened, submitted and approved here before it is deployed from here.
    """
    past = from_record(ImportedHistory, context.request.get("imported") or {"status": ""})
    if past.status not in BECOMES:
        refuse(
            "BAD_VALUE",
            f"{past.status!r} is no status; there are {', '.join(STATUSES)}",
            "opsgit import --help",
        )
    assignee = context.request.get("assigned")
    plain = replace(context.request, op="task.add", fields={**context.request.fields, "assigned": None})
    task = tasks.add(replace(context, request=plain))
    if assignee:
        context.snapshot.agent(names.check_name(str(assignee)))
    status = BECOMES[past.status]
    if status in WORKED and not assignee:
        refuse("BAD_VALUE", f"{task.id} is {status} and assigned to nobody", "import it as backlog", "assigned")
    known = (assignee, *(event.by for event in past.history if event.status not in JUDGED))
    contributors = tuple(dict.fromkeys(name for name in known if name and context.snapshot.find_agent(name)))
    return replace(task, status=status, assigned=assignee, imported=past, contributors=contributors)
