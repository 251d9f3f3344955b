"""The corpus: each attack with the refusal that it earns. Well signed and well formed unless it is about that."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from opsgit.cli.main import main
from opsgit.domain import names, times
from opsgit.domain.records import Record
from opsgit.domain.request import Edit
from opsgit.storage import sshsig
from opsgit.storage.keys import KeyStore
from opsgit.storage.objects import Entry
from tests.attacks.forge import Doc, Forge, keygen, sign_with
from tests.conftest import git

Attack = Callable[[Forge], object]
CORPUS: dict[str, tuple[str, Attack]] = {}
T1, T2, T3, T4, T5, T6, T7 = (names.task_path(f"T-{n}") for n in range(1, 8))
DEV, QA, Q = "agents/dev.yaml", "agents/qa.yaml", "quotas/q.yaml"
OTHER = "h1:" + "B" * 43 + "="


def attack(code: str) -> Callable[[Attack], Attack]:
    def keep(function: Attack) -> Attack:
        CORPUS[function.__name__] = (code, function)
        return function

    return keep


def many(code: str, name: str, variants: dict[str, Attack]) -> None:
    for variant, function in variants.items():
        CORPUS[f"{name}: {variant}"] = (code, function)


def title(forge: Forge, by: str = "orchestrator", **more: Any) -> str:
    """An honest edit of T-6 but for what `more` says."""

    def change(task: Doc) -> None:
        task["title"] = "new"
        if by not in task["contributors"]:
            task["contributors"].append(by)

    return forge.act("task.edit", by, T6, change, "T-6: edit", **more)


def sets(**fields: Any) -> Callable[[Doc], None]:
    return lambda record: record.update(fields)


# --- identity and keys --------------------------------------------------------------------------------------------


def resigned(forge: Forge, spoil: Callable[[bytes], bytes]) -> str:
    """An honest commit whose bytes are changed, and signed again over the changed bytes."""

    def again(raw: bytes) -> bytes:
        head, _, rest = raw.partition(b"gpgsig ")
        body = rest[rest.index(b"-----END SSH SIGNATURE-----\n") + 28 :]
        unsigned = spoil(head + body)
        signature = forge.keys.sign("orchestrator", unsigned)
        front, _, text = unsigned.partition(b"\n\n")
        return front + b"\ngpgsig " + signature.rstrip("\n").replace("\n", "\n ").encode() + b"\n\n" + text

    return title(forge, spoil=again)


many("BAD_SIGNATURE", "signature", {
    "none": lambda f: title(f, spoil=lambda raw: raw[: raw.index(b"gpgsig")] + raw[raw.index(b"END SSH SIGNATURE-----\n") + 23 :]),
    "another agent's key": lambda f: title(f, key="dev"),
    "another orchestrator's key": lambda f: title(f, key="boss2"),
    "a key that nobody has": lambda f: (KeyStore("x" * 32).make("m"), title(f, sign=lambda b: KeyStore("x" * 32).sign("m", b))),
    "wrong namespace": lambda f: title(f, namespace="file"),
    "proof namespace": lambda f: title(f, namespace=sshsig.PROOF),
    "pasted from another commit": lambda f: title(f, sign=lambda _: f.parsed(f.tip()).signature),
    "an unknown author": lambda f: f.act("task.comment", "mallory", T6, lambda t: t.update(comments=[{"by": "mallory", "at": f.at(), "text": "x"}]),
                                         "T-6: comment", sign=lambda b: f.keys.sign("orchestrator", b)),
    "of the message alone": lambda f: title(f, sign=lambda b: f.keys.sign("orchestrator", b.partition(b"\n\n")[2])),
    "sha256 inside": lambda f: title(f, sign=lambda b: sign_with(f.keys.path("orchestrator"), b, "-O", "hashalg=sha256")),
    "an ecdsa key": lambda f: title(f, sign=lambda b: sign_with(keygen(f.path.parent, "ecdsa"), b)),
    "an rsa key": lambda f: title(f, sign=lambda b: sign_with(keygen(f.path.parent, "rsa"), b)),
    "malleated": lambda f: title(f, sign=lambda b: malleated(f, b)),
    "forged by a removed agent": lambda f: (remove(f, "dev2"), title(f, "dev2"))[1],
    "by a retired key": lambda f: (retired(f), title(f, "dev2", key="dev2.retired-1"))[1],
    "by the key that the commit brings": lambda f: adds_itself(f),
    "re-wrapped": lambda f: title(f, sign=lambda b: rewrapped(f.keys.sign("orchestrator", b))),
})  # fmt: skip


def malleated(forge: Forge, data: bytes) -> str:
    """S + L: the same equation, other bytes."""
    text = forge.keys.sign("orchestrator", data)
    blob = bytearray(base64.b64decode("".join(text.split("\n")[1:-2])))
    order = 2**252 + 27742317777372353535851937790883648493
    blob[-32:] = ((int.from_bytes(blob[-32:], "little") + order) % 2**256).to_bytes(32, "little")
    packed = base64.b64encode(bytes(blob)).decode()
    return "\n".join(
        [
            "-----BEGIN SSH SIGNATURE-----",
            *(packed[i : i + 70] for i in range(0, len(packed), 70)),
            "-----END SSH SIGNATURE-----",
            "",
        ]
    )


def rewrapped(text: str) -> str:
    packed = "".join(text.split("\n")[1:-2])
    return f"-----BEGIN SSH SIGNATURE-----\n{packed}\n-----END SSH SIGNATURE-----\n"


def remove(forge: Forge, name: str) -> str:
    return forge.act(
        "agent.remove", "orchestrator", f"agents/{name}.yaml", sets(status="removed"), f"agent {name}: removed"
    )


def proved(forge: Forge, name: str, held: str) -> Doc:
    line = forge.keys.make(held)
    proof = sshsig.compact(forge.keys.sign(held, sshsig.proof_text(forge.identity, name, line), sshsig.PROOF))
    return {"key": line, "state": "active", "added": forge.at(), "proof": proof}


def retired(forge: Forge) -> None:
    """An honest rotation of dev2's key."""
    forge.keys.make_next("dev2")
    fresh = proved(forge, "dev2", "dev2.next")

    def change(agent: Doc) -> None:
        agent["keys"] = [{**agent["keys"][0], "state": "retired"}, fresh]

    forge.act("agent.rotate", "dev2", "agents/dev2.yaml", change, "agent dev2: key rotated")
    forge.keys.promote("dev2")


def newcomer(forge: Forge, by: str = "orchestrator", name: str = "new", held: str = "new", **fields: Any) -> str:
    record = {
        "name": name,
        "role": "developer",
        "kind": "agent",
        "status": "active",
        "keys": [proved(forge, name, held)],
        **fields,
    }
    more = {"key": "new"} if by == "new" else {}
    return forge.act("agent.add", by, f"agents/{name}.yaml", record, f"agent {name}: added", **more)


def adds_itself(forge: Forge) -> str:
    return newcomer(forge, "new", role="orchestrator")


