"""The live site: one thread owns the repository, renders pages when they are asked for, and performs what people do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from opsgit.api.project import open_project
from opsgit.domain import names
from opsgit.domain.decide import may
from opsgit.domain.model import Submission, Task
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import sights, site, update
from opsgit.operations.overview import overview, with_fixed_clock
from opsgit.operations.session import Session
from opsgit.storage import repository
from opsgit.storage.trees import Trees
from opsgit.views.site import Pages, actions, overview_page

Result = TypeVar("Result")
FRESH = 60  # seconds after which ages are counted anew
STEPS = ("review.approve", "review.sign-off", "review.reject", "review.comment", "review.resolve", "task.comment")


class Live:
    """The site of a state repository as it is now.

    :param path: a folder in the state repository.
    :param actor: the agent that people act as; None: the pages are for reading only.
    :param say: receives messages for whoever started the server.
    """

    def __init__(self, path: Path, actor: str | None, say: Callable[[str], None]) -> None:
        self.path, self.actor, self.say = path, actor, say
        self._worker = ThreadPoolExecutor(max_workers=1)  # the index is for one thread
        self._known: tuple[Any, ...] = ()
        self._pages: Pages | None = None
        self._moved = threading.Condition()
        self._number, self._over = 0, False
        self._seen: tuple[Any, ...] = ()
        self._work(self._open)
        self.look()  # what is there now is no change

    def _work(self, function: Callable[[], Result]) -> Result:
        return self._worker.submit(function).result()

    def _open(self) -> None:
        self.repository = repository.find(self.path)
        self.trees = Trees(self.repository.git)

    def stop(self) -> None:
        """End all waits for a change."""
        with self._moved:
            self._over = True
            self._moved.notify_all()

    def close(self) -> None:
        """End the thread that owns the repository."""
        self._work(self.repository.close)
        self.trees.close()
        self._worker.shutdown()

    def page(self, path: str, acting: bool) -> str | None:
        """Return a page, None if there is none at this path.

        :param path: as in the site, such as `task/T-7.html`.
        :param acting: whether whoever asks may act.
        :raises Refused: as `site.gather`.
        """
        return self._work(lambda: self._rendered(path, acting))

    def _session(self) -> Session:
        return Session(self.repository, online=False)

    def _rendered(self, path: str, acting: bool) -> str | None:
        session = self._session()
        if path == "index.html":  # the page that people keep open needs only what is open, and no walk over the log
            return overview_page(overview(with_fixed_clock(session, live=True)), live=True, number=self._number)
        mark = (self._refs(), int(session.clock()) // FRESH)
        if self._pages is None or mark != self._known:
            self._pages, self._known = Pages(site.gather(session, live=True), live=True), mark
        self._pages.number = self._number  # a page listens from the state that it shows
        task_id = path.removeprefix("task/").removesuffix(".html")
        if path == f"task/{task_id}.html" and task_id in self._pages.tasks:
            found = site.page(session, self._pages.site, task_id, self.trees)
            return self._pages.task(found, self._actions(session, found) if acting and self.actor else "")
        render = self._pages.paths.get(path)
        return render() if render else None

    def _actions(self, session: Session, found: site.Page) -> str:
        """Return the forms for what the actor may do with a task now.

        The version and the threads in the forms are those of the page, and not newer ones.
        """
        assert self.actor
        task_id, name = found.task["id"], self.actor
        snapshot, now = session.look(task_id), int(session.clock())
        can = {op: may(snapshot, op, name, task_id, now) is None for op in STEPS}
        reviewed = found.rounds[-1] if found.rounds and not found.rounds[-1].ended else None
        can["task.comment" if reviewed else "review.comment"] = False
        can["review.resolve"] &= name not in found.task["contributors"]  # `may` knows no thread
        submission = from_record(Submission, found.rounds[-1].submission) if found.rounds else None
        comments = reviewed.review.get("comments", ()) if reviewed else ()
        threads = [one for one in comments if "answers" not in one and "resolved" not in one]
        version = submission.version if submission else ""
        return actions({"task": task_id, "actor": name, "can": can, "version": version, "threads": threads})

    def act(self, fields: Mapping[str, str]) -> None:
        """Perform what a form asks for, signed by the actor.

        :param fields: task, op, text, thread and version.
        :raises Refused: `BAD_VALUE` for another form; `STALE` if another version was submitted since the page was
            shown; as the operation.
        """
        self._work(lambda: self._act(fields))

    def _act(self, fields: Mapping[str, str]) -> None:
        task, op = fields.get("task", ""), fields.get("op", "")
        text = fields.get("text", "").replace("\r\n", "\n").strip()
        with open_project(self.path, self.actor) as project:
            steps: dict[str, Callable[[], Any]] = {
                "review.approve": lambda: project.reviews.approve(task, note=text),
                "review.sign-off": lambda: project.reviews.sign_off(task, note=text),
                "review.reject": lambda: project.reviews.reject(task, text),
                "review.comment": lambda: project.reviews.comment(task, text, reply_to=fields.get("thread") or None,
                                                                  blocking=fields.get("blocking") == "yes"),
                "review.resolve": lambda: project.reviews.resolve(task, fields.get("thread", ""), note=text),
                "task.comment": lambda: project.tasks.comment(task, text),
            }  # fmt: skip
            if op not in steps:
                refuse("BAD_VALUE", f"this page does not offer {op!r}", "load the page again")
            found = project.tasks.show(task)
            if op != "task.comment" and fields.get("version", "") != _version(found):
                refuse(
                    "STALE", f"{task} was submitted again since this page was shown", "load the page, and look again"
                )
            if self.actor and found.submission:  # a verdict is on this version, also if another one comes now
                sights.note(self._session(), self.actor, task, found.submission)
            steps[op]()

    def _refs(self) -> tuple[Any, ...]:
        """Return what changes when main or a review branch moves, here or at the remote; this needs no process."""
        folder = self.repository.folder
        found: list[Any] = [self.repository.git.ref(names.MAIN)]
        for place in (folder / "packed-refs", folder / "refs/heads/review", folder / "refs/remotes/origin/review"):
            with suppress(FileNotFoundError, NotADirectoryError):
                found.append((str(place), place.stat().st_mtime_ns))
                for one in sorted(os.scandir(place), key=lambda one: one.name):
                    with suppress(FileNotFoundError):  # git's lock of a ref, which is gone again
                        found.append((one.name, one.stat().st_mtime_ns))
        return tuple(found)

    def look(self) -> None:
        """Look whether the ledger has moved, and wake whoever waits for that."""
        seen = self._work(self._refs)
        with self._moved:
            if seen != self._seen:
                self._seen, self._number = seen, self._number + 1
                self._moved.notify_all()

    def fetch(self) -> None:
        """Bring the clone up to its remote. If that is not possible, it is said.

        It takes a repository of its own: pages are shown meanwhile.
        """
        own = repository.find(self.path)
        try:
            update.update(Session(own))
        except Refused as refused:
            self.say(f"{refused.refusal.code}: {refused.refusal.message}")
        finally:
            own.close()

    def wait(self, number: int, seconds: float) -> int | None:
        """Wait until the ledger has moved on from a number of changes; return the present one, None at the end.

        :param seconds: how long to wait at most.
        """
        with self._moved:
            self._moved.wait_for(lambda: self._over or self._number != number, seconds)
            return None if self._over else self._number

    @property
    def number(self) -> int:
        """How often the ledger has moved so far."""
        return self._number


def _version(task: Task) -> str:
    return task.submission.version if task.submission else ""
