"""The verification of chains of commits: the ledger from its genesis, review branches, and the merges of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opsgit.domain import audit, message, names, policy, times
from opsgit.domain.findings import Finding
from opsgit.domain.model import Agent, Task
from opsgit.domain.operation import LEDGER, MERGE, RESET_CLOCK
from opsgit.domain.project import check_policy
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.domain.request import Change, Edit, Request, Snapshot
from opsgit.domain.vocabulary import IN_REVIEW, ORCHESTRATE
from opsgit.storage import sshsig
from opsgit.storage.objects import FILE, Commit, Entry
from opsgit.storage.parts import in_parts
from opsgit.verification import buttons
from opsgit.verification.replay import HINT, Judge, signer

MOST = 100
FOUNDED = frozenset({"ops.yaml", ".gitattributes", ".gitignore", "README.md"})


class Positions:
    """The position of each ledger commit, to compare the order of two commits.

    Commits that were verified in an earlier run are listed only when one of them is looked up.
    """

    def __init__(self, older: Callable[[], list[str]] = list) -> None:
        self.known: dict[str, int] = {}
        self.older: Callable[[], list[str]] | None = older
        self.last = 0

    def begin(self, start: str, older: Callable[[], list[str]]) -> None:
        """Number new commits from `start`, which gets position 0.

        :param start: the id of the last ledger commit that is verified already.
        :param older: returns the ids of the ledger commits up to `start`, oldest first; they get positions up to 0.
        """
        self.known[start], self.older = 0, older

    def get(self, commit: str) -> int | None:
        """Return the position of a commit, or None when it is not on the ledger."""
        if commit not in self.known and self.older:
            chain, self.older = self.older(), None
            self.known.update({c: number - len(chain) + 1 for number, c in enumerate(chain)})
        return self.known.get(commit)

    def __contains__(self, commit: object) -> bool:
        return self.get(str(commit)) is not None

    def __getitem__(self, commit: str) -> int:
        found = self.get(commit)
        if found is None:
            # doubled: every caller has checked that the commit is on the ledger
            refuse("BAD_MERGE", f"{commit[:10]} is not on the ledger", HINT)
        return found

    def add(self, commit: str) -> None:
        """Give the next position to a commit that has none."""
        if commit not in self.known:
            self.last += 1
            self.known[commit] = self.last


class Part(NamedTuple):
    """What came of judging a part of a ledger; `reset`: the clock was reset in it; `deeds` are for an audit."""

    findings: list[Finding]
    judged: int
    ahead: list[tuple[str, Commit]]
    reset: bool
    deeds: list[audit.Deed]


def _deeds(commit_id: str, commit: Commit, change: Change) -> Iterator[audit.Deed]:
    request = change.request
    if request.op in audit.LOOKED_AT:
        about = change.subject.partition(": set ")[2] or request.target
        rests_on = audit.signers(change.edits[0].record or {}) if change.on == MERGE else ()
        yield audit.Deed(commit.time, request.op, request.actor, about, commit_id, tuple(rests_on))


@dataclass(eq=False, repr=False)
class Chain:
    """The verification of a ledger and its review branches: positions of commits, findings, number of judged commits.

    `seen` holds the ids of the ledger commits that were judged, because several ledgers can share them. A commit
    later than `latest`, in seconds after the epoch, is ahead of the verifier's clock; None when that does not matter.
    `ahead` holds these commits; a reset of the clock empties it, and sets `reset`. `deeds` are the operations that
    an audit looks at.
    """

    judge: Judge
    position: Positions = field(default_factory=Positions)
    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    seen: set[str] = field(default_factory=set)
    latest: int | None = None
    ahead: list[tuple[str, Commit]] = field(default_factory=list)
    reset: bool = False
    deeds: list[audit.Deed] = field(default_factory=list)

    def ledgers(self, commits: Sequence[str], told: Callable[[int], None] = lambda _: None) -> Part:
        """Judge ledger commits in order, as `ledger` does.

        :param told: called with the number of commits that have been judged.
        """
        done = 0
        for some in in_parts(commits):
            self.judge.read_ahead([one for one in some if one not in self.seen])
            for commit in some:
                self.ledger(commit)
            done += len(some)
            told(done)
        return Part(self.findings, self.judged, self.ahead, self.reset, self.deeds)

    def join(self, part: Part, commits: Sequence[str]) -> None:
        """Take over what came of the next commits, which another chain has judged."""
        for one in part.findings:
            self.wrong(one.code, one.commit, one.message, one.path)
        self.judged += part.judged
        if part.reset:
            self.ahead.clear()
        self.ahead += part.ahead
        self.deeds += part.deeds
        self.seen.update(commits)

    def find(self, refused: Refused, commit_id: str) -> None:
        """Add the refusals as findings.

        :raises Refused: the same refusal when the commit could not be judged at all (exit code 1 or 9).
        """
        for one in refused.refusals:
            unlawful = one.code == "UNKNOWN_RULES" and self.findings  # an illegal commit may have named the version
            if one.exit in (1, 9) and not unlawful:
                raise refused
            self.wrong(one.code, commit_id, one.message, one.where)

    def wrong(self, code: str, commit_id: str, why: str, path: str = "") -> None:
        """Add a finding, unless it is known already or there are `MOST` findings.

        :param code: a key of `refusals.CODES`.
        :param commit_id: hex id of 40 or 64 digits.
        :param why: the message.
        """
        found = Finding(code, commit_id, why, path)
        if len(self.findings) < MOST and found not in self.findings:
            self.findings.append(found)

    def ledger(self, commit_id: str) -> None:
        """Judge the next ledger commit, and add what is wrong as findings.

        A commit that two ledgers share is judged once.

        :param commit_id: hex id of 40 or 64 digits; the caller has passed its first parent before.
        :raises Refused: the codes with exit code 1 or 9, when the commit could not be judged.
        """
        if commit_id in self.seen:
            return self.position.add(commit_id)
        self.seen.add(commit_id)
        self.judged += 1
        try:
            commit = self.judge.commit(commit_id)
            if not commit.parents:
                self._genesis(commit)
            elif message.parse(commit.message).ledger:
                refuse("WRONG_REF", "a commit of a review branch stands on the ledger", HINT)
            else:
                change = self.judge.judge(commit_id)
                self._with_branch(commit, change)
                self.deeds += _deeds(commit_id, commit, change)
                if change.request.op == RESET_CLOCK:
                    self.ahead.clear()
                    self.reset = True
            self._timely(commit_id, commit)
        except Refused as refused:
            self.find(self._by_a_button(commit_id, refused), commit_id)
        self.position.add(commit_id)

    def _by_a_button(self, commit_id: str, refused: Refused) -> Refused:
        """Return the refusal of a commit that a forge's button made, if it looks like one; else the given refusal."""
        objects = self.judge.objects
        found = objects.get(commit_id)
        made = buttons.made_by(found.content) if found and found.type == "commit" else ""
        if not found or not made or refused.refusal.exit in (1, 9):
            return refused
        tree, parent = buttons.tree_and_parent(found.content)
        pairs = objects.differences(objects.root(parent), tree, most=MOST) if parent else ()
        if not all(names.place(path).kind == "task" for path, _ in pairs):
            return refused  # no button changes anything else
        why = f"a forge's button made this {made}; the reviewer signs the merge: opsgit review approve ID --as REVIEWER"
        return Refused(Refusal("FORGE_MERGE", why, "opsgit help forges"))

    def _timely(self, commit_id: str, commit: Commit) -> None:
        if self.latest is not None and commit.time > self.latest:
            self.ahead.append((commit_id, commit))

    def _timely_branch(self, commits: list[tuple[Commit, Change]], tip: str, ledger_tip: str) -> None:
        """Note the commits of a branch that are ahead, but for those that do not know of the latest reset.

        They may have been made before it, with the wrong clock. A server does not take new ones (`push`).
        """
        if self.latest is None or all(commit.time <= self.latest for commit, _ in commits):
            return
        clock = self.judge.state(ledger_tip).project.clock
        for commit, _ in commits:
            if self.judge.state(message.parse(commit.message).ledger or ledger_tip).project.clock == clock:
                self._timely(tip, commit)

    def find_ahead(self) -> None:
        """Add a finding for each commit that is ahead of the verifier's clock and was not followed by a reset of it."""
        for commit_id, commit in self.ahead:
            self.wrong(
                "AHEAD_OF_TIME", commit_id, f"{commit.name} dated it {times.text(commit.time)}, which is to come"
            )
        self.ahead.clear()

    def _with_branch(self, commit: Commit, change: Change) -> None:
        """Judge the review branch that a verdict merges; it is whole, so that nothing of it is still to come."""
        if change.on != MERGE:
            return
        try:
            merged = self.branch(commit.parents[1], commit.parents[0], change.request.target)
        except Refused as refused:
            if refused.refusal.code == "REVIEW_AHEAD":
                refuse("BAD_MERGE", "the merged review names a commit that is not on the ledger", HINT)
            raise
        self._timely_branch(merged, commit.parents[1], commit.parents[0])

    def fork(self, tip: str) -> str:
        """Return the id of the ledger commit where a review branch begins.

        It is the first commit from the tip that names no ledger commit.

        :raises Refused: `BAD_MERGE`, `MESSAGE_MISMATCH`, `BAD_COMMIT`, `BAD_SIGNATURE`, `REPOSITORY_BROKEN`.
        """
        return self._walk(tip)[1]

    def merged(self, tip: str, ledger_tip: str) -> bool:
        """Return whether a commit is in the history of a ledger's tip."""
        git = self.judge.objects.git
        return git.attempt("merge-base", "--is-ancestor", tip, ledger_tip).returncode == 0

    def _walk(self, tip: str) -> tuple[list[tuple[str, Commit, str]], str]:
        """Return the commits of a review branch, newest first, each with the ledger commit that it names.

        :returns: these commits, and the id of the ledger commit where the branch begins.
        """
        found: list[tuple[str, Commit, str]] = []
        here = tip
        while True:
            commit = self.judge.commit(here)
            ledger = message.parse(commit.message).ledger
            if ledger is None:
                return found, here
            if len(commit.parents) != 1:
                refuse("BAD_MERGE", f"{here[:10]} is no commit of a review branch: it has one parent", HINT)
            found.append((here, commit, ledger))
            here = commit.parents[0]

    def branch(self, tip: str, ledger_tip: str, task_id: str) -> list[tuple[Commit, Change]]:
        """Judge a review branch.

        Every commit must have one parent and be about the task. The ledger commits that they name must be on the
        ledger, not before the submission, and in the same order as the commits of the branch. The branch must begin at
        the submission.

        :param tip: the id of the newest commit of the branch.
        :param ledger_tip: the latest ledger commit that a commit of the branch may name.
        :returns: each commit with its change, newest first.
        :raises Refused: `BAD_MERGE`; `REVIEW_AHEAD` when a ledger commit that they name is not here yet; the codes of
            `Judge.judge`.
        """
        commits, submitted = self._walk(tip)
        found, ahead, latest = [], list[str](), self.position[ledger_tip]
        if not self._submits(submitted, ledger_tip, names.task_path(task_id)):
            refuse("BAD_MERGE", f"{submitted[:10]} is not the submission under review of {task_id}", HINT)
        for here, commit, ledger in commits:
            at = self.position.get(ledger)
            if at is None and self._to_come(ledger):
                ahead.append(ledger)
                continue
            if at is None or not self.position[submitted] <= at <= latest:
                refuse("BAD_MERGE", f"{here[:10]} is not a commit of the review branch of {task_id}", HINT)
            change = self.judge.judge(here)
            if change.request.target != task_id:
                refuse("BAD_MERGE", f"{here[:10]} is about {change.request.target}, not {task_id}", HINT)
            found.append((commit, change))
            latest = at
        if ahead:
            why = f"the review of {task_id} goes on from {ahead[0][:10]}, which is not part of main here"
            refuse("REVIEW_AHEAD", why, "git pull --ff-only, or git fetch origin main too")
        return found

    def _to_come(self, ledger: str) -> bool:
        """Return whether a ledger commit may still come: it is not here, or only another main here holds it."""
        mains = ("refs/heads/main", "refs/remotes/*/main")
        holds = ("for-each-ref", "--format=%(refname)", "--contains", ledger, *mains)
        found = self.judge.objects.get(ledger)
        return found is None or (found.type == "commit" and bool(self.judge.objects.git.run(*holds)))

    def _submits(self, commit_id: str, ledger_tip: str, path: str) -> bool:
        """Return whether a ledger commit gave the task's file the content that it still has at the ledger's tip."""
        at, objects = self.position.get(commit_id), self.judge.objects
        if at is None or at > self.position[ledger_tip]:
            return False
        parents = self.judge.commit(commit_id).parents
        mine, now = (objects.entry(objects.root(one), path) for one in (commit_id, ledger_tip))
        before = objects.entry(objects.root(parents[0]), path) if parents else None
        return mine == now != before

    def _genesis(self, commit: Commit) -> None:
        """Judge a genesis: it holds the files of `opsgit init` and one orchestrator, whose key signed it."""
        said = message.parse(commit.message)
        objects = self.judge.objects
        pairs = dict(objects.differences(None, commit.tree, most=MOST * MOST))
        files = {path: after for path, (_, after) in pairs.items() if after}
        others = [path for path in files if names.place(path).kind not in ("managed", "project", "agent")]
        self.judge.same_tree(None, commit, pairs)
        people = [path for path in files if path.startswith("agents/")]
        agent, project = self._founder(commit, people)
        change = Change(Request(said.op, agent.name, id=said.id), "project: founded", self._edits(files), LEDGER, "")
        if others or FOUNDED - set(files):
            refuse("BAD_GENESIS", f"a project is not founded with {sorted(others) or sorted(files)} alone", HINT)
        if said.op != "project.init" or message.generate(change, project, names.MAIN) != commit.message:
            refuse("BAD_GENESIS", "the message is not that of a founding", HINT)

    def _founder(self, commit: Commit, people: list[str]) -> tuple[Agent, str]:
        state = Snapshot(self.judge.state_of_tree(commit.tree))
        project = state.project
        check_policy(project, state.find_agent)
        agent = signer(commit, state)
        key = agent.keys[0]
        proved = sshsig.proves(project.repository, agent.name, key.key, key.proof)
        alone = people == [names.path_of("agent", agent.name)] and len(agent.keys) == 1
        named = agent.name == agent.role or agent.name not in policy.roles(project)
        if not (proved and alone and named and ORCHESTRATE in policy.rights(project, agent)):
            refuse("BAD_GENESIS", "the founder is not an orchestrator with one key of its own", HINT)
        return agent, project.repository

    def _edits(self, files: dict[str, Entry]) -> tuple[Edit, ...]:
        edits = []
        for path, entry in sorted(files.items()):
            self.judge.content(path, entry)
            self.judge.in_form(path, entry)
            if entry.mode != FILE:
                refuse("BAD_GENESIS", f"{path} is no plain file", HINT, path)
            edits.append(Edit(path, self.judge.objects.need(entry.id, "blob").content))
        return tuple(edits)

    def open_branch(self, task_id: str, tip: str, ledger_tip: str) -> bool:
        """Judge a review branch that is not merged, and add what is wrong as findings.

        A branch is ignored when its task is not in review on the ledger, or when its tip is a ledger commit. A fault is
        ignored when the branch is merged.

        :param tip: the id of the newest commit of the branch.
        :param ledger_tip: the id of the ledger's newest commit.
        :returns: whether the branch was judged; False when it was ignored.
        :raises Refused: the codes with exit code 1 or 9, when the branch could not be judged (such as
            `REVIEW_AHEAD`).
        """
        try:
            task = (
                self.judge.state(ledger_tip).find(Task, names.task_path(task_id)) if names.ID.match(task_id) else None
            )
            if task is None or task.status != IN_REVIEW or tip in self.position:
                return False
            commits = self.branch(tip, ledger_tip, task_id)
            self.judged += len(commits)
            self._timely_branch(commits, tip, ledger_tip)
        except Refused as refused:
            if self.merged(tip, ledger_tip):  # the branch of an earlier round may still exist
                return False
            self.find(refused, tip)
        return True
