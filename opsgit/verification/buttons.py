"""What a forge's merge button makes: a merge, a squash or a rebase that no agent signed."""

from __future__ import annotations

import re

MERGED = re.compile(
    r"Merge (pull request (#[0-9]+ from|'.*' \(#[0-9]+\) from)|branch 'review/)|[^\0]*\nSee merge request "
)
SQUASHED = re.compile(r"[^\n]*\(#[0-9]+\)(\n|\Z)|[^\0]*\n(See merge request |Reviewed-on: )")
FORGES = re.compile(r"(GitHub|GitLab|Gitea|Forgejo)\Z|[^@]*@(users\.)?noreply\.|noreply@", re.IGNORECASE)


def made_by(content: bytes) -> str:
    """Return what a forge's button did, if a commit looks like its work: `merge`, `squash` or `rebase`; else nothing.

    It is asked only of a commit that the rule book has refused. What an agent has signed is not a button's work.

    :param content: the bytes of the commit object.
    """
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    parents = sum(line.startswith("parent ") for line in head.split("\n"))
    if "BEGIN SSH SIGNATURE" in head:
        return ""
    if parents > 1 and MERGED.match(message):
        return "merge"
    if parents == 1 and SQUASHED.match(message):
        return "squash"
    return "rebase" if parents == 1 and _by_a_forge(head) and "\nOpsgit-Ledger: " in message else ""


def _by_a_forge(head: str) -> bool:
    line = next((line for line in head.split("\n") if line.startswith("committer ")), "")
    name, _, rest = line.removeprefix("committer ").partition(" <")
    return bool(FORGES.match(name) or FORGES.match(rest.partition(">")[0]))


def tree_and_parent(content: bytes) -> tuple[str, str]:
    """Return the ids of a commit's tree and of its first parent; empty where there is none."""
    lines = content.partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    found = {line.partition(" ")[0]: line.partition(" ")[2] for line in reversed(lines)}
    return found.get("tree", ""), found.get("parent", "")
