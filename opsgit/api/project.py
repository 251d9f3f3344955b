"""The entrance of the API: open a state repository, and find the operations by what they are about."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from opsgit.api.calls import Calls
from opsgit.api.others import Agents, Alerts, Metrics, Quotas
from opsgit.api.results import How, Result, frozen
from opsgit.api.tasks import Reviews, Tasks
from opsgit.domain.findings import Verification
from opsgit.operations import agents, compile, inbox, monitor, prime, project, status, summary, sync
from opsgit.operations.batch import Batch
from opsgit.storage import repository
from opsgit.verification import verify
from opsgit.views import markdown


def open_project(
    path: Path | str | None = None,
    actor: str | None = None,
    *,
    online: bool | None = None,
    clock: Callable[[], float] = time.time,
) -> Project:
    """Open a state repository.

    :param path: a folder in it; None: `OPS_STATE_DIR`, else the current folder or the nearest one above.
    :param actor: the agent that acts, whose key must be on this machine to write; None: the agent of the clone
        (`opsgit.agent`), else the natural actor of each operation.
    :param online: whether the remote is asked; None: as `opsgit.sync` of the clone says.
    :param clock: returns seconds after the epoch.
    :raises Refused: `NO_REPOSITORY`, `NOT_A_STATE_REPOSITORY` or `FOREIGN_REPOSITORY`; `IDENTITY_CONFLICT` if the clone
        acts as another agent; `NOT_FOUND` if there is no such agent.
    """
    found = repository.find(Path(path) if path else None)
    own = found.agent()
    if actor and own and own != actor:
        from opsgit.domain.refusals import refuse

        found.close()
        refuse("IDENTITY_CONFLICT", f"this clone acts as {own}, not as {actor}", "open a clone of that agent's own")
    made = Project(Calls(found, actor or own, online, clock))
    if actor:
        try:
            made.agents.show(actor)
        except BaseException:
            made.close()
            raise
    return made


class Project:
    """An open state repository; a context manager that closes it.

    `tasks`, `reviews`, `agents`, `quotas`, `metrics` and `alerts` hold the operations of the command groups.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.tasks, self.reviews, self.agents = Tasks(calls), Reviews(calls), Agents(calls)
        self.quotas, self.metrics, self.alerts = Quotas(calls), Metrics(calls), Alerts(calls)

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def actor(self) -> str | None:
        """The agent that acts, None for the natural actor of each operation."""
        return self._calls.actor

    @property
    def path(self) -> Path:
        """The top of the checkout, or the git folder of a bare repository."""
        return self._calls.repository.top or self._calls.repository.folder

    def close(self) -> None:
        """End the git process and close the index."""
        self._calls.close()

    def batch(self) -> AbstractContextManager[Batch]:
        """Collect the writes of a `with` block, and publish them together under one lock and with one sync.

        A refused call raises at once, and then the batch publishes nothing. `written` of what `with` gives holds the
        commits after the block.
        """
        return self._calls.batch()

    def prime(self) -> prime.Prime:
        """Return what the actor needs to know now."""
        return self._calls.read(prime.prime, fetch=True)

    def inbox(self) -> tuple[inbox.Item, ...]:
        """Return what waits for the actor, the oldest first."""
        name = self.tasks._named()
        return tuple(self._calls.read(lambda s: inbox.items(s, [name]), fetch=True))

    def monitor(self, *checks: str) -> tuple[monitor.Problem, ...]:
        """Return what the checks find; none means all: stale, quota, deploys, idle, reviews."""
        return tuple(self._calls.read(lambda s: monitor.monitor(s, checks)))

    def state(self) -> dict[str, Any]:
        """Return the whole state in the shape of state.json."""
        return self._calls.read(lambda s: compile.state(s, int(s.clock())))

    def dashboard(self) -> str:
        """Return the dashboard as Markdown."""
        found = self._calls.read(lambda s: summary.document(s, int(s.clock())))
        return markdown.dashboard(found)

    def policy(self) -> Any:
        """Return the content of ops.yaml as a read-only mapping."""
        return frozen(self._calls.read(project.policy))

    def set(self, key: str, value: str | None, **how: Unpack[How]) -> Result:
        """Set a key of the policy to a YAML value; None takes it out."""
        return self._calls.write(lambda s: project.set_key(s, key, value), **how)

    def status(self) -> status.Status:
        """Return how this clone stands to its remote."""
        return self._calls.read(status.status)

    def sync(self) -> tuple[Any, ...]:
        """Publish what was made offline, fetch the rest, and return what became of each operation."""
        return tuple(self._calls.read(sync.sync))

    def verify(self, pin: str | None = None) -> Verification:
        """Judge the whole history."""
        return verify.verify(self._calls.repository, pinned=pin)

    def whoami(self) -> Any:
        """Return who acts here, and whose keys are here, as a read-only mapping."""
        return frozen(self._calls.read(agents.whoami))