many("BAD_COMMIT", "form", {
    "another's address": lambda f: title(f, email=f"boss2@{f.identity}"),
    "an address of its own choice": lambda f: title(f, email="o@example.org"),
    "committer is another": lambda f: resigned(f, lambda b: b.replace(b"committer orchestrator", b"committer boss2")),
    "committed at another time": lambda f: resigned(f, lambda b: b.replace(b" +0000\n\n", b" +0100\n\n")),
    "an encoding header": lambda f: resigned(f, lambda b: b.replace(b"\n\n", b"\nencoding latin1\n\n", 1)),
    "a mergetag header": lambda f: resigned(f, lambda b: b.replace(b"\n\n", b"\nmergetag object x\n\n", 1)),
    "a header of its own": lambda f: resigned(f, lambda b: b.replace(b"\n\n", b"\nx-evil yes\n\n", 1)),
    "two signatures": lambda f: title(f, spoil=lambda raw: raw.replace(b"gpgsig ", b"gpgsig " + raw[raw.index(b"gpgsig ") + 7 : raw.index(b"END SSH SIGNATURE-----\n") + 23] + b"gpgsig ", 1)),
    "a NUL in the message": lambda f: resigned(f, lambda b: b + b"\0hidden\n"),
    "not UTF-8": lambda f: resigned(f, lambda b: b + b"\xff\n"),
    "another name for its header": lambda f: title(f, spoil=lambda raw: raw.replace(b"\ngpgsig ", b"\ngpgsig-sha256 ", 1)),
    "a zone that is nowhere": lambda f: resigned(f, lambda raw: raw.replace(b" +0000\n", b" +9900\n")),
    "PGP armour": lambda f: title(f, spoil=lambda raw: raw.replace(b"SSH SIGNATURE", b"PGP SIGNATURE")),
    "older than its parent": lambda f: title(f, at=f.time(f.tip()) - 60),
    "a time like 007": lambda f: resigned(f, lambda b: b.replace(b"> ", b"> 0")),
    "no committer": lambda f: resigned(f, lambda b: b"\n".join(l for l in b.split(b"\n") if not l.startswith(b"committer"))),
    "author twice": lambda f: resigned(f, lambda b: b.replace(b"author", b"author x <x@x> 1 +0000\nauthor", 1)),
})  # fmt: skip
many("KEY_TAKEN", "keys", {
    "an agent with another's key": lambda f: newcomer(f, held="dev", name="new"),
    "a retired key that comes back": lambda f: (retired(f), newcomer(f, held="dev2.retired-1"))[1],
})  # fmt: skip
many("BAD_KEY", "keys", {
    "without proof": lambda f: newcomer(f, keys=[{**proved(f, "new", "new"), "proof": "AAAA"}]),
    "with another's proof": lambda f: newcomer(f, keys=[{**proved(f, "new", "new"), "proof": proved(f, "other", "new")["proof"]}]),
    "proved in the git namespace": lambda f: newcomer(f, keys=[{**proved(f, "new", "new"), "proof": sshsig.compact(
        f.keys.sign("new", sshsig.proof_text(f.identity, "new", f.keys.make("new")), "git"))}]),
    "rotated to a key that is not proved": lambda f: f.act("agent.rotate", "dev", DEV, lambda a: a.update(keys=[
        {**a["keys"][0], "state": "retired"}, {**proved(f, "dev", "fresh"), "proof": "AAAA"}]), "agent dev: key rotated"),
})  # fmt: skip
many("NOT_YOURS", "keys", {
    "qa rotates dev's": lambda f: f.act("agent.rotate", "qa", DEV, lambda a: a.update(keys=[
        {**a["keys"][0], "state": "retired"}, proved(f, "dev", "fresh")]), "agent dev: key rotated"),
    "qa retires dev's": lambda f: f.act("agent.retire-key", "qa", DEV, lambda a: a["keys"][0].update(state="retired"), "agent dev: key retired"),
})  # fmt: skip
many("RIGHT_MISSING", "agents", {
    "a developer adds an agent": lambda f: newcomer(f, "dev"),
    "a developer makes itself an orchestrator": lambda f: f.act("agent.edit", "dev", DEV, sets(role="orchestrator"), "agent dev: edited"),
    "a reviewer removes an agent": lambda f: f.act("agent.remove", "qa", DEV, sets(status="removed"), "agent dev: removed"),
    "a developer says that keys are compromised": lambda f: f.act("agent.compromise", "dev", QA,
        lambda a: a["keys"][0].update(state="compromised", since=[f.tip()]), "agent qa: keys compromised"),
})  # fmt: skip
many("EXCLUSIVE_ROLES", "agents", {
    "an orchestrator becomes a reviewer": lambda f: f.act("agent.edit", "orchestrator", "agents/boss2.yaml", sets(role="reviewer"), "agent boss2: edited"),
    "a developer is made an orchestrator": lambda f: f.act("agent.edit", "orchestrator", DEV, sets(role="orchestrator"), "agent dev: edited"),
    "an observer is promoted": lambda f: f.act("agent.edit", "orchestrator", "agents/eye.yaml", sets(role="orchestrator"), "agent eye: edited"),
})  # fmt: skip
many("ID_TAKEN", "agents", {
    "named like a role": lambda f: newcomer(f, name="reviewer"),
    "a task that differs only in case": lambda f: f.act("task.add", "orchestrator", "tasks/t6/t-6.yaml", {**f.record(T6), "id": "t-6", "status": "backlog"}, "t-6: new → backlog"),
})  # fmt: skip


@attack("UNKNOWN_ROLE")
def a_role_that_is_not_there(forge: Forge) -> object:
    return newcomer(forge, role="wizard")


@attack("LAST_ORCHESTRATOR")
def the_last_orchestrator_goes(forge: Forge) -> object:
    remove(forge, "boss2")
    return remove(forge, "orchestrator")


@attack("COMPROMISED_KEY")
def a_compromised_key_behind_its_cut_off(forge: Forge) -> object:
    cut = forge.tip()
    forge.act(
        "task.comment",
        "dev2",
        T6,
        lambda t: t.update(comments=[{"by": "dev2", "at": forge.at(), "text": "x"}]),
        "T-6: comment",
    )
    change = lambda a: a["keys"][0].update(state="compromised", since=[cut])  # noqa: E731
    return forge.act("agent.compromise", "orchestrator", "agents/dev2.yaml", change, "agent dev2: keys compromised")


def says(by: str, at: str, text: str = "x", **more: Any) -> Callable[[Doc], None]:
    """A comment in a review, as the rule book writes it but for what `more` says."""

    def change(task: Doc) -> None:
        comments = task["review"].setdefault("comments", [])
        comments.append(
            {"id": f"{task['review']['round']}-{len(comments) + 1}", "by": by, "at": at, "text": text, **more}
        )

    return change


@attack("COMPROMISED_KEY")
def a_compromised_key_on_a_branch_that_forked_before(forge: Forge) -> object:
    fork = forge.tip()
    change = lambda a: a["keys"][0].update(state="compromised", since=[fork])  # noqa: E731
    forge.act("agent.compromise", "orchestrator", "agents/eye2.yaml", change, "agent eye2: keys compromised")
    return forge.branch("review.comment", "eye2", "M-1", says("eye2", forge.at(fork), "x"),
                        ledger=fork, at=forge.time(fork))  # fmt: skip


@attack("WRONG_REF")
def replayed_from_a_fork(forge: Forge) -> object:
    return title(forge, text=lambda t: t.replace(forge.identity, "0" * 32))


@attack("WRONG_REF")
def made_for_another_branch(forge: Forge) -> object:
    return title(forge, text=lambda t: t.replace("refs/heads/main", "refs/heads/other"))


@attack("BAD_SIGNATURE")
def re_parented(forge: Forge) -> object:
    """An honest commit once more on another parent, with its own signature."""
    first = title(forge)
    signature = forge.parsed(first).signature
    forge.commit(
        forge.objects.root(first), (first,), forge.parsed(first).message, "orchestrator", sign=lambda _: signature
    )
    return None


# --- rules --------------------------------------------------------------------------------------------------------


def approved(
    forge: Forge, by: str, task: str = "T-1", stage: int = 1, digest: str | None = None, number: int = 1
) -> Callable[[Doc], None]:
    def change(record: Doc) -> None:
        at = forge.at()
        mark = {"stage": stage, "by": by, "at": at, "round": number, "digest": digest or record["submission"]["digest"]}
        record["review"].setdefault("sign_offs", []).append(mark)
        review = {"round": record["review"]["round"]}
        for key in ("request", "sign_offs", "comments"):
            if key in record["review"]:
                review[key] = record["review"][key]
        record["review"] = {**review, "verdict": {"outcome": "approved", "by": by, "at": at}}
        record["status"] = "done"

    return change


def role(forge: Forge, name: str, to: str) -> None:
    forge.act("agent.edit", "orchestrator", f"agents/{name}.yaml", sets(role=to), f"agent {name}: edited")


many("SELF_REVIEW", "judging one's own", {
    "the author approves": lambda f: f.merge("review.approve", "dev", "T-1", approved(f, "dev"), "done"),
    "a contributor whose role was changed": lambda f: (role(f, "dev", "reviewer"), f.merge("review.approve", "dev", "T-1", approved(f, "dev"), "done"))[1],
})  # fmt: skip
many("RIGHT_MISSING", "judging", {
    "the orchestrator approves": lambda f: f.merge("review.approve", "orchestrator", "T-1", approved(f, "orchestrator"), "done"),
    "a developer approves": lambda f: f.merge("review.approve", "dev2", "T-1", approved(f, "dev2"), "done"),
    "an observer rejects": lambda f: f.merge("review.reject", "eye", "T-1", sets(status="rejected"), "rejected", note="no"),
    "a deployer approves": lambda f: f.merge("review.approve", "ship", "T-1", approved(f, "ship"), "done"),
})  # fmt: skip
many("STAGE_OPEN", "judging", {
    "the last stage before the first": lambda f: f.merge("review.approve", "qa2", "M-1", approved(f, "qa2", "M-1", 2), "done"),
})  # fmt: skip
many("NOT_IN_PIPELINE", "judging", {
    "somebody else's stage": lambda f: f.branch("review.sign-off", "qa2", "M-1", signed(f, "qa2", 1)),
})  # fmt: skip
many(
    "STALE",
    "judging",
    {"another round": lambda f: f.merge("review.approve", "qa", "T-1", approved(f, "qa", number=2), "done")},
)
many("DELIVERABLE_CHANGED", "judging", {
    "another digest": lambda f: f.merge("review.approve", "qa", "T-1", approved(f, "qa", digest=OTHER), "done"),
    "signing another digest": lambda f: f.branch("review.sign-off", "qa", "M-1", signed(f, "qa", 1, OTHER)),
})  # fmt: skip
many(
    "REASON_REQUIRED",
    "judging",
    {
        "rejecting without a reason": lambda f: f.merge(
            "review.reject", "qa", "T-1", rejected(f, "qa", None), "rejected"
        )
    },
)
many("STAGES_DONE", "judging", {"signing off the last stage": lambda f: (f.branch("review.sign-off", "qa", "M-1", signed(f, "qa", 1)),
                                                                    f.branch("review.sign-off", "qa2", "M-1", signed(f, "qa2", 2)))[1]})  # fmt: skip


def signed(forge: Forge, by: str, stage: int, digest: str | None = None) -> Callable[[Doc], None]:
    def change(task: Doc) -> None:
        review = task["review"]
        marks = [*review.get("sign_offs", []),
                 {"stage": stage, "by": by, "at": forge.at(), "round": 1, "digest": digest or task["submission"]["digest"]}]  # fmt: skip
        rest = {key: review[key] for key in ("comments",) if key in review}
        head = {key: review[key] for key in ("round", "request") if key in review}
        task["review"] = {**head, "sign_offs": marks, **rest}

    return change


def rejected(forge: Forge, by: str, reason: str | None) -> Callable[[Doc], None]:
    def change(task: Doc) -> None:
        verdict = {"outcome": "rejected", "by": by, "at": forge.at(), **({"reason": reason} if reason else {})}
        task["review"] = {**task["review"], "verdict": verdict}
        task["status"] = "rejected"
        ordered = {k: v for k, v in task.items() if k not in ("review", "deployment", "comments")}
        rest = {k: task[k] for k in ("review", "deployment", "comments") if k in task}
        task.clear()
        task.update(ordered, rejected=[ordered["submission"]["digest"]], **rest)

    return change


