"""A clone's own git configuration: plain git signs as the agent, knows the keys of all agents, and runs the hooks."""

from __future__ import annotations

from opsgit.domain import agents
from opsgit.domain.request import Snapshot
from opsgit.storage import git
from opsgit.storage.repository import Repository
from opsgit.verification import hooks

# Main is never merged or rebased here. A clone of this repository may publish here: git brings the checkout along, and
# the reference-transaction hook judges what comes.
PULLED = {"pull.ff": "only", "pull.rebase": "false", "merge.ff": "only", "receive.denyCurrentBranch": "updateInstead"}


def configure_clone(repository: Repository, agent: str) -> None:
    """Configure a clone so that plain git signs as an agent; then `trust_signers`.

    :raises Refused: `NOT_FOUND` if there is no such agent.
    """
    objects = repository.objects()
    snapshot = Snapshot(repository.reader(objects, repository.tip()))
    found = snapshot.agent(agent)
    configure_signer(repository, found.name, agents.address(found, snapshot.project.repository))
    trust_signers(repository)


def configure_signer(repository: Repository, agent: str, address: str) -> None:
    """Let plain git sign with an agent's key on this machine.

    :param address: the address on the agent's commits.
    """
    signer = {
        "user.name": agent,
        "user.email": address,
        "user.signingKey": str(repository.keys.path(agent)),
        "commit.gpgSign": "true",
    }
    git.configure(repository.folder, signer)


def trust_signers(repository: Repository) -> None:
    """Configure a clone so that plain git checks signatures by the agents' keys, and install the hooks."""
    objects = repository.objects()
    signers = str(repository.own / "allowed_signers")
    git.configure(repository.folder, {"gpg.format": "ssh", "gpg.ssh.allowedSignersFile": signers, **PULLED})
    write_allowed_signers(repository, Snapshot(repository.reader(objects, repository.tip())))
    hooks.install(repository)


def write_allowed_signers(repository: Repository, snapshot: Snapshot) -> None:
    """Write the file by which plain git checks signatures: every key that an agent ever had. opsgit never reads it."""
    identity = snapshot.project.repository
    lines = (
        f'{agents.address(agent, identity)} namespaces="git" {key.key}\n'
        for agent in snapshot.agents()
        for key in agent.keys
    )
    repository.own.mkdir(exist_ok=True)
    (repository.own / "allowed_signers").write_text("".join(lines))
