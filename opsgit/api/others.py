"""Agents, quotas, metrics and alerts in the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from opsgit.api.calls import Calls
from opsgit.api.results import How, Result, frozen
from opsgit.domain.model import Agent, Alert, Metric
from opsgit.domain.records import from_record
from opsgit.operations import agents, observations, quotas

__all__ = ["Agents", "Alerts", "Metrics", "Quotas"]


class Agents:
    """The operations of `opsgit agent`. Each raises `Refused` where the command is refused."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def add(
        self,
        name: str,
        role: str,
        *,
        description: str | None = None,
        kind: str | None = None,
        email: str | None = None,
        public_key: str | None = None,
        proof: str | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Add an agent; its key is made on this machine, or held elsewhere (`public_key` with `proof`)."""
        fields = {"description": description, "kind": kind, "email": email, "public_key": public_key, "proof": proof}
        return self._calls.write(lambda s: agents.add(s, name, role, **fields), **how)

    def edit(
        self,
        name: str,
        *,
        role: str | None = None,
        description: str | None = None,
        kind: str | None = None,
        email: str | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Change an agent's role, description, kind or email."""
        fields = {"role": role, "description": description, "kind": kind, "email": email}
        return self._calls.write(lambda s: agents.edit(s, name, **fields), **how)

    def remove(self, name: str, *, release: bool = False, **how: Unpack[How]) -> Result:
        """Remove an agent; `release` puts its tasks back into the backlog in the same step."""
        return self._calls.write(lambda s: agents.remove(s, name, release), **how)

    def rotate(
        self, name: str, *, public_key: str | None = None, proof: str | None = None, **how: Unpack[How]
    ) -> Result:
        """Give an agent a new key."""
        return self._calls.write(lambda s: agents.rotate(s, name, public_key, proof), **how)

    def retire_key(self, name: str, key: str, **how: Unpack[How]) -> Result:
        """Retire one key of an agent: its line or its fingerprint."""
        return self._calls.write(lambda s: agents.retire(s, name, key), **how)

    def compromise(self, name: str, since: str, **how: Unpack[How]) -> Result:
        """Record that somebody else has an agent's keys since a commit."""
        return self._calls.write(lambda s: agents.compromise(s, name, since), **how)

    def ratify(self, commits: Sequence[str], *, undone: bool = False, **how: Unpack[How]) -> Result:
        """Accept commits of a compromised key, or with `undone` record that their effect was undone."""
        return self._calls.write(lambda s: agents.ratify(s, commits, undone), **how)

    def list(self) -> tuple[Agent, ...]:
        """Return all agents by name, removed ones too."""
        return self._calls.read(agents.everybody)

    def show(self, name: str) -> Agent:
        """Return one agent."""
        return self._calls.read(lambda s: s.look().agent(name))


class Quotas:
    """The operations of `opsgit quota`. Each raises `Refused` where the command is refused."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(
        self,
        name: str,
        *,
        limit: int | None = None,
        period: str | None = None,
        agents: Sequence[str] | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Make a quota or change it; `period` is hourly, daily, weekly, monthly or none."""
        fields = {"limit": limit, "period": period, "agents": None if agents is None else tuple(agents)}
        return self._calls.write(lambda s: quotas.set_quota(s, name, **fields), **how)

    def use(self, name: str, amount: int = 1, **how: Unpack[How]) -> Result:
        """Use an amount of a quota."""
        return self._calls.write(lambda s: quotas.use(s, name, amount), **how)

    def check(self, name: str) -> Any:
        """Return a quota as it counts now, as a read-only mapping with limit, used, left and exhausted."""
        return frozen(self._calls.read(lambda s: quotas.check(s, name)))

    def list(self) -> tuple[Any, ...]:
        """Return all quotas in the form of `check`."""
        return tuple(map(frozen, self._calls.read(quotas.every_quota)))


class Metrics:
    """The operations of `opsgit metric`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def set(self, name: str, value: float, **how: Unpack[How]) -> Result:
        """Set a gauge."""
        return self._calls.write(lambda s: observations.set_metric(s, name, value), **how)

    def list(self) -> tuple[Metric, ...]:
        """Return all metrics."""
        found = self._calls.read(lambda s: observations.records(s, "metric"))
        return tuple(from_record(Metric, record) for record in found)


class Alerts:
    """The operations of `opsgit alert`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def raise_(
        self,
        message: str,
        *,
        id: str | None = None,
        severity: str = "warning",
        task: str | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Raise an alert, perhaps on a task."""
        fields = {"severity": severity, "task": task}
        return self._calls.write(lambda s: observations.raise_alert(s, id, message, **fields), **how)

    def resolve(self, alert: str, **how: Unpack[How]) -> Result:
        """Resolve an alert."""
        return self._calls.write(lambda s: observations.resolve_alert(s, alert), **how)

    def list(self, status: str | None = "open") -> tuple[Alert, ...]:
        """Return the alerts of a status; None: all."""
        found = self._calls.read(lambda s: observations.records(s, "alert", status))
        return tuple(from_record(Alert, record) for record in found)
