"""Git hooks in a clone: a hand edit and `git commit` become a signed operation, or are refused, kindly."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsgit.domain import lifecycle, message, names, rebuild, vocabulary
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, Request, Snapshot
from opsgit.domain.text import tidy
from opsgit.storage.ledger import check_sizes, content_of, digests
from opsgit.storage.objects import Objects, Pair
from opsgit.storage.repository import Repository
from opsgit.verification.replay import Judge

NAMES = ("pre-commit", "prepare-commit-msg", "commit-msg", "pre-merge-commit")
MARK = "# opsgit:"
SHIM = """\
#!/bin/sh
# opsgit: hand edits become signed operations. Installed by `opsgit hooks install`; `opsgit hooks uninstall` removes it.
if [ -x "$(dirname "$0")/{name}.chained" ]; then "$(dirname "$0")/{name}.chained" "$@" || exit 1; fi
exec {python} -I -m opsgit hooks run {name} "$@"
"""
# What git leaves in its folder while it is in the middle of something, and the command that ends that.
UNDERWAY = {
    "rebase-merge": "git rebase --abort",
    "rebase-apply": "git rebase --abort",
    "CHERRY_PICK_HEAD": "git cherry-pick --abort",
    "REVERT_HEAD": "git revert --abort",
    "MERGE_HEAD": "git merge --abort",
}
UNDO = "to undo an operation: opsgit rollback ID, or opsgit task assign ID --to AGENT --reason ..."
SCISSORS = "# ------------------------ >8 ------------------------"
NEAR = 120  # seconds between the time that git gives a commit and now
# What the rule book fills in itself: an edit need not say it, and cannot say it otherwise.
GENERATED = frozenset({"at", "by", "created", "created_by", "contributors", "reset_at", "added"})
ONLY_OPSGIT = {
    "task.submit": "opsgit task submit {id} --output PATH",
    "review.approve": "opsgit review approve {id} --as REVIEWER",
    "review.reject": 'opsgit review reject {id} --as REVIEWER --reason "..."',
    "review.withdraw": "opsgit review withdraw {id}",
    "task.deploy-finish": "opsgit task move {id} --to deployed",
    "task.rollback": "opsgit rollback {id}",
}


def install(repository: Repository) -> list[str]:
    """Install the hooks; ones that are there are kept and called first."""
    folder = repository.folder / "hooks"
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        hook = folder / name
        if hook.exists() and MARK not in hook.read_text(errors="replace"):
            hook.rename(folder / f"{name}.chained")
        hook.write_text(SHIM.format(name=name, python=shlex.quote(sys.executable)))
        hook.chmod(0o755)
    return list(NAMES)


def uninstall(repository: Repository) -> list[str]:
    """Remove the hooks, and put back what was there before."""
    removed = [name for name, state in status(repository).items() if state == "installed"]
    for name in removed:
        hook = repository.folder / "hooks" / name
        hook.unlink()
        chained = hook.with_name(f"{name}.chained")
        if chained.exists():
            chained.rename(hook)
    return removed


def status(repository: Repository) -> dict[str, str]:
    """For each hook: installed, foreign, missing, or elsewhere where `core.hooksPath` makes git look elsewhere."""
    found = {}
    elsewhere = repository.git.attempt("config", "--local", "--get", "core.hooksPath").stdout.strip()
    for name in NAMES:
        if elsewhere:
            found[name] = "elsewhere"
            continue
        hook = repository.folder / "hooks" / name
        ours = hook.exists() and MARK in hook.read_text(errors="replace")
        found[name] = "installed" if ours else "foreign" if hook.exists() else "missing"
    return found


def run(repository: Repository, name: str, arguments: list[str]) -> None:
    """One hook, as git calls it; raises `Refused` to stop the commit."""
    head = (repository.folder / "HEAD").read_text().strip()
    busy = [one for one in UNDERWAY if (repository.folder / one).exists()]
    if name == "pre-merge-commit" or busy == ["MERGE_HEAD"]:
        refuse("HAND_MADE", "a merge is a verdict, and only opsgit makes it: opsgit review approve ID --as REVIEWER",
               "git merge --abort ends this one; git pull --ff-only brings what is new")  # fmt: skip
    if busy:
        refuse("HAND_MADE", f"history is not rewritten or undone by git ({busy[0]}); {UNDO}", UNDERWAY[busy[0]])
    if head.startswith("ref: refs/heads/review/"):
        refuse(
            "HAND_MADE", "commits on a review branch are made by opsgit alone", "opsgit review comment ID --text ..."
        )
    if head != f"ref: {names.MAIN}":
        return  # not the ledger
    if arguments[1:2] == ["commit"] or _amends():
        refuse("HAND_MADE", "history is not amended", "git commit, without --amend, makes the next operation")
    seen = repository.own / "pending"  # which git has been through pre-commit: revert and rebase never go there
    if name == "pre-commit":
        _Edit(repository).prepare()
        seen.write_text(str(os.getppid()))
    elif not seen.exists() or seen.read_text() != str(os.getppid()):
        refuse("HAND_MADE", f"git commits this without asking the pre-commit hook (revert, --no-verify); {UNDO}",
               _unstage(repository))  # fmt: skip
    elif name == "commit-msg":
        _Edit(repository).write_message(Path(arguments[0]))


def _unstage(repository: Repository) -> str:
    """The command that puts back what a refused git revert leaves staged and in the checkout."""
    staged = repository.git.run("diff", "--cached", "--name-only", "-z", "main").decode().split("\0")
    paths = " ".join(shlex.quote(path) for path in staged if path)
    return f"git restore --staged --worktree -- {paths} puts back what is left staged"


def _amends() -> bool:
    """Whether the git that calls us was told to amend: it tells its hooks only when it opens an editor.

    Where there is no /proc an amendment gets by the hook; verify and every server find it.
    """
    caller = Path(f"/proc/{os.getppid()}/cmdline")
    return caller.exists() and b"--amend" in caller.read_bytes().split(b"\0")


class _Edit:
    """What a hand edit, as it is staged, wants to be."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.tip = repository.tip()
        self.objects: Objects = repository.objects()
        self.judge = Judge(self.objects, repository.index)
        self.staged = {k: v for k in ("GIT_INDEX_FILE",) if (v := os.environ.get(k))}
        self.state: Snapshot = self.judge.state(self.tip)

    def prepare(self) -> None:
        """pre-commit: stage what the rule book makes of the edit."""
        self._signs()
        change = self._decided("because of a reason that the message gives")
        for edit in change.edits:
            content = content_of(edit)
            if content is None or edit.record is None or edit.path == names.PROJECT:
                continue
            self._stage(edit.path, content)

    def _stage(self, path: str, content: bytes) -> None:
        """Stage a file's form, and show it in the checkout unless there is newer work in it."""
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
        """commit-msg: the message is generated; what the person wrote is its note."""
        lines = file.read_text(errors="replace").partition(SCISSORS)[0].split("\n")
        edited = os.environ.get("GIT_EDITOR") != ":"  # git says so when nobody sees its remarks
        written = [line for line in lines if not (edited and line.startswith("#"))]
        note = re.sub(r"\n{3,}", "\n\n", tidy("\n".join(written)))
        change = self._decided(note)
        repository = self.state.project.repository
        file.write_text(message.generate(change, repository, names.MAIN, digests(change.edits)))

    def _signs(self) -> None:
        done = self.repository.git.attempt("config", "--local", "--get", "commit.gpgSign")
        if done.stdout.strip() != b"true":
            refuse("BAD_SIGNATURE", "this clone does not sign its commits",
                   "git config opsgit.agent NAME, then opsgit doctor --fix")  # fmt: skip
        read = self.repository.git.attempt
        for setting, variable in (("user.name", "GIT_AUTHOR_NAME"), ("user.email", "GIT_AUTHOR_EMAIL")):
            mine, given = (
                read("config", "--local", "--get", setting).stdout.decode().strip(),
                os.environ.get(variable, ""),
            )
            if given and given != mine:
                refuse(
                    "HAND_MADE",
                    f"this clone signs as {mine}, and the commit says {given}",
                    "git commit, without --author",
                )
        if abs(self._time() - time.time()) > NEAR:
            refuse("HAND_MADE", "a commit carries the time when it is made", "git commit, without --date")
        if read("config", "--get", "i18n.commitEncoding").stdout.strip().lower() not in (b"", b"utf-8", b"utf8"):
            refuse("HAND_MADE", "messages are UTF-8", "git config --unset i18n.commitEncoding")

    def _decided(self, note: str) -> Change:
        """The change that the staged files and a note stand for; refuses what is no single legal operation."""
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
                   _command(request.op, request.target))  # fmt: skip
        if not isinstance(answer, Change):
            raise Refused(answer)
        if answer.on != lifecycle.LEDGER:
            refuse("HAND_MADE", f"{request.op} is made by opsgit alone", _command(request.op, request.target))
        check_sizes(answer)
        self._agrees(answer, pairs)
        return answer

    def _time(self) -> int:
        """The time that the commit will have: git tells its hooks."""
        found = re.match(r"@?([0-9]+) ", os.environ.get("GIT_AUTHOR_DATE", ""))
        if not found:
            refuse("HAND_MADE", "git did not tell the commit's time", "commit with git commit")
        return int(found[1])

    def _request(self, pairs: Mapping[str, Pair], actor: str, note: str) -> Request:
        before: dict[str, Record | None] = {}
        after: dict[str, Any] = {}
        for path, (_, entry) in pairs.items():
            after[path] = self.judge.content(path, entry, canonical=False)
            before[path] = None if names.is_house(path) else self.state.record(path)
        if all(map(names.is_house, after)):
            op = "file.set"
        elif len(after) > 1:
            refuse("HAND_MADE", f"one operation writes one file, not {len(after)}", "git commit each file by itself")
        else:
            path = next(iter(after))
            op = self._operation(path, before[path], after[path])
        claim = Message("", note, op, "", "", None, ())
        return replace(rebuild.request(claim, actor, before, after), note=note)

    def _operation(self, path: str, old: Record | None, new: Any) -> str:
        kind, name = names.place(path)
        if new is None:
            refuse("HAND_MADE", f"{path} is never deleted", f"opsgit {kind} --help", path)
        if kind == "task":
            return _task_operation(name, old, new)
        if kind == "agent" and old:
            removed = old["status"] != new["status"]
            return "agent.remove" if removed else "agent.edit"
        found = {"project": "project.set", "quota": "quota.set", "metric": "metric.set"}.get(kind)
        if kind == "alert":
            found = "alert.resolve" if old else "alert.raise"
        if found is None:
            refuse(
                "HAND_MADE", f"{path} needs a key that is proved", f"opsgit agent add --name {name} --role ROLE", path
            )
        return found

    def _agrees(self, change: Change, pairs: Mapping[str, Pair]) -> None:
        """Refuse an edit that says more than its operation writes; what the rule book fills in is left aside."""
        for edit in change.edits:
            if edit.record is None or edit.path == names.PROJECT:
                continue
            mine = self.judge.content(edit.path, pairs[edit.path][1], canonical=False)
            if _plain(mine) != _plain(edit.record):
                odd = sorted(k for k in {*mine, *edit.record} if _plain(mine.get(k)) != _plain(edit.record.get(k)))
                refuse("HAND_MADE", f"{edit.path}: {change.request.op} does not write {', '.join(odd)} like that",
                       _command(change.request.op, change.request.target), edit.path)  # fmt: skip


def _task_operation(task_id: str, old: Record | None, new: Record) -> str:
    if old is None:
        return "task.add"
    if old["status"] != new["status"]:
        step = (old["status"], new["status"])
        op = lifecycle.MOVES.get(step)
        if op is None or op in ONLY_OPSGIT or old["status"] == vocabulary.IN_REVIEW:
            refuse("HAND_MADE", f"{task_id}: {step[0]} → {step[1]} is not made by hand",
                   _command(op or "", task_id), names.task_path(task_id))  # fmt: skip
        return op
    if len(new.get("comments", ())) > len(old.get("comments", ())):
        return "task.comment"
    if len(new.get("comments", ())) < len(old.get("comments", ())):
        return "task.trim"
    if new.get("progress") != old.get("progress"):
        return "task.progress"
    return "task.assign" if new.get("assigned") != old.get("assigned") else "task.edit"


def _command(op: str, task_id: str) -> str:
    return ONLY_OPSGIT.get(op, f"opsgit task show {task_id}; opsgit help lifecycle").format(id=task_id)


def _plain(value: Any) -> Any:
    """A record without what the rule book fills in."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if key not in GENERATED}
    return [_plain(item) for item in value] if isinstance(value, list) else value
