"""The closed vocabularies: statuses, priorities, rights and the other words that fields choose from."""

BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW = "backlog", "assigned", "in-progress", "review"
DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED = "done", "deployed", "rolled-back", "rejected", "cancelled"
STATUSES = (BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW, DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED)
ENDED = (DEPLOYED, CANCELLED)
# Lists show first what somebody has to decide, then what is worked on, then what nobody has begun, then what has ended.
OPEN_BY_NEED = (REJECTED, IN_REVIEW, DONE, ROLLED_BACK, IN_PROGRESS, ASSIGNED, BACKLOG)
BY_NEED = (*OPEN_BY_NEED, *ENDED)
PRIORITIES = ("critical", "high", "medium", "low")
ORCHESTRATE, WORK, REVIEW, DEPLOY, OBSERVE = "orchestrate", "work", "review", "deploy", "observe"
AGENT_KINDS = ("agent", "human")
PERIODS = ("hourly", "daily", "weekly", "monthly", "none")
COUNT_MAX = 2**53  # the largest whole number that every reader of YAML and JSON keeps exactly
SEVERITIES = ("info", "warning", "critical")
