"""`opsgit task`."""

from __future__ import annotations

import click

from opsgit.cli.lazy import Lazy

COMMANDS = {
    "add": ("task_work:add", "Add a task, to the backlog or assigned."),
    "list": ("task_look:list_", "Tasks, the most urgent first."),
    "show": ("task_look:show", "One task, with the words of its review."),
    "next": ("task_look:next_", "What the acting agent should do now."),
    "assign": ("task_work:assign", "Give a task to an agent."),
    "claim": ("task_work:claim", "Take a task from the backlog."),
    "start": ("task_work:start", "Begin to work."),
    "progress": ("task_work:progress", "Say how the work goes."),
    "submit": ("task_work:submit", "Hand in a deliverable for review."),
    "move": ("task_work:move", "Take a task to a status; every gate on the way holds."),
    "edit": ("task_work:edit", "Change what describes a task."),
    "comment": ("task_work:comment", "Comment on a task."),
    "trim": ("task_work:trim", "Drop old comments from the file."),
    "release": ("task_work:release", "Put a task back into the backlog."),
    "cancel": ("task_work:cancel", "Give a task up."),
}


@click.group(
    "task",
    cls=Lazy,
    table=COMMANDS,
    epilog="\b\nExample:\n  opsgit task add --id SKILL-001 --title 'Build it' --assign dev",
)
def command() -> None:
    """Tasks: add, assign, work, submit, move."""
