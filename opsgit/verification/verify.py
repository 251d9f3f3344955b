"""The entry point of `opsgit verify`: it uses the pin while nothing has changed, and the verifier otherwise."""

from __future__ import annotations

from collections.abc import Callable

from opsgit.domain.findings import Verification
from opsgit.storage.pins import Pin
from opsgit.storage.repository import Repository


def verify(
    repository: Repository,
    say: Callable[[str], None] = lambda _: None,
    pinned: str | None = None,
    required: bool = False,
    span: tuple[str, str] | None = None,
) -> Verification:
    """Verify main, the remotes' main and the open review branches, or a range of main.

    :param say: receives messages about progress.
    :param pinned: the id of the genesis that the caller trusts, or its first digits.
    :param required: whether to refuse with `NO_PIN` when no genesis is pinned.
    :param span: a range: a revision that was verified before, and the revision at which the range ends.
    :raises Refused: the codes of `Verifier.run`.
    """
    pin = Pin.of_clone(repository.folder)
    if span is None and (pin.genesis or "").startswith(pinned or "") and pin.settled(repository.folder):
        return Verification(refs=pin.refs, genesis=pin.genesis or "")
    from opsgit.verification.verifier import Verifier  # imported late: the import takes longer than the rest

    return Verifier(repository, say).run(pinned, required, *span or (None, None))
