"""The commands of `opsgit agent`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, common, fetching, subject, writing, wrote
from opsgit.domain.records import to_record
from opsgit.operations import agents, clone
from opsgit.operations.session import Session
from opsgit.storage.sshsig import fingerprint
from opsgit.views import spawn as spawn_page
from opsgit.views import terminal


@click.group("agent", epilog="\b\nExample:\n  opsgit agent add --name dev --role developer")
def command() -> None:
    """Agents: who may act, and their keys."""


@command.command("add", epilog='\b\nExample:\n  opsgit agent add --name dev --role developer --desc "Builds features"')
@subject("name", "--name")
@click.option(
    "--role", required=True, help="orchestrator, developer, reviewer, deployer, observer, or one of your own."
)
@click.option("--desc", "--description", "description", help="What it does.")
@click.option("--kind", type=click.Choice(["agent", "human"]), default="agent", show_default=True)
@click.option("--email", help="The address on its commits (default: NAME@REPOSITORY-ID).")
@click.option("--public-key", metavar="LINE", help="A key held elsewhere: 'ssh-ed25519 AAAA...', with --proof.")
@click.option("--proof", metavar="TEXT", help="What `opsgit agent prove` printed there.")
@writing
@common
def add(session: Session, as_json: bool, name: str, role: str, **fields: Any) -> None:
    """Add an agent, and make its key on this machine.

    With --public-key and --proof the agent's key stays on another machine (see opsgit agent prove).
    """
    wrote(session, agents.add(session, name, role, **fields), as_json)
    if not session.dry_run and not fields.get("public_key"):
        session.notices.append(f"the key of {name} is {session.repository.keys.path(name)}")


@command.command("list", epilog="\b\nExample:\n  opsgit agent list")
@click.option("--limit", type=MANY, default=200, show_default=True, help="At most so many.")
@common
def list_(session: Session, as_json: bool, limit: int) -> None:
    """List all agents, removed ones too."""
    found = agents.everybody(session)
    if as_json:
        output.data("agents", agents=[to_record(agent) for agent in found[:limit]], more=max(0, len(found) - limit))
        return
    here = session.repository.keys.holds
    rows = [(a.name, a.role, a.status, "here" if here(a.name) else "-", a.description or "") for a in found[:limit]]
    for line in terminal.table(("NAME", "ROLE", "STATUS", "KEY", "DESCRIPTION"), rows):
        output.line(line)
    if len(found) > limit:
        output.say(f"{len(found) - limit} more: --limit {len(found)}")


@command.command("show", epilog="\b\nExample:\n  opsgit agent show dev")
@subject("name", "--name")
@common
def show(session: Session, as_json: bool, name: str) -> None:
    """Show one agent and its keys."""
    agent = session.look().agent(name)
    if as_json:
        output.data("agent", agent=to_record(agent))
        return
    output.line(f"{agent.name}  {agent.role}  {agent.kind}  {agent.status}")
    for line in terminal.quoted(agent.description) if agent.description else ():
        output.line(line)
    for key in agent.keys:
        output.line(f"{key.state}  {fingerprint(key.key)}  {key.key}  since {key.added}")


@command.command("edit", epilog="\b\nExample:\n  opsgit agent edit dev --desc 'Builds the front end'")
@subject("name", "--name")
@click.option("--role", help="Another role; never across the line between orchestrating and implementing.")
@click.option("--desc", "--description", "description", help="What it does.")
@click.option("--kind", type=click.Choice(["agent", "human"]))
@click.option("--email", help="The address on its commits.")
@writing
@common
def edit(session: Session, as_json: bool, name: str, **fields: Any) -> None:
    """Change an agent's role, description, kind or email."""
    wrote(session, agents.edit(session, name, **fields), as_json)


@command.command("remove", epilog="\b\nExample:\n  opsgit agent remove dev --reason 'left the project'")
@subject("name", "--name")
@click.option("--release", is_flag=True, help="Put its tasks back into the backlog, in the same step.")
@writing
@common
def remove(session: Session, as_json: bool, name: str, release: bool) -> None:
    """Remove an agent: it loses all rights. The tasks that it still has are named.

    Its file, keys and history stay, and its name cannot be used again.
    """
    wrote(session, agents.remove(session, name, release), as_json)


@command.command("prove", epilog="\b\nExample:\n  opsgit agent prove dev")
@subject("name", "--name")
@click.option("--new", is_flag=True, help="Prove the next key, which replaces the present one.")
@common
def prove(session: Session, as_json: bool, name: str, new: bool) -> None:
    """Make and prove an agent's key on this machine.

    The command prints what an orchestrator runs on another machine: agent add for a new agent, agent rotate for an
    agent that the ledger knows. The private key stays here. After a rotation the agent's next command uses the new key.
    """
    tell_proof(name, agents.prove(session, name, new), "ROLE", as_json)


