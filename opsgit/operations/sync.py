"""`sync`: publish what was made here while the remote was not asked, on top of what others have published since.

Each operation is decided again on the remote's ledger and signed anew, in the old order. Its time and its note stay in
the note. What no longer fits is dropped, said and kept: the old commits stay under `refs/opsgit/kept/`.
"""

from __future__ import annotations

import json
from typing import Any

from opsgit.domain import names, times
from opsgit.domain.model import Submission
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import attachments, outcomes, publication, push, refresh, status, trust, unconfirmed, update
from opsgit.operations.publication import write
from opsgit.operations.replay import DROPPED, LANDED, LOST, PUBLISHED, WAITING, Fate, Replay
from opsgit.operations.session import Session
from opsgit.operations.transactions import Lost, Transaction
from opsgit.storage import attachment
from opsgit.storage.disk import put, sync_folder
from opsgit.storage.git import Git
from opsgit.storage.ledger import move_refs
from opsgit.storage.remote import tracked
from opsgit.storage.submissions import SUBMITS
from opsgit.verification.replay import Judge

KEPT = "refs/opsgit/kept/"
TRIES = 20


def sync(session: Session) -> list[Fate]:
    """Fetch, and publish what is here and not at the remote.

    :returns: the fate of each operation that was not published, and of each that the remote had not confirmed.
    :raises Refused: `OFFLINE` in a clone without a remote; `UNFINISHED`; `REF_MOVED` if others were faster each time;
        as `update.fetch` and `push.push`.
    """
    if session.url is None:
        refuse("OFFLINE", "this repository has no remote to publish at", "git remote add origin URL")
    session.online = True
    for _ in range(TRIES):
        try:
            found = _once(session)
        except Lost as lost:
            session.say(f"others were faster; deciding again ({lost})")
            continue
        session.updated = True
        attachments.publish_missing(session)
        return [*found, *_outcomes(session)]
    refuse("REF_MOVED", f"others were faster {TRIES} times", "try again")


def _once(session: Session) -> list[Fate]:
    repository = session.repository
    with repository.lock():
        update.refuse_unfinished(repository)
        far = update.fetch(session)
        trust.judge_ledger(repository, repository.tip())
        mine = status.ahead(repository)
        again = {one["id"] for one in mine}  # what is published now is not told as lost
        open_ones = unconfirmed.settled(repository)
        settled = [_settled(one, landed) for one, landed in open_ones if landed or one.id not in again]
        fates: list[Fate] = []
        if not mine:
            update.forward(session)
        elif far is None or _goes_on(session, far):
            fates = _publish_as_it_is(session, mine)
        else:
            fates = _replay(session, far, mine)
        unconfirmed.drop(repository)
    return [*settled, *fates]


def _settled(one: unconfirmed.Unconfirmed, landed: bool) -> Fate:
    why = "" if landed else "the remote never received it; run the command again"
    return Fate(one.commit, one.subject, "", LANDED if landed else LOST, why, one.commit if landed else "")


def _goes_on(session: Session, far: str) -> bool:
    """Return whether all that is here only goes on from what the remote has, so that nothing is decided anew."""
    git, here = session.repository.git, session.repository.tip()
    ends = [(tip, git.ref(tracked(ref))) for ref, tip in _local_branches(git).items()]
    ends += [(here, far), *((here, old) for old in _ended(session).values())]
    return all(old is None or update.is_ancestor(git, old, tip) for tip, old in ends)


def _ended(session: Session) -> dict[str, str]:
    """Return the remote's review branches, as last fetched, whose review has ended on main here."""
    transaction = session.transaction()
    place = tracked(names.review_ref(""))
    found = {ref.removeprefix(place): tip for ref, tip in session.repository.git.refs(place).items()}
    known = {task_id: tip for task_id, tip in found.items() if names.ID.match(task_id)}
    return {names.review_ref(task_id): tip for task_id, tip in known.items() if not transaction.in_review(task_id)}


def _local_branches(git: Git) -> dict[str, str]:
    """Return the review branches here that hold commits which the remote, as last fetched, does not."""
    far = [one for one in (git.ref(update.MAIN),) if one]
    return {
        ref: tip
        for ref, tip in git.refs(names.review_ref("")).items()
        if not any(update.is_ancestor(git, tip, old) for old in (*far, *filter(None, [git.ref(tracked(ref))])))
    }


def _publish_as_it_is(session: Session, mine: list[dict[str, Any]]) -> list[Fate]:
    """Push what goes on from the remote's ledger with its own commits."""
    transaction = session.transaction()
    transaction.attached.update(_attached(session, mine))
    for ref, tip in _local_branches(session.repository.git).items():
        transaction.branches[ref] = (tip, tip)
    for ref in _ended(session):
        transaction.branches[ref] = (None, None)
    push.push(session, transaction)
    return [Fate(one["commit"], one["subject"], one["by"], PUBLISHED, "", one["commit"]) for one in mine]


def _replay(session: Session, far: str, mine: list[dict[str, Any]]) -> list[Fate]:
    repository = session.repository
    branches = _local_branches(repository.git)
    stamp = _keep(session, branches)
    here = _attached(session, mine)
    files = {_digest(session, ref, tree): tree for ref, tree in here.items()}
    transaction = Transaction(repository, session.clock, far, attachments=files)
    for ref in branches:
        transaction.found[ref] = _as_far_as_it_holds(session, transaction, ref)
    judge = Judge(transaction.objects, repository.index)
    fates = Replay(transaction, judge, _published_ids(repository.git, far)).all(mine)
    for ref, tip in branches.items():
        if ref not in transaction.branches:
            transaction.branches[ref] = (tip, transaction.found[ref])
    # the record is written before main here moves, so that a crash does not lose it
    publication.finish(session, transaction, lambda: _record(session, stamp, fates))
    gone = [
        (ref, tree) for ref, tree in here.items() if ref not in transaction.attached
    ]  # their submission was dropped
    move_refs(repository, (), gone, "opsgit", "opsgit sync")
    return fates