def step(op: str, by: str, path: str, frm: str, to: str, **fields: Any) -> Attack:
    task = names.place(path).name
    return lambda f: f.act(op, by, path, sets(status=to, **fields), f"{task}: {frm} → {to}")


many("ILLEGAL_TRANSITION", "skipped", {
    "assigned to review": step("task.submit", "dev", T6, "assigned", "review", submission={"round": 1, "deliverable": "/x", "digest": OTHER, "at": "2026-01-01T00:00:00Z"}, review={"round": 1}),
    "assigned to done": step("review.approve", "qa", T6, "assigned", "done", review={"round": 1, "sign_offs": [{"stage": 1, "by": "qa", "at": "2026-01-01T00:00:00Z", "round": 1, "digest": OTHER}]}),
    "backlog to in-progress": step("task.start", "dev", T5, "backlog", "in-progress"),
    "assigned to deployed": step("task.deploy-finish", "ship", T6, "assigned", "deployed", deployment={"state": "deployed", "by": "ship", "digest": OTHER, "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z", "evidence": "attested"}),
    "deployed to cancelled": step("task.cancel", "orchestrator", T3, "deployed", "cancelled"),
    "done to in-progress": step("task.start", "dev", T2, "done", "in-progress"),
})  # fmt: skip
many("NOT_ASSIGNEE", "another's task", {
    "started": step("task.start", "dev2", T6, "assigned", "in-progress"),
    "progress": lambda f: f.act("task.progress", "dev2", T4, sets(progress={"note": "x", "at": f.at()}), "T-4: progress"),
    "submitted": step("task.submit", "dev2", T4, "in-progress", "review", submission={"round": 1, "deliverable": "/x", "digest": OTHER, "at": "2026-01-01T00:00:00Z"}, review={"round": 1}),
    "withdrawn": lambda f: f.merge("review.withdraw", "dev2", "T-1", sets(status="in-progress"), "in-progress"),
    "revised": lambda f: f.branch("review.revise", "dev2", "T-1", lambda t: t["submission"].update(digest=OTHER)),
})  # fmt: skip
many(
    "ALREADY_CLAIMED",
    "another's task",
    {"claimed": step("task.claim", "dev2", T6, "assigned", "assigned", assigned="dev2")},
)
many("RIGHT_MISSING", "orchestrating", {
    "a developer assigns": lambda f: f.act("task.assign", "dev2", T5, sets(status="assigned", assigned="dev2", contributors=["dev2"]), "T-5: backlog → assigned"),
    "a developer cancels": step("task.cancel", "dev", T6, "assigned", "cancelled"),
    "a reviewer releases": step("task.release", "qa", T6, "assigned", "backlog"),
    "an observer sets the policy": lambda f: policy(f, b"\nidentity:\n  explicit: true\n", "identity", by="eye"),
    "a developer edits a gate": lambda f: managed(f, {"gates/deploy.sh": b"#!/bin/sh\n"}, by="dev"),
    "a developer sets a quota": lambda f: f.act("quota.set", "dev", Q, sets(limit=99), "quota q: set"),
    "a developer raises an alert": lambda f: f.act("alert.raise", "dev", "alerts/A-2.yaml", alert(f, "dev"), "alert A-2: raised"),
    "a deployer abandons": lambda f: f.act("task.deploy-abandon", "ship", T2, sets(tags=["b"]), "T-2: deploy abandoned"),
    "an imported task of one's own": lambda f: f.act("task.import", "dev", "tasks/i1/I-1.yaml", {**fresh(f, "I-1"), "imported": {"status": "backlog"}}, "I-1: imported → backlog"),
})  # fmt: skip
CORPUS["another's task: released by a reviewer"] = ("NOT_ASSIGNEE", CORPUS.pop("orchestrating: a reviewer releases")[1])


def policy(
    forge: Forge, more: bytes, keys: str, by: str = "orchestrator", edit: Callable[[bytes], bytes] | None = None
) -> str:
    content = forge.objects.need(forge.objects.entry(forge.objects.root(forge.tip()), "ops.yaml").id, "blob").content
    made = edit(content) if edit else content + more
    from opsgit.domain.request import Edit

    edits = (Edit("ops.yaml", content=made),)
    words = forge.text("project.set", by, "", f"project: set {keys}", edits, names.MAIN, None, "", "")
    return forge.commit(forge.files({"ops.yaml": made}, forge.tip()), (forge.tip(),), words, by)


def managed(forge: Forge, files: dict[str, Any], by: str = "orchestrator", op: str = "file.set") -> str:
    from opsgit.domain.request import Edit

    edits = tuple(Edit(path, content=c[1] if isinstance(c, tuple) else c) for path, c in sorted(files.items()))
    words = forge.text(op, by, "", f"files: {', '.join(sorted(files))}", edits, names.MAIN, None, "", "")
    return forge.commit(forge.files(files, forge.tip()), (forge.tip(),), words, by)


def fresh(forge: Forge, task: str, by: str = "orchestrator") -> Record:
    return {"id": task, "title": "t", "status": "backlog", "priority": "medium", "pipeline": forge.record(T6)["pipeline"],
            "created": forge.at(), "created_by": by}  # fmt: skip


def alert(forge: Forge, by: str, **fields: Any) -> Record:
    return {
        "id": "A-2",
        "message": "m",
        "severity": "warning",
        "task": "T-3",
        "status": "open",
        "raised": forge.at(),
        "raised_by": by,
        **fields,
    }


def born(**fields: Any) -> Attack:
    def make(forge: Forge) -> str:
        record = {**fresh(forge, "N-1"), **fields}
        known = ["id", "title", "description", "status", "priority", "tags", "pipeline", "assigned", "depends_on", "created", "created_by",
                 "imported", "contributors", "progress", "submission", "rejected", "review", "deployment", "comments"]  # fmt: skip
        return forge.act(
            "task.add",
            "orchestrator",
            "tasks/n1/N-1.yaml",
            {k: record[k] for k in known if k in record},
            f"N-1: new → {record['status']}",
        )

    return make


many("CONTENT_MISMATCH", "born", {
    "done": born(status="done"),
    "deployed": born(status="deployed"),
    "assigned without saying so": born(status="backlog", contributors=["dev2"]),
    "with a submission": born(submission={"round": 1, "deliverable": "/x", "digest": OTHER, "at": "2026-01-01T00:00:00Z"}),
    "approved": born(review={"round": 1, "verdict": {"outcome": "approved", "by": "qa", "at": "2026-01-01T00:00:00Z"}}),
    "with comments": born(comments=[{"by": "qa", "at": "2026-01-01T00:00:00Z", "text": "fine"}]),
    "by somebody else": born(created_by="dev"),
    "long ago": born(created="2020-01-01T00:00:00Z"),
    "in the future": born(created="2099-01-01T00:00:00Z"),
    "imported": born(imported={"status": "done"}),
})  # fmt: skip
many("CONTENT_MISMATCH", "rewritten", {
    "created_by": lambda f: title_and(f, created_by="dev"),
    "created": lambda f: title_and(f, created="2020-01-01T00:00:00Z"),
    "contributors": lambda f: title_and(f, contributors=[]),
    "a pre-filled deployment": lambda f: title_and(f, deployment={"state": "deployed", "by": "ship", "digest": OTHER, "started": f.at(), "evidence": "attested"}),
    "somebody's comment": lambda f: f.act("task.comment", "eye", T4, lambda t: t.update(comments=[{**t["comments"][0], "text": "two"}, {"by": "eye", "at": f.at(), "text": "x"}]), "T-4: comment"),
    "a comment in another's name": lambda f: f.act("task.comment", "eye", T4, lambda t: t["comments"].append({"by": "qa", "at": f.at(), "text": "x"}), "T-4: comment"),
    "a start that edits too": lambda f: f.act("task.start", "dev", T6, sets(status="in-progress", title="easier"), "T-6: assigned → in-progress"),
    "a start that picks a pipeline": lambda f: f.act("task.start", "dev", T6, lambda t: (t.update(status="in-progress"), t["pipeline"].pop(1), t["pipeline"].insert(1, {"agent": "qa2"})), "T-6: assigned → in-progress"),
    "an alert that is resolved at birth": lambda f: f.act("alert.raise", "eye", "alerts/A-2.yaml", alert(f, "eye", status="resolved"), "alert A-2: raised"),
    "an alert in another's name": lambda f: f.act("alert.raise", "eye", "alerts/A-2.yaml", alert(f, "eye2"), "alert A-2: raised"),
    "a metric in another's name": lambda f: f.act("metric.set", "eye", "metrics/m.yaml", sets(value=2, by="eye2"), "metric m: set"),
    "an agent's edit that swaps a key": lambda f: f.act("agent.edit", "orchestrator", DEV, lambda a: (a.update(kind="human"), a["keys"][0].update(key=f.keys.make("evil"))), "agent dev: edited"),
    "a removal that changes the role": lambda f: f.act("agent.remove", "orchestrator", DEV, sets(status="removed", role="observer"), "agent dev: removed"),
})  # fmt: skip


def title_and(forge: Forge, **fields: Any) -> str:
    def change(task: Doc) -> None:
        task["title"] = "new"
        task["contributors"] = [*task["contributors"], "orchestrator"]
        for key, value in fields.items():
            task[key] = value
        if not task["contributors"]:
            del task["contributors"]

    return forge.act("task.edit", "orchestrator", T6, change, "T-6: edit")


