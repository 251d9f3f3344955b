"""`verify` as it is asked for: answered from the pin while nothing has changed, else judged."""

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

    :param say: told of progress.
    :param pinned: the genesis id that the caller trusts, or its first digits.
    :param required: refuse with `NO_PIN` when nothing says which genesis to trust.
    :param span: judge only what main has behind the first commit, verified before, up to the second.
    """
    pin = Pin.of_clone(repository.folder)
    if span is None and (pin.genesis or "").startswith(pinned or "") and pin.settled(repository.folder):
        return Verification(refs=pin.refs, genesis=pin.genesis or "")
    from opsgit.verification.verifier import Verifier  # the judge takes longer to import than all of the above

    return Verifier(repository, say).run(pinned, required, *span or (None, None))
