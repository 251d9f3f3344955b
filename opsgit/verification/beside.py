"""Judge pushes to a code repository that holds a ledger, on `opsgit/main`: the ledger's refs, and no others.

The judge sees a bare repository in which the ledger's branches have their own names. It has the objects of the code
repository, and refs that are read from it anew whenever the judge looks.
"""

from __future__ import annotations

from collections.abc import Iterable
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
VIEW = "opsgit/ledger.git"  # in the git folder of the code repository


def install(folder: Path) -> Path:
    """Install the hook in the bare repository of code.

    :raises Refused: `BAD_VALUE` if its hooks are elsewhere: opsgit's would not run, or theirs not any more; as
        `server.install`.
    """
    place = git.Git(folder).setting("core.hooksPath", everywhere=True)
    if place and place != "hooks":
        refuse("BAD_VALUE", f"core.hooksPath is {place}: the hooks of this repository are not in it",
               f"git -C {folder} config core.hooksPath hooks, with the other hooks moved there")  # fmt: skip
    return server.install(folder, SETTINGS)


def judge(folder: Path, lines: Iterable[str], receiver: int | None) -> list[Finding]:
    """Return what is wrong with the part of a push that is about the ledger; an empty list when all may be accepted.

    :param folder: the git folder of the code repository.
    :param lines: the input of pre-receive: `old new ref` on each line.
    :param receiver: as for `server.judge`.
    :raises Refused: as `server.judge`.
    """
    given = [line.rstrip("\n").split(" ", 2) for line in lines]
    ours = [(old, new, _name(ref)) for old, new, ref in given if _is_ours(ref)]
    if not ours:
        return []
    folder = folder.resolve()
    view = _made(folder)
    updates = [" ".join(one) for one in ours]
    return server.judge(view, updates, receiver, lambda: _renew(folder, view), alone=len(ours) == len(given))


def _is_ours(ref: str) -> bool:
    """Return whether a ref is the ledger's. A branch `opsgit` would leave no room for its branches."""
    return ref.startswith((OURS, "refs/opsgit/")) or ref == OURS.rstrip("/")


def _name(ref: str) -> str:
    """Return the name that a ref has in a state repository alone."""
    return f"{HEADS}{ref.removeprefix(OURS)}" if ref.startswith(OURS) else ref


def _made(folder: Path) -> Path:
    """Return the folder of the judge's own repository, which has the objects of the code repository."""
    view = folder / VIEW
    if not (view / "objects/info/alternates").exists():
        view.parent.mkdir(exist_ok=True)
        git.make_repository(view, bare=True)
        (view / "objects/info").mkdir(exist_ok=True)
        put(view / "objects/info/alternates", f"{folder / 'objects'}\n".encode())
    return view


def _renew(folder: Path, view: Path) -> None:
    """Write the refs of the ledger, as they are now in the code repository, into the judge's repository."""
    found = git.Git(folder).refs(OURS.rstrip("/"), "refs/opsgit")
    lines = (f"{tip} {ref}\n" for ref, tip in sorted((_name(ref), tip) for ref, tip in found.items()))
    put(view / "packed-refs", f"# pack-refs with: sorted \n{''.join(lines)}".encode())