many("NOTHING_CHANGES", "no operation", {
    "an edit of nothing but contributors": lambda f: f.act("task.edit", "orchestrator", T6, lambda t: t["contributors"].append("orchestrator"), "T-6: edit"),
})  # fmt: skip
many("CONTENT_MISMATCH", "two or none", {
    "two tasks in one": lambda f: title(f, extra={T7: f.emitted(T7, {**f.record(T7), "title": "too"})}),
    "an agent beside": lambda f: title(f, extra={DEV: f.emitted(DEV, {**f.record(DEV), "role": "reviewer"})}),
    "a task deleted": lambda f: deleted(f, T6),
    "an agent deleted": lambda f: deleted(f, DEV),
    "ops.yaml deleted": lambda f: deleted(f, "ops.yaml"),
    "nothing": lambda f: f.commit(f.objects.root(f.tip()), (f.tip(),), f.parsed(f.tip()).message, "qa"),
    "review words on the ledger's op": lambda f: f.act("agent.edit", "orchestrator", T6, sets(title="x"), "agent T-6: edited"),
})  # fmt: skip


def deleted(forge: Forge, path: str) -> str:
    from opsgit.domain.request import Edit

    words = forge.text("task.edit", "orchestrator", "T-6", "T-6: edit", (Edit(path, None),), names.MAIN, None, "", "")
    return forge.commit(forge.files({path: None}, forge.tip()), (forge.tip(),), words, "orchestrator")


many("IN_REVIEW", "while in review", {
    "edited on the ledger": lambda f: f.act("task.edit", "orchestrator", T1, sets(title="x"), "T-1: edit"),
    "commented on the ledger": lambda f: f.act("task.comment", "eye", T1, sets(comments=[{"by": "eye", "at": f.at(), "text": "x"}]), "T-1: comment"),
    "reassigned": lambda f: f.act("task.assign", "orchestrator", T1, sets(status="assigned", assigned="dev2"), "T-1: review → assigned"),
})  # fmt: skip
many(
    "REASON_REQUIRED",
    "reopening",
    {
        "without a reason": lambda f: f.act(
            "task.assign", "orchestrator", T2, sets(status="assigned"), "T-2: done → assigned"
        )
    },
)
many(
    "NOT_CREATOR",
    "editing",
    {"another's task in backlog": lambda f: f.act("task.edit", "qa", T5, sets(title="mine"), "T-5: edit")},
)
many("RIGHT_MISSING", "editing", {
    "the creator picks an easier pipeline": lambda f: f.act("task.edit", "eye", T5, sets(pipeline=[{"agent": "dev"}, {"agent": "qa"}, {"agent": "ship"}]), "T-5: edit"),
    "a pipeline at birth": lambda f: f.act("task.add", "dev", "tasks/n1/N-1.yaml", {**fresh(f, "N-1", "dev"), "pipeline": [{"agent": "dev"}, {"agent": "qa"}, {"agent": "ship"}]}, "N-1: new → backlog"),
})  # fmt: skip
many("BAD_PIPELINE", "editing", {
    "no reviewer": lambda f: f.act("task.edit", "orchestrator", T6, lambda t: t.update(pipeline=[{"role": "developer"}, {"role": "developer"}, {"role": "deployer"}]), "T-6: edit"),
    "a stage named like a later agent": lambda f: f.act("task.edit", "orchestrator", T6, lambda t: t.update(pipeline=[{"role": "developer"}, {"agent": "later"}, {"role": "deployer"}]), "T-6: edit"),
})  # fmt: skip
many("BAD_PIPELINE", "typed", {
    "a role stored as an agent": lambda f: f.act("task.edit", "orchestrator", T6, lambda t: (t.update(pipeline=[{"role": "developer"}, {"role": "qa"}, {"role": "deployer"}]), t["contributors"].append("orchestrator")), "T-6: edit"),
})  # fmt: skip


def deployment(forge: Forge, **fields: Any) -> Doc:
    digest = forge.record(T2)["submission"]["digest"]
    return {"state": "started", "by": "ship", "digest": digest, "started": forge.at(), **fields}


def deploying(forge: Forge, by: str = "ship", **fields: Any) -> str:
    return forge.act("task.deploy-start", by, T2, sets(deployment=deployment(forge, by=by, **fields)), "T-2: deploying")


def finished(forge: Forge, by: str = "ship", **fields: Any) -> str:
    running = forge.record(T2).get("deployment") or deployment(forge)
    ended = {**running, "state": "deployed", "finished": forge.at(), "evidence": "attested", **fields}
    return forge.act("task.deploy-finish", by, T2, sets(status="deployed", deployment=ended), "T-2: done → deployed")


many("DELIVERABLE_CHANGED", "deploying", {
    "another digest": lambda f: deploying(f, digest=OTHER),
    "finishing another digest": lambda f: (deploying(f), finished(f, digest=OTHER))[1],
})  # fmt: skip
many("NO_DEPLOYMENT", "deploying", {"finishing what nobody started": lambda f: finished(f)})
many("NOT_STARTED_BY_YOU", "deploying", {"finishing another's": lambda f: (deploying(f), finished(f, "ship2"))[1]})
many(
    "RIGHT_MISSING",
    "deploying",
    {
        "a reviewer deploys": lambda f: deploying(f, "qa"),
        "an orchestrator deploys": lambda f: deploying(f, "orchestrator"),
    },
)
many("STALE", "deploying", {
    "a command of one's own": lambda f: deploying(f, command=["true"]),
    "another start": lambda f: (deploying(f), finished(f, started="2020-01-01T00:00:00Z"))[1],
})  # fmt: skip
many("CONTENT_MISMATCH", "deploying", {
    "a failure called success": lambda f: (deploying(f), finished(f, evidence="exit 1"))[1],
    "a start that is finished": lambda f: deploying(f, state="deployed"),
})  # fmt: skip
many("DEPLOY_RUNNING", "deploying", {
    "a second start": lambda f: (deploying(f), deploying(f, "ship2"))[1],
    "cancelled meanwhile": lambda f: (deploying(f), f.act("task.cancel", "orchestrator", T2, sets(status="cancelled"), "T-2: done → cancelled"))[1],
})  # fmt: skip


def rolled(forge: Forge, by: str = "ship", reverts: str | None = None, **fields: Any) -> str:
    real = forge.repository.reader(forge.objects, forge.tip()).deploy_commit("T-3")
    undoing = {"by": by, "at": forge.at(), "evidence": "attested", **fields}
    change = lambda t: (t.update(status="rolled-back"), t["deployment"].update(state="rolled-back", rollback=undoing))  # noqa: E731
    return forge.act(
        "task.rollback", by, T3, change, "T-3: deployed → rolled-back", body=f"This reverts commit {reverts or real}."
    )


many("WRONG_REVERT", "rolling back", {"another commit": lambda f: rolled(f, reverts=f.tip())})
many(
    "RIGHT_MISSING",
    "rolling back",
    {"a developer": lambda f: rolled(f, "dev"), "a reviewer": lambda f: rolled(f, "qa")},
)
many("ALERT_REQUIRED", "rolling back", {"an observer without an alert": lambda f: rolled(f, "eye2")})
many("ALERT_UNFIT", "rolling back", {"by one's own alert": lambda f: rolled(f, "eye", alert="A-1")})
many("ROLLBACK_FAILED", "rolling back", {"with a command that failed": lambda f: rolled(f, evidence="exit 1")})
many("CONTENT_MISMATCH", "rolling back", {
    "and restoring rights": lambda f: (remove(f, "dev2"), restoring(f))[1],
})  # fmt: skip


def restoring(forge: Forge) -> str:
    """A revert that brings a removed agent back beside."""
    real = forge.repository.reader(forge.objects, forge.tip()).deploy_commit("T-3")
    undoing = {"by": "ship", "at": forge.at(), "evidence": "attested"}
    change = lambda t: (t.update(status="rolled-back"), t["deployment"].update(state="rolled-back", rollback=undoing))  # noqa: E731
    back = {
        "agents/dev2.yaml": forge.emitted("agents/dev2.yaml", {**forge.record("agents/dev2.yaml"), "status": "active"})
    }
    return forge.act(
        "task.rollback",
        "ship",
        T3,
        change,
        "T-3: deployed → rolled-back",
        body=f"This reverts commit {real}.",
        extra=back,
    )


# --- messages -----------------------------------------------------------------------------------------------------

many("MESSAGE_MISMATCH", "message", {
    "another subject": lambda f: title(f, text=lambda t: t.replace("T-6: edit", "T-6: assigned → done")),
    "a word more": lambda f: title(f, text=lambda t: t.replace("\n\nOpsgit-Op", "\n\nadded\n\nOpsgit-Op") + "\n"),
    "no id": lambda f: title(f, text=lambda t: re.sub("Opsgit-Id: .*\n", "", t)),
    "an id that is none": lambda f: title(f, text=lambda t: re.sub("(Opsgit-Id: ).*", r"\1a b", t)),
    "two ids": lambda f: title(f, text=lambda t: re.sub("(Opsgit-Id: .*\n)", r"\1\1", t)),
    "a trailer twice": lambda f: title(f, text=lambda t: t.replace("Opsgit-Op", "Opsgit-Op: task.edit\nOpsgit-Op", 1)),
    "another digest": lambda f: title(f, text=lambda t: t[:-65] + "0" * 64 + "\n"),
    "trailers in another order": lambda f: title(f, text=lambda t: swapped(t)),
    "a trailer of its own": lambda f: title(f, text=lambda t: t.rstrip("\n") + "\nSigned-off-by: x\n"),
    "no newline at the end": lambda f: title(f, text=lambda t: t.rstrip("\n")),
    "no trailers": lambda f: title(f, text=lambda t: "T-6: edit\n"),
})  # fmt: skip
many("CONTENT_MISMATCH", "message", {
    "an operation that does not exist": lambda f: title(f, text=lambda t: t.replace("task.edit", "task.bless")),
    "another operation": lambda f: title(f, text=lambda t: t.replace("task.edit", "quota.set")),
})  # fmt: skip


