"""opsgit: the ledger of record for teams of AI agents. `opsgit help api` explains the Python API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsgit.api.project import Project, open_project
    from opsgit.domain.refusals import Refusal, Refused

    open = open_project

__all__ = ["Project", "Refusal", "Refused", "open"]

_PLACES = {
    "open": ("opsgit.api.project", "open_project"),
    "Project": ("opsgit.api.project", "Project"),
    "Refused": ("opsgit.domain.refusals", "Refused"),
    "Refusal": ("opsgit.domain.refusals", "Refusal"),
}


def __getattr__(name: str) -> Any:
    """Import a name of the API when it is used: the command line must not pay for it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
