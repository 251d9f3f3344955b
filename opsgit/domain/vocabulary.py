"""The fixed sets of words: statuses, priorities, rights, periods and severities."""

BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW = "backlog", "assigned", "in-progress", "review"
DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED = "done", "deployed", "rolled-back", "rejected", "cancelled"
STATUSES = (BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW, DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED)
ENDED = (DEPLOYED, CANCELLED)
IMPORTED = "imported"  # what a task was before its import, where an operation names the status before it
# The order of tasks in lists: first those that need a decision, then work in progress, then work that has not started,
# then ended tasks.
OPEN_BY_NEED = (REJECTED, IN_REVIEW, DONE, ROLLED_BACK, IN_PROGRESS, ASSIGNED, BACKLOG)
BY_NEED = (*OPEN_BY_NEED, *ENDED)
PRIORITIES = ("critical", "high", "medium", "low")
ORCHESTRATE, WORK, REVIEW, DEPLOY, OBSERVE = "orchestrate", "work", "review", "deploy", "observe"
AGENT_KINDS = ("agent", "human")
PERIODS = ("hourly", "daily", "weekly", "monthly", "none")
COUNT_MAX = 2**53  # up to here every YAML and JSON parser keeps whole numbers exact
SEVERITIES = ("info", "warning", "critical")