def swapped(text: str) -> str:
    head, _, trailers = text.rpartition("\n\n")
    lines = trailers.strip().split("\n")
    return head + "\n\n" + "\n".join(reversed(lines)) + "\n"


# --- history ------------------------------------------------------------------------------------------------------


@attack("CONTENT_MISMATCH")
def an_evil_merge(forge: Forge) -> object:
    more = {
        "agents/dev2.yaml": forge.emitted("agents/dev2.yaml", {**forge.record("agents/dev2.yaml"), "role": "deployer"})
    }
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done", extra=more)


@attack("BAD_MERGE")
def an_octopus(forge: Forge) -> object:
    parents = (forge.tip(), forge.tip("review/T-1"), forge.tip("review/M-1"))
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done", parents=parents)


@attack("BAD_MERGE")
def a_verdict_that_is_no_merge(forge: Forge) -> object:
    return forge.merge(
        "review.approve", "qa", "T-1", approved(forge, "qa"), "done", parents=(forge.tip(),), second=forge.tip()
    )


@attack("WRONG_REF")
def parents_in_the_wrong_order(forge: Forge) -> object:
    return forge.merge(
        "review.approve", "qa", "T-1", approved(forge, "qa"), "done", parents=(forge.tip("review/T-1"), forge.tip())
    )


@attack("CONTENT_MISMATCH")
def a_merge_of_another_tasks_branch(forge: Forge) -> object:
    return forge.merge(
        "review.approve",
        "qa",
        "T-1",
        approved(forge, "qa"),
        "done",
        parents=(forge.tip(), forge.tip("review/M-1")),
        second=forge.tip("review/T-1"),
    )


@attack("IN_REVIEW")
def an_edit_that_is_a_merge(forge: Forge) -> object:
    return forge.merge(
        "task.edit", "orchestrator", "T-1", sets(title="x"), "done", parents=(forge.tip(), forge.tip("review/T-1"))
    )


@attack("BAD_MERGE")
def an_approval_after_a_withdrawal(forge: Forge) -> object:
    """The branch of a round that is over, approved later."""
    old = forge.tip("review/T-1")
    at = forge.at()
    forge.merge("review.withdraw", "dev", "T-1", lambda t: (t.update(status="in-progress"),
                t["review"].update(verdict={"outcome": "withdrawn", "by": "dev", "at": at})), "in-progress")  # fmt: skip
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done", second=old)


@attack("BAD_MERGE")
def an_approval_of_the_round_before(forge: Forge) -> object:
    """The task is in review again; the branch that is merged is of the round that was withdrawn."""
    old, at = forge.tip("review/T-1"), ["-C", str(forge.path)]
    (forge.path.parent / "better").write_text("better")
    for words in (
        ["review", "withdraw", "T-1"],
        ["task", "submit", "T-1", "--output", str(forge.path.parent / "better")],
    ):
        assert main([*at, *words]) == 0
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done", second=old)


@attack("BAD_MERGE")
def a_branch_commit_with_two_parents(forge: Forge) -> object:
    ref, ledger, old = "refs/heads/review/M-1", forge.tip(), forge.tip("review/M-1")
    change = says("eye", forge.at(), "x")
    made = forge.branch("review.comment", "eye", "M-1", change)
    commit = forge.parsed(made)
    return forge.commit(commit.tree, (old, ledger), commit.message, "eye", at=forge.time(ledger), ref=ref)


@attack("BAD_MERGE")
def a_branch_commit_without_a_parent(forge: Forge) -> object:
    change = says("eye", forge.at(), "x")
    commit = forge.parsed(forge.branch("review.comment", "eye", "M-1", change))
    return forge.commit(commit.tree, (), commit.message, "eye", at=forge.time(forge.tip()), ref="refs/heads/review/M-1")


@attack("BAD_MERGE")
def a_branch_judged_by_a_ledger_before_the_fork(forge: Forge) -> object:
    early = git(forge.path, "rev-list", "--first-parent", "--max-count=1", "--skip=12", "main").strip()
    change = says("eye", forge.at(), "x")
    return forge.branch("review.comment", "eye", "M-1", change, ledger=early, at=forge.time(forge.tip()))


def remarked(forge: Forge, by: str, task: str, at: int, **more: Any) -> str:
    """An honest comment on a review branch but for what `more` says."""
    return forge.branch("review.comment", by, task, says(by, times.text(at)), at=at, **more)


@attack("BAD_MERGE")
def a_branch_whose_ledgers_go_back(forge: Forge) -> object:
    """A comment is judged by an older ledger than the comment before it."""
    remarked(forge, "eye", "M-1", forge.time(forge.tip()))
    return remarked(
        forge, "eye2", "M-1", forge.time(forge.tip()), ledger=git(forge.path, "rev-parse", "main~1").strip()
    )


@attack("BAD_MERGE")
def a_verdict_over_words_of_a_ledger_that_is_not_here(forge: Forge) -> object:
    """A merge is whole: nothing of what it merges is still to come."""
    remarked(forge, "eye", "T-1", forge.time(forge.tip()), ledger="1" * 40)
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done")


@attack("BAD_MERGE")
def a_branch_that_begins_after_its_submission(forge: Forge) -> object:
    """The task's file there is as the submission wrote it."""
    return remarked(forge, "eye", "T-1", forge.time(forge.tip()), parent=forge.tip())


@attack("BAD_COMMIT")
def a_verdict_older_than_the_words_that_it_merges(forge: Forge) -> object:
    remarked(forge, "eye", "T-1", forge.time(forge.tip()) + 100)
    at = forge.time(forge.tip())
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done", at=at)


@attack("BAD_MERGE")
def a_branch_judged_by_a_ledger_of_its_own(forge: Forge) -> object:
    """Agents and policy from a commit that is not on the ledger."""
    saved = forge.tip()
    evil = newcomer(forge, name="new", role="reviewer")
    git(forge.path, "update-ref", "refs/heads/main", saved)
    change = says("eye", forge.at(), "x")
    return forge.branch("review.comment", "eye", "M-1", change, ledger=evil)


@attack("CONTENT_MISMATCH")
def a_branch_commit_with_a_file_more(forge: Forge) -> object:
    change = says("eye", forge.at(), "x")
    more = {T7: forge.emitted(T7, {**forge.record(T7), "title": "too"})}
    return forge.branch("review.comment", "eye", "M-1", change, extra=more)


@attack("BAD_MERGE")
def a_comment_on_another_task_in_the_branch(forge: Forge) -> object:
    """Well formed for the other review, but built upon this one."""
    here, words = forge.tip("review/M-1"), {"id": "1-1", "by": "eye", "at": forge.at(), "text": "x"}
    record = forge.changed(T1, lambda t: t.update(review={"round": 1, "comments": [words]}), here)
    edit = Edit(T1, forge.emitted(T1, record), record)
    ref = names.review_ref("T-1")
    text = forge.text("review.comment", "eye", "T-1", "T-1: comment", (edit,), ref, forge.tip(), "", "")
    tree = forge.files({T1: forge.emitted(T1, edit.record or {})}, here)
    return forge.commit(tree, (here,), text, "eye", at=forge.time(forge.tip()), ref=names.review_ref("M-1"))


def about_a_managed_file(forge: Forge, ref: str, ledger: str, *parents: str) -> str:
    lines = [
        f"Opsgit-Op: review.comment\nOpsgit-Repo: {forge.identity} {ref}",
        ledger,
        "Opsgit-Id: x",
        "Opsgit-File: .pre-commit-config.yaml sha256:0",
    ]
    tree = git(forge.path, "rev-parse", f"{parents[0]}^{{tree}}").strip()
    return forge.commit(tree, parents, "x\n\n" + "\n".join(filter(None, lines)) + "\n", "eye", ref=ref)


many("BAD_MERGE", "a review of no task", {
    "a merge": lambda f: about_a_managed_file(f, names.MAIN, "", f.tip(), f.tip("review/T-1")),
    "on a branch": lambda f: about_a_managed_file(f, names.review_ref("T-1"), f"Opsgit-Ledger: {f.tip()}", f.tip("review/T-1")),
})  # fmt: skip


def wordy(task: Doc, forge: Forge) -> None:
    """Comments until no verdict fits into the file any more."""
    for number in range(63):
        says("eye", forge.at(), f"{number} " + "x" * 3900)(task)


@attack("CONTENT_MISMATCH")
def many_comments_at_once(forge: Forge) -> object:
    return forge.branch("review.comment", "eye", "T-1", lambda t: wordy(t, forge))


def talked_full(forge: Forge, by: str) -> object:
    """One comment after the other, until no step of the review would fit into the file."""
    made: object = None
    for number in range(62):
        say = says(by, forge.at(forge.tip("review/M-1")), f"{number} " + "x" * 3900)
        made = forge.branch("review.comment", by, "M-1", say)
    return made


many("COMMENTS_FULL", "a review talked full", {"by an observer": lambda f: talked_full(f, "eye")})
many("FILE_FULL", "a review talked full", {"by its author": lambda f: talked_full(f, "dev")})


