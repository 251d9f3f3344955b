"""The command `opsgit help`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

import click

from opsgit.cli import output
from opsgit.domain.refusals import CODES, EXITS, refuse

if TYPE_CHECKING:
    from opsgit.views.manual import Entry

TOPICS = {
    "start": "from the installation to a first approved task",
    "recipes": "OpenClaw, Claude Code, Codex, MCP, CI, notifications, step by step",
    "lifecycle": "statuses, operations, who may do what",
    "review": "see what is judged, discuss it, decide: threads, attachments, checks",
    "roles": "what each role does, and with which commands",
    "exit-codes": "every exit code and every refusal code",
    "format": "files, canonical YAML, commit messages, digests",
    "identity": "keys, signatures, who acts, what signatures prove",
    "trust": "verify, servers, hooks, pins, compromised keys",
    "teams": "each agent in a clone of its own: who pushes and fetches what",
    "forges": "reviews on GitHub, GitLab, Gitea and Forgejo",
    "site": "pages, the board, figures and what they mean, the live site",
    "scale": "how large one ledger can be, and what to do past it",
    "policy": "every key of ops.yaml",
    "api": "the Python API",
    "design": "how opsgit is built, its words, and why it is so",
    "ops.sh": "a script that forwards the original framework's calls: opsgit help ops.sh > scripts/ops.sh",
}


@click.command("help", epilog="\b\nExample:\n  opsgit help exit-codes")
@click.argument(
    "words", nargs=-1, metavar="[TOPIC]", shell_complete=lambda *given: [t for t in TOPICS if t.startswith(given[2])]
)
@click.option("--man", is_flag=True, help="Print the man page of all commands: opsgit help --man | man -l -")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], man: bool) -> None:
    """Explain a TOPIC, or a command such as `task add`."""
    if man:
        output.document(manual(ctx).rstrip("\n"))
        return
    if not words:
        for name, line in TOPICS.items():
            output.line(f"{name:12} {line}")
        output.line("")
        output.line("opsgit help COMMAND and opsgit COMMAND --help explain a command.")
        return
    if words[0] in TOPICS and len(words) == 1:
        click.echo(text(words[0]))
        return
    _explain_command(ctx, words)


def _topics(incomplete: str) -> list[str]:
    return [topic for topic in TOPICS if topic.startswith(incomplete)]


def text(topic: str) -> str:
    """Return a topic's text, with the tables of codes and operations filled in.

    :param topic: a key of `TOPICS`.
    """
    name = topic if topic.endswith(".sh") else f"{topic}.md"
    words = files("opsgit.cli").joinpath(f"topics/{name}").read_text("utf-8")
    exits = "\n".join(f"| {number} | {meaning} |" for number, meaning in EXITS.items())
    codes = "\n".join(f"| `{name}` | {code.exit} | {code.meaning} |" for name, code in sorted(CODES.items()))
    filled = words.replace("{exits}", exits).replace("{codes}", codes)
    filled = _with_operations(filled) if "{transitions}" in filled else filled
    return (_with_roles(filled) if "{roles}" in filled else filled).rstrip("\n")


def _with_operations(words: str) -> str:
    from opsgit.domain.rules import VERSIONS
    from opsgit.views import lifecycle

    newest = VERSIONS[max(VERSIONS)]
    return words.replace("{transitions}", lifecycle.transitions(newest)).replace("{others}", lifecycle.others(newest))


def _with_roles(words: str) -> str:
    from opsgit.views import guides

    return words.replace("{roles}", guides.table())


def _explain_command(ctx: click.Context, words: tuple[str, ...]) -> None:
    from opsgit.cli.main import COMMANDS

    found: click.Command | None = ctx.find_root().command
    for word in words:
        found = found.get_command(ctx, word) if isinstance(found, click.Group) else None
    if found is None:
        name = " ".join(words)
        like = difflib.get_close_matches(words[0], [*TOPICS, *COMMANDS], 3)
        meant = f". Did you mean {' or '.join(map(repr, like))}?" if like and words[0] not in COMMANDS else ""
        refuse("NOT_FOUND", f"there is no topic and no command {name!r}{meant}", "opsgit help")
    click.echo(found.get_help(click.Context(found, info_name=f"opsgit {' '.join(words)}", parent=None)))


def manual(ctx: click.Context) -> str:
    """Return the man page of all commands."""
    from opsgit.version import VERSION
    from opsgit.views import manual as page

    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    return page.page(VERSION, _entries(root.command, "opsgit"), EXITS)


def _entries(group: click.Group, path: str) -> Iterator[Entry]:
    from opsgit.views.manual import Entry

    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if found is None or found.hidden:
            continue
        inner = f"{path} {name}"
        context = click.Context(found, info_name=inner)
        paragraphs = [*(found.help or "").split("\n\n"), *(found.epilog or "").split("\n\n")]
        records = [row for one in found.params if (row := one.get_help_record(context))]
        usage = " ".join(found.collect_usage_pieces(context))
        yield Entry(f"{inner} {usage}", [one for one in paragraphs if one.strip()], records)
        if isinstance(found, click.Group):
            yield from _entries(found, inner)
