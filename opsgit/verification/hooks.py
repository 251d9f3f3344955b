"""The git hooks of a clone: they turn a hand edit with `git commit` into a signed operation, or refuse it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.storage.repository import UNDERWAY, Repository
from opsgit.verification.hand_edit import HandEdit

PYTHON = shlex.quote(sys.executable)
FINISHED = "reference-transaction"  # the only hook that sees the finished commit, before main moves to it
BEGUN = "pre-rebase"
PULLED = "post-merge"  # after `git pull`: the command line brings up to date what follows the ledger
NAMES = ("pre-commit", "prepare-commit-msg", "commit-msg", "pre-merge-commit", BEGUN, PULLED, FINISHED)
MARK = (
    "# opsgit: hand edits become signed operations. Installed by `opsgit hooks install`; `opsgit hooks uninstall` "
    "removes it."
)
SHIM = """\
#!/bin/sh
{mark}
if [ -x "$(dirname "$0")/{name}.chained" ]; then "$(dirname "$0")/{name}.chained" "$@" || exit 1; fi
exec {python} -I -m opsgit hooks run {name} "$@"
"""
FINISHED_SHIM = """\
#!/bin/sh
{mark}
moves=$(cat)
chained="$(dirname "$0")/{name}.chained"
if [ -x "$chained" ]; then printf '%s\\n' "$moves" | "$chained" "$@" || exit 1; fi
[ "$1" = prepared ] || exit 0
case "$moves" in *" refs/heads/main"*) ;; *) exit 0 ;; esac
printf '%s\\n' "$moves" | {python} -I -m opsgit hooks run {name} || exit 1
"""
UNDO = "to undo an operation: opsgit rollback ID, or opsgit task assign ID --to AGENT --reason ..."


def install(repository: Repository) -> list[str]:
    """Install the hooks. A hook of another program is kept as `<name>.chained` and is called first.

    :returns: the names of the hooks.
    :raises Refused: as `place`.
    """
    for name in NAMES:
        shim = FINISHED_SHIM if name == FINISHED else SHIM
        place(repository.folder / "hooks" / name, MARK, shim.format(mark=MARK, name=name, python=PYTHON))
    return list(NAMES)


def place(hook: Path, mark: str, shim: str) -> None:
    """Write a hook. One of another program is kept as `<name>.chained`, which the shim calls first.

    :param mark: the line by which a hook of ours is known.
    :param shim: the text of the hook.
    :raises Refused: `WRONG_FILE` when two hooks of other programs are there.
    """
    hook.parent.mkdir(exist_ok=True)
    if hook.exists() and not is_ours(hook, mark):
        chained = hook.with_name(f"{hook.name}.chained")
        if chained.exists():
            hint = f"call {hook.name} from {chained.name}, remove {hook.name}, then install again"
            refuse("WRONG_FILE", f"{hook} and {chained.name} are both another program's", hint, str(hook))
        hook.rename(chained)
    hook.write_text(shim)
    hook.chmod(0o755)


def is_ours(hook: Path, mark: str) -> bool:
    """Return whether a hook has our mark on a line of its own."""
    return hook.exists() and mark in hook.read_text(errors="replace").split("\n")


def uninstall(repository: Repository) -> list[str]:
    """Remove the hooks and restore those of other programs.

    :returns: the names of the hooks that were removed.
    """
    removed = [name for name, state in status(repository).items() if state == "installed"]
    for name in removed:
        hook = repository.folder / "hooks" / name
        hook.unlink()
        chained = hook.with_name(f"{name}.chained")
        if chained.exists():
            chained.rename(hook)
    return removed


def status(repository: Repository) -> dict[str, str]:
    """Return the state of each hook.

    :returns: for each name: installed, foreign (another program's), missing, or elsewhere (`core.hooksPath` is set).
    """
    found = {}
    elsewhere = repository.git.setting("core.hooksPath")
    for name in NAMES:
        if elsewhere:
            found[name] = "elsewhere"
            continue
        hook = repository.folder / "hooks" / name
        found[name] = "installed" if is_ours(hook, MARK) else "foreign" if hook.exists() else "missing"
    return found


def run(repository: Repository, name: str, arguments: list[str]) -> None:
    """Run one hook as git calls it. Only commits on main are checked further.

    The hooks before the commit turn the edit into an operation. `FINISHED` judges the commit that git made of it:
    options such as `--no-gpg-sign`, `--date` or another signing key take effect only then.

    :param name: the name of the hook.
    :param arguments: the arguments that git gives to the hook.
    :raises Refused: `HAND_MADE` for a merge, a rebase, an unfinished git command, a commit on a review branch, an
        amendment, or a commit that skipped pre-commit; the codes of `HandEdit`. The commit is stopped.
    """
    if name == FINISHED:
        _judge_finished(repository, sys.stdin.read().split("\n"))
    elif name == BEGUN:
        _before_rebase(repository, arguments)
    elif name != PULLED:
        _before_commit(repository, name, arguments)


def _before_rebase(repository: Repository, arguments: list[str]) -> None:
    """Refuse a rebase of main at its beginning, so that there is nothing to abort."""
    head = (repository.folder / "HEAD").read_text().strip()
    rebased = arguments[1] if len(arguments) > 1 else head.removeprefix("ref: refs/heads/")
    if rebased in ("main", names.MAIN):
        refuse("HAND_MADE", "main is not rebased: each commit is signed as it stands", "opsgit sync")


def _before_commit(repository: Repository, name: str, arguments: list[str]) -> None:
    head = (repository.folder / "HEAD").read_text().strip()
    busy = [one for one in UNDERWAY if (repository.folder / one).exists()]
    if name == "pre-merge-commit" or busy == ["MERGE_HEAD"]:
        refuse("HAND_MADE", "a merge is a verdict, and only opsgit makes it: opsgit review approve ID --as REVIEWER",
               "git merge --abort ends this one; git pull --ff-only brings what is new")  # fmt: skip
    if busy:
        refuse("HAND_MADE", f"history is not rewritten or undone by git ({busy[0]}); {UNDO}", UNDERWAY[busy[0]])
    if head.startswith("ref: refs/heads/review/"):
        refuse(
            "HAND_MADE", "commits on a review branch are made by opsgit alone", "opsgit review comment ID --text ..."
        )
    if head != f"ref: {names.MAIN}":
        return  # another branch is not part of the ledger
    if arguments[1:2] == ["commit"] or _amends():
        refuse("HAND_MADE", "history is not amended", "git commit, without --amend, makes the next operation")
    seen = repository.own / "pending"  # id of the git process that ran pre-commit; git revert and rebase do not run it
    if name == "pre-commit":
        HandEdit(repository).prepare()
        seen.write_text(str(os.getppid()))
    elif not seen.exists() or seen.read_text() != str(os.getppid()):
        refuse("HAND_MADE", f"git commits this without asking the pre-commit hook (revert, --no-verify); {UNDO}",
               _unstage(repository))  # fmt: skip
    elif name == "commit-msg":
        HandEdit(repository).write_message(Path(arguments[0]))


def _judge_finished(repository: Repository, moves: list[str]) -> None:
    """Refuse to move main to a commit that breaks a rule. A move back is left to the person who asks git for it.

    What does not go on from main, such as a fork that `git pull --rebase` brings, is judged as well.
    """
    new = next((line.split(" ")[1] for line in moves if line.endswith(f" {names.MAIN}")), "")
    old = repository.git.ref(names.MAIN)
    if old is None or not new.strip("0"):
        return
    from opsgit.verification.verifier import Verifier

    verifier = Verifier(repository)
    if verifier.first_parents(old, new)[0] == new:
        return
    found = verifier.since(new, old)
    if found:
        refuse(found[0].code, f"main does not move to {new[:10]}: {found[0].commit[:10]}: {found[0].message}",
               "git commit, without --no-gpg-sign, --date, another key or encoding; what was pulled: ask its author",
               found[0].path)  # fmt: skip


def _unstage(repository: Repository) -> str:
    """Return the command that undoes the changes that a refused git revert left staged and in the checkout."""
    staged = repository.git.run("diff", "--cached", "--name-only", "-z", names.MAIN).decode().split("\0")
    paths = " ".join(shlex.quote(path) for path in staged if path)
    restore = f"git restore --staged --worktree -- {paths} puts back what is left staged"
    return restore if paths else "git commit, without --no-verify"


def _amends() -> bool:
    """Return whether git was called with --amend. Git tells the hook so only when it opens an editor.

    Without /proc an amendment is not detected here; verify and servers detect it.
    """
    caller = Path(f"/proc/{os.getppid()}/cmdline")
    return caller.exists() and b"--amend" in caller.read_bytes().split(b"\0")
