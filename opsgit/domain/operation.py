"""The record that describes one operation. Read it before `catalogue`, which holds one such record per operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsgit.domain.refusals import refuse
from opsgit.domain.request import ManagedFile
from opsgit.domain.text import UNWRITABLE
from opsgit.domain.vocabulary import COUNT_MAX

if TYPE_CHECKING:
    from opsgit.domain.context import Context
    from opsgit.domain.model import Task
    from opsgit.domain.records import Record

RESET_CLOCK = "project.reset-clock"  # the only operation whose commit may be dated before its parent
LEDGER, BRANCH, MERGE = "ledger", "branch", "merge"
# Whether the file that an operation writes exists before the operation.
EXISTS, NEW, EITHER = "exists", "new", "either"
Fields = dict[str, Any]


class Who(NamedTuple):
    """One way in which an actor can be permitted.

    `right` is the right that it needs; None means any active agent. `relation` is a key of `authority.RELATIONS`.
    """

    right: str | None
    relation: str = "anyone"


class Argument(NamedTuple):
    """One argument of a request: its description for a refusal, a test of its value, and whether it is required.

    None counts as not given; in an edit it clears the field.
    """

    form: str
    fits: Callable[[Any], bool]
    required: bool = False

    def needed(self) -> Argument:
        """Return the same argument as a required one."""
        return self._replace(required=True)


def _is_text(value: Any) -> bool:
    """Return whether a value is a text that can be written as UTF-8."""
    return isinstance(value, str) and not UNWRITABLE.search(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -COUNT_MAX <= value <= COUNT_MAX


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_files(value: Any) -> bool:
    return _is_mapping(value) and all(item is None or isinstance(item, ManagedFile) for item in value.values())


TEXT = Argument("a text", _is_text)
TEXTS = Argument("a list of texts", _is_texts)
COUNT = Argument("a whole number from 0 to 2^53", _is_count)
NUMBER = Argument("a number from -2^53 to 2^53", _is_number)
FLAG = Argument("true or false", lambda value: isinstance(value, bool))
MAPPING = Argument("a mapping", _is_mapping)
FILES = Argument("a mapping from paths to files", _is_files)
CONTENT = Argument("bytes", lambda value: isinstance(value, bytes))


class Advice(NamedTuple):
    """The text and the rule by which `task next` and the dashboards suggest an operation as the next step of a task.

    - `act`: what to do. `command`: the command for it; empty for the operation's own command.
    - `who`: returns the agent or role that the task waits for, or None when the task does not wait for this step. It
      receives the task and a function that returns whether an agent of a name is active.
    - `instead`: another operation, which is the step when this one is refused with one of the codes `despite`: the
      task waits for the agent nevertheless.
    """

    act: str
    who: Callable[[Task, Callable[[str], bool]], str | None]
    command: str = ""
    instead: str = ""
    despite: tuple[str, ...] = ()


class Operation(NamedTuple):
    """One operation of the rule book.

    - `kind`: the kind of file that it writes (a key of `names.ENTITIES`, or `managed`). `finds`: whether that file
      exists before the operation.
    - `who`: the ways in which an actor can be permitted; one is enough. `sources`: the statuses from which it is
      possible. `gates`: the names of its gates (keys of `gates.GATES`), in the order in which they are checked.
    - `targets`: the statuses that it can set. With several, `reaches` returns the one to set; with none, the status
      stays.
    - `effect`: a function from the context and the value before (None for a new file) to the value after, or to an
      `Outcome`. It does not set the status.
    - `arguments`: the arguments that a request may have. `rebuild`: a function from the record before and the record
      after to these arguments.
    - `on`: the branch of its commit: the ledger or the task's review branch.
    - `actor`: who acts when nobody is named (a key of `operations.session.NATURAL`).
    - `word`: the word in the message's subject when the status does not change. `command`: the command for a person.
    - `by_hand`: a function from the record before and the record after that returns whether a hand edit is this
      operation; None when no edit of a record is. (A hand edit of managed files is always `file.set`.)
    - `online`: whether it is refused while the remote is not asked: one winner, one unit, one deployment, one verdict.
    - `room`: how far it may fill the file of a task or an agent (a key of `canonical.ROOM`).
    - `advice`: the text for this operation as the next step of a task; None when it is never suggested.
    """

    name: str
    kind: str
    who: tuple[Who, ...]
    effect: Callable[[Context, Any], Any]
    rebuild: Callable[[Record | None, Record], Fields]
    command: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    reaches: Callable[[Context, Any], str] | None = None
    gates: tuple[str, ...] = ()
    arguments: Mapping[str, Argument] = {}
    finds: str = EXISTS
    on: str = LEDGER
    actor: str = "orchestrator"
    word: str = ""
    by_hand: Callable[[Record | None, Record], bool] | None = None
    online: bool = False
    room: str = "steps"
    advice: Advice | None = None


def check_arguments(operation: Operation, fields: Mapping[str, Any]) -> None:
    """Refuse an argument that is unknown, missing or of the wrong type.

    :param fields: the arguments of a request, by name.
    :raises Refused: `BAD_VALUE`.
    """
    for name, value in fields.items():
        known = operation.arguments.get(name)
        if known is None:
            refuse(
                "BAD_VALUE", f"{operation.name} takes no {name!r}", f"{operation.command.split(' {')[0]} --help", name
            )
        if value is not None and not known.fits(value):
            refuse("BAD_VALUE", f"{name} of {operation.name} is {known.form}, not {_shown(value)}",
                   f"{operation.command.split(' {')[0]} --help", name)  # fmt: skip
    for name, known in operation.arguments.items():
        if known.required and fields.get(name) is None:
            refuse("BAD_VALUE", f"{operation.name} needs {name}", f"{operation.command.split(' {')[0]} --help", name)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
