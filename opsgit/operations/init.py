"""Make a state repository: the genesis commit, the first agent, and the clone's own git configuration."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from opsgit.domain import agents, canonical, message, names, policy, text, times
from opsgit.domain.model import Agent, Key
from opsgit.domain.records import to_record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Change, Edit, Request
from opsgit.domain.rules import VERSIONS
from opsgit.operations import clone_config
from opsgit.storage import git, schema, sshsig
from opsgit.storage.checkout import Checkout
from opsgit.storage.disk import need_empty
from opsgit.storage.keys import KeyStore
from opsgit.storage.ledger import new_id, seal
from opsgit.storage.objects import FILE, Commit, Entry, Objects
from opsgit.storage.repository import Repository

POLICY = """\
# yaml-language-server: $schema=schema/ops.schema.json
# The project: identity and policy. Change it with `opsgit project set KEY VALUE`; comments stay.
name: {name}
repository: {repository}
rules: {rules}
created: "{created}"

# What else can be set (opsgit help policy):
#   pipeline: [developer, reviewer, deployer]      the default pipeline: roles or agents
#   roles: {{webmaster: [work]}}                     roles beside the built-in ones
#   workspace: /srv/project                        deliverables lie in here
#   identity: {{explicit: true}}                     every command must name its actor
#   deploy: {{command: [gates/deploy.sh], timeout: 600}}
#   rollback: {{command: [gates/rollback.sh]}}
"""
README = """\
# {name}: state repository

The single source of truth of {name}'s agents, tasks and quotas, kept by opsgit: each is a YAML file, every change is
one commit signed by the agent that made it. Read it with any git: `git log --first-parent --show-signature` is the
audit trail, `git log --graph` shows the reviews. Change it with `opsgit` (`opsgit help`).
"""
IGNORED = "/state.json\n/dashboard.md\n/dashboard.html\n/site/\n"
ATTRIBUTES = "* -text\n"
PRE_COMMIT = """\
# opsgit fmt keeps hand-edited files in the canonical form.
repos:
  - repo: local
    hooks:
      - id: opsgit-fmt
        name: opsgit fmt --check
        entry: opsgit fmt --check
        language: system
        pass_filenames: false
"""


def init(folder: Path, project: str, orchestrator: str = "orchestrator", now: int | None = None) -> Repository:
    """Make a state repository whose first agent, an orchestrator, signs the genesis commit.

    :param folder: a folder that is empty or does not exist.
    :param project: the project's name.
    :param orchestrator: the first agent's name.
    :param now: the time of the genesis commit in seconds after the epoch; None: the present time.
    :raises Refused: `BAD_TEXT`, `BAD_NAME` or `ID_TAKEN` for the names; `ALREADY_A_REPOSITORY` if the folder is not
        empty; `DISK` or `TOOL_FAILED` if git cannot make it.
    """
    text.check(project, "project", 100, lines=False)
    names.check_name(orchestrator)
    if orchestrator in policy.ROLES and orchestrator != "orchestrator":
        refuse("ID_TAKEN", f"{orchestrator} is a role; agents and roles share one name space", "--orchestrator NAME")
    need_empty(folder, "choose a new folder: --state-dir DIR")
    git.make_repository(folder)
    repository = Repository((folder / ".git").resolve(), folder.resolve())
    _genesis(repository, project, orchestrator, int(time.time()) if now is None else now)
    clone_config.configure_clone(repository, orchestrator)
    return repository


def _genesis(repository: Repository, project: str, name: str, now: int) -> None:
    identity, at = os.urandom(16).hex(), times.text(now)
    agent = first_agent(KeyStore(identity), name, at)
    record = to_record(agent)
    edits = [
        *managed(project, identity, at),
        Edit(names.path_of("agent", name), canonical.emit("agent", record), record),
    ]
    request = Request("project.init", name, id=new_id())
    change = Change(request, "project: founded", tuple(sorted(edits, key=lambda e: e.path)), "ledger", at)
    objects = Objects(repository.git)
    files = {edit.path: Entry(FILE, objects.add("blob", edit.content or b"")) for edit in change.edits}
    words = message.generate(change, identity, names.MAIN)
    commit = Commit(objects.replaced(None, files), (), name, agents.address(agent, identity), now, "", words)
    made = objects.add("commit", seal(KeyStore(identity), agent, commit, objects.width))
    objects.write()
    repository.git.run("update-ref", names.MAIN, made, "0" * objects.width)
    assert repository.top
    Checkout(repository, objects, repository.top).show(made, {path: (None, entry) for path, entry in files.items()})


def first_agent(keys: KeyStore, name: str, at: str) -> Agent:
    """Return an orchestrator with a new key and its proof.

    :param at: the time when the key is added (RFC 3339 text).
    """
    line, proof = proved_key(keys, name)
    key = Key(key=line, state="active", added=at, proof=proof)
    return Agent(name=name, role="orchestrator", kind="agent", status="active", keys=(key,))


def proved_key(keys: KeyStore, name: str) -> tuple[str, str]:
    """Make an agent's key if there is none, and return its OpenSSH line and its proof.

    :raises Refused: `KEY_UNFIT` or `TOOL_FAILED`.
    """
    return keys.make(name), proof_by(keys, name, name)


def proof_by(keys: KeyStore, name: str, held: str) -> str:
    """Return the proof (one line of base64) that a key is an agent's own.

    :param name: the agent's name.
    :param held: the name of the key's file, such as `dev.next`.
    :raises Refused: `KEY_UNFIT` or `TOOL_FAILED`.
    """
    line = keys.make(held)
    return sshsig.compact(keys.sign(held, sshsig.proof_text(keys.repository, name, line), sshsig.PROOF))


def trial_key(name: str) -> dict[str, object]:
    """Return the fields of a key that has no private half. It serves to decide a dry run and is never written."""
    line = sshsig.public_line(hashlib.sha256(name.encode()).digest())
    return {"key": line, "proof": "dHJpYWw=", "proved": True}


def managed(project: str, identity: str, at: str) -> Iterable[Edit]:
    """Yield ops.yaml and the managed files of a new state repository.

    :param project: the project's name.
    :param identity: the repository id (32 hex digits).
    :param at: the time of creation (RFC 3339 text).
    """
    quoted = '"' + project.replace("\\", "\\\\").replace('"', '\\"') + '"'
    policy = POLICY.format(name=quoted, repository=f'"{identity}"', rules=max(VERSIONS), created=at)
    fixed = {
        names.PROJECT: policy,
        ".gitignore": IGNORED,
        ".gitattributes": ATTRIBUTES,
        ".pre-commit-config.yaml": PRE_COMMIT,
        "README.md": README.format(name=project),
    }
    schemas = {
        f"schema/{name}.schema.json": schema.folder() / f"{name}.schema.json"
        for name in (entity.schema for entity in names.ENTITIES.values())
    }
    yield from (Edit(path, words.encode()) for path, words in fixed.items())
    yield from (Edit(path, source.read_bytes()) for path, source in schemas.items())
