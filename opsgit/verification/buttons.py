"""What a forge's merge button makes: a merge, a squash or a rebase that no agent signed."""

from __future__ import annotations

import re

HEAD = re.compile(r"committer (?P<name>[^<\n]*?) ?<(?P<email>[^>\n]*)>")
MERGED = re.compile(
    r"Merge (pull request (#[0-9]+ from|'.*' \(#[0-9]+\) from)|branch 'review/)|[^\0]*\nSee merge request "
)
SQUASHED = re.compile(r"[^\n]*\(#[0-9]+\)(\n|\Z)|[^\0]*\n(See merge request |Reviewed-on: )")
FORGES = re.compile(r"(GitHub|GitLab|Gitea|Forgejo)\Z|.*@(users\.)?noreply\.", re.IGNORECASE)


def made_by(content: bytes) -> str:
    """Return what a forge's button did, if a commit looks like its work: `merge`, `squash` or `rebase`; else nothing.

    It is asked only of a commit that the rule book has refused.

    :param content: the bytes of the commit object.
    """
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    parents = sum(line.startswith("parent ") for line in head.split("\n"))
    if parents > 1 and MERGED.match(message):
        return "merge"
    if parents == 1 and SQUASHED.match(message):
        return "squash"
    committer = HEAD.search(head)
    by_forge = committer and (FORGES.match(committer["name"]) or FORGES.match(committer["email"]))
    return "rebase" if parents == 1 and by_forge and "\nOpsgit-Ledger: " in message else ""
