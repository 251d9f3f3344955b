"""The closed vocabularies: statuses, priorities, rights and the other words that fields choose from."""

BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW = "backlog", "assigned", "in-progress", "review"
DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED = "done", "deployed", "rolled-back", "rejected", "cancelled"
STATUSES = (BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW, DONE, DEPLOYED, ROLLED_BACK, REJECTED, CANCELLED)
PRIORITIES = ("critical", "high", "medium", "low")
ORCHESTRATE, WORK, REVIEW, DEPLOY, OBSERVE = "orchestrate", "work", "review", "deploy", "observe"
RIGHTS = (ORCHESTRATE, WORK, REVIEW, DEPLOY, OBSERVE)
AGENT_KINDS = ("agent", "human")
PERIODS = ("hourly", "daily", "weekly", "monthly", "none")
SEVERITIES = ("info", "warning", "critical")
