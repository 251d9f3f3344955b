"""A forger's bench: commits made with plumbing, well formed and well signed unless told otherwise."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsgit.domain import agents, canonical, message, names
from opsgit.domain.model import Agent
from opsgit.domain.records import Record, from_record, model_of, to_record
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Change, Edit, Request
from opsgit.storage import sshsig
from opsgit.storage.index import Index
from opsgit.storage.keys import KeyStore
from opsgit.storage.objects import FILE, Commit, Entry, Objects, parse_commit, signed_commit, unsigned_commit
from opsgit.storage.reader import TreeReader
from opsgit.storage.repository import Repository
from tests.conftest import git

Doc = dict[str, Any]


@dataclass
class Forge:
    """One copy of the honest repository, and the means to add what no honest command would."""

    path: Path
    repository: Repository = field(init=False)
    objects: Objects = field(init=False)

    def __post_init__(self) -> None:
        self.repository = Repository((self.path / ".git").resolve(), self.path)
        self.objects = self.repository.objects()
        self.keys: KeyStore = self.repository.keys
        self.identity = self.repository.identity.repository
        self.index = Index(None)

    def tip(self, ref: str = names.MAIN) -> str:
        return git(self.path, "rev-parse", ref).strip()

    def record(self, path: str, at: str | None = None) -> Doc:
        found = TreeReader(self.objects, self.index, at or self.tip()).record(path)
        assert found is not None, path
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    def agent(self, name: str, at: str | None = None) -> Agent:
        return from_record(Agent, self.record(f"agents/{name}.yaml", at))

    def files(self, files: Mapping[str, Any], base: str) -> str:
        """A tree: each path with bytes, None (removed), or (mode, bytes)."""
        entries: dict[str, Entry | None] = {}
        for path, content in files.items():
            mode, data = content if isinstance(content, tuple) else (FILE, content)
            entries[path] = None if data is None else Entry(mode, self.objects.add("blob", data))
        return self.objects.replaced(self.objects.root(base), entries)

    def commit(
        self,
        tree: str,
        parents: tuple[str, ...],
        text: str,
        by: str,
        *,
        key: str | None = None,
        email: str | None = None,
        at: int | None = None,
        namespace: str = sshsig.GIT,
        sign: Callable[[bytes], str] | None = None,
        spoil: Callable[[bytes], bytes] = lambda raw: raw,
        ref: str | None = names.MAIN,
    ) -> str:
        """Write a commit by an agent; `spoil` changes the finished object, `sign` replaces the signature."""
        known = self.record(f"agents/{by}.yaml") if (self.path / f"agents/{by}.yaml").exists() else None
        address = email or (
            agents.address(from_record(Agent, known), self.identity) if known else f"{by}@{self.identity}"
        )
        when = at if at is not None else max(self.time(parent) for parent in parents) if parents else int(time.time())
        unsigned = unsigned_commit(Commit(tree, parents, by, address, when, "", text))
        signature = sign(unsigned) if sign else self.keys.sign(key or by, unsigned, namespace)
        made = self.objects.add("commit", spoil(signed_commit(unsigned, signature)))
        self.objects.write()
        if ref:
            git(self.path, "update-ref", ref, made)
        return made

    def time(self, commit: str) -> int:
        return int(git(self.path, "log", "-1", "--format=%ct", commit).strip())

    def text(
        self,
        op: str,
        by: str,
        target: str,
        subject: str,
        edits: tuple[Edit, ...],
        ref: str,
        ledger: str | None,
        note: str,
        body: str,
    ) -> str:
        change = Change(Request(op, by, target, {}, note, "forged"), subject, edits, "ledger", "", body=body)
        return message.generate(change, self.identity, ref, ledger)

    def act(
        self, op: str, by: str, path: str, change: Callable[[Doc], object] | Record, subject: str, *, note: str = "", body: str = "",
        parent: str | None = None, extra: Mapping[str, Any] | None = None, text: Callable[[str], str] = lambda t: t, **more: Any,
    ) -> str:  # fmt: skip
        """One ledger commit: the file at `path` changed, everything else as the rule book would write it."""
        base = parent or self.tip()
        record = self.changed(path, change, base)
        edits = [
            Edit(path, self.emitted(path, record), record),
            *(Edit(p, c) for p, c in (extra or {}).items() if not isinstance(c, tuple)),
        ]
        words = self.text(
            op,
            by,
            names.place(path).name,
            subject,
            tuple(sorted(edits, key=lambda e: e.path)),
            names.MAIN,
            None,
            note,
            body,
        )
        tree = self.files({path: self.emitted(path, record), **(extra or {})}, base)
        return self.commit(tree, (base,), text(words), by, **more)

    def changed(self, path: str, change: Callable[[Doc], object] | Record, base: str) -> Doc:
        record = self.record(path, base) if callable(change) else dict(change)
        if callable(change):
            change(record)
        try:
            return to_record(from_record(model_of(names.place(path).kind), record))  # in the order of the form
        except (TypeError, Refused):
            return record

    def emitted(self, path: str, record: Record) -> bytes:
        return canonical.emit(names.place(path).kind, record)

    def branch(
        self,
        op: str,
        by: str,
        task: str,
        change: Callable[[Doc], object],
        *,
        ledger: str | None = None,
        parent: str | None = None,
        extra: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> str:
        """One commit on a review branch."""
        ref, path = names.review_ref(task), names.task_path(task)
        base, judged = parent or self.tip(ref), ledger or self.tip()
        record = self.changed(path, change, base)
        words = self.text(
            op,
            by,
            task,
            f"{task}: {op.partition('.')[2]}",
            (Edit(path, self.emitted(path, record), record),),
            ref,
            judged,
            "",
            "",
        )
        tree = self.files({path: self.emitted(path, record), **(extra or {})}, base)
        when = {"at": max(self.time(base), self.time(self.tip())), **more}  # as `at` below says, unless told
        return self.commit(tree, (base,), words, by, ref=ref, **when)

    def merge(self, op: str, by: str, task: str, change: Callable[[Doc], object], to: str, *, note: str = "", second: str | None = None,
              first: str | None = None, extra: Mapping[str, Any] | None = None, parents: tuple[str, ...] | None = None, **more: Any) -> str:  # fmt: skip
        """A verdict: the branch's version of the task with a change, merged into the ledger."""
        path = names.task_path(task)
        branch, base = second or self.tip(names.review_ref(task)), first or self.tip()
        record = self.changed(path, change, branch)
        words = self.text(
            op,
            by,
            task,
            f"{task}: review → {to}",
            (Edit(path, self.emitted(path, record), record),),
            names.MAIN,
            None,
            note,
            "",
        )
        tree = self.files({path: self.emitted(path, record), **(extra or {})}, base)
        return self.commit(tree, parents or (base, branch), words, by, **more)

    def raw(self, commit: str) -> bytes:
        return self.objects.need(commit, "commit").content

    def parsed(self, commit: str) -> Commit:
        return parse_commit(self.raw(commit))

    def at(self, parent: str | None = None) -> str:
        """The time that records of the next commit carry."""
        from opsgit.domain import times

        return times.text(self.time(parent or self.tip()))

    def close(self) -> None:
        self.repository.close()


def copied(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def keygen(folder: Path, kind: str) -> Path:
    """A key of another type, made by the real ssh-keygen."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / kind)], check=True)
    return folder / kind


def sign_with(path: Path, data: bytes, *options: str) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(path), *options],
        input=data,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()