@attack("CONTENT_MISMATCH")
def a_review_comment_in_another_name(forge: Forge) -> object:
    return forge.branch(
        "review.comment",
        "eye",
        "M-1",
        says("qa", forge.at(), "lgtm"),
    )


@attack("IN_REVIEW")
def a_deployment_on_the_review_branch(forge: Forge) -> object:
    change = sets(deployment={"state": "started", "by": "ship", "digest": OTHER, "started": "2026-01-01T00:00:00Z"})
    return forge.branch("task.deploy-start", "ship", "T-1", change)


@attack("APPROVAL_VOID")
def an_approval_over_the_sign_off_of_a_removed_agent(forge: Forge) -> object:
    forge.branch("review.sign-off", "qa", "M-1", signed(forge, "qa", 1))
    remove(forge, "qa")
    return forge.merge("review.approve", "qa2", "M-1", approved(forge, "qa2", stage=2), "done")


@attack("APPROVAL_VOID")
def an_approval_of_a_revision_by_somebody_who_lost_the_right(forge: Forge) -> object:
    def revise(task: Doc) -> None:
        task["submission"] = {**task["submission"], "digest": OTHER, "at": forge.at()}

    forge.branch("review.revise", "dev", "T-1", revise)
    role(forge, "dev", "observer")
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done")


@attack("APPROVAL_VOID")
def a_sign_off_of_somebody_who_lost_the_right(forge: Forge) -> object:
    forge.branch("review.sign-off", "qa", "M-1", signed(forge, "qa", 1))
    role(forge, "qa", "developer")
    return forge.merge("review.approve", "qa2", "M-1", approved(forge, "qa2", stage=2), "done")


@attack("BAD_GENESIS")
def a_foreign_root(forge: Forge) -> object:
    """A fresh history without a past, signed by an orchestrator."""
    tip = forge.parsed(forge.tip())
    return forge.commit(tip.tree, (), tip.message, "orchestrator", at=forge.time(forge.tip()))


# --- paths, modes, YAML -------------------------------------------------------------------------------------------


def beside(files: dict[str, Any]) -> Attack:
    return lambda f: title(f, extra=files)


many("WRONG_FILE", "paths", {
    "a stray file": beside({"stray.txt": b"x"}),
    "a stray folder": beside({"tools/x.py": b"x"}),
    "a symlink": beside({"tasks/link": ("120000", b"/etc/passwd")}),
    "a symlink in the place of a task": beside({T7: ("120000", b"/etc/passwd")}),
    "executable YAML": beside({T7: ("100755", b"id: T-7\n")}),
    "a submodule": lambda f: submodule(f),
    "a task in another's folder": beside({"tasks/zz/T-7.yaml": b"id: T-7\n"}),
    "a task without an ending": beside({"tasks/t7/T-7": b"x"}),
    "an agent with a capital": beside({"agents/Dev.yaml": b"x"}),
    "hooks in the tree": beside({".git-hooks/pre-commit": b"x"}),
    ".gitmodules": beside({".gitmodules": b"x"}),
    "compiled state": beside({"state.json": b"{}"}),
    "a folder in gates that is .git": beside({"gates/.GIT/config": b"x"}),
    "a symlink in gates": beside({"gates/x": ("120000", b"/etc")}),
    "executable README": lambda f: managed(f, {"README.md": ("100755", b"x")}),
})  # fmt: skip


def submodule(forge: Forge) -> str:
    tree = forge.objects.replaced(forge.objects.root(forge.tip()), {"tasks/sub": Entry("160000", forge.tip())})
    return forge.commit(tree, (forge.tip(),), forge.parsed(title(forge, ref=None)).message, "orchestrator")


def yaml(code: str, name: str, content: Callable[[bytes], bytes]) -> None:
    def make(forge: Forge) -> str:
        record = {**forge.record(T6), "title": "new", "contributors": ["dev", "orchestrator"]}
        good = forge.emitted(T6, record)
        made = title(forge, ref=None)
        text = forge.parsed(made).message
        import hashlib

        bad = content(good)
        text = text.replace(hashlib.sha256(good).hexdigest(), hashlib.sha256(bad).hexdigest())
        return forge.commit(forge.files({T6: bad}, forge.tip()), (forge.tip(),), text, "orchestrator")

    CORPUS[f"yaml: {name}"] = (code, make)


yaml("BAD_YAML", "an anchor", lambda c: c.replace(b"title: new", b"title: &a new"))
yaml("BAD_YAML", "a tag", lambda c: c.replace(b"title: new", b"title: !!str new"))
yaml("BAD_YAML", "a duplicate key", lambda c: c + b"title: again\n")
yaml("BAD_YAML", "a bidi override", lambda c: c.replace(b"title: new", 'title: "\u202enew"'.encode()))
yaml("BAD_YAML", "an escaped control", lambda c: c.replace(b"title: new", b'title: "\\x1b[2J"'))
yaml("BAD_YAML", "a BOM", lambda c: b"\xef\xbb\xbf" + c)
yaml("BAD_YAML", "not UTF-8", lambda c: c.replace(b"new", b"\xff"))
yaml("BAD_YAML", "two documents", lambda c: c + b"---\n" + c)
yaml("BAD_YAML", "300 KiB", lambda c: c.replace(b"title: new", b"title: new\ndescription: " + b"x" * 300_000))
yaml("SCHEMA", "a field of its own", lambda c: c + b"evil: yes-please\n")
yaml("SCHEMA", "a priority that is none", lambda c: c.replace(b"priority: medium", b"priority: huge"))
yaml("SCHEMA", "a title of two lines", lambda c: c.replace(b"title: new", b'title: "a\\nb"'))
yaml("NOT_CANONICAL", "quotes", lambda c: c.replace(b"title: new", b'title: "new"'))
yaml("NOT_CANONICAL", "a comment", lambda c: c + b"# hi\n")
yaml("NOT_CANONICAL", "no modeline", lambda c: c.partition(b"\n")[2])
yaml("NOT_CANONICAL", "another order", lambda c: c.replace(b"id: T-6\ntitle: new\n", b"title: new\nid: T-6\n"))
yaml("NOT_CANONICAL", "CR at the end", lambda c: c + b"\n")
many("CONTENT_MISMATCH", "yaml", {"another id in the file": lambda f: title_and(f, id="T-7")})

# --- policy -------------------------------------------------------------------------------------------------------

many("IDENTITY_FIXED", "policy", {
    "another name": lambda f: policy(f, b"", "name", edit=lambda c: c.replace(b'name: "honest"', b'name: "other"')),
    "another repository id": lambda f: policy(f, b"", "repository", edit=lambda c: c.replace(f.identity.encode(), b"0" * 32)),
    "a built-in role": lambda f: policy(f, b"\nroles:\n  developer: [review]\n", "roles"),
})  # fmt: skip
many(
    "EXCLUSIVE_ROLES",
    "policy",
    {"a role that orchestrates and works": lambda f: policy(f, b"\nroles:\n  lord: [orchestrate, work]\n", "roles")},
)
many("ID_TAKEN", "policy", {"a role named like an agent": lambda f: policy(f, b"\nroles:\n  dev: [work]\n", "roles")})
many(
    "SCHEMA",
    "policy",
    {"a shell string for a command": lambda f: policy(f, b"\ndeploy:\n  command: rm -rf /\n", "deploy")},
)
many(
    "MESSAGE_MISMATCH",
    "policy",
    {"a subject that hides a key": lambda f: policy(f, b"\nidentity:\n  explicit: true\nidle: 3d\n", "idle")},
)

# --- quotas -------------------------------------------------------------------------------------------------------


def used(by: str = "dev", **fields: Any) -> Attack:
    return lambda f: f.act("quota.use", by, Q, sets(**fields), "quota q: used")


many("QUOTA_EXCEEDED", "quota", {"over": used(used=4), "far over": used(used=2**53)})
many("BAD_VALUE", "quota", {"negative": used(used=0)})
many(
    "NOT_ON_QUOTA", "quota", {"another's": used("dev2", used=2), "an orchestrator's use": used("orchestrator", used=2)}
)
many("CONTENT_MISMATCH", "quota", {
    "the limit moved beside": used(used=2, limit=100),
    "the window moved": used(used=1, reset_at="2099-01-01T00:00:00Z"),
    "the window moved back": used(used=1, reset_at="2020-01-01T00:00:00Z"),
    "the users changed": lambda f: f.act("quota.use", "dev", Q, sets(used=2, agents=["dev", "dev2"]), "quota q: used"),
    "a reset by setting": lambda f: f.act("quota.set", "orchestrator", Q, sets(used=0, limit=4), "quota q: set"),
})  # fmt: skip
many("BAD_VALUE", "a new quota", {
    "a window that has not begun": lambda f: f.act("quota.set", "orchestrator", "quotas/r.yaml", {"name": "r", "limit": 3, "used": 0, "period": "daily", "reset_at": "2199-01-01T00:00:00Z"}, "quota r: set"),
    "no end of a window": lambda f: f.act("quota.set", "orchestrator", "quotas/r.yaml", {"name": "r", "limit": 3, "used": 0, "period": "daily", "reset_at": "2020-01-01T00:00:01Z"}, "quota r: set"),
    "a window for what never resets": lambda f: f.act("quota.set", "orchestrator", "quotas/r.yaml", {"name": "r", "limit": 3, "used": 0, "period": "none", "reset_at": "2020-01-01T00:00:00Z"}, "quota r: set"),
})  # fmt: skip
many("SCHEMA", "quota", {"below nothing": used(used=-1)})


# --- trees that git would not write -------------------------------------------------------------------------------


