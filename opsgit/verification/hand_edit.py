"""Hand edits: staged changes of files that the git hooks turn into one operation and decide like any other request."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsgit.domain import message, names, rebuild, rules
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.operation import LEDGER, NEW, Operation
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, Request, Snapshot
from opsgit.domain.rules import RuleBook
from opsgit.domain.text import tidy
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage.ledger import new_id
from opsgit.storage.objects import Objects, Pair
from opsgit.storage.repository import Repository
from opsgit.verification.replay import Judge

SCISSORS = "# ------------------------ >8 ------------------------"
NEAR = 120  # allowed difference in seconds between the commit's time and the clock
# The rule book generates these fields. Their values in a hand edit are ignored and replaced.
GENERATED = frozenset({"at", "by", "created", "created_by", "contributors", "reset_at", "added"})


class HandEdit:
    """One hand edit as it is staged, together with the ledger's tip that it changes."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.tip = repository.tip()
        self.objects: Objects = repository.objects()
        self.judge = Judge(self.objects, repository.index)
        self.staged = {k: v for k in ("GIT_INDEX_FILE",) if (v := os.environ.get(k))}
        self.state: Snapshot = self.judge.state(self.tip)
        self.rules = rules.in_force(self.state.project)

    def prepare(self) -> None:
        """Run the pre-commit hook: check the edit and stage the canonical form of the records that it writes.

        :raises Refused: `BAD_SIGNATURE` when the clone does not sign; `HAND_MADE` when the edit is no operation;
            `NOTHING_CHANGES`; `NOT_CANONICAL` when the form cannot be staged; the codes of the rule book and of the
            checks of files.
        """
        self._signs()
        change = self._decided("because of a reason that the message gives")
        for edit in change.edits:
            if edit.content is not None and edit.record is not None and edit.path != names.PROJECT:
                self._stage(edit.path, edit.content)

    def _stage(self, path: str, content: bytes) -> None:
        """Stage the canonical form of a file, and write it to the checkout unless the file there has newer changes."""
        staged = self.repository.git.run("cat-file", "blob", f":{path}", env=self.staged)
        if staged == content:
            return
        if Path(self.staged.get("GIT_INDEX_FILE", "index")).name not in ("index", "index.lock"):
            refuse(
                "NOT_CANONICAL",
                f"{path} is not in the canonical form yet",
                f"git add {path}, then git commit without a path",
            )
        blob = self.repository.git.run("hash-object", "-w", "--stdin", given=content).decode().strip()
        line = f"100644 {blob} 0\t{path}\n".encode()
        self.repository.git.run("update-index", "--index-info", given=line, env=self.staged)
        where = self.repository.top / path if self.repository.top else None
        if where and where.is_file() and where.read_bytes() == staged:
            where.write_bytes(content)

    def write_message(self, file: Path) -> None:
        """Run the commit-msg hook: replace the message by the generated one, with the person's text as its note.

        :param file: the file in which git keeps the message.
        :raises Refused: `HAND_MADE`, `NOTHING_CHANGES`, the codes of the rule book and of the checks of files.
        """
        lines = file.read_text(errors="replace").partition(SCISSORS)[0].split("\n")
        edited = os.environ.get("GIT_EDITOR") != ":"  # ":" means that git opens no editor and adds no comments
        written = [line for line in lines if not (edited and line.startswith("#"))]
        note = re.sub(r"\n{3,}", "\n\n", tidy("\n".join(written)))
        change = self._decided(note)
        repository = self.state.project.repository
        file.write_text(message.generate(change, repository, names.MAIN))

    def _signs(self) -> None:
        setting = self.repository.git.setting
        if setting("commit.gpgSign") != "true":
            refuse("BAD_SIGNATURE", "this clone does not sign its commits",
                   "git config opsgit.agent NAME, then opsgit doctor --fix")  # fmt: skip
        for name, variable in (("user.name", "GIT_AUTHOR_NAME"), ("user.email", "GIT_AUTHOR_EMAIL")):
            mine, given = setting(name) or "", os.environ.get(variable, "")
            if given and given != mine:
                refuse(
                    "HAND_MADE",
                    f"this clone signs as {mine}, and the commit says {given}",
                    "git commit, without --author",
                )
        if abs(self._time() - time.time()) > NEAR:
            refuse("HAND_MADE", "a commit carries the time when it is made", "git commit, without --date")
        if (setting("i18n.commitEncoding", everywhere=True) or "utf-8").lower() not in ("utf-8", "utf8"):
            refuse("HAND_MADE", "messages are UTF-8", "git config --unset i18n.commitEncoding")

    def _decided(self, note: str) -> Change:
        """Return the change of the staged files with a note; refuse anything that is not a single legal operation."""
        tree = self.repository.git.run("write-tree", env=self.staged).decode().strip()
        pairs = dict(self.objects.differences(self.objects.root(self.tip), tree))
        if not pairs:
            refuse(
                "NOTHING_CHANGES", "nothing is staged that changes a file, and history is not amended", "git add FILE"
            )
        name, at = os.environ.get("GIT_AUTHOR_NAME", ""), self._time()
        request = self._request(pairs, name, note)
        answer = decide(self.state, request, at)
        if not isinstance(answer, Change) and answer.code == "NOTHING_CHANGES":
            refuse("HAND_MADE", f"the edit of {', '.join(pairs)} says only what the rule book says itself, otherwise",
                   self._command(request.op, request.target))  # fmt: skip
        if not isinstance(answer, Change):
            raise Refused(answer)
        if answer.on != LEDGER:
            refuse("HAND_MADE", f"{request.op} is made by opsgit alone", self._command(request.op, request.target))
        self._agrees(answer, pairs)
        return answer

    def _time(self) -> int:
        """Return the commit's time in seconds after the epoch, from the environment that git gives to its hooks."""
        found = re.match(r"@?([0-9]+) ", os.environ.get("GIT_AUTHOR_DATE", ""))
        if not found:
            refuse("HAND_MADE", "git did not tell the commit's time", "commit with git commit")
        return int(found[1])

    def _request(self, pairs: Mapping[str, Pair], actor: str, note: str) -> Request:
        before: dict[str, Record | None] = {}
        after: dict[str, Any] = {}
        for path, (_, entry) in pairs.items():
            after[path] = self.judge.content(path, entry)
            before[path] = None if names.is_managed(path) else self.state.record(path)
        if all(map(names.is_managed, after)):
            op = self.rules.operation("file.set")
        elif len(after) > 1:
            refuse("HAND_MADE", f"one operation writes one file, not {len(after)}", "git commit each file by itself")
        else:
            path = next(iter(after))
            op = operation_of(self.rules, path, before[path], after[path])
        claim = Message("", note, op.name, "", "", None, (), id=new_id())
        return rebuild.request(self.rules, claim, actor, before, after)

    def _command(self, op: str, target: str) -> str:
        """Return the command that carries out an operation."""
        return self.rules.operation(op).command.format(id=target)

    def _agrees(self, change: Change, pairs: Mapping[str, Pair]) -> None:
        """Refuse an edit that changes other fields than its operation does. `GENERATED` fields are not compared."""
        for edit in change.edits:
            if edit.record is None or edit.path == names.PROJECT:
                continue
            mine = self.judge.content(edit.path, pairs[edit.path][1])
            if _plain(mine) != _plain(edit.record):
                odd = sorted(k for k in {*mine, *edit.record} if _plain(mine.get(k)) != _plain(edit.record.get(k)))
                refuse("HAND_MADE", f"{edit.path}: {change.request.op} does not write {', '.join(odd)} like that",
                       self._command(change.request.op, change.request.target), edit.path)  # fmt: skip


