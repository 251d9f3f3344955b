"""Judge pushes to a code repository that holds a ledger, on `opsgit/main`: the ledger's refs, and no others.

Each judgement has a bare repository of its own, in which the ledger's branches have their own names. It has the objects
of the code repository, and its refs as they were read for this judgement.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.findings import Finding
from opsgit.domain.refusals import refuse
from opsgit.storage import git
from opsgit.storage.disk import put
from opsgit.verification import server

HEADS = "refs/heads/"
OURS = f"{HEADS}{names.LEAD}"
SETTINGS = {"opsgit.branches": names.LEAD, "transfer.hideRefs": "refs/opsgit/kept"}
# Settings with which git refuses, after the hook, what an approval or a rejected review needs.
DENIALS = ("receive.denyDeletes", "receive.denyNonFastForwards")


def install(folder: Path) -> Path:
    """Install the hook in the bare repository of code.

    :raises Refused: `BAD_VALUE` if its hooks are elsewhere: opsgit's would not run, or theirs not any more; or if git
        is told there to deny what the ledger needs; as `server.install`.
    """
    asked = git.Git(folder)
    place = asked.setting("core.hooksPath", everywhere=True)
    if place and place != "hooks":
        refuse("BAD_VALUE", f"core.hooksPath is {place}: the hooks of this repository are not in it",
               f"git -C {folder} config core.hooksPath hooks, with the other hooks moved there")  # fmt: skip
    for name in DENIALS:
        if (asked.setting(name, everywhere=True) or "false") != "false":
            refuse("BAD_VALUE", f"{name} is set: an approval deletes its review branch, and a task can get a new one",
                   f"git -C {folder} config {name} false; a hook of your own can protect the code")  # fmt: skip
    return server.install(folder, SETTINGS)


def judge(folder: Path, lines: Iterable[str], receiver: int | None) -> list[Finding]:
    """Return what is wrong with the part of a push that is about the ledger; an empty list when all may be accepted.

    :param folder: the git folder of the code repository.
    :param lines: the input of pre-receive: `old new ref` on each line.
    :param receiver: as for `server.judge`.
    :raises Refused: as `server.judge`.
    """
    given = [line.rstrip("\n").split(" ", 2) for line in lines]
    aliases = git.Git(folder).symbolic_refs()
    for _, new, ref in given:
        if _is_ours(aliases.get(ref, "")):
            return [Finding("WRONG_REF", new, f"{ref} is another name of {aliases[ref]} here: push that one")]
    ours = [(old, new, _name(ref)) for old, new, ref in given if _is_ours(ref)]
    if not ours:
        return []
    updates = [" ".join(one) for one in ours]
    return server.judge(folder, updates, receiver, _refs, _view, alone=len(ours) == len(given))


def _is_ours(ref: str) -> bool:
    """Return whether a ref is the ledger's. A branch `opsgit` would leave no room for its branches."""
    return ref.startswith((OURS, "refs/opsgit/")) or ref == OURS.rstrip("/")


def _name(ref: str) -> str:
    """Return the name that a ref has in a state repository alone."""
    return f"{HEADS}{ref.removeprefix(OURS)}" if ref.startswith(OURS) else ref


def _refs(code: git.Git) -> server.Refs:
    """Return the refs of the ledger in the code repository, by the names that they have in a state repository alone."""
    return {_name(ref): tip for ref, tip in code.refs(OURS.rstrip("/"), "refs/opsgit").items()}


@contextmanager
def _view(folder: Path, refs: server.Refs) -> Iterator[Path]:
    """Make a bare repository of one judgement, which nobody else can write to.

    :param folder: the git folder of the code repository, whose objects it has.
    """
    with tempfile.TemporaryDirectory(prefix="opsgit-judge-") as made:
        view = Path(made)
        git.make_repository(view, bare=True)
        (view / "objects/info").mkdir(exist_ok=True)
        put(view / "objects/info/alternates", f"{folder / 'objects'}\n".encode())
        lines = (f"{tip} {ref}\n" for ref, tip in sorted(refs.items()))
        put(view / "packed-refs", f"# pack-refs with: sorted \n{''.join(lines)}".encode())
        yield view
