"""`verify`: the whole history judged by the rule book, from objects alone; nothing is judged twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from opsgit.domain import names
from opsgit.domain.findings import Finding, Verification
from opsgit.domain.model import Agent, Key
from opsgit.domain.refusals import Refused, refuse
from opsgit.storage import sshsig
from opsgit.storage.index import Index
from opsgit.storage.objects import Objects
from opsgit.storage.pins import REMOTES, Pin, fingerprint, looked_before
from opsgit.storage.repository import Repository
from opsgit.verification.chain import Chain, Positions
from opsgit.verification.replay import Judge

LEDGER = re.compile(r"refs/remotes/[^/]+/main\Z")  # of a remote that is configured no more, too
Say = Callable[[str], None]


@dataclass(eq=False, repr=False)
class Verifier:
    """Verifies one repository; `say` is told of progress."""

    repository: Repository
    say: Say = lambda _: None
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.repository.git.extra.update(self.env)
        self.objects = Objects(self.repository.git, self._width())
        self.chain = Chain(Judge(self.objects, Index(None)))
        self.pin = Pin.of_clone(self.repository.folder)
        self.verdict = Verification()
        self.first_use = False
        self.positions: dict[str, Positions] = {}  # where each ledger's commits stand
        self.behind: set[str] = set()  # URLs of which more was verified elsewhere than this clone has

    def _width(self) -> int:
        """The length of ids here: 40 (SHA-1) or 64 (SHA-256)."""
        found = self.repository.git.run("rev-parse", "--show-object-format").decode().strip()
        return 64 if found == "sha256" else 40

    def run(
        self, pinned: str | None = None, required: bool = False, since: str | None = None, until: str | None = None
    ) -> Verification:
        """Verify main, the remotes' main and the open review branches (or a range of main).

        :param pinned: the genesis id that the caller trusts.
        :param required: refuse with `NO_PIN` when nothing says which genesis to trust.
        :param since: judge only what is behind this commit, which must have been verified before.
        :param until: judge main only up to here.
        """
        self._complete()
        seen = fingerprint(self.repository.folder)  # before any ref is read: what changes meanwhile is looked at again
        ledgers, reviews = self._refs(until)
        self._pins(pinned, required, ledgers)
        self._published_tips(ledgers)
        longer = {ref: self._ledger(ref, tip, since) for ref, tip in ledgers.items()}
        for ref, tip in reviews.items() if not since else ():
            place, _, task_id = ref.rpartition("review/")
            if not (longer[f"{place}main"] and self.pin.refs.get(ref) == tip):  # else it was judged before
                self.chain.position = self.positions[f"{place}main"]
                self.chain.open_branch(task_id, tip, ledgers[f"{place}main"])
        for tip in dict.fromkeys(ledgers.values()):
            self.sweep(tip)
        self.verdict.findings, self.verdict.judged = self.chain.findings, self.chain.judged
        self.verdict.refs = {**ledgers, **reviews}
        if not self.verdict.findings and until is None:
            self._remember(ledgers, seen)
        return self.verdict

    def _complete(self) -> None:
        """A clone that lacks history proves nothing either way."""
        folder = self.repository.folder
        if (folder / "shallow").exists():
            refuse("INCOMPLETE", "this is a shallow clone", "git fetch --unshallow")
        if (folder / "objects/info/alternates").exists() and not self.env:
            self.verdict.notices.append("objects are read from other repositories too (objects/info/alternates)")

    def _refs(self, until: str | None) -> tuple[dict[str, str], dict[str, str]]:
        """The ledgers and the review branches, each with its tip."""
        words = ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes")
        listed = self.repository.git.run(*words).decode("utf-8", "replace").splitlines()
        refs = {name: tip for tip, name in (line.split(" ", 1) for line in listed)}
        mains = {names.MAIN, *(f"{REMOTES}{remote}/main" for remote, _ in self._remotes())}
        ledgers = {name: tip for name, tip in refs.items() if name in mains or LEDGER.match(name)}
        if until:
            ledgers = {names.MAIN: self._commit(until)}
        if not ledgers:
            refuse("NOT_A_STATE_REPOSITORY", f"{self.repository.folder} has no main", "opsgit init")
        reviews = {name: tip for name, tip in refs.items() if f"{name.rpartition('review/')[0]}main" in ledgers}
        return dict(sorted(ledgers.items())), {} if until else reviews

    def _commit(self, name: str) -> str:
        found = self.repository.git.get(f"{name}^{{commit}}")
        if found is None:
            refuse("NOT_FOUND", f"there is no commit {name}", "git log --oneline main")
        return found.id

    def _ledger(self, ref: str, tip: str, since: str | None) -> bool:
        """Judge a ledger from what is verified already; says whether it goes on from there."""
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
        for number, commit in enumerate(fresh):
            self.chain.ledger(commit)
            if number % 1000 == 999:
                self.say(f"{number + 1} of {len(fresh)} commits of {ref} judged")
        return start in chain

    def _published_tips(self, ledgers: dict[str, str]) -> None:
        """What was verified of a remote's URL, in whatever clone, must still be in what that remote shows."""
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
        """Whether others have seen this ref: a remote's, or that of a repository that has no remote."""
        return ref.startswith(REMOTES) or not any(name.startswith(REMOTES) for name in self.pin.tips)

    def first_parents(self, tip: str, start: str | None) -> list[str]:
        """The first-parent chain up to a tip, oldest first; from `start` on if it is on it, else from the genesis.

        Parents are read from the raw commits, so no graft and no replacement counts.
        """
        found, here = [tip], tip
        while here != start:
            parents = raw_parents(self.objects.need(here, "commit").content)
            if not parents or len(parents[0]) != len(tip) or not names.COMMIT.match(parents[0]):
                break  # no parent, or what is no commit's id: its judge will say
            here = parents[0]
            found.append(here)
        return found[::-1]

    def _positions(self, chain: list[str], start: str | None) -> None:
        """Let what is verified already have its place, so that branches can name it."""
        if start and start in chain and start not in self.chain.position.known:
            self.chain.position.begin(start, lambda: self.first_parents(start, None))

    def since(self, tip: str, known: str | None) -> list[Finding]:
        """Judge the ledger up to a tip behind what is known to be good: for who is about to build on it."""
        self._complete()
        for start in (known, self.pin.tips.get(names.MAIN)):
            chain = self.first_parents(tip, start)
            if start and chain[0] == start:
                self._positions(chain, start)
                chain = chain[1:]
                break
        for commit in chain:
            self.chain.ledger(commit)
        return self.chain.findings

    def review(self, task_id: str, tip: str, ledger: str) -> list[Finding]:
        """Judge an open review upon a ledger that is known to be good: for who is about to show it or build on it."""
        self.chain.position.begin(ledger, lambda: self.first_parents(ledger, None))
        self.chain.open_branch(task_id, tip, ledger)
        return self.chain.findings

    def _pins(self, pinned: str | None, required: bool, ledgers: dict[str, str]) -> None:
        """Compare the genesis of each ledger with what is pinned for this clone and its remotes' URLs."""
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
        """The first commit of a ledger; what was verified before need not be walked again."""
        known = self.pin.tips.get(ref)
        begin = self.first_parents(tip, known)[0]
        return self.pin.genesis if known and begin == known and self.pin.genesis else self.first_parents(tip, None)[0]

    def _urls(self) -> Iterator[tuple[str, str | None]]:
        for _, url in self._remotes():
            yield f"the URL {url}", Pin.of_url(url).genesis

    def _remotes(self) -> list[tuple[str, str]]:
        """Name and URL of each remote in the clone's own configuration."""
        done = self.repository.git.attempt("config", "--local", "--get-regexp", r"^remote\..*\.url$")
        pairs = (line.split(" ", 1) for line in done.stdout.decode(errors="replace").splitlines() if " " in line)
        return [(key.removeprefix("remote.").removesuffix(".url"), url) for key, url in pairs]

    def _remember(self, ledgers: dict[str, str], seen: str) -> None:
        """Pin what was found good, for this clone and its remotes' URLs."""
        tips, remotes = {**self.pin.tips, **ledgers}, self._remotes()
        genesis, refs = self.verdict.genesis, self.verdict.refs
        now = Pin(self.pin.path, genesis, tips, remotes, refs, seen)
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
        """Every commit by a compromised key behind its cut-off is a finding until an orchestrator ratifies it.

        :param span: which commits, as `git rev-list` takes it; all that any ref reaches when it is empty.
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
            return  # no such commit was ever here: the rule book's record of it is all that there is
        listed = self.repository.git.run("rev-list", "--reverse", f"^{cut}", *span).decode().split()
        for commit_id in listed:
            head = self.objects.need(commit_id, "commit").content.partition(b"\n\n")[0]
            mine = f"\nauthor {agent.name} <".encode() in head and commit_id not in key.ratified
            if mine and self._signed_by(commit_id, key.key):
                why = f"signed by a key of {agent.name} that was compromised after {cut[:10]}"
                self.chain.wrong("COMPROMISED_KEY", commit_id, why)

    def _signed_by(self, commit_id: str, key: str) -> bool:
        """Whether a commit carries a good signature of a key; one in another form carries none."""
        try:
            commit = self.chain.judge.commit(commit_id)
        except Refused:
            return False
        return sshsig.verify(key, commit.signature, commit.signed, sshsig.GIT)


def raw_parents(content: bytes) -> list[str]:
    """The parents in a commit's raw headers."""
    head = content.partition(b"\n\n")[0].split(b"\n")
    return [line[7:].decode("ascii", "replace") for line in head if line.startswith(b"parent ")]
