"""The difference between two versions of a deliverable, by git: from attachments, or from the code repository."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from opsgit.domain.model import Submission
from opsgit.domain.refusals import refuse
from opsgit.operations import attachments, deliverables, rounds, sights
from opsgit.operations.session import Session
from opsgit.storage import attachment, deliverable
from opsgit.storage.git import Git, object_id
from opsgit.storage.submissions import Submitted
from opsgit.storage.trees import PLAIN


class Binary(NamedTuple):
    """A file that is not text: its size and digest before and after; None where it is not there."""

    path: str
    before: str | None
    after: str | None


class Diff(NamedTuple):
    """The difference between two versions: the lines of git's diff, and the files that are not text.

    `old` is the name of the older version, empty when the newer one is compared with nothing; `new` is the newer one.
    """

    old: str
    new: Submission
    lines: list[str]
    binaries: list[Binary]


def diff(session: Session, task_id: str, wanted: str | None, repository: str | None, stat: bool) -> Diff:
    """Return what changed from one version of a task's deliverable to another.

    :param wanted: two versions, such as `1..2` or `2..2.1`; one is compared with the version before it; None: the
        newest one.
    :param repository: the path of the code repository, for a commit.
    :param stat: whether to return git's summary instead of the lines.
    :raises Refused: `NOT_FOUND` if there is no such version; `DELIVERABLE_MISSING` if a version was not attached or a
        commit is not there.
    """
    session.look().task(task_id)  # raises NOT_FOUND
    known = rounds.versions(session, task_id)
    old, new = _asked(known, task_id, wanted)
    if known[new].submission.digest.startswith("git:"):
        place = Path(repository) if repository else deliverables.repository_of(session, known[new].submission)
        git = Git(deliverable.git_folder(place.resolve()))
        after = _commit(git, known[new])
        before = _commit(git, known[old]) if old and known[old].submission.digest.startswith("git:") else None
        before = before or _base(git, after)
    else:
        git = session.repository.git
        after = _tree(session, task_id, known[new])
        before = _before(session, task_id, known[old], wanted) if old else None
    old = old if before else ""
    before = before or object_id("tree", b"", len(after))
    shape = ("--stat=100",) if stat else ("--patch",)
    text = _trees(git, *shape, before, after).decode("utf-8", "replace")
    lines = text.removesuffix("\n").split("\n") if text else []  # other line ends are part of the content
    return Diff(old, known[new].submission, lines, _binaries(git, before, after))


def look(session: Session, task_id: str, wanted: str | None, repository: str | None, stat: bool) -> Diff:
    """Return a difference as `diff` does, and remember that the acting agent has seen the newer version."""
    found = diff(session, task_id, wanted, repository, stat)
    sights.note(session, sights.who(session), task_id, found.new)
    return found


def checkout(session: Session, task_id: str, folder: Path, wanted: str | None) -> Submission:
    """Write an attachment into a new folder, and remember that the acting agent has seen it.

    :param wanted: the version; None: the newest one.
    :returns: the submission.
    :raises Refused: `BAD_VALUE` if the folder is not empty; `NOT_FOUND`, `DELIVERABLE_MISSING`; `DISK`.
    """
    known = rounds.versions(session, task_id)
    one = known[_asked(known, task_id, wanted)[1]]
    tree = _tree(session, task_id, one)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        refuse("BAD_VALUE", f"{folder} is no empty folder", "name a new folder", "DIR")
    folder.mkdir(parents=True, exist_ok=True)
    attachment.write_out(session.repository.objects(), tree, folder)
    sights.note(session, sights.who(session), task_id, one.submission)
    return one.submission


def _asked(known: dict[str, Submitted], task_id: str, wanted: str | None) -> tuple[str, str]:
    order = list(known)
    if not order:
        refuse("NOT_FOUND", f"{task_id} was never submitted", f"opsgit task show {task_id}")
    first, dots, last = (wanted or order[-1]).partition("..")
    for name in (first, last) if dots else (first,):
        if name not in known:
            refuse("NOT_FOUND", f"{task_id} has no round {name[:20]!r}; there are {', '.join(order)}",
                   f"opsgit review diff {task_id}", "rounds")  # fmt: skip
    if dots:
        return first, last
    at = order.index(first)
    return (order[at - 1] if at else ""), first


def _before(session: Session, task_id: str, one: Submitted, wanted: str | None) -> str | None:
    """Return the tree of the older version; None if it was not attached and nobody asked for it."""
    if wanted and ".." in wanted:
        return _tree(session, task_id, one)
    return attachments.find(session, task_id, one.submission)


def _base(git: Git, commit: str) -> str | None:
    """Return the commit from which the work of a first version began, None if it has no parent.

    That is where it left the default branch; a commit that is on it is compared with its parent.
    """
    for name in ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main", "refs/heads/master"):
        found = git.attempt("merge-base", name, commit)
        base = found.stdout.decode().strip() if found.returncode == 0 else ""
        if base and base != commit:
            return base
    parent = git.attempt("rev-parse", "--verify", "--quiet", f"{commit}^")
    return parent.stdout.decode().strip() if parent.returncode == 0 else None


def _commit(git: Git, one: Submitted) -> str:
    commit = one.submission.digest.removeprefix("git:")
    if git.attempt("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        refuse(
            "DELIVERABLE_MISSING",
            f"{git.folder} does not hold {commit[:10]}",
            "name the code repository: --repository PATH",
        )
    return commit


def _tree(session: Session, task_id: str, one: Submitted) -> str:
    tree = attachments.find(session, task_id, one.submission)
    if tree is None:
        why = f"round {one.submission.version} of {task_id} has no attachment ({one.submission.deliverable})"
        refuse("DELIVERABLE_MISSING", why, f"opsgit review show {task_id}; ask its author for a copy")
    return tree


def _trees(git: Git, *words: str) -> bytes:
    """Compare two trees. git stands in its own folder: elsewhere it would read the .gitattributes that it finds."""
    return git.run("-C", str(git.folder), "diff-tree", "-r", *PLAIN, *words)


def _binaries(git: Git, before: str, after: str) -> list[Binary]:
    """Return the changed files that git does not take for text."""
    out = _trees(git, "-z", "--numstat", before, after)
    paths = {line.split(b"\t", 2)[2] for line in out.split(b"\0") if line.startswith(b"-\t-\t")}
    raw = _trees(git, "-z", "--raw", "--no-abbrev", before, after).split(b"\0") if paths else []
    pairs = zip(raw[0::2], raw[1::2], strict=False)
    found = [(path, head.decode().split(" ")[2:4]) for head, path in pairs if path in paths]
    return [Binary(path.decode("utf-8", "replace"), *(_described(git, one) for one in ids)) for path, ids in found]


def _described(git: Git, blob: str) -> str | None:
    if not blob.strip("0"):
        return None
    size = int(git.run("cat-file", "-s", blob))
    found = git.get(blob) if size <= attachment.ANY.size else None
    return f"{size} bytes" + (f", sha256 {deliverable.sha256(found.content)}" if found else "")
