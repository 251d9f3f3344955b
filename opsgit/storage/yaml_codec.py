"""YAML: read the safe core that files may use, and edit ops.yaml with its comments kept.

libyaml (through ruamel) parses the syntax. This module gives scalars their meaning (YAML 1.2, core schema) and refuses
what is outside the safe core.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from opsgit.domain import text
from opsgit.domain.canonical import SIZE_MAX
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.vocabulary import COUNT_MAX
from opsgit.storage import canonical_reader

DEPTH_MAX = 12
HINT = "opsgit help format"

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_ODD_FLOAT = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


def fault(path: str, what: str) -> Any:
    """Refuse a file.

    :param path: the file's name, for the message.
    :param what: what is wrong with it.
    :raises Refused: `BAD_YAML`, always.
    """
    refuse("BAD_YAML", f"{path}: {what}", HINT, path)


def parse(content: bytes, path: str) -> Record:
    """Return the mapping that a file holds.

    :param content: the bytes of the file.
    :param path: the file's name, for the message.
    :raises Refused: `BAD_YAML` if the file is outside the safe core.
    """
    if len(content) > SIZE_MAX:
        fault(path, f"larger than {SIZE_MAX // 1024} KiB")
    try:
        words = content.decode("utf-8")
    except UnicodeDecodeError as error:
        fault(path, f"not UTF-8 at byte {error.start}")
    found = text.FORBIDDEN.search(words)
    if found:
        fault(path, f"line {words.count(chr(10), 0, found.start()) + 1} holds the character {found.group()!r}")
    value = canonical_reader.read(words) or _Builder(path).build(words)
    if not isinstance(value, dict):
        fault(path, "not a mapping")
    return value


def events(words: str, public: bool = False) -> Iterator[Any]:
    """Yield the parser's events of a text.

    :param public: use ruamel's public parser, which is written in Python, instead of the C parser of ruamel.yaml.clib.
        The C parser is much faster, but private to ruamel. A test checks that both give the same events.
    """
    try:
        from _ruamel_yaml import CParser
    except ImportError:
        public = True
    if public:
        from ruamel.yaml import YAML

        yield from YAML(typ="safe", pure=True).parse(io.StringIO(words))
        return
    parser = CParser(words)
    while parser.check_event():
        yield parser.get_event()


class _Builder:
    """Builds values from the parser's events without recursion, and refuses what is outside the safe core."""

    def __init__(self, path: str) -> None:
        self.path = path

    def build(self, words: str) -> Any:
        from ruamel.yaml.error import YAMLError

        try:
            self.root: list[Any] = []
            self.stack: list[tuple[Any, list[Any]]] = [(self.root, [])]
            for event in events(words):
                self.take(event)
        except (YAMLError, ValueError) as error:
            fault(self.path, "not YAML: " + " ".join(str(error).split())[:200])
        if len(self.root) != 1:
            fault(self.path, "not one document")
        return self.root[0]

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if getattr(event, "anchor", None):
            fault(self.path, f"line {event.start_mark.line + 1}: anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            fault(self.path, f"line {event.start_mark.line + 1}: tags are not allowed")
        if kind == "DocumentStartEvent" and (event.version or event.tags):
            fault(self.path, "directives are not allowed")
        if kind == "ScalarEvent":
            self.put(self.scalar(event))
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self.stack.append(({} if kind[0] == "M" else [], []))
            if len(self.stack) > DEPTH_MAX + 1:
                fault(self.path, f"deeper than {DEPTH_MAX} levels")
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self.put(self.stack.pop()[0])

    def put(self, value: Any) -> None:
        holder, key = self.stack[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif key:
            holder[key.pop()] = value
        else:
            self.key(holder, key, value)

    def key(self, holder: dict[str, Any], key: list[Any], value: Any) -> None:
        if not isinstance(value, str) or value == "<<":
            fault(self.path, f"{value!r} is no key: keys are text, and merge keys are not allowed")
        if value in holder:
            fault(self.path, f"the key {value!r} stands twice")
        key.append(value)

    def scalar(self, event: Any) -> Any:
        words: str = event.value
        if not event.implicit[0]:
            found = text.FORBIDDEN.search(words)
            if found:
                fault(self.path, f"line {event.start_mark.line + 1}: an escape for {found.group()!r}")
            return words
        if words in _WORDS:
            return _WORDS[words]
        return self.number(words) if words[0] in "0123456789+-." else words

    def number(self, words: str) -> Any:
        if _INTEGER.match(words) or _OCTAL_OR_HEX.match(words):
            value = int(words, 0 if words[1:2] in ("o", "x") else 10) if len(words) < 20 else COUNT_MAX + 1
            if abs(value) > COUNT_MAX:
                fault(self.path, f"the number {words[:20]}... is beyond 2^53")
            return value
        if _ODD_FLOAT.match(words) or (_FLOAT.match(words) and len(words) > 40):
            fault(self.path, f"{words[:20]} is not a number that may be stored")
        return float(words) if _FLOAT.match(words) else words


def edit_policy(content: bytes, dotted: str, value: Any) -> bytes:
    """Return ops.yaml with one key set; comments and order are kept.

    :param content: the bytes of ops.yaml.
    :param dotted: the key, such as `deploy.command`.
    :param value: the new value; None removes the key.
    :raises Refused: `BAD_VALUE` if a part of the key is not a mapping.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(content.decode())
    _set_dotted(document, dotted.split("."), value)
    out = io.BytesIO()
    yaml.dump(document, out)
    return out.getvalue()


def _set_dotted(document: Any, keys: list[str], value: Any) -> None:
    for depth, key in enumerate(keys[:-1]):
        inner = document.setdefault(key, {})
        if not isinstance(inner, dict):
            refuse("BAD_VALUE", f"{'.'.join(keys[: depth + 1])} holds no keys", "opsgit project show")
        document = inner
    if value is None:
        document.pop(keys[-1], None)
    else:
        document[keys[-1]] = value


def parse_value(words: str) -> Any:
    """Return a single YAML value from the command line.

    :raises Refused: `BAD_YAML` if it is outside the safe core; `BAD_VALUE` if it is more than one value.
    """
    fault_ = Refused()
    for form in (f"value: {words}\n", f"value:\n  {words}\n"):
        try:
            found = parse(form.encode(), "VALUE")
        except Refused as refused:
            fault_ = refused
        else:
            if list(found) == ["value"]:
                return found["value"]
            refuse("BAD_VALUE", f"{words!r} is more than one value", "give one YAML value", "VALUE")
    raise fault_
