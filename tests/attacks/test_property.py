"""Laws: verify accepts every history that random honest operations make, and rejects each single-field forgery of it."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsgit.domain import message, rules
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Request
from opsgit.operations import agents, init
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction
from opsgit.storage import sshsig
from opsgit.storage.repository import Repository
from opsgit.verification.verifier import Verifier
from tests.attacks.conftest import AGENTS
from tests.attacks.forge import Forge, copied
from tests.conftest import git

QUICK = os.environ.get("HYPOTHESIS_PROFILE", "quick") == "quick"
FOUNDED = len(AGENTS) + 2  # commits of each ledger before the steps: the genesis, the agents, the quota
DIGEST, OTHER = "h1:" + "A" * 43 + "=", "h1:" + "B" * 43 + "="
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["task.add", "task.assign", "task.claim", "task.start", "task.progress", "task.comment", "task.submit", "task.edit",
                         "task.release", "task.cancel", "review.comment", "review.sign-off", "review.approve", "review.reject",
                         "review.withdraw", "review.revise", "task.deploy-start", "task.deploy-finish", "quota.use", "alert.raise",
                         "metric.set", "task.trim", "agent.edit", "agent.remove", "agent.rotate"]),
        st.sampled_from([""] * len(AGENTS) * 2 + [*sorted(AGENTS), "orchestrator"]),  # mostly whoever may
        st.sampled_from(["A-1", "A-1", "A-1", "B-1"]),
        st.sampled_from([DIGEST, DIGEST, DIGEST, OTHER]),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from(["", "note", "two\n\nOpsgit-Op: x"]),
        st.sampled_from(sorted(AGENTS)),
    ),
    max_size=25,
)  # fmt: skip
LIKELY = [("task.add", "orchestrator"), ("task.start", "dev"), ("task.submit", "dev"), ("review.comment", "eye"), ("review.approve", "qa"),
          ("task.deploy-start", "ship"), ("task.deploy-finish", "ship")]  # fmt: skip


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with agents, to be copied for each example."""
    box = tmp_path_factory.mktemp("property")
    saved = dict(os.environ)
    os.environ.update(
        XDG_DATA_HOME=str(box / "data"), XDG_STATE_HOME=str(box / "pins"), HOME=str(box), GIT_CONFIG_NOSYSTEM="1"
    )
    repository = init.init(box / "state", "p")
    transaction = Transaction(repository)
    for name, role in AGENTS.items():
        line, proof = init.proved_key(repository.keys, name)
        proved = sshsig.proves(repository.keys.repository, name, line, proof)
        transaction.perform(
            Request("agent.add", "orchestrator", name, {"role": role, "key": line, "proof": proof, "proved": proved})
        )
    transaction.perform(Request("quota.set", "orchestrator", "q", {"limit": 3, "period": "daily"}))
    transaction.publish()
    repository.close()
    yield box
    os.environ.clear()
    os.environ.update(saved)


def fields(op: str, digest: str, number: int, task: Any) -> dict[str, Any]:
    started = task.deployment.started if task and task.deployment else None
    return {"title": f"t{number}", "assigned": "dev" if op == "task.add" and number == 1 else None, "to": "dev2" if number == 2 else "dev",
            "text": f"x{number}", "deliverable": "/d", "digest": digest, "round": number, "evidence": "attested", "started": started,
            "command": (), "message": "m", "value": number, "amount": number, "keep": 0}  # fmt: skip


DEV = ("task.start", "task.progress", "task.submit", "review.withdraw", "review.revise", "quota.use")


def natural(op: str) -> str:
    """Who is likely to be let do an operation."""
    special = {"task.claim": "dev2", "task.comment": "eye", "metric.set": "eye", "review.comment": "dev2"}
    if op in special or op in DEV:
        return special.get(op, "dev")
    return "qa" if op.startswith("review") else "ship" if op.startswith("task.deploy") else "orchestrator"


def change_agent(repository: Repository, op: str, actor: str, name: str, number: int) -> None:
    session = Session(repository, (("test", actor),))
    if op == "agent.rotate":
        agents.rotate(session, name)
    elif op == "agent.remove":
        agents.remove(session, name)
    else:
        agents.edit(session, name, role=["observer", "reviewer"][number - 1])


def play(path: Path, steps: list[Any]) -> int:
    """Perform what is legal of the steps, each published; how many were."""
    repository = Repository((path / ".git").resolve(), path)
    done = 0
    for op, by, target, digest, number, note, agent in steps:
        actor = by or natural(op)
        name = "q" if op.startswith("quota") else "m" if op.startswith("metric") else target
        transaction = Transaction(repository)
        try:
            if op.startswith("agent"):
                change_agent(repository, op, actor, agent, number)
                done += 1
                continue
            snapshot = transaction.snapshot(name if op.startswith(("task", "review")) else None)
            task = snapshot.task(name) if op.startswith(("task", "review")) and op != "task.add" else None
            takes = rules.in_force(snapshot.project).operation(op).arguments
            given_ = {k: v for k, v in fields(op, digest, number, task).items() if v is not None and k in takes}
            if op == "task.edit":
                given_ = {"title": given_["title"]}
            transaction.perform(Request(op, actor, name, given_, note))
            transaction.publish()
            done += 1
        except Refused as refused:
            assert refused.refusal.exit not in (1, 9), refused
    repository.close()
    return done


