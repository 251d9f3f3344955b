"""The verification of a whole repository, from git objects alone. Commits that were verified before are skipped."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from opsgit.domain import names
from opsgit.domain.audit import Watch
from opsgit.domain.findings import Finding, Verification
from opsgit.domain.model import Agent, Key
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.times import AHEAD_MAX
from opsgit.storage import signed, submissions, workers
from opsgit.storage.git import Git
from opsgit.storage.index import Index
from opsgit.storage.objects import Objects
from opsgit.storage.pins import REMOTES, Pin, fingerprint, looked_before
from opsgit.storage.repository import Repository
from opsgit.verification import attachments
from opsgit.verification.chain import Chain, Part, Positions
from opsgit.verification.replay import Judge

LEDGER = re.compile(r"refs/remotes/[^/]+/main\Z")  # includes remotes that are no longer configured
REVIEW = re.compile(r"refs/(heads|remotes/.+)/review/[^/]+\Z")
MANY = 2000  # commits: up to this number, starting processes takes longer than it saves
FAR = 200  # commits that are read at once, when a walk back is longer than this
TOLD_MAX = 10  # exceptions of which a notice is given
Say = Callable[[str], None]


def _ledger_of(review: str, ledgers: Mapping[str, str]) -> str:
    """Return the ref of the ledger by which a review branch is judged: of the same remote, if that has one, else main.

    :param review: the full name of the branch.
    """
    beside = f"{review.rpartition('review/')[0]}main"
    return beside if beside in ledgers else names.MAIN


@dataclass(eq=False, repr=False)
class Verifier:
    """The verification of one repository, for one run.

    `say` receives messages about progress. `env` holds environment variables for git, such as those of a push.
    """

    repository: Repository
    say: Say = lambda _: None
    env: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.repository.git.extra.update(self.env)
        self.objects = Objects(self.repository.git, self._width())
        self.chain = Chain(Judge(self.objects, Index(None)))
        self.pin = Pin.of_clone(self.repository.folder)
        self.verdict = Verification()
        self.first_use = False
        self.positions: dict[str, Positions] = {}  # by the name of the ledger's ref
        self.introduced: dict[str, tuple[int, str, str]] = {}  # lately, by agent
        self.behind: set[str] = set()  # URLs from which another clone has verified more than this clone has

    def _width(self) -> int:
        """Return the number of hex digits of an id: 40 (SHA-1) or 64 (SHA-256)."""
        found = self.repository.git.run("rev-parse", "--show-object-format").decode().strip()
        return 64 if found == "sha256" else 40

    def run(
        self, pinned: str | None = None, required: bool = False, since: str | None = None, until: str | None = None
    ) -> Verification:
        """Verify main, the remotes' main and the open review branches, or a range of main.

        Commits by compromised keys are searched in all refs in any case.

        :param pinned: the id of the genesis that the caller trusts, or its first digits.
        :param required: whether to refuse when no genesis is pinned.
        :param since: a revision that was verified before; only commits after it are judged.
        :param until: the revision at which the range of main ends.
        :raises Refused: `INCOMPLETE`, `NOT_A_STATE_REPOSITORY`, `NO_PIN`, `NOT_FOUND`, `UNVERIFIED`; `REVIEW_AHEAD`
            when nothing is wrong, but a review could not be judged; other codes with exit code 1 or 9 when a commit
            could not be judged.
        """
        self._complete()
        self.chain.latest = int(self.clock()) + AHEAD_MAX
        seen = fingerprint(self.repository.folder)  # before any ref is read, so that the next run sees later changes
        ledgers, reviews = self._refs(until)
        self._pins(pinned, required, ledgers)
        self._published_tips(ledgers)
        longer = {ref: self._ledger(ref, tip, since) for ref, tip in ledgers.items()}
        ahead: list[Refused] = []
        judged: dict[str, str] = {}
        for ref, tip in list(reviews.items()) if not since else ():
            ledger = _ledger_of(ref, ledgers)
            known = longer[ledger] and self.pin.refs.get(ref) == tip  # it was judged before
            if not known:
                self.chain.position = self.positions[ledger]
            try:
                if known or self.chain.open_branch(ref.rpartition("review/")[2], tip, ledgers[ledger]):
                    judged[ref] = tip
            except Refused as refused:
                if refused.refusal.code != "REVIEW_AHEAD":
                    raise
                ahead.append(refused)
        self.chain.find_ahead()
        for tip in dict.fromkeys(ledgers.values()):
            self.sweep(tip)
        judged.update(self._attachments(ledgers, reviews) if until is None else {})
        self._audit(ledgers, since)
        self.verdict.findings, self.verdict.judged = self.chain.findings, self.chain.judged
        self.verdict.refs = {**ledgers, **judged}
        if not self.verdict.findings and until is None:
            untold = self.verdict.notices if ahead else []
            self._remember(ledgers, "" if ahead else seen, untold)  # the next run looks again at what was ahead
            if ahead:
                raise ahead[0]
        return self.verdict

    def _complete(self) -> None:
        """Refuse a shallow clone, whose history cannot be verified."""
        folder = self.repository.folder
        if (folder / "shallow").exists():
            refuse("INCOMPLETE", "this is a shallow clone", "git fetch --unshallow")
        if (folder / "objects/info/alternates").exists() and not self.env:
            self.verdict.notices.append("objects are read from other repositories too (objects/info/alternates)")

    def _attachments(self, ledgers: dict[str, str], reviews: dict[str, str]) -> dict[str, str]:
        """Judge the attachments that are here, but for those that were judged before; return each ref and its tree."""
        found = self.repository.git.refs(names.ATTACHMENTS)
        new = {ref: tree for ref, tree in found.items() if self.pin.refs.get(ref) != tree}
        known: dict[str, dict[str, submissions.Submitted]] = {}
        for ref, tree in new.items() if not self.chain.findings else ():
            try:
                task_id, version = attachments.about(ref)
                if task_id not in known:
                    branches = [tip for name, tip in reviews.items() if name.endswith(f"/review/{task_id}")]
                    tips = [*ledgers.values(), *branches]
                    known[task_id] = submissions.find(self.repository.git, self._record, task_id, tips)
                one = known[task_id].get(version)
                attachments.judge(self.objects, ref, tree, one and one.submission)
            except Refused as refused:
                self.chain.find(refused, tree)
        return found

    def _record(self, commit: str, path: str) -> Record | None:
        return self.chain.judge.state(commit).record(path)

    def _refs(self, until: str | None) -> tuple[dict[str, str], dict[str, str]]:
        """Return the ledgers and the review branches, each as a mapping from the ref's name to its tip."""
        refs = self.repository.git.refs("refs/heads", "refs/remotes")
        mains = {names.MAIN, *(f"{REMOTES}{remote}/main" for remote, _ in self._remotes())}
        ledgers = {name: tip for name, tip in refs.items() if name in mains or LEDGER.match(name)}
        if until:
            ledgers = {names.MAIN: self._commit(until)}
        if not ledgers:
            refuse("NOT_A_STATE_REPOSITORY", f"{self.repository.folder} has no main", "opsgit init")
        reviews = {
            name: tip for name, tip in refs.items() if REVIEW.match(name) and _ledger_of(name, ledgers) in ledgers
        }
        return dict(sorted(ledgers.items())), {} if until else reviews

    def _commit(self, name: str) -> str:
        found = self.repository.git.get(f"{name}^{{commit}}")
        if found is None:
            refuse("NOT_FOUND", f"there is no commit {name}", "git log --oneline main")
        return found.id

    def _ledger(self, ref: str, tip: str, since: str | None) -> bool:
        """Judge the commits of a ledger that are not verified yet; return whether the verified ones are part of it."""
        known = self.pin.tips.get(ref)
        start = self._commit(since) if since else known
        if since and (not known or start not in self.first_parents(known, None)):
            refuse("UNVERIFIED", f"{since} was never verified here", "opsgit verify, without a range")
        chain = self.first_parents(tip, start)
        if start and start not in chain and self._published(ref):
            why = f"{ref} no longer holds {start[:10]}, which was verified here"
            self.chain.wrong("REWOUND", start, why)
            start = None
            chain = self.first_parents(tip, None)
        if start and start not in chain:
            chain = self.first_parents(tip, None)
        self.chain.position = self.positions[ref] = Positions()
        self._positions(chain, start)
        fresh = chain[chain.index(start) + 1 :] if start in chain else chain
        self._judge(ref, fresh)
        self.chain.find_ahead()
        return start in chain

    def _judge(self, ref: str, fresh: Sequence[str]) -> None:
        """Judge ledger commits. Many are judged in several processes, as the state before each is its parent's tree."""
        for commit in fresh:
            self.chain.position.add(commit)
        count = 1 if len(fresh) < MANY or not self.chain.seen.isdisjoint(fresh) else workers.cores()
        size = -(-len(fresh) // count) or 1
        parts = [fresh[start : start + size] for start in range(0, len(fresh), size)]

        def told(number: int) -> None:
            if number * count < len(fresh):
                self.say(f"{number * count} of {len(fresh)} commits of {ref} judged")

        works: list[Callable[[], Part | None]] = [partial(self._beside, part) for part in parts[1:]]
        results = workers.side_by_side([lambda: self.chain.ledgers(parts[0], told), *works] if parts else [])
        for part, found in list(zip(parts, results, strict=True))[1:]:
            if found:
                self.chain.join(found, part)
            else:
                self.chain.ledgers(part)

    def _beside(self, commits: Sequence[str]) -> Part | None:
        """Judge some ledger commits with a chain of its own, which shares no git process with this one.

        :returns: None if a commit could not be judged: whether that is a finding depends on what is before it.
        """
        git = Git(self.repository.folder)
        git.extra.update(self.env)
        try:
            judge = Judge(Objects(git, self.objects.width), Index(None))
            return Chain(judge, self.chain.position, latest=self.chain.latest).ledgers(commits)
        except Refused:
            return None
        finally:
            git.close()

    def _audit(self, ledgers: dict[str, str], since: str | None) -> None:
        """Give notice of exceptions among the commits that were judged now.

        :param since: the revision that a range begins with: nothing is known of what was before it.
        """
        if self.chain.findings or not self.verdict.genesis:
            return
        begin = self._commit(since) if since else self.pin.tips.get(names.MAIN)
        reset = begin and self.chain.judge.state(begin).project.clock
        founded = None if reset else self.chain.judge.commit(self.verdict.genesis).time
        watch = Watch(founded, {} if since else self.pin.introduced)
        found = [one for deed in self.chain.deeds for one in watch.take(deed)]
        told = [f"{one.kind}: {one.about} in {one.commit[:10]} by {one.by}: {one.what}" for one in found[-TOLD_MAX:]]
        more = f"{len(found) - TOLD_MAX} earlier exceptions: opsgit report --since 52w"
        self.verdict.notices += [*self.pin.untold, *([more] if len(found) > TOLD_MAX else []), *told]
        self.introduced = watch.recent(max(self.chain.judge.commit(tip).time for tip in ledgers.values()))

    def _published_tips(self, ledgers: dict[str, str]) -> None:
        """Add a finding for a remote whose main no longer contains the tip that some clone verified from its URL."""
        for remote, url in self._remotes():
            pin, ref = Pin.of_url(url), f"{REMOTES}{remote}/main"
            known, tip = pin.tips.get(names.MAIN), ledgers.get(ref)
            if not known or not tip or known in self.first_parents(tip, known):
                continue
            if looked_before(self.repository.folder, remote, pin.path):
                self.behind.add(url)
                self.verdict.notices.append(f"{ref} is behind what was verified from {url} since: git fetch {remote}")
            else:
                self.chain.wrong("REWOUND", known, f"{ref} no longer holds {known[:10]}, which was verified from {url}")

    def _published(self, ref: str) -> bool:
        """Return whether a ref is published: it is a remote's, or no remote was verified in this clone."""
        return ref.startswith(REMOTES) or not any(name.startswith(REMOTES) for name in self.pin.tips)

    def first_parents(self, tip: str, *starts: str | None) -> list[str]:
        """Return the ids of the first-parent chain up to a tip, oldest first.

        Parents are read from the raw commits, so that grafts and replacement objects have no effect.

        :param tip: hex id of 40 or 64 digits.
        :param starts: the ids to begin with: the last of them on the chain, or else the genesis.
        :raises Refused: `REPOSITORY_BROKEN`.
        """
        found, here = [tip], tip
        while here not in starts:
            if len(found) % FAR == 0:
                self._read_back(here)
            parents = raw_parents(self.objects.need(here, "commit").content)
            if not parents or len(parents[0]) != len(tip) or not names.COMMIT.match(parents[0]):
                break  # no parent, or no valid id, which is found when the commit is judged
            here = parents[0]
            found.append(here)
        return found[::-1]

    def _read_back(self, tip: str) -> None:
        """Read the commits before a commit at once. git only tells which to read; each names its parent itself."""
        done = self.repository.git.attempt("rev-list", "--first-parent", f"--max-count={FAR}", "--end-of-options", tip)
        self.objects.read(done.stdout.decode().split())

    def _positions(self, chain: list[str], start: str | None) -> None:
        """Give positions to the commits that are verified already, so that review branches can name them."""
        if start and start in chain and start not in self.chain.position.known:
            self.chain.position.begin(start, lambda: self.first_parents(start, None))

    def since(self, tip: str, *known: str) -> list[Finding]:
        """Judge the ledger up to a tip, for a caller that writes to it next.

        :param tip: the id of the ledger's newest commit.
        :param known: the ids of verified commits. The last of them on the ledger is used; the tip of main in this
            clone's pin is one of them.
        :returns: the findings.
        :raises Refused: `INCOMPLETE`, and other codes with exit code 1 or 9 when a commit could not be judged.
        """
        self._complete()
        starts = (*known, self.pin.tips.get(names.MAIN))
        chain = self.first_parents(tip, *starts)
        if chain[0] in starts:
            self._positions(chain, chain[0])
            chain = chain[1:]
        elif self.pin.genesis and chain[0] != self.pin.genesis:
            self.chain.wrong("PIN_MISMATCH", chain[0], f"it begins with {chain[0][:10]}, but this clone pins another")
        return self.chain.ledgers(chain).findings

    def review(self, task_id: str, tip: str, ledger: str) -> list[Finding]:
        """Judge an open review branch on a verified ledger, for a caller that shows it or writes to it next.

        :param tip: the id of the branch's newest commit.
        :param ledger: the id of the ledger's newest commit.
        :returns: the findings.
        :raises Refused: the codes with exit code 1 or 9, when the branch could not be judged.
        """
        self.chain.position.begin(ledger, lambda: self.first_parents(ledger, None))
        self.chain.open_branch(task_id, tip, ledger)
        return self.chain.findings

    def _pins(self, pinned: str | None, required: bool, ledgers: dict[str, str]) -> None:
        """Compare the genesis of each ledger with the one that is pinned for this clone and for its remotes' URLs."""
        trusted = {"--pin": pinned, "this clone": self.pin.genesis, **dict(self._urls())}
        if required and not any(trusted.values()):
            refuse(
                "NO_PIN", "no genesis is pinned for this clone, and one is required", "opsgit verify --pin GENESIS-ID"
            )
        for ref, tip in ledgers.items():
            genesis = self._genesis_of(tip, ref)
            self.verdict.genesis = self.verdict.genesis or genesis
            for source, wanted in trusted.items():
                if wanted and not genesis.startswith(wanted):
                    why = f"{ref} begins with {genesis[:10]}, but {source} says {wanted[:10]}"
                    self.chain.wrong("PIN_MISMATCH", genesis, why)
        self.first_use = not any(trusted.values())

    def _genesis_of(self, tip: str, ref: str) -> str:
        """Return the id of the first commit of a ledger, from the pin if the pinned tip is part of the ledger."""
        known = self.pin.tips.get(ref)
        begin = self.first_parents(tip, known)[0]
        if begin != known:
            return begin
        return self.pin.genesis or self.first_parents(tip, None)[0]

    def _urls(self) -> Iterator[tuple[str, str | None]]:
        for _, url in self._remotes():
            yield f"the URL {url}", Pin.of_url(url).genesis

    def _remotes(self) -> list[tuple[str, str]]:
        """Return the name and URL of each remote in the clone's own configuration.

        A relative path gets its place: pins are kept by URL, and clones side by side may write two places alike.
        """
        done = self.repository.git.attempt("config", "--local", "--get-regexp", r"^remote\..*\.url$")
        pairs = (line.split(" ", 1) for line in done.stdout.decode(errors="replace").splitlines() if " " in line)
        here = self.repository.top or self.repository.folder
        named = ((key.removeprefix("remote.").removesuffix(".url"), url) for key, url in pairs)
        return [(name, str((here / url).resolve()) if (here / url).exists() else url) for name, url in named]

    def _remember(self, ledgers: dict[str, str], seen: str, untold: list[str]) -> None:
        """Pin the verified tips for this clone and for its remotes' URLs.

        :param untold: the notices that this run cannot give, because it ends with a refusal.
        """
        tips, remotes = {**self.pin.tips, **ledgers}, self._remotes()
        genesis, refs = self.verdict.genesis, self.verdict.refs
        now = Pin(self.pin.path, genesis, tips, remotes, refs, seen, self.introduced, untold)
        if vars(now) != vars(self.pin):
            now.save()
        if self.first_use:
            self.verdict.notices.append(
                f"first use: the ledger that begins with {genesis} is trusted from now on; "
                "compare this id with somebody who knows it, or give it with --pin"
            )
        for remote, url in remotes:
            known, tip = Pin.of_url(url), ledgers.get(f"{REMOTES}{remote}/main")
            if tip and known.tips.get(names.MAIN) != tip and url not in self.behind:
                known.genesis, known.tips = known.genesis or self.verdict.genesis, {names.MAIN: tip}
                known.save()

    def sweep(self, tip: str, *span: str) -> None:
        """Add a finding for each commit by a compromised key that no orchestrator has ratified.

        Commits in the history of the key's cut-off are not findings.

        :param tip: the ledger commit whose agents and keys are used.
        :param span: the commits to search, as arguments of `git rev-list`; by default those of all refs and of `tip`.
        :raises Refused: the codes with exit code 1 or 9, when the agents could not be read.
        """
        try:
            known = self.chain.judge.state(tip).agents()
        except Refused as refused:
            return self.chain.find(refused, tip)
        for agent in known:
            for key in agent.keys:
                for cut in key.since:
                    self._swept(agent, key, cut, span or ("--all", tip))

    def _swept(self, agent: Agent, key: Key, cut: str, span: tuple[str, ...]) -> None:
        if self.repository.git.get(cut) is None:
            return  # the cut-off is not in this repository, so it does not separate any commits
        listed = self.repository.git.run("rev-list", "--reverse", f"^{cut}", *span).decode().split()
        settled = set(self._listed(*key.ratified, *key.undone)) if listed else ()
        for commit_id in listed:
            head = self.objects.need(commit_id, "commit").content.partition(b"\n\n")[0]
            mine = f"\nauthor {agent.name} <".encode() in head and commit_id not in settled
            if mine and self._signed_by(commit_id, key.key):
                why = f"signed by a key of {agent.name} that was compromised after {cut[:10]}"
                self.chain.wrong("COMPROMISED_KEY", commit_id, why)

    def _listed(self, *entries: str) -> Iterator[str]:
        """Yield the ids of commits that entries name: an id itself, and all commits of a range `A..B` that is here."""
        for entry in entries:
            done = self.repository.git.attempt("rev-list", entry) if ".." in entry else None
            yield from done.stdout.decode().split() if done else (entry,)

    def _signed_by(self, commit_id: str, key: str) -> bool:
        """Return whether a commit has a valid signature by a key; False if it is not in the accepted form."""
        try:
            commit = self.chain.judge.commit(commit_id)
        except Refused:
            return False
        return bool(signed.key_of(commit, [key]))


def raw_parents(content: bytes) -> list[str]:
    """Return the parents in the headers of a commit object.

    :param content: the bytes of the commit object.
    """
    head = content.partition(b"\n\n")[0].split(b"\n")
    return [line[7:].decode("ascii", "replace") for line in head if line.startswith(b"parent ")]
