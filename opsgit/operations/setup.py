"""`setup`: write, check and remove the files by which a harness knows opsgit. What others wrote stays as it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from opsgit.domain.refusals import refuse
from opsgit.storage.disk import put
from opsgit.views.harnesses import BLOCK, KEYS, PLUGIN, WHOLE, Piece

BEGIN = "<!-- opsgit:begin (managed by opsgit setup) -->"
END = "<!-- opsgit:end -->"
# Both marks stand alone on a line, and there is no other beginning in between.
MARKED = re.compile(
    rf"^{re.escape(BEGIN)}\r?$(?:(?!^{re.escape(BEGIN)}\r?$)[\s\S])*?^{re.escape(END)}(?=\r?$)", re.MULTILINE
)
MADE = ' in opsgit"'  # in the description of each sub-agent that setup writes
ABSENT, DIFFERS, CURRENT, WRITTEN, REMOVED = "absent", "differs", "current", "written", "removed"


class State(NamedTuple):
    """A file and its state: absent, differs or current; after a change also written or removed."""

    path: str
    state: str


def check(folder: Path, pieces: Iterable[Piece]) -> list[State]:
    """Return the state of each piece in a project's folder.

    :raises Refused: `BAD_VALUE` if a file of others cannot be read as what it should be.
    """
    return [State(piece.path, _state(_read(folder / piece.path), piece)) for piece in pieces]


def install(folder: Path, pieces: Iterable[Piece]) -> list[State]:
    """Write what is absent or differs; everything is looked at before anything is written.

    :raises Refused: as `check`.
    """
    plan = [(piece, _read(folder / piece.path)) for piece in _all_inside(folder, pieces)]
    found = [State(piece.path, _state(text, piece)) for piece, text in plan]
    texts = [HOW[piece.kind].add(text, piece) for piece, text in plan]
    for (piece, _), (_, state), text in zip(plan, found, texts, strict=True):
        if state != CURRENT:
            _write(folder / piece.path, text)
    return [one if one.state == CURRENT else State(one.path, WRITTEN) for one in found]


def remove(folder: Path, pieces: Iterable[Piece]) -> list[State]:
    """Remove each piece; a file of others stays without it, and folders that are empty then are removed.

    :raises Refused: as `check`.
    """
    told = []
    for piece in _all_inside(folder, pieces):
        path, text = folder / piece.path, _read(folder / piece.path)
        if text is None or _state(text, piece) == ABSENT:
            told.append(State(piece.path, ABSENT))
            continue
        rest = HOW[piece.kind].drop(text, piece)
        if rest:
            _write(path, rest)
        else:
            path.unlink()
            _remove_empty(path.parent, folder)
        told.append(State(piece.path, REMOVED))
    return told


def _write(path: Path, text: str) -> None:
    """Write a file; a link stays a link, and a file keeps its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.resolve()
    put(place, text.encode(), place.stat().st_mode & 0o777 if place.exists() else 0o666)


def _all_inside(folder: Path, pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces.

    :raises Refused: `BAD_VALUE` if a link leads one out of the project.
    """
    found = list(pieces)
    for piece in found:
        if not _is_inside(folder, folder / piece.path):
            refuse("BAD_VALUE", f"{piece.path} leads out of {folder}", "take the link away, or name the other folder")
    return found


def _remove_empty(place: Path, top: Path) -> None:
    while place != top and place.is_dir() and not any(place.iterdir()):
        place.rmdir()
        place = place.parent


def _read(path: Path) -> str | None:
    """Return the text of a file, None if there is none."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        refuse("BAD_VALUE", f"{path} is not UTF-8", "look at the file")


def _state(text: str | None, piece: Piece) -> str:
    if text is None:
        return ABSENT
    return HOW[piece.kind].state(text, piece)


class How(NamedTuple):
    """How one kind of piece is found in a text, added to it and dropped from it."""

    state: Callable[[str, Piece], str]
    add: Callable[[str | None, Piece], str]
    drop: Callable[[str, Piece], str]


def _whole_state(text: str, piece: Piece) -> str:
    return CURRENT if text == piece.content else DIFFERS


def _block_of(piece: Piece) -> str:
    return f"{BEGIN}\n{piece.content.strip()}\n{END}"


def _block_state(text: str, piece: Piece) -> str:
    found = MARKED.search(text)
    if not found:
        return ABSENT
    return CURRENT if found.group().replace("\r\n", "\n") == _block_of(piece) else DIFFERS


def _add_block(text: str | None, piece: Piece) -> str:
    """Return the text with the block at its end, or in its old place.

    A text without a newline at its end gets none after the block either: so it can be taken out without a trace.
    """
    end = "\r\n" if text and _is_crlf(text) else "\n"
    block = _block_of(piece).replace("\n", end)
    if text is None or not text:
        return f"{block}\n"
    if MARKED.search(text):
        return MARKED.sub(lambda _: block, text, count=1)
    return f"{text}{block}{end}" if text.endswith("\n") else f"{text}{end}{block}"


def _is_crlf(text: str) -> bool:
    """Return whether each line ends as on Windows: git may have checked the file out so."""
    return 0 < text.count("\n") == text.count("\r\n")


def _drop_block(text: str, piece: Piece) -> str:
    found = MARKED.search(text)
    assert found  # the caller has looked
    before, after = text[: found.start()], text[found.end() :]
    return re.sub(r"\r?\n\Z", "", before) if not after else before + re.sub(r"\A\r?\n", "", after)


def _object(text: str, piece: Piece) -> dict[str, Any]:
    by_hand = f"add these keys by hand: {json.dumps(piece.content)}"
    try:
        found = json.loads(text, object_pairs_hook=_unique)
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError) as error:
        refuse("BAD_VALUE", f"{piece.path} cannot be written again as it is: {error}", by_hand)
    if not isinstance(found, dict):
        refuse("BAD_VALUE", f"{piece.path} is no JSON object", by_hand)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of some pairs.

    :raises ValueError: if a key is there twice: one of them would be lost.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(f"the keys {sorted(key for key, _ in pairs)} are not unique")
    return made