def tell_proof(name: str, proof: tuple[str, str, str], role: str, as_json: bool) -> None:
    """Print the command with which an orchestrator takes an agent's key.

    :param proof: what `agents.prove` returns.
    """
    line, text, purpose = proof
    asked = f" --role {role}" if purpose == "add" else ""
    command = f"opsgit agent {purpose} --name {name}{asked} --public-key '{line}' --proof {text}"
    if as_json:
        output.data("proof", name=name, key=line, proof=text, command=command)
    else:
        output.line(command)


@command.command("rotate", epilog="\b\nExample:\n  opsgit agent rotate dev")
@subject("name", "--name")
@click.option("--public-key", metavar="LINE", help="A key held elsewhere: 'ssh-ed25519 AAAA...', with --proof.")
@click.option("--proof", metavar="TEXT", help="What `opsgit agent prove` printed there.")
@writing
@common
def rotate(session: Session, as_json: bool, name: str, **given: Any) -> None:
    """Give an agent a new key; its active keys are retired.

    The key is made on this machine, or it is held on another machine (--public-key with --proof). The agent signs, or
    an orchestrator.
    """
    wrote(session, agents.rotate(session, name, **given), as_json)


@command.command("retire-key", epilog="\b\nExample:\n  opsgit agent retire-key dev --key SHA256:...")
@subject("name", "--name")
@click.option("--key", required=True, metavar="KEY", help="Its line or its fingerprint (opsgit agent show).")
@writing
@common
def retire_key(session: Session, as_json: bool, name: str, key: str) -> None:
    """Retire one key of an agent. An agent without an active key cannot sign."""
    wrote(session, agents.retire(session, name, key), as_json)


@command.command("compromise", epilog="\b\nExample:\n  opsgit agent compromise dev --since 3f2a91c")
@subject("name", "--name")
@click.option("--since", required=True, metavar="COMMIT", help="The last commit when the keys were the agent's alone.")
@writing
@common
def compromise(session: Session, as_json: bool, name: str, since: str) -> None:
    """Record that somebody else has an agent's keys.

    The keys stop working. Every commit that they signed after COMMIT is a finding of opsgit verify, until an
    orchestrator ratifies it.
    """
    wrote(session, agents.compromise(session, name, since), as_json)


@command.command("ratify", epilog="\b\nExample:\n  opsgit agent ratify 3f2a91c --reason 'dev says it was dev'")
@click.argument("commits", metavar="COMMIT...", nargs=-1, required=True)
@click.option("--undone", is_flag=True, help="Do not accept them: their effect was undone by other operations.")
@writing
@common
def ratify(session: Session, as_json: bool, commits: tuple[str, ...], undone: bool) -> None:
    """Accept commits that a compromised key signed, one by one or as a range A..B.

    They are then no findings of opsgit verify, and approvals among them count again. With --undone they are no findings
    any more either, but nothing can rest on them.
    """
    wrote(session, agents.ratify(session, commits, undone), as_json)


@command.command("checkout", epilog="\b\nExample:\n  opsgit agent checkout dev ../dev-state")
@click.argument("name", shell_complete=completion.agents)
@click.argument("folder", type=click.Path(path_type=Path))
@common
def checkout(session: Session, as_json: bool, name: str, folder: Path) -> None:
    """Make a clone that acts as an agent.

    It is a clone of this repository's remote origin, or of this repository if it has no remote. The agent's key must be
    on this machine to write in the clone.
    """
    made = clone.checkout(session, name, folder)
    if as_json:
        output.data("clone", path=str(made), agent=name)
        return
    output.line(str(made))


@command.command("spawn", epilog="\b\nExample:\n  opsgit agent spawn dev SKILL-001 --format openclaw")
@click.argument("name", shell_complete=completion.agents)
@click.argument("task", shell_complete=completion.tasks)
@click.option(
    "--format", "form", type=click.Choice([*spawn_page.FORMATS, "json"]), default="json", show_default=True,
    help="The call of that harness, or all parts of it as JSON.",
)  # fmt: skip
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="The clone (default: <state>.agents/NAME).")
@click.option("--timeout", type=click.IntRange(1, 86_400), default=3600, show_default=True, help="Seconds for the run.")
@common
@fetching
def spawn_(session: Session, as_json: bool, name: str, task: str, form: str, folder: Path | None, timeout: int) -> None:
    """Print the call that starts an agent on a task: NAME on TASK.

    The agent's clone is made, or brought up to date. The text of the call quotes the task as data, and ends with the
    commands that the agent runs. The agent signs with its own key, which must be in the key folder of its user.
    """
    from opsgit.operations import spawn

    told = spawn.spawn(session, name, task, folder)
    if not told.holds_key:
        session.notices.append(f"the key of {name} is not in this key folder: start the agent as the user that has it")
    if as_json or form == "json":
        output.data("spawn", timeout=timeout, prompt=spawn_page.prompt(told._asdict()), **told._asdict())
        return
    output.document(spawn_page.FORMATS[form](told._asdict(), timeout))
