"""The door for pushes: a server verifies everything that a push brings before it accepts the push."""

from __future__ import annotations

from dataclasses import dataclass

from opsgit.domain import message, names, rules, times
from opsgit.domain.audit import INTRODUCES
from opsgit.domain.findings import Finding
from opsgit.domain.model import Submission, Task
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Signed, Snapshot
from opsgit.domain.standing import lost_by
from opsgit.domain.times import AHEAD_MAX
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage import submissions
from opsgit.storage.objects import Commit
from opsgit.storage.repository import Repository
from opsgit.storage.signed import actions, key_of
from opsgit.verification import attachments
from opsgit.verification.verifier import Verifier

REVIEW = names.review_ref("")
LATE = 12 * 3600  # seconds: an orchestrator without network may be later than others
LEDGER_MAX, REVIEW_MAX = 200_000, 5_000  # new commits of one ref in a push to a server that has a ledger
FETCH = "git fetch, then try again"


@dataclass(frozen=True, repr=False)
class Move:
    """The change of one ref that a push asks for. `before` is None for a new ref; `after` is None for a deletion."""

    ref: str
    before: str | None
    after: str | None


def pushed(
    repository: Repository, updates: list[tuple[str, str, str]], env: dict[str, str], now: int, pusher: str | None
) -> list[Finding]:
    """Return what is wrong with a push; an empty list when it may be accepted.

    :param updates: for each ref the old id, the new id (hex; zeros for none) and the full name.
    :param env: the environment variables with which git gives access to the pushed objects.
    :param now: the server's time in seconds after the epoch.
    :param pusher: the name of the agent that pushes; None when the server is not configured to know it.
    :raises Refused: the codes with exit code 1 or 9, when the push could not be judged.
    """
    return _Push(repository, env, now, pusher).judge([Move(ref, _id(old), _id(new)) for old, new, ref in updates])


def _id(written: str) -> str | None:
    return written if written.strip("0") else None


