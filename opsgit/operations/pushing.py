"""Door 3: what a push brings is judged before it is let in."""

from __future__ import annotations

from opsgit.domain import message, names
from opsgit.domain.codes import Refused, refuse
from opsgit.domain.findings import Finding
from opsgit.operations.verifying import AHEAD, Verifier, raw_parents
from opsgit.storage.repository import Repository


def pushed(
    repository: Repository, updates: list[tuple[str, str, str]], env: dict[str, str], now: int, pusher: str | None
) -> list[Finding]:
    """What is wrong with a push; nothing when it may come in.

    :param updates: old id, new id and full name of each ref.
    :param env: the variables by which git hands over the quarantined objects.
    :param now: the server's clock, in seconds.
    :param pusher: who pushes, where the server's configuration knows.
    """
    return _Push(repository, env, now, pusher).judge(updates)


class _Push:
    def __init__(self, repository: Repository, env: dict[str, str], now: int, pusher: str | None) -> None:
        self.repository, self.now, self.pusher = repository, now, pusher
        self.verifier = Verifier(repository, env=env)
        self.chain = self.verifier.chain

    def judge(self, updates: list[tuple[str, str, str]]) -> list[Finding]:
        moved = {ref: (old, new) for old, new, ref in updates}
        old = self.repository.git.ref(names.MAIN)
        if old:
            self.chain.position.begin(old, lambda: self.verifier.first_parents(old, None))
        for ref, (before, after) in moved.items():
            try:
                self._ref(ref, before, after, moved)
            except Refused as refused:
                self.chain.find(refused, after)
        self._sweep(moved)
        return self.chain.findings

    def _sweep(self, moved: dict[str, tuple[str, str]]) -> None:
        """What is new must not be signed by a key that was compromised before."""
        main = moved.get(names.MAIN, ("", ""))[1] or self.repository.git.ref(names.MAIN)
        tips = [new for _, new in moved.values() if set(new) != {"0"}]
        if main in self.chain.position and tips and not self.chain.findings:
            self.verifier.sweep(main or "", *tips, "--not", "--all")

    def _ref(self, ref: str, before: str, after: str, moved: dict[str, tuple[str, str]]) -> None:
        if ref != names.MAIN and not (ref.startswith("refs/heads/review/") and names.ID.match(ref[18:])):
            refuse("WRONG_REF", f"{ref} is neither main nor a review branch", "push main and review/ID")
        if ref == names.MAIN:
            self._main(before, after, moved)
        elif set(after) != {"0"}:
            self._review(ref, before, after, moved)
        elif before not in self.chain.position and not self._merged(before, moved):
            refuse("NOT_FAST_FORWARD", f"{ref} is not merged: its words would be lost", "opsgit review withdraw ID")

    def _main(self, before: str, after: str, moved: dict[str, tuple[str, str]]) -> None:
        if set(after) == {"0"}:
            refuse("NOT_FAST_FORWARD", "the ledger is never deleted", "git push main")
        start = None if set(before) == {"0"} else before
        chain = self.verifier.first_parents(after, start)
        if start and chain[0] != start:
            refuse(
                "NOT_FAST_FORWARD",
                "the ledger only goes on; this would rewind or fork it",
                "opsgit sync, or git pull --ff-only",
            )
        for commit_id in chain[1 if start else 0 :]:
            self.chain.ledger(commit_id)
            self._timely(commit_id)
            self._whole_branch(commit_id, moved)

    def _timely(self, commit_id: str) -> None:
        commit = self.chain.judge.commit(commit_id)
        if commit.time > self.now + AHEAD:
            refuse(
                "AHEAD_OF_TIME",
                f"{commit_id[:10]} is {commit.time - self.now} seconds ahead of the server",
                "set the clock",
            )
        if self.pusher and commit.name != self.pusher:
            refuse(
                "WRONG_PUSHER",
                f"{commit_id[:10]} is {commit.name}'s, pushed by {self.pusher}",
                f"let {commit.name} push it",
            )

    def _whole_branch(self, commit_id: str, moved: dict[str, tuple[str, str]]) -> None:
        """A verdict merges all of the review branch that the server knows, or the push brings."""
        commit = self.chain.judge.commit(commit_id)
        if len(commit.parents) != 2:
            return
        ref = names.review_ref(message.parse(commit.message).files[0][0].rpartition("/")[2].removesuffix(".yaml"))
        tip = moved[ref][1] if ref in moved and set(moved[ref][1]) != {"0"} else self.repository.git.ref(ref)
        if (
            tip
            and tip != commit.parents[1]
            and tip not in self.chain.position
            and not self._behind(tip, commit.parents[1])
        ):
            refuse(
                "BAD_MERGE",
                f"{commit_id[:10]} leaves newer commits of {ref} out",
                "git fetch, then give the verdict again",
            )

    def _behind(self, tip: str, merged: str) -> bool:
        return tip in self.verifier.first_parents(merged, tip)

    def _merged(self, tip: str, moved: dict[str, tuple[str, str]]) -> bool:
        main = moved.get(names.MAIN, ("", self.repository.git.ref(names.MAIN) or ""))[1]
        done = self.repository.git.attempt("merge-base", "--is-ancestor", tip, main)
        return done.returncode == 0

    def _review(self, ref: str, before: str, after: str, moved: dict[str, tuple[str, str]]) -> None:
        main = moved.get(names.MAIN, ("", ""))[1] or self.repository.git.ref(names.MAIN)
        if not main or main not in self.chain.position:
            refuse("WRONG_REF", f"{ref} without the ledger that it belongs to", "git push main first")
        old = None if set(before) == {"0"} else before
        if old and not self._behind(old, after) and not self._merged(old, moved) and self._is_open(old, main):
            refuse("NOT_FAST_FORWARD", f"{ref} only goes on while its review is open", "git fetch, then try again")
        task_id, state = ref[18:], self.chain.judge.state(main)
        task = state.task(task_id)
        if after in self.chain.position or self._merged(after, moved):
            return
        if task.status != "review":
            refuse("WRONG_REF", f"{task_id} is {task.status}, not in review", f"opsgit task show {task_id}")
        submitted = self.chain.submission(main, task_id)
        for commit, _ in self.chain.branch(after, submitted, main, task_id):
            if commit.time > self.now + AHEAD:
                refuse("AHEAD_OF_TIME", "a commit is ahead of the server's clock", "set the clock")

    def _is_open(self, old: str, main: str) -> bool:
        """Whether a branch tip goes back to the ledger, so that it is not an orphan of a push that never came."""
        done = self.repository.git.attempt("merge-base", old, main)
        base = done.stdout.decode().strip()
        return (
            bool(base)
            and raw_parents(self.verifier.objects.need(old, "commit").content)[:1] != []
            and base in self.chain.position
        )