def raw_tree(
    forge: Forge, *more: tuple[str, str, str], drop: str = "", order: Callable[[list[Any]], list[Any]] = sorted
) -> str:
    """main's tree with entries (mode, name, id) put in as they are."""
    entries = [
        (name, e.mode, e.id) for name, e in forge.objects.tree(forge.objects.root(forge.tip())).items() if name != drop
    ]
    entries += [(name, mode, id_) for mode, name, id_ in more]
    listed = order([(name + "/" if mode == "40000" else name, mode, name, id_) for name, mode, id_ in entries])
    return forge.objects.add(
        "tree", b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(id_) for _, mode, name, id_ in listed)
    )


def with_tree(make: Callable[[Forge], str]) -> Attack:
    """A legal comment whose root tree is another."""

    def attack_(forge: Forge) -> str:
        change = lambda t: t.update(comments=[{"by": "dev", "at": forge.at(), "text": "x"}])  # noqa: E731
        text = forge.parsed(forge.act("task.comment", "dev", T6, change, "T-6: comment", ref=None)).message
        git(forge.path, "update-ref", "refs/heads/main", forge.tip())
        record = forge.changed(T6, change, forge.tip())
        good = forge.files({T6: forge.emitted(T6, record)}, forge.tip())
        saved, forge.objects.trees[forge.objects.root(forge.tip())] = (
            forge.objects.root(forge.tip()),
            forge.objects.tree(good),
        )
        tree = make(forge)
        del forge.objects.trees[saved]
        return forge.commit(tree, (forge.tip(),), text, "dev")

    return attack_


def empty(forge: Forge) -> str:
    return forge.objects.add("tree", b"")


def bomb(forge: Forge) -> str:
    here = empty(forge)
    for _ in range(28):
        here = forge.objects.add(
            "tree", b"".join(f"40000 {name}".encode() + b"\0" + bytes.fromhex(here) for name in "ab")
        )
    return here


def deep(forge: Forge) -> str:
    here = empty(forge)
    for _ in range(1500):
        here = forge.objects.add("tree", b"40000 a\0" + bytes.fromhex(here))
    return here


def blob(forge: Forge) -> str:
    return forge.objects.add("blob", b"evil\n")


many("BAD_TREE", "tree", {
    "an empty folder": with_tree(lambda f: raw_tree(f, ("40000", "evil", empty(f)))),
    "an empty folder in the place of a quota": with_tree(lambda f: raw_tree(f, ("40000", "zz.yaml", empty(f)))),
    "an entry twice": with_tree(lambda f: raw_tree(f, ("100644", "README.md", blob(f)))),
    "unsorted": with_tree(lambda f: raw_tree(f, order=lambda e: sorted(e, reverse=True))),
    "a bomb": with_tree(lambda f: raw_tree(f, ("40000", "zz", bomb(f)))),
    "1500 deep": with_tree(lambda f: raw_tree(f, ("40000", "zz", deep(f)))),
    "an odd mode": with_tree(lambda f: raw_tree(f, ("100600", "zz", blob(f)))),
    "a zero-padded mode": with_tree(lambda f: raw_tree(f, ("040000", "zz", empty(f)))),
    "a slash in a name": with_tree(lambda f: raw_tree(f, ("100644", "zz/y", blob(f)))),
    "no entries at all but garbage": with_tree(lambda f: f.objects.add("tree", b"100644 foo")),
})  # fmt: skip
many("WRONG_FILE", "tree", {
    "a newline in a name": with_tree(lambda f: raw_tree(f, ("100644", "z\ny", blob(f)))),
    "a name that is not UTF-8": with_tree(lambda f: f.objects.add("tree", f.objects.need(raw_tree(f), "tree").content + b"100644 zz\xff\0" + bytes.fromhex(blob(f)))),
})  # fmt: skip
many("MESSAGE_MISMATCH", "ledger", {
    "named by words": lambda f: title(f, text=lambda t: t.replace("Opsgit-File", "Opsgit-Ledger: foo bar\nOpsgit-File", 1)),
    "named by a ref": lambda f: title(f, text=lambda t: t.replace("Opsgit-File", "Opsgit-Ledger: main\nOpsgit-File", 1)),
})  # fmt: skip


# --- threads, checks, several reviewers, attachments ---------------------------------------------------------------


def ordered_review(review: Doc) -> Doc:
    keys = ("round", "request", "sign_offs", "checks", "comments", "verdict")
    return {key: review[key] for key in keys if key in review}


def checked(forge: Forge, by: str, digest: str | None = None) -> Callable[[Doc], None]:
    """A check that passed."""

    def change(task: Doc) -> None:
        one = {
            "name": "tests",
            "status": "pass",
            "by": by,
            "at": forge.at(),
            "digest": digest or task["submission"]["digest"],
        }
        task["review"] = ordered_review({**task["review"], "checks": [one]})

    return change


def resolved(forge: Forge, by: str) -> Callable[[Doc], None]:
    """The first comment, resolved."""
    return lambda t: t["review"]["comments"][0].update(resolved={"by": by, "at": forge.at()})


many("NOT_YOUR_THREAD", "a thread resolved", {
    "by who did the work": lambda f: f.branch("review.resolve", "dev", "M-1", resolved(f, "dev")),
    "by somebody else": lambda f: f.branch("review.resolve", "eye2", "M-1", resolved(f, "eye2")),
})  # fmt: skip
many("CONTENT_MISMATCH", "a thread", {
    "resolved in another's name": lambda f: f.branch("review.resolve", "qa", "M-1", resolved(f, "eye")),
    "resolved by a comment": lambda f: f.branch("review.comment", "eye", "M-1", lambda t: (says("eye", f.at())(t), resolved(f, "eye")(t))),
    "whose id is another's": lambda f: f.branch("review.comment", "eye", "M-1", says("eye", f.at(), id="1-1")),
    "at a place in another version": lambda f: f.branch("review.comment", "eye", "M-1", says("eye", f.at(), place={"file": "a", "line": 1, "digest": OTHER})),
    "that answers in silence": lambda f: f.branch("review.comment", "eye", "M-1", lambda t: t["review"]["comments"][0].update(text="other")),
})  # fmt: skip
many(
    "RIGHT_MISSING",
    "an objection",
    {"by an observer": lambda f: f.branch("review.comment", "eye", "M-1", says("eye", f.at(), blocking=True))},
)
many(
    "SELF_REVIEW",
    "an objection",
    {"by who did the work": lambda f: f.branch("review.comment", "dev", "M-1", says("dev", f.at(), blocking=True))},
)


@attack("THREAD_OPEN")
def an_approval_over_an_open_objection(forge: Forge) -> object:
    forge.branch("review.comment", "qa", "T-1", says("qa", forge.at(), blocking=True))
    return forge.merge("review.approve", "qa2", "T-1", approved(forge, "qa2"), "done")


many(
    "RIGHT_MISSING",
    "a check",
    {"by a developer": lambda f: f.branch("review.check", "dev2", "M-1", checked(f, "dev2"))},
)
many(
    "DELIVERABLE_CHANGED",
    "a check",
    {"of another digest": lambda f: f.branch("review.check", "eye", "M-1", checked(f, "eye", OTHER))},
)
many("CONTENT_MISMATCH", "a check", {
    "in another's name": lambda f: f.branch("review.check", "eye", "M-1", checked(f, "qa")),
    "brought into a new round": lambda f: f.act("task.submit", "dev", T4, lambda t: t.update(
        status="review", submission={"round": 1, "deliverable": "/x", "digest": OTHER, "at": f.at()},
        review={"round": 1, "checks": [{"name": "tests", "status": "pass", "by": "eye", "at": f.at(), "digest": OTHER}]}),
        "T-4: in-progress → review"),
})  # fmt: skip


def by_command(forge: Forge, *commands: str) -> None:
    from opsgit.cli.main import main

    for command in commands:
        assert main(["-C", str(forge.path), *command.split()]) == 0, command


def two_of_a_role(forge: Forge) -> None:
    """N-1 is in review, and qa has signed off as the first of two."""
    out = forge.path.parent / "two"
    out.write_text("x")
    by_command(
        forge,
        "task add --as orchestrator --id N-1 --title t --assign dev --pipeline developer,reviewer*2,deployer",
        "task start N-1",
        f"task submit N-1 --output {out}",
        "review sign-off N-1 --as qa",
    )


@attack("ALREADY_SIGNED_OFF")
def one_reviewer_counted_twice(forge: Forge) -> object:
    two_of_a_role(forge)
    return forge.merge("review.approve", "qa", "N-1", approved(forge, "qa", "N-1"), "done")


@attack("STAGE_OPEN")
def an_approval_by_one_reviewer_of_two(forge: Forge) -> object:
    out = forge.path.parent / "one"
    out.write_text("x")
    by_command(
        forge,
        "task add --as orchestrator --id N-2 --title t --assign dev --pipeline developer,reviewer*2,deployer",
        "task start N-2",
        f"task submit N-2 --output {out}",
    )
    return forge.merge("review.approve", "qa", "N-2", approved(forge, "qa", "N-2"), "done")


def pressed(
    forge: Forge,
    message: str,
    *,
    parents: tuple[str, ...] | None = None,
    who: str = "GitHub <noreply@github.com>",
    more: Doc | None = None,
) -> object:
    """What a forge's button makes of the review of T-1: the branch's files on main, unsigned."""
    tip = forge.tip("review/T-1")
    tree = forge.files({T1: forge.emitted(T1, forge.record(T1, tip)), **(more or {})}, forge.tip())
    before = parents or (forge.tip(),)
    lines = [f"tree {tree}", *(f"parent {one}" for one in before), f"author qa <qa@x> {forge.time(tip)} +0000",
             f"committer {who} {forge.time(tip)} +0000", "", message]  # fmt: skip
    made = forge.objects.add("commit", "\n".join(lines).encode())
    forge.objects.write()
    git(forge.path, "update-ref", "refs/heads/main", made)
    return made


