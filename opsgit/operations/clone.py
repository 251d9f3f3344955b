"""Clones: make one, verify it, and configure it, also to act as an agent."""

from __future__ import annotations

import shutil
from pathlib import Path

from opsgit.domain import agents, names
from opsgit.domain.findings import Verification
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.operations import beside, clone_config, update
from opsgit.operations.session import Session
from opsgit.storage import clones, git
from opsgit.storage.disk import need_empty
from opsgit.storage.remote import specs
from opsgit.storage.repository import Repository
from opsgit.verification import verify


def clone(
    url: str, folder: Path, agent: str | None, pin: str | None, lead: str = ""
) -> tuple[Repository, Verification]:
    """Clone a state repository, verify it, check it out, and configure the clone.

    Nothing is checked out before it is verified: a small repository can hold a tree of any number of files.

    :param url: a URL or a path.
    :param agent: the agent that the clone acts as, or None.
    :param pin: the genesis id that the caller trusts, or its first digits; None: what is pinned for the URL, if
        anything.
    :param lead: how the branches of the ledger begin there: `opsgit/` in a code repository, else empty.
    :returns: the open clone and the result of the verification.
    :raises Refused: `ALREADY_A_REPOSITORY` if the folder is not empty; `TOOL_FAILED` if git cannot clone; the code of
        the first finding if verification finds something; `NOT_FOUND` if there is no such agent. No folder is left
        then.
    """
    need_empty(folder, "choose a new folder")
    try:
        repository, found = _verified(url, folder, pin, lead)
        if agent:
            clone_config.configure_clone(repository, agent)
            git.configure(repository.folder, {"opsgit.agent": agent})
        else:
            clone_config.trust_signers(repository)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return repository, found


def _verified(url: str, folder: Path, pin: str | None, lead: str) -> tuple[Repository, Verification]:
    """Clone, verify and check out."""
    clones.clone(url, folder, specs(lead))
    beside.configure(folder, lead)
    repository = Repository((folder / ".git").resolve(), folder.resolve())
    found = verify.verify(repository, pinned=pin)
    if found.findings:
        first = found.findings[0]
        look = f"opsgit -C DIR verify{f' --pin {pin}' if pin else ''}"
        refuse(first.code, f"what was cloned does not hold: {first.commit[:10]}: {first.message}",
               f"git clone --no-checkout {url} DIR, then {look} shows all")  # fmt: skip
    clones.check_out(folder)
    return repository, found


def join(url: str, name: str, folder: Path, pin: str | None, lead: str = "") -> tuple[Repository, Verification]:
    """Make a clone that acts as an agent which the ledger may not know yet, and the agent's key.

    :param pin: as for `clone`.
    :param lead: as for `clone`.
    :returns: the open clone and the result of the verification.
    :raises Refused: `BAD_NAME`; `ID_TAKEN` if the agent was removed; as `clone`.
    """
    names.check_name(name)
    repository, found = clone(url, folder, None, pin, lead)
    objects = repository.objects()
    agent = Snapshot(repository.reader(objects, repository.tip())).find_agent(name)
    if agent and agent.status != "active":
        shutil.rmtree(folder)
        refuse("ID_TAKEN", f"{name} was removed from the project, and a name does not return", "choose another name")
    repository.keys.make(name)
    identity = repository.keys.repository
    address = agents.address(agent, identity) if agent else agents.default_address(name, identity)
    clone_config.configure_signer(repository, name, address)
    git.configure(repository.folder, {"opsgit.agent": name})
    repository.joining.write_text(f"{name}\n")
    return repository, found


def arrive(session: Session) -> None:
    """Fetch in a clone whose agent the ledger here does not know yet: an orchestrator may have added it.

    A remote that cannot be reached is only a notice.
    """
    mark = session.repository.joining
    name = mark.read_text(errors="replace").strip()
    try:
        if session.look().find_agent(name) is None:
            update.update(session)
    except Refused as refused:
        session.notices.append(f"{name} is not known here yet: {refused.refusal.message}")
        return
    if session.look().find_agent(name):
        mark.unlink(missing_ok=True)


def checkout(session: Session, name: str, folder: Path) -> Path:
    """Make a clone that acts as an agent: of this repository's remote `origin`, or of this repository if it has none.

    :returns: the absolute path of the clone.
    :raises Refused: `NOT_FOUND` if there is no such agent; also as `clone`.
    """
    session.look().agent(name)
    here = session.repository.top or session.repository.folder
    url = session.url or str(here)
    if (here / url).exists():  # git reads a relative path from the top of the repository
        url = str((here / url).resolve())
    repository, found = clone(url, folder, name, None, session.repository.lead if session.url else "")
    if session.repository.code:
        beside.set_code(repository, session.repository.code.resolve())
    session.notices += found.notices
    repository.close()
    return folder.resolve()