def operation_of(rules: RuleBook, path: str, old: Record | None, new: Record | None) -> Operation:
    """Return the operation that a hand edit of a record is.

    :param old: the record before; None for a new file.
    :param new: the record after; None for a removed file.
    :raises Refused: `HAND_MADE` for an edit that only an opsgit command may make.
    """
    kind, name = names.place(path)
    if new is None:
        refuse("HAND_MADE", f"{path} is never deleted", f"opsgit {kind} --help", path)
    if kind == "task" and old is not None and old["status"] != new["status"]:
        return _step(rules, path, name, old["status"], new["status"])
    of_kind = [one for one in rules.operations.values() if one.kind == kind]
    found = next((one for one in of_kind if one.by_hand and one.by_hand(old, new)), None)
    if found is None:
        made = next((one.command for one in of_kind if one.finds == NEW), f"opsgit {kind} --help")
        refuse("HAND_MADE", f"{path} is made by opsgit alone", made.format(id=name), path)
    return found


def _step(rules: RuleBook, path: str, task_id: str, before: str, after: str) -> Operation:
    found = rules.moves.get((before, after))
    if found is None or found.by_hand is None or before == IN_REVIEW:
        command = found.command if found else "opsgit task show {id}; opsgit help lifecycle"
        refuse("HAND_MADE", f"{task_id}: {before} → {after} is not made by hand", command.format(id=task_id), path)
    return found


def _plain(value: Any) -> Any:
    """Return a record without the `GENERATED` fields, at all levels."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if key not in GENERATED}
    return [_plain(item) for item in value] if isinstance(value, list) else value