def _keys_state(text: str, piece: Piece) -> str:
    found = _object(text, piece)
    here = [part.get(key) for part, key, _ in _leaves(found, piece.content)]
    wanted = [value for *_, value in _leaves(found, piece.content)]
    if here == wanted:
        return CURRENT
    return ABSENT if all(one is None for one in here) else DIFFERS


def _leaves(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str, Any]]:
    """Return for each key of ours in the second level: the object that holds it, the key and our value."""
    found: list[tuple[Mapping[str, Any], str, Any]] = []
    for name, ours in wanted.items():
        part = held.get(name, {})
        found += [(part if isinstance(part, dict) else {}, key, value) for key, value in ours.items()]
    return found


def _add_keys(text: str | None, piece: Piece) -> str:
    found = _object(text, piece) if text else {}
    made = copy.deepcopy(found)
    for name, ours in piece.content.items():
        if not isinstance(made.setdefault(name, {}), dict):
            refuse("BAD_VALUE", f"{name} in {piece.path} is no JSON object", "correct it, then the same again")
        made[name].update(ours)
    return text if text and made == found else _dumped(made, text)


def _drop_keys(text: str, piece: Piece) -> str:
    found = _object(text, piece)
    for name, ours in piece.content.items():
        part = found.get(name)
        if isinstance(part, dict):
            for key in ours:
                part.pop(key, None)
            if not part:
                del found[name]
    return _dumped(found, text) if found else ""


def _dumped(value: Mapping[str, Any], like: str | None) -> str:
    """Return an object as JSON, indented and ended as a text was."""
    indent = re.search(r"\n([ \t]+)\S", like or "")
    text = json.dumps(value, indent=indent[1] if indent else 2, ensure_ascii=False)
    if not text.isprintable() and re.search("[\ud800-\udfff]", text):  # no UTF-8 for these: they stay escapes
        text = json.dumps(value, indent=indent[1] if indent else 2)
    return text if like and not like.endswith("\n") else f"{text}\n"


HOW = {
    WHOLE: How(_whole_state, lambda _, piece: piece.content, lambda *_: ""),
    BLOCK: How(_block_state, _add_block, _drop_block),
    KEYS: How(_keys_state, _add_keys, _drop_keys),
}


def stray(folder: Path, pieces: Iterable[Piece]) -> list[Piece]:
    """Return the files of sub-agents that setup wrote and that are not among some pieces: those of removed agents."""
    known = {piece.path for piece in pieces}
    place = folder / PLUGIN / "plugin/agents"
    if not any(path.startswith(PLUGIN) for path in known) or not place.is_dir() or not _is_inside(folder, place):
        return []
    found = (path for path in sorted(place.glob("*.md")) if path.is_file() and not path.is_symlink())
    ours = (path for path in found if MADE in path.read_text(errors="replace"))
    paths = (path.relative_to(folder).as_posix() for path in ours)
    return [Piece(path, WHOLE, "") for path in paths if path not in known]


def _is_inside(folder: Path, path: Path) -> bool:
    """Return whether a path, with its links followed, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())