def codes(path: Path) -> list[str]:
    repository = Repository((path / ".git").resolve(), path)
    try:
        return [one.code for one in Verifier(repository).run().findings]
    finally:
        repository.close()


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from spots(inner, (*path, key))


def forged(record: Record, spot: tuple[Any, ...]) -> Record | None:
    """The record with one field changed to something that the schema still allows, or gone."""
    changed: Any = copy.deepcopy(dict(record))
    here = changed
    for key in spot[:-1]:
        here = here[key]
    value = here[spot[-1]]
    swap = {
        DIGEST: OTHER,
        OTHER: DIGEST,
        "dev": "dev2",
        "qa": "qa2",
        "medium": "high",
        "approved": "rejected",
        "developer": "reviewer",
    }
    if isinstance(value, int):
        here[spot[-1]] = value + 1
    elif isinstance(value, str):
        here[spot[-1]] = swap.get(value) or (
            value[:-1] + "1Z" if value.endswith("Z") and value[-2] != "1" else value + "x"
        )
    else:
        del here[spot[-1]]
    return changed  # type: ignore[no-any-return]


OWN: dict[str, tuple[str, ...]] = {
    "task.add": ("title", "priority"), "task.edit": ("title", "priority"), "task.submit": ("deliverable", "digest"), "metric.set": ("value",),
    "alert.raise": ("message", "severity"), "quota.use": ("used",), "quota.set": ("limit", "period", "used"), "task.progress": ("note",),
    "agent.edit": ("role",), "task.deploy-start": ("ref",), "task.deploy-finish": ("evidence",),
}  # fmt: skip


def own_words(op: str, record: Record, spot: tuple[Any, ...]) -> bool:
    """Whether a field is the signer's to choose: another value is another honest operation, not a forgery."""
    if op == "task.comment":
        return bool(spot[0] == "comments" and spot[-1] == "text" and spot[1] == len(record["comments"]) - 1)
    holder = {"task.submit": "submission", "task.progress": "progress"}.get(op, spot[0])
    return spot[-1] in OWN.get(op, ()) and spot[0] == holder


@pytest.mark.slow
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=15 if QUICK else 150,
)
@given(steps=STEPS, head=st.integers(0, len(LIKELY)), data=st.data())
def test_honest_histories_pass_and_each_forgery_is_found(
    founded: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[Any], head: int, data: st.DataObject
) -> None:
    box = tmp_path_factory.mktemp("example")
    os.environ.update(XDG_DATA_HOME=str(copied(founded / "data", box / "data")), XDG_STATE_HOME=str(box / "pins"))
    path = copied(founded / "state", box / "state")
    assert play(path, [(op, by, "A-1", DIGEST, 1, "", by) for op, by in LIKELY[:head]]) == head
    play(path, steps)
    assert codes(path) == []
    (box / "pins2").mkdir()
    os.environ["XDG_STATE_HOME"] = str(box / "pins2")
    forge = Forge(path)
    ledger = git(path, "rev-list", "--first-parent", "--reverse", "main").split()
    victims = [number for number, one in enumerate(ledger) if number >= FOUNDED and forgeable(forge, one)]
    if victims:
        made, why = forged_at(forge, ledger, data.draw(st.sampled_from(victims[::-1])), data)
        assert made in found(path), why
    forge.close()


def forgeable(forge: Forge, commit_id: str) -> bool:
    """Whether a ledger commit changes one file, is no verdict (the corpus forges those), and its key is still there."""
    commit = forge.parsed(commit_id)
    signer = forge.agent(commit.name, commit.parents[0])
    key = forge.keys.make(commit.name) if forge.keys.holds(commit.name) else ""
    return len(commit.parents) == 1 and key in signer.active_keys and len(changes(forge, commit_id)) == 1


def changes(forge: Forge, commit_id: str) -> list[str]:
    return git(forge.path, "diff-tree", "--no-commit-id", "--name-only", "-r", commit_id).split()


def forged_at(forge: Forge, ledger: list[str], number: int, data: st.DataObject) -> tuple[str, Any]:
    """Forge one field in a commit of the ledger, and sign what follows again, up to the next verdict.

    Returns the forged commit, and what was changed.
    """
    commit = forge.parsed(ledger[number])
    (path,) = changes(forge, ledger[number])
    record = forge.record(path, ledger[number])
    op = message.parse(commit.message).op
    spot = data.draw(st.sampled_from([spot for spot in spots(record) if not own_words(op, record, spot)]))
    good, bad = forge.emitted(path, record), forge.emitted(path, forged(record, spot) or record)
    text = commit.message.replace(hashlib.sha256(good).hexdigest(), hashlib.sha256(bad).hexdigest())
    made = tip = forge.commit(
        forge.files({path: bad}, ledger[number - 1]), commit.parents, text, commit.name, at=commit.time, ref=None
    )
    for later in ledger[number + 1 :]:
        if not forgeable(forge, later):
            break
        said, (other,) = forge.parsed(later), changes(forge, later)
        content = forge.emitted(other, forge.record(other, later))
        tip = forge.commit(forge.files({other: content}, tip), (tip,), said.message, said.name, at=said.time, ref=None)
    git(forge.path, "update-ref", "refs/heads/main", tip)
    return made, (op, path, spot)


def found(path: Path) -> set[str]:
    """The commits with findings."""
    repository = Repository((path / ".git").resolve(), path)
    try:
        return {one.commit for one in Verifier(repository).run().findings}
    finally:
        repository.close()
