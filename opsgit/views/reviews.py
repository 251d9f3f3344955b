"""A review as text: what is judged, what was said in each round, and what decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsgit.views import terminal

HERE = {
    "same": "the copy at its place on this machine is the one",
    "differs": "what is at its place on this machine is NOT the one",
    "missing": "not on this machine",
    "large": "what is at its place on this machine is too large to be looked at here",
}
FILES_MOST = 20


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that show one review.

    :param found: as `operations.review_page.shown` returns it.
    """
    task = found["task"]
    yield f"{task['id']}  {task['title']}"
    yield f"status: {task['status']}   assigned: {task.get('assigned') or 'nobody'}   worked on it: " + ", ".join(
        task.get("contributors", ())
    )
    if task.get("description"):
        yield from ("", *terminal.quoted(task["description"]))
    yield from ("", *_deliverable(found["deliverable"]))
    if len(found["versions"]) > 1:
        yield f"  versions: {', '.join(found['versions'])}"
    yield from ("", *_state(found))
    for one in found["rounds"]:
        yield from ("", *round_(one))
    if found["commands"]:
        yield from ("", "what you can do:", *(f"  {command}" for command in found["commands"]))


def _deliverable(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"round {told['version']}: {told['place']}" + (f"  in {told['repository']}" if "repository" in told else "")
    yield f"  {told['digest']}   {HERE[told['here']]}"
    if not told["attached"]:
        yield "  not attached: bound by its digest alone" if told["digest"].startswith("h1:") else "  a commit"
        return
    files = told["files"]
    yield f"  attached: {len(files)} file{'s' * (len(files) != 1)}, {told['bytes']} bytes"
    yield from (f"    {size:>9}  {path}" for path, size in list(files.items())[:FILES_MOST])
    if len(files) > FILES_MOST:
        yield f"    and {len(files) - FILES_MOST} more"


def _state(found: Mapping[str, Any]) -> Iterator[str]:
    for stage in found["stages"]:
        signed = ", ".join(stage["signed"]) or "nobody yet"
        need = f" ({len(stage['signed'])} of {stage['reviewers']})" if stage["reviewers"] > 1 else ""
        yield f"stage {stage['stage']}: signed off by {signed}{need}{'  <- next' if stage['open'] else ''}"
    review = found["task"].get("review", {})
    known = {one["name"]: one for one in review.get("checks", ())}
    for name in dict.fromkeys((*found["checks"], *known)):
        yield f"check {name}: {_check(known.get(name))}{'; needed' if name in found['checks'] else ''}"
    blocking = [one["id"] for one in review.get("comments", ()) if one.get("blocking") and "resolved" not in one]
    if blocking:
        yield f"open blocking threads: {', '.join(blocking)}"


def _check(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "not reported yet"
    return f"{one['status']} by {one['by']}" + (f"  {one['url']}" if "url" in one else "")


def round_(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one round: what was submitted, all words, and how it ended."""
    submission, review = one["submission"], one["review"]
    version = f"{one['number']}.{submission['revision']}" if "revision" in submission else str(one["number"])
    yield f"--- round {version}: {submission['deliverable']}, {submission['at']}"
    if "request" in review:
        yield from _words("requested", review["request"], "", 0)
    for revision in one["revisions"]:
        yield f"revised to {revision['version']} by {revision['by']}, {revision['at']}"
        yield from terminal.quoted(revision["note"]) if revision["note"] else ()
    yield from talk(review.get("comments", ()), submission["digest"])
    for mark in review.get("sign_offs", ()):
        yield f"signed off by {mark['by']}, {mark['at']}"
    if "verdict" in review:
        verdict = review["verdict"]
        yield f"{verdict['outcome']} by {verdict['by']}, {verdict['at']}"
        yield from terminal.quoted(verdict["reason"]) if verdict.get("reason") else ()
    elif one["ended"]:
        yield f"cancelled ({one['ended'][:10]})"


def talk(comments: Iterable[Mapping[str, Any]], digest: str) -> Iterator[str]:
    """Yield the lines of the comments of a review, each thread with its answers.

    :param digest: of the latest version: a place in another one is marked.
    """
    said = list(comments)
    ids = {one["id"] for one in said}
    for first in said:
        if first.get("answers") in ids:
            continue
        yield from _words(f"thread {first['id']}", first, digest, 0)
        for answer in said:
            if answer.get("answers") == first["id"]:
                yield from _words("answer", answer, digest, 1)


def _words(name: str, one: Mapping[str, Any], digest: str, depth: int) -> Iterator[str]:
    place = one.get("place")
    where = f"  at {place['file']}" + (f":{place['line']}" if "line" in place else "") if place else ""
    older = " of an earlier version" if place and place["digest"] != digest else ""
    state = f"  resolved by {one['resolved']['by']}" if "resolved" in one else "  BLOCKING" * bool(one.get("blocking"))
    lead = "    " * depth
    yield f"{lead}{name}  {one['by']}, {one['at']}{where}{older}{state}:"
    yield from (lead + line for line in terminal.quoted(one["text"]))