class _Push:
    """The verification of one push."""

    def __init__(self, repository: Repository, env: dict[str, str], now: int, pusher: str | None) -> None:
        self.repository, self.now, self.pusher = repository, now, pusher
        self.verifier = Verifier(repository, env=env)
        self.chain = self.verifier.chain
        self.old = repository.git.ref(names.MAIN)
        self.main = self.old  # the commit id of main after the push
        self.moves: dict[str, Move] = {}
        self.open: list[tuple[str | None, str]] = []  # tips of open review branches before and after the push

    def judge(self, moves: list[Move]) -> list[Finding]:
        """Judge all moves of the push, main first, and return the findings."""
        if self.old:
            self.chain.position.begin(self.old, lambda: self.verifier.first_parents(self.old or "", None))
        self.moves = {move.ref: move for move in moves}
        for move in sorted(moves, key=lambda move: move.ref != names.MAIN):  # main first: review branches depend on it
            try:
                self._known(move)
                self._bounded(move)
                self._ref(move)
            except Refused as refused:
                self.chain.find(refused, move.after or move.before or "")
        self._sweep()
        for before, after in self.open if not self.chain.findings else ():
            self._still_may(before, after)
        return self.chain.findings

    def _known(self, move: Move) -> None:
        """Refuse a ref that is named twice, or that is not at the old id of the push.

        Git updates each ref by itself, in the order of the push, so that a second change would start from another id.
        """
        if self.moves[move.ref] is not move:
            refuse("WRONG_REF", f"{move.ref} is named twice in one push", "name each ref once")
        if move.before is None and move.after is None:
            refuse("WRONG_REF", f"{move.ref} is not there to be deleted", FETCH)
        if self.repository.git.ref(move.ref) != move.before:
            refuse("NOT_FAST_FORWARD", f"{move.ref} is not where the push says that it is", FETCH)

    def _bounded(self, move: Move) -> None:
        """Refuse more new commits than a server takes on a ref, before any of them is read.

        The first push to an empty server brings history, and has no such bound.
        """
        if self.old is None or move.after is None or attachments.REF.match(move.ref):
            return
        most = LEDGER_MAX if move.ref == names.MAIN else REVIEW_MAX
        known = [one for one in (self.old, self.main, move.before) if one]
        words = ("rev-list", "--count", "--first-parent", f"--max-count={most + 1}", move.after, "--not", *known)
        done = self.repository.git.attempt(*words)  # of what is no commit git says nothing: it is met when it is judged
        if done.returncode == 0 and int(done.stdout) > most:
            refuse("TOO_LARGE", f"{move.ref} has more than {most} new commits",
                   f"push them in parts: git push origin COMMIT:{move.ref}")  # fmt: skip

    def _sweep(self) -> None:
        """Add a finding for each new commit that is signed by a compromised key."""
        tips = [move.after for move in self.moves.values() if move.after]
        if self.main in self.chain.position and tips and not self.chain.findings:
            self.verifier.sweep(self.main or "", *tips, "--not", "--all")

    def _ref(self, move: Move) -> None:
        if move.ref == names.MAIN:
            self._main(move)
        elif move.ref.startswith(REVIEW) and names.ID.match(move.ref.removeprefix(REVIEW)):
            self._review(move)
        elif attachments.REF.match(move.ref):
            self._attachment(move)
        else:
            refuse("WRONG_REF", f"{move.ref} is neither main nor a review branch", "push main and review/ID")

    def _main(self, move: Move) -> None:
        if move.after is None:
            refuse("NOT_FAST_FORWARD", "the ledger is never deleted", "git push main")
        chain = self.verifier.first_parents(move.after, move.before)
        if move.before and chain[0] != move.before:
            why = "the ledger only goes on; this would rewind or fork it"
            refuse("NOT_FAST_FORWARD", why, "git fetch, git reset --hard origin/main, then do it again")
        self.main = move.after
        for commit_id in chain[1 if move.before else 0 :]:
            self.chain.ledger(commit_id)
            if self.chain.findings:
                return
            commit = self.chain.judge.commit(commit_id)
            self._timely(commit)
            self._in_its_window(commit_id, commit)
            self._lately(commit)
            self._signed_by_pusher(commit)
            if len(commit.parents) == 2:
                self._verdict(commit)

    def _verdict(self, commit: Commit) -> None:
        said = message.parse(commit.message)
        ref = names.review_ref(names.place(said.files[0][0]).name)
        self._whole_branch(ref, commit.parents[1])
        for one in self._brought(self.repository.git.ref(ref), commit.parents[1]):
            self._timely(one)
        if self.old and said.op == "review.approve":  # what ends a review otherwise does not depend on its words
            self._known_words(ref, commit.parents[1], self.chain.judge.state(self.old))

    def _known_words(self, ref: str, merged: str, state: Snapshot) -> None:
        """Refuse an approval that brings words which the server would not take on the review branch itself.

        :param state: the state that the server knew before the push: a rotation or removal in it came after the words.
        """
        for one in self._new(self.repository.git.ref(ref), merged, self.chain.judge.state(self.main or "")):
            agent = state.find_agent(one.by)
            former = agent and one.key in {key.key for key in agent.keys} - set(agent.active_keys)
            if agent and (agent.status != "active" or former):
                refuse("WORDS_VOID", f"{one.by} was removed or changed keys before its {one.op}; others may speak",
                       "opsgit review withdraw, then a new round")  # fmt: skip

    def _brought(self, before: str | None, after: str) -> list[Commit]:
        """Return the commits of a review branch that the server does not have."""
        fork = self.chain.fork(after)
        chain = self.verifier.first_parents(after, before, fork)
        return [self.chain.judge.commit(one) for one in chain[1:]]

    def _new(self, before: str | None, after: str, state: Snapshot) -> list[Signed]:
        """Return the operations on a review branch that the server does not have, newest first."""
        words, chain = actions(self.verifier.objects, after, state), self.verifier.first_parents(after, before)
        return words[: len(chain) - 1] if chain[0] == before else words

    def _whole_branch(self, ref: str, merged: str) -> None:
        """Refuse a verdict that does not merge the newest commit of its review branch on the server.

        A push cannot bring a newer one beside the verdict: a review branch is taken while its task is in review only.
        """
        tip = self.repository.git.ref(ref)
        same = tip and self.chain.fork(tip) == self.chain.fork(merged)
        if same and tip not in self.verifier.first_parents(merged, tip):
            refuse("BAD_MERGE", f"a verdict leaves newer commits of {ref} out", "git fetch, then give it again")

    def _timely(self, commit: Commit) -> None:
        if commit.time > self.now + AHEAD_MAX:
            why = f"a commit by {commit.name} is {commit.time - self.now} seconds ahead of the server"
            refuse("AHEAD_OF_TIME", why, "set the clock")

    def _in_its_window(self, commit_id: str, commit: Commit) -> None:
        """Refuse a use of a quota in a window that is over: after a quiet time, many windows could be used at once.

        The first push to an empty server brings history.
        """
        said = message.parse(commit.message)
        if said.op != "quota.use" or self.old is None:
            return
        quota = self.chain.judge.state(commit_id).quota(names.place(said.files[0][0]).name)
        if quota.reset_at and times.seconds(quota.reset_at) < self.now - AHEAD_MAX:
            why = f"the use of {quota.name} by {commit.name} counts in a window that ended at {quota.reset_at}"
            refuse("BACKDATED", why, f"git fetch, git reset --hard origin/main, then opsgit quota use {quota.name}")

    def _lately(self, commit: Commit) -> None:
        """Refuse agents and keys that were introduced long ago by their own date: who approves would not seem new.

        The first push to an empty server brings history.
        """
        op = message.parse(commit.message).op
        if op in INTRODUCES and self.old is not None and commit.time < self.now - LATE:
            why = f"{op} by {commit.name} is dated {times.text(commit.time)}, more than {LATE // 3600} hours ago"
            refuse("BACKDATED", why, "git fetch, git reset --hard origin/main, then the same again")

    def _signed_by_pusher(self, commit: Commit) -> None:
        if self.pusher and commit.name != self.pusher:
            why = f"a commit is {commit.name}'s, pushed by {self.pusher}"
            refuse("WRONG_PUSHER", why, f"let {commit.name} push it")

    def _main_of(self, move: Move) -> str:
        """Return the id of main after the push, which another ref belongs to; it is judged already."""
        main = self.main or ""
        if main not in self.chain.position:
            refuse("WRONG_REF", f"{move.ref} without the ledger that it belongs to", "git push main first")
        return main

    def _review(self, move: Move) -> None:
        task_id, main = move.ref.removeprefix(REVIEW), self._main_of(move)
        if move.before and not self._kept(move.before, move.after):
            why = f"{move.ref} would lose words that no verdict has merged"
            refuse("NOT_FAST_FORWARD", why, "git fetch, and go on from there; opsgit review withdraw ends a review")
        if move.after is None:
            return
        task = self.chain.judge.state(main).find(Task, names.task_path(task_id))
        if task is None or task.status != IN_REVIEW:
            state = f"{task_id} is {task.status}, not in review" if task else f"there is no task {task_id}"
            refuse("WRONG_REF", f"{move.ref}: {state}; a review branch ends with its review",
                   f"git push origin main, without review/{task_id}")  # fmt: skip
        self._signed(move.after, self.chain.judge.state(main))
        for commit, _ in self.chain.branch(move.after, main, task_id):
            self._timely(commit)
        self.open.append((move.before, move.after))

    def _signed(self, tip: str, state: Snapshot) -> None:
        """Refuse a branch whose newest commit no key of its author has signed, before the others are read."""
        newest = self.chain.judge.commit(tip)
        agent = state.find_agent(newest.name)
        if agent is None or not key_of(newest, (key.key for key in agent.keys)):
            refuse("BAD_SIGNATURE", f"no key of {newest.name} signed {tip[:10]}", f"opsgit agent show {newest.name}")

    def _attachment(self, move: Move) -> None:
        """Take an attachment of a submission of a task, and its deletion when it is no longer kept."""
        state = self.chain.judge.state(self._main_of(move))
        if move.after is None:
            return attachments.refuse_kept(state, move.ref, self._changed(move.ref), self.now)
        if move.before:
            refuse("ATTACHMENT_UNFIT", f"{move.ref} is there: an attachment is never replaced", "opsgit review revise")
        limits = attachments.limits_of(state.project)
        attachments.judge(self.verifier.objects, move.ref, move.after, self._submission(move.ref), limits)

    def _changed(self, ref: str) -> int:
        """Return when the file of an attachment's task was changed last, in seconds after the epoch."""
        path = names.task_path(attachments.about(ref)[0])
        out = self.repository.git.run("log", "-1", "--first-parent", "--format=%ct", self.main or "", "--", path)
        return int(out or 0)

    def _submission(self, ref: str) -> Submission | None:
        """Return the submission that an attachment's ref names, as the task's history is after the push.

        Most often it is the latest one. A ledger that comes to a new server brings the attachments of all rounds.
        """
        (task_id, version), state = attachments.about(ref), self.chain.judge.state(self.main or "")
        branch = names.review_ref(task_id)
        tip = self.moves[branch].after if branch in self.moves else self.repository.git.ref(branch)
        task = state.find(Task, names.task_path(task_id))
        if task and task.status == IN_REVIEW and tip:
            task = self.chain.judge.state(tip).find(Task, names.task_path(task_id))
        if task is None or (task.submission and task.submission.version == version):
            return task.submission if task else None
        tips = [one for one in (self.main, tip) if one]
        known = submissions.find(self.repository.git, self._record, task_id, tips)
        return known[version].submission if version in known else task.submission

    def _record(self, commit: str, path: str) -> Record | None:
        return self.chain.judge.state(commit).record(path)

    def _still_may(self, before: str | None, after: str) -> None:
        """Add a finding for each new operation on a review branch whose author has since lost the right or the key.

        The first push to an empty server is not checked for this: it brings history.
        """
        if self.old is None or self.main is None:
            return
        state = self.chain.judge.state(self.main)
        book = rules.in_force(state.project)
        for one in self._new(before, after, state):
            rotated = "" if one.key in state.agent(one.by).active_keys else "changed keys"
            lost = lost_by(state, one, book.operations) or rotated
            if lost:
                self.chain.wrong("WORDS_VOID", after, f"{one.by} {lost} since its {one.op}; others may speak")

    def _kept(self, before: str, after: str | None) -> bool:
        """Return whether a moved branch loses nothing: it is extended, is merged, or does not belong to this ledger."""
        goes_on = after is not None and before in self.verifier.first_parents(after, before)
        merged = self.chain.merged(before, self.main or "")
        return goes_on or merged or self.chain.fork(before) not in self.chain.position
