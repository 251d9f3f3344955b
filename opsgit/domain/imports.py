"""Tasks from another tracker: taken as they were, marked as imported, and trusted for nothing."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import names, tasks, words
from opsgit.domain.case import Case
from opsgit.domain.codes import refuse
from opsgit.domain.model import Past, Task
from opsgit.domain.records import from_record

# What a status from elsewhere becomes. A review cannot be taken over: there is no submission that anybody signed.
BECOMES = {status: status for status in words.STATUSES} | {words.IN_REVIEW: words.IN_PROGRESS}
# The steps of a past whose authors did not work on the task; whoever is named in any other did.
JUDGED = (words.BACKLOG, words.DONE, words.REJECTED, words.DEPLOYED, words.ROLLED_BACK, words.CANCELLED)
WORKED = (words.ASSIGNED, words.IN_PROGRESS, words.IN_REVIEW)


def bring(case: Case) -> Task:
    """A task with its status and history from elsewhere.

    Approvals and deployments of the past are words in `imported`; nothing here counts them as approved or deployed: a
    task that is done must be reopened, submitted and approved here before it is deployed from here.
    """
    past = from_record(Past, case.request.get("imported") or {"status": ""})
    if past.status not in BECOMES:
        refuse(
            "BAD_VALUE", f"{past.status!r} is no status; there are {', '.join(words.STATUSES)}", "opsgit import --help"
        )
    assignee = case.request.get("assigned")
    plain = replace(case.request, op="task.add", fields={**case.request.fields, "assigned": None})
    task = tasks.add(replace(case, request=plain))
    if assignee:
        case.snapshot.agent(names.check_name(str(assignee)))
    status = BECOMES[past.status]
    if status in WORKED and not assignee:
        refuse("BAD_VALUE", f"{task.id} is {status} and assigned to nobody", "import it as backlog", "assigned")
    known = (assignee, *(event.by for event in past.history if event.status not in JUDGED))
    contributors = tuple(dict.fromkeys(name for name in known if name and case.snapshot.find_agent(name)))
    return replace(task, status=status, assigned=assignee, imported=past, contributors=contributors)
