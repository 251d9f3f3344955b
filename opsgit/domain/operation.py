"""The record that describes one operation. `catalogue` holds one for each; everything else is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsgit.domain.refusals import refuse
from opsgit.domain.request import ManagedFile
from opsgit.domain.vocabulary import COUNT_MAX

if TYPE_CHECKING:
    from opsgit.domain.context import Context
    from opsgit.domain.model import Task
    from opsgit.domain.records import Record

LEDGER, BRANCH, MERGE = "ledger", "branch", "merge"
# Whether the file that an operation writes is there before.
EXISTS, NEW, EITHER = "exists", "new", "either"
Fields = dict[str, Any]


class Who(NamedTuple):
    """One way to be allowed: a right (None: any active agent), and a relation (a key of `authority.RELATIONS`)."""

    right: str | None
    relation: str = "anyone"


class Argument(NamedTuple):
    """One argument of a request: what it is called in a refusal, a test for its value, and whether it must be given.

    None counts as not given, and clears what an edit names.
    """

    form: str
    fits: Callable[[Any], bool]
    required: bool = False

    def needed(self) -> Argument:
        """The same argument, which must be given."""
        return self._replace(required=True)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -COUNT_MAX <= value <= COUNT_MAX


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_files(value: Any) -> bool:
    return _is_mapping(value) and all(item is None or isinstance(item, ManagedFile) for item in value.values())


TEXT = Argument("a text", lambda value: isinstance(value, str))
TEXTS = Argument("a list of texts", _is_texts)
COUNT = Argument("a whole number from 0 to 2^53", _is_count)
NUMBER = Argument("a number from -2^53 to 2^53", _is_number)
FLAG = Argument("true or false", lambda value: isinstance(value, bool))
MAPPING = Argument("a mapping", _is_mapping)
FILES = Argument("a mapping from paths to files", _is_files)
CONTENT = Argument("bytes", lambda value: isinstance(value, bytes))


class Advice(NamedTuple):
    """What `task next` and the dashboards say of a step that takes a task forward.

    `who` names the agent or role that the task waits for, or None where the step is not what it waits for; it sees the
    task and a function that says whether an agent of a name can still act. `act` says what to do, `command` by which
    command, where that is not the operation's own.
    """

    act: str
    who: Callable[[Task, Callable[[str], bool]], str | None]
    command: str = ""


class Operation(NamedTuple):
    """One operation of the rule book.

    - `kind`: the kind of file that it writes (a key of `names.ENTITIES`, or `managed`). `finds`: whether the file is
      there before.
    - `who`: the ways to be allowed, of which one is enough. `sources`: the statuses that a task may have.
      `gates`: the conditions, by name (`gates.GATES`), in the order in which they are checked.
    - `targets`: the statuses that it leads to. With several, `reaches` says which; with none the status stays.
    - `effect`: from the context and the value before (None for a new file) to the value after, or an `Outcome`.
      The status is not its business.
    - `arguments`: what a request may hold. `rebuild`: the same from the record before and the record after.
    - `on`: where its commit stands: on the ledger, or on the task's review branch.
    - `actor`: who acts when nobody is named (a key of `session.NATURAL`).
    - `word`: what the subject says where no status changes. `command`: how a person makes it.
    - `by_hand`: whether an edit of a file (record before, record after) is this operation; None: opsgit alone makes it.
    - `ends`: whether it is needed to end a review or a task: then it may use the room that others must leave.
    - `advice`: what to say of it as the next step of a task.
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
    ends: bool = False
    advice: Advice | None = None


def check_arguments(operation: Operation, fields: Mapping[str, Any]) -> None:
    """Refuse with `BAD_VALUE` an argument that the operation does not take, lacks, or gets in another form."""
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