many("FORGE_MERGE", "a button", {
    "that merges (GitHub)": lambda f: pressed(f, "Merge pull request #7 from team/review/T-1\n\ntask 1\n", parents=(f.tip(), f.tip("review/T-1"))),
    "that merges (GitLab)": lambda f: pressed(f, "Merge branch 'review/T-1' into 'main'\n\ntask 1\n\nSee merge request team/state!7\n", parents=(f.tip(), f.tip("review/T-1")), who="qa <qa@x>"),
    "that merges (Gitea)": lambda f: pressed(f, "Merge pull request 'task 1' (#7) from review/T-1 into main\n", parents=(f.tip(), f.tip("review/T-1")), who="qa <qa@x>"),
    "that squashes (GitHub)": lambda f: pressed(f, "T-1: task 1 (#7)\n\n* T-1: request\n"),
    "that squashes (Gitea)": lambda f: pressed(f, "T-1: task 1\n\nReviewed-on: https://forge.example/team/state/pulls/7\n", who="qa <qa@x>"),
    "that rebases": lambda f: pressed(f, f.parsed(f.tip("review/T-1")).message),
})  # fmt: skip


@attack("BAD_SIGNATURE")
def a_takeover_that_is_titled_like_a_squash(forge: Forge) -> object:
    """A button changes the file of a task and nothing else."""
    evil = {
        "agents/dev.yaml": forge.emitted("agents/dev.yaml", {**forge.record("agents/dev.yaml"), "role": "reviewer"})
    }
    return pressed(forge, "Tidy up (#12)\n", more=evil)


@attack("SELF_REVIEW")
def an_approval_by_the_author_that_is_titled_like_a_merge(forge: Forge) -> object:
    """What an agent has signed is told as what it is."""
    note = "ok\nSee merge request team/state!7"
    return forge.merge("review.approve", "dev", "T-1", approved(forge, "dev"), "done", note=note)


@attack("APPROVAL_VOID")
def an_approval_over_a_thread_that_somebody_without_the_right_resolved(forge: Forge) -> object:
    forge.branch("review.comment", "qa", "T-1", says("qa", forge.at(), blocking=True))
    settled = lambda t: t["review"]["comments"][-1].update(resolved={"by": "qa2", "at": forge.at()})  # noqa: E731
    forge.branch("review.resolve", "qa2", "T-1", settled)
    forge.act("agent.edit", "orchestrator", "agents/qa2.yaml", lambda a: a.update(role="observer"), "agent qa2: edited")
    return forge.merge("review.approve", "qa", "T-1", approved(forge, "qa"), "done")


# --- what an agent would be told before it signs: each stands here too, for whoever signs without asking --------------


def to_review(forge: Forge, **fields: Any) -> str:
    """T-4 is submitted."""
    submission = {"round": 1, "deliverable": "out/x", "digest": OTHER, "at": forge.at(), **fields}
    change = sets(status="review", submission=submission, review={"round": 1})
    return forge.act("task.submit", "dev", T4, change, "T-4: in-progress → review")


def submitted_again(forge: Forge) -> str:
    """T-1 was rejected and started again; the very same comes back."""
    by_command(forge, "review reject T-1 --reason no --as qa", "task start T-1")
    digest = forge.record(T1)["rejected"][0]
    submission = {"round": 2, "deliverable": "out/x", "digest": digest, "at": forge.at()}
    change = sets(status="review", submission=submission, review={"round": 2})
    return forge.act("task.submit", "dev", T1, change, "T-1: in-progress → review")


def imported_done(forge: Forge) -> str:
    """Work that another tracker calls done is deployed."""
    past = {"status": "done", "history": [{"status": "done", "at": "2026-01-01T00:00:00Z"}]}
    file = forge.path.parent / "state.json"
    file.write_text(json.dumps({"tasks": {"I-1": {"title": "t", **past}}}))
    by_command(forge, f"import {file} --as orchestrator")
    path = names.task_path("I-1")
    running = {"state": "started", "by": "ship", "digest": OTHER, "started": forge.at()}
    return forge.act("task.deploy-start", "ship", path, sets(deployment=running), "I-1: deploying")


def without_developers(forge: Forge) -> str:
    """Nobody is left who could begin a task, and one is assigned all the same."""
    by_command(forge, "agent remove dev2 --as orchestrator")
    role(forge, "dev", "observer")
    change = sets(status="assigned", assigned="dev", contributors=["dev"])
    return forge.act("task.assign", "orchestrator", T5, change, "T-5: backlog → assigned")


def set_policy(forge: Forge, key: str, value: str) -> None:
    by_command(forge, f"project set {key} {value} --as orchestrator")


many("AGENT_REMOVED", "a removed agent", {
    "is given work": lambda f: (remove(f, "dev2"), f.act("task.assign", "orchestrator", T5, sets(
        status="assigned", assigned="dev2", contributors=["dev2"]), "T-5: backlog → assigned"))[1],
    "is edited": lambda f: (remove(f, "dev2"), f.act("agent.edit", "orchestrator", "agents/dev2.yaml", sets(kind="human"), "agent dev2: edited"))[1],
})  # fmt: skip
many("BAD_SIGNATURE", "a removed agent", {
    "goes on": lambda f: (remove(f, "eye"), f.act("metric.set", "eye", "metrics/m.yaml", sets(value=2, at=f.at()), "metric m: set"))[1],
})  # fmt: skip
many("SCHEMA", "words", {"a title of two lines": lambda f: title_and(f, title="a\nb")})
many("BAD_YAML", "words", {"a title that turns the line around": lambda f: title_and(f, title="a\u202eb")})
many("ALREADY_THERE", "started twice", {
    "by its assignee": lambda f: f.act("task.start", "dev", T4, sets(tags=["b"]), "T-4: in-progress → in-progress"),
})  # fmt: skip
many("BAD_ID", "a new task", {
    "with a number far ahead": lambda f: f.act("task.add", "dev", "tasks/50/T-50.yaml", fresh(f, "T-50", "dev"), "T-50: new → backlog"),
    "of an orchestrator, with a number out of reach": lambda f: f.act("task.add", "orchestrator", names.task_path("T-100000000"), fresh(f, "T-100000000"), "T-100000000: new → backlog"),
})  # fmt: skip
many("BAD_NAME", "a metric", {
    "named like a word of state.json": lambda f: f.act("metric.set", "eye", "metrics/alerts.yaml", {"name": "alerts", "value": 1, "at": f.at(), "by": "eye"}, "metric alerts: set"),
})  # fmt: skip
many("BAD_TEXT", "words", {
    "a title with a space in front": lambda f: title_and(f, title=" new"),
    "a title that is too long in bytes": lambda f: title_and(f, title="é" * 200),
    "a comment of white space": lambda f: f.act("task.comment", "eye", T4, lambda t: t["comments"].append({"by": "eye", "at": f.at(), "text": " \n"}), "T-4: comment"),
    "a comment that is too long": lambda f: f.act("task.comment", "eye", T4, lambda t: t["comments"].append({"by": "eye", "at": f.at(), "text": "é" * 3000}), "T-4: comment"),
    "a note with spaces at the end": lambda f: title(f, note="why  \nnot"),
})  # fmt: skip
many("CHECK_MISSING", "an approval", {
    "without the check that the policy wants": lambda f: (set_policy(f, "review.checks", "[tests]"), f.merge("review.approve", "qa", "T-1", approved(f, "qa"), "done"))[1],
})  # fmt: skip
many("DELIVERABLE_OUTSIDE", "submitted", {
    "from outside of the workspace": lambda f: (set_policy(f, "workspace", ".."), to_review(f, deliverable="/etc/passwd"))[1],
    "from above the workspace": lambda f: (set_policy(f, "workspace", ".."), to_review(f, deliverable="a/../../x"))[1],
})  # fmt: skip
many("DELIVERABLE_UNCHANGED", "submitted", {"what was rejected": submitted_again})
many("DEPENDENCY_OPEN", "a dependency", {
    "that is not done": lambda f: (by_command(f, "task edit T-6 --depends-on T-5 --as orchestrator"), f.act("task.start", "dev", T6, sets(status="in-progress"), "T-6: assigned → in-progress"))[1],
})  # fmt: skip
many("DEPENDENCY_CYCLE", "a dependency", {
    "on itself": lambda f: title_and(f, depends_on=["T-6"]),
    "in a circle": lambda f: (by_command(f, "task edit T-7 --depends-on T-6 --as orchestrator"), title_and(f, depends_on=["T-7"]))[1],
})  # fmt: skip
many("NOT_FOUND", "what is not there", {
    "an assignee": lambda f: f.act("task.assign", "orchestrator", T5, sets(status="assigned", assigned="nobody", contributors=["nobody"]), "T-5: backlog → assigned"),
    "a dependency": lambda f: title_and(f, depends_on=["N-9"]),
    "a thread": lambda f: f.branch("review.comment", "eye", "M-1", says("eye", f.at(), answers="1-9")),
    "a cut-off": lambda f: f.act("agent.compromise", "orchestrator", QA, lambda a: a["keys"][0].update(state="compromised", since=["0" * 40]), "agent qa: keys compromised"),
})  # fmt: skip
many("NOT_APPROVED", "deploying", {"what was done elsewhere": imported_done})
many("NOBODY_FITS", "assigned", {"without anybody who could begin": without_developers})
