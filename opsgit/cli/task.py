"""The group `opsgit task`; its commands are in `task_read` and `task_write`."""

from __future__ import annotations

import click

from opsgit.cli.lazy import Lazy

COMMANDS = {
    "add": ("task_write:add", "Add a task, to the backlog or assigned."),
    "list": ("task_read:list_", "Tasks, the most urgent first."),
    "show": ("task_read:show", "One task, with the words of its review."),
    "next": ("task_read:next_", "What the acting agent should do now."),
    "assign": ("task_write:assign", "Give a task to an agent."),
    "claim": ("task_write:claim", "Take a task from the backlog."),
    "start": ("task_write:start", "Begin to work."),
    "progress": ("task_write:progress", "Say how the work goes."),
    "submit": ("task_write:submit", "Hand in a deliverable for review."),
    "move": ("task_write:move", "Take a task to a status; every gate on the way holds."),
    "edit": ("task_write:edit", "Change what describes a task."),
    "comment": ("task_write:comment", "Comment on a task."),
    "trim": ("task_write:trim", "Drop old comments from the file."),
    "release": ("task_write:release", "Put a task back into the backlog."),
    "cancel": ("task_write:cancel", "Give a task up."),
}


@click.group(
    "task",
    cls=Lazy,
    table=COMMANDS,
    epilog="\b\nExample:\n  opsgit task add --id SKILL-001 --title 'Build it' --assign dev",
)
def command() -> None:
    """Tasks: add, assign, work, submit, move."""