def _attached(session: Session, mine: list[dict[str, Any]]) -> dict[str, str]:
    """Return the attachments here of the submissions among some operations: each ref with its tree (hex id)."""
    found = {}
    repository = session.repository
    for one in (one for one in mine if one["op"] in SUBMITS):
        task_id = one["subject"].partition(":")[0]
        task = repository.reader(repository.objects(), one["commit"]).record(names.task_path(task_id)) or {}
        ref = names.attachment_ref(task_id, from_record(Submission, task["submission"]).version)
        tree = repository.git.ref(ref)
        if tree:
            found[ref] = tree
    return found


def _digest(session: Session, ref: str, tree: str) -> str:
    return attachment.digest(session.repository.objects(), tree, attachment.ANY)


def _as_far_as_it_holds(session: Session, transaction: Transaction, ref: str) -> str | None:
    """Return the newest commit of a review branch at the remote up to which it holds (hex id), or None.

    The words that were made here are decided on it.
    """
    there, task_id = session.repository.git.ref(tracked(ref)), ref.removeprefix(names.review_ref(""))
    if there is None or not transaction.in_review(task_id):
        return there
    return trust.held(transaction, task_id, there, session.notices, fetched=True)


def _published_ids(git: Git, far: str) -> dict[tuple[str, str], str]:
    """Return what each operation at the remote that main here lacks is about, by its id and agent."""
    form = "--format=%(trailers:key=Opsgit-Id,valueonly,separator=)%x1f%an%x1f%s"
    out = git.run("log", form, far, "--glob=refs/remotes/origin/review/*", "--not", names.MAIN)
    found = (line.split("\x1f") for line in out.decode("utf-8", "replace").splitlines())
    return {(one[0], one[1]): one[2].partition(": ")[0].rpartition(" ")[2] for one in found if len(one) == 3}


def _keep(session: Session, branches: dict[str, str]) -> str:
    """Keep the old commits under refs/opsgit/kept/<time>/, so that nothing that was made here is lost.

    :returns: the part of the name that stands for the time.
    """
    repository = session.repository
    heads = {names.MAIN: repository.tip(), **branches}
    moment = times.text(int(session.clock())).replace(":", "").replace("-", "")
    number = 0
    while True:
        stamp = f"{moment}-{number:02}"
        kept = {f"{KEPT}{stamp}/{ref.removeprefix('refs/heads/')}": tip for ref, tip in heads.items()}
        there = {ref: repository.git.ref(ref) for ref in kept}
        if all(there[ref] in (None, tip) for ref, tip in kept.items()):
            break
        number += 1
    zero = "0" * len(repository.tip())
    moves = [(ref, tip, zero) for ref, tip in kept.items() if there[ref] is None]
    move_refs(repository, moves, (), "opsgit", "opsgit sync")
    return stamp


def _record(session: Session, stamp: str, fates: list[Fate]) -> None:
    folder = session.repository.own / "syncs"
    folder.mkdir(exist_ok=True)
    document = {"at": stamp, "operations": [one._asdict() for one in fates]}
    put(folder / f"{stamp}.json", json.dumps(document).encode(), durable=True)
    sync_folder(folder)


def log(session: Session) -> list[dict[str, Any]]:
    """Return what earlier syncs decided anew, oldest first: `at`, and the fate of each operation."""
    files = sorted((session.repository.own / "syncs").glob("*.json"))
    return [json.loads(file.read_bytes()) for file in files]


def undo(session: Session) -> None:
    """Put main and the review branches back to where they were before the last sync that decided operations anew.

    What that sync published stays published, and the next sync knows it by its id; it tries the others again.

    :raises Refused: `NOT_FOUND` if there was no such sync; `UNSYNCED` if there are other unpublished operations now.
    """
    repository = session.repository
    with repository.lock():
        update.refuse_unfinished(repository)
        done = log(session)
        if not done:
            refuse("NOT_FOUND", "no sync has decided operations anew here", "opsgit sync --log")
        if status.ahead(repository):
            refuse("UNSYNCED", "there are operations here that are not published", "opsgit sync")
        place = f"{KEPT}{done[-1]['at']}/"
        zero = "0" * len(repository.tip())
        heads = [(ref.replace(place, "refs/heads/"), tip) for ref, tip in repository.git.refs(place).items()]
        moves = [(ref, tip, repository.git.ref(ref) or zero) for ref, tip in heads if repository.git.ref(ref) != tip]
        move_refs(repository, moves, (), "opsgit", "opsgit sync --undo")
        (repository.own / "syncs" / f"{done[-1]['at']}.json").unlink()
        update.show(session, repository.tip())
        refresh.after(session, repository.tip())


def _outcomes(session: Session) -> list[Fate]:
    """Publish the results of commands that ran here."""
    fates = []
    for one in outcomes.kept(session.repository):
        said = Fate("", f"{one.request.target}: {one.request.op}", one.request.actor, PUBLISHED)
        try:
            made = write(session, one.request)
            one.drop()
            said = said._replace(commit=made[-1].id)
        except Refused as refused:
            final = outcomes.is_final(refused.refusal)
            why = f"{refused.refusal.code}: {refused.refusal.message}"
            said = said._replace(fate=DROPPED if final else WAITING, why=why)
            if final:
                one.drop()
        fates.append(said)
    return fates
