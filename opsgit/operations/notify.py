"""Tell others what is new and what is over: by a webhook, or by a program. Each thing is told once.

For each receiver the git folder holds what lasts, and the events that wait to be delivered. An event that could not be
delivered stays as it is, and the next run sends the same again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsgit.domain.model import Run
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.operations import sights
from opsgit.operations.session import Session
from opsgit.storage import runner, webhook

Event = Mapping[str, Any]
PROGRAM_SECONDS = 60
PROGRAM_OUTPUT = 1 << 20
WAITING_MAX = 1000  # events that are kept for a receiver that cannot be reached; the oldest are dropped first


@dataclass(frozen=True)
class Webhook:
    """A URL to which each event is posted. `secret` is the key of the signature, or empty."""

    url: str
    secret: str = ""

    @property
    def name(self) -> str:
        """What tells this receiver from others."""
        return self.url

    def send(self, session: Session, event: Event) -> None:
        """Post one event.

        :raises Refused: `NOT_DELIVERED`.
        """
        body = json.dumps(event).encode()
        webhook.post(self.url, body, {"X-Opsgit-Delivery": hashlib.sha256(body).hexdigest()[:32]}, self.secret)


@dataclass(frozen=True)
class Program:
    """A program that gets each event on its standard input. `words` are its arguments; no shell reads them."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tells this receiver from others."""
        return json.dumps(self.words)

    def send(self, session: Session, event: Event) -> None:
        """Run the program for one event.

        :raises Refused: `NOT_DELIVERED` if it does not exit with 0 in 60 seconds.
        """
        command = Run(command=self.words, timeout=PROGRAM_SECONDS, output=PROGRAM_OUTPUT)
        folder = session.repository.top or session.repository.folder
        ended = runner.run(command, folder, {}, json.dumps(event).encode() + b"\n")
        if ended.evidence == "interrupted":
            raise KeyboardInterrupt
        if ended.evidence != "exit 0":
            last = f": {ended.output.strip()[-300:]}" if ended.output.strip() else ""
            refuse(
                "NOT_DELIVERED", f"{self.words[0]}: {ended.evidence}{last}", "run it by hand with the event on stdin"
            )


Receiver = Webhook | Program


def changes(
    found: Mapping[str, Event], lasting: Mapping[str, Event], mine: Callable[[str], bool], at: str
) -> Iterator[dict[str, Any]]:
    """Yield an event for each thing that is new, and for each that is over.

    :param found: what there is now, by key.
    :param lasting: what was told and not yet over, by key.
    :param mine: returns whether a key is of a kind that was looked for.
    :param at: the time (RFC 3339 text).
    """
    for key, told in found.items():
        if key not in lasting:
            yield {"time": at, "state": "raised", "key": key, **told}
    for key, event in lasting.items():
        if key not in found and mine(key):
            yield {**event, "time": at, "state": "over"}


def deliver(
    session: Session,
    receivers: Sequence[Receiver],
    kind: str,
    whose: Sequence[str],
    found: Mapping[str, Event],
    mine: Callable[[str], bool],
    at: str,
) -> list[Refusal]:
    """Tell each receiver what is new for it and what is over.

    :param kind: `monitor` or `inbox`.
    :param whose: the agents whose inbox it is.
    :param found: what there is now, by key; each has a `message`.
    :param mine: returns whether a key is of a kind that was looked for.
    :returns: what could not be delivered.
    :raises Refused: `BUSY` if another run is telling the same receiver for 60 seconds.
    """
    faults: list[Refusal] = []
    for receiver in receivers:
        about = json.dumps([kind, *sorted(whose), receiver.name])
        name = f"told-{hashlib.sha256(about.encode()).hexdigest()[:16]}"
        with session.repository.lock(name):
            told = _Told.load(session, f"{name}.json")
            told.add(changes(found, told.lasting, mine, at))
            try:
                told.send(lambda event, to=receiver: to.send(session, _letter(session, kind, event)))  # type: ignore[misc]
            except Refused as refused:
                faults.append(refused.refusal)
    return faults


@dataclass
class _Told:
    """What one receiver knows: the things that last, by key, and the events that wait, the oldest first."""

    session: Session
    file: str
    lasting: dict[str, Event]
    waiting: list[Event]

    @staticmethod
    def load(session: Session, file: str) -> _Told:
        """Return what was remembered; a damaged file is an empty one."""
        held = sights.load(session, file)
        lasting, waiting = held.get("lasting"), held.get("waiting")
        return _Told(
            session, file, lasting if isinstance(lasting, dict) else {}, waiting if isinstance(waiting, list) else []
        )

    def add(self, events: Iterator[dict[str, Any]]) -> None:
        """Let events wait."""
        for event in list(events):
            self.waiting.append(event)
            if event["state"] == "raised":
                self.lasting[event["key"]] = event
            else:
                del self.lasting[event["key"]]
        self.waiting = self.waiting[-WAITING_MAX:]
        self._save()

    def send(self, send: Callable[[Event], None]) -> None:
        """Send what waits, and forget each event that was delivered."""
        while self.waiting:
            send(self.waiting[0])
            self.waiting.pop(0)
            self._save()

    def _save(self) -> None:
        sights.save(self.session, self.file, {"lasting": self.lasting, "waiting": self.waiting})


def _letter(session: Session, kind: str, event: Event) -> dict[str, Any]:
    """Return what a receiver gets: the event with the project, and one line of text, which chats show as it is."""
    project = session.repository.identity
    over = " (over)" if event["state"] == "over" else ""
    return {"schema_version": 1, "kind": f"{kind}-event", "project": project.name, "repository": project.repository,
            "text": f"[{project.name}] {event['message']}{over}", "event": dict(event)}  # fmt: skip
