"""`task add --from`: many tasks from a JSONL or CSV file, all or none, with every fault and its line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from opsgit.domain import names
from opsgit.domain.dependencies import in_order
from opsgit.domain.model import Stage
from opsgit.domain.policy import split_pipeline
from opsgit.domain.records import checked
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.domain.request import Request
from opsgit.operations import numbers
from opsgit.operations.publication import perform, publish
from opsgit.operations.session import Session, orchestrator
from opsgit.operations.transactions import Transaction, Written
from opsgit.views.sheet import GUARD, GUARDED

LISTS = ("tags", "depends_on")
FIELDS = ("id", "title", "description", "priority", "tags", "pipeline", "assigned", "depends_on")
SIZE_MAX = 64 * 1024 * 1024


class Line(NamedTuple):
    """One task of a file: the number of its line, and its fields; or a fault."""

    number: int
    fields: Mapping[str, Any]
    fault: Refusal | None = None


class Added(NamedTuple):
    """What was made of a file: the operations, and the faults of the lines that were left out."""

    written: list[Written]
    faults: list[Refusal]


def add(session: Session, content: bytes, skip_faulty: bool = False) -> Added:
    """Add the tasks of a file together.

    A task may depend on another one of the file, whatever their order. A task without an id gets the next number.

    :param content: JSONL, one object for each task, or CSV with a line of names; `FIELDS` are known.
    :param skip_faulty: add what can be added, instead of nothing, if there are faults.
    :raises Refused: all faults, each with its line: `BAD_VALUE` for what cannot be read, `UNKNOWN_FIELD`, and the codes
        of the rule book; as `publish`.
    """
    session.refuse_op_id()
    lines = list(_in_order(list(_lines(content))))
    if not lines:
        refuse("BAD_VALUE", "the file holds no tasks", 'one object for each line, such as {"title": "Build it"}')
    actor = session.look().agent(session.actor(session.look(), orchestrator)).name

    note = session.note
    return publish(session, lambda transaction: _Adding(session, transaction, actor, note).add(lines, skip_faulty))


@dataclass(eq=False, repr=False)
class _Adding:
    """One pass over the lines. `number` is the next id for a task without one, once it was asked for."""

    session: Session
    transaction: Transaction
    actor: str
    note: str
    number: str = ""
    refused: set[str] = field(default_factory=set)

    def add(self, lines: Sequence[Line], skip_faulty: bool) -> Added:
        faults: list[Refusal] = []
        for number, line in enumerate(lines, 1):
            if self.session.progress:
                self.session.progress("tasks", number, len(lines))
            fault = line.fault or self._add(line)
            if fault:
                place = f"line {line.number}"
                faults.append(replace(fault, message=f"{place}: {fault.message}", where=place))
                self.refused.add(str(line.fields.get("id")))
        faults.sort(key=lambda one: int(one.where.split()[1]))
        if faults and not skip_faulty:
            raise Refused(*faults)
        return Added(self.transaction.written, faults)

    def _add(self, line: Line) -> Refusal | None:
        fields = dict(line.fields)
        lost = [one for one in fields.get("depends_on") or () if one in self.refused]
        if lost:
            return Refusal("NOT_FOUND", f"it depends on {lost[0]}, whose line was refused", "correct that line")
        try:
            task_id = str(fields.pop("id", None) or self._next())
            names.check_id(task_id)
            if "pipeline" in fields:
                fields["pipeline"] = _stages(fields["pipeline"])
            request = Request("task.add", self.actor, task_id, fields, self.note)
            perform(self.session, self.transaction, request)
        except Refused as found:
            return found.refusal
        self.number = numbers.after(task_id) or self.number
        return None

    def _next(self) -> str:
        """Return the next number. Looking for it reads the names of all tasks, so it is looked for once."""
        self.number = self.number or numbers.next_task(self.transaction.snapshot())
        return self.number


def _stages(given: Any) -> Any:
    """Return the names of the stages: of a text, a list of names, or stages as a task's file has them.

    :raises Refused: `BAD_VALUE` for anything else.
    """
    if isinstance(given, str):
        return split_pipeline(given)
    if not isinstance(given, tuple):
        refuse("BAD_VALUE", "pipeline is neither a text nor a list", '"pipeline": "dev→qa→deploy"')
    return tuple(one if isinstance(one, str) else checked(Stage, one, "pipeline").words for one in given)


def _lines(content: bytes) -> Iterator[Line]:
    if len(content) > SIZE_MAX:
        refuse("BAD_VALUE", "the file is larger than 64 MiB", "split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse("BAD_VALUE", f"the file is not UTF-8 at byte {error.start}", "convert it: iconv -t UTF-8")
    if text.lstrip().startswith("["):
        refuse("BAD_VALUE", "the file is one JSON array", "one object for each line: jq -c '.[]' FILE")
    if text.strip():
        yield from _of_jsonl(text) if text.lstrip().startswith("{") else _of_csv(text)


def _of_jsonl(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Line(number, {}, Refusal("BAD_VALUE", f"not JSON: {error}", "one object for each line"))
            continue
        if isinstance(found, dict):
            yield _known(number, {name: value for name, value in found.items() if value is not None})
        else:
            yield Line(number, {}, Refusal("BAD_VALUE", "not an object", "one object for each line"))


def _of_csv(text: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        head = [name.strip() for name in next(reader)]
        odd = _unknown(head)
        if odd:
            yield Line(1, {}, odd)
            return
        while True:
            begins = reader.line_num + 1
            row = next(reader, None)
            if row is None:
                return
            if any(cell.strip() for cell in row):
                yield _of_row(begins, head, row)
    except csv.Error as error:
        yield Line(reader.line_num, {}, Refusal("BAD_VALUE", f"not CSV: {error}", "quote cells with commas or quotes"))


def _of_row(number: int, head: Sequence[str], row: Sequence[str]) -> Line:
    if len(row) > len(head):
        why = f"{len(row)} cells, and the first line names {len(head)} fields"
        return Line(number, {}, Refusal("BAD_VALUE", why, "quote cells with commas"))
    cells = {name: _unguarded(cell) for name, cell in zip(head, row, strict=False) if cell.strip()}
    split = {name: [one.strip() for one in cells[name].split(",") if one.strip()] for name in LISTS if name in cells}
    return _known(number, {**cells, **split})


def _unguarded(cell: str) -> str:
    """Return a cell without the mark that `export` puts before what a spreadsheet would take for a formula."""
    return cell[1:] if cell.startswith(GUARD) and cell[1:2] in GUARDED else cell


def _known(number: int, fields: Mapping[str, Any]) -> Line:
    odd = _unknown(fields)
    if odd:
        return Line(number, fields, odd)
    for name in LISTS:
        found = fields.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            return Line(number, {}, Refusal("BAD_VALUE", f"{name} is no list of texts", f'"{name}": ["..."]'))
    return Line(number, {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


def _unknown(names_: Iterable[str]) -> Refusal | None:
    """Return the refusal of the first name that no field of a new task has."""
    odd = next((name for name in names_ if name not in FIELDS), None)
    if odd is None:
        return None
    hint = "opsgit export --new prints these fields alone" if odd.isidentifier() else "separate the names by commas"
    return Refusal("UNKNOWN_FIELD", f"a new task has no field {odd!r}; there are {', '.join(FIELDS)}", hint)


def _in_order(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines in their order, but each after the lines of the tasks that it depends on."""
    number_of = {str(line.fields["id"]): line.number for line in lines if line.fields.get("id")}
    ahead = {line.number: [number_of[one] for one in _ids(line) if one in number_of] for line in lines}
    known, circles = {line.number: line for line in lines}, _circles(ahead)
    for number in in_order(ahead):
        line = known[number]
        yield line._replace(fault=_circle(line)) if number in circles else line


def _ids(line: Line) -> list[str]:
    return [str(one) for one in line.fields.get("depends_on") or ()]


def _circle(line: Line) -> Refusal:
    return Refusal("DEPENDENCY_CYCLE", f"{line.fields['id']} would depend on itself", "take one dependency out")


def _circles(ahead: Mapping[int, Sequence[int]]) -> set[int]:
    """Return the numbers of the lines whose tasks would depend on themselves through others of the file."""
    sorter, left = TopologicalSorter(ahead), set(ahead)
    with contextlib.suppress(CycleError):  # the sorter goes on, as far as there is no circle
        sorter.prepare()
    while ready := sorter.get_ready():
        left.difference_update(ready)
        sorter.done(*ready)
    return left & {one for number in left for one in ahead[number]}
