"""Metrics as text in the format OpenMetrics 1.0. Gauges and counters alone: Prometheus' older format reads them too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsgit.views.terminal import safe

SUFFIX = {"counter": "_total"}


def text(families: Iterable[Any]) -> str:
    """Return the text; a metric without samples is left out.

    :param families: as `operations.exposition.families` yields them.
    """
    return "".join(line + "\n" for one in families if one.samples for line in _family(one)) + "# EOF\n"


def _family(one: Any) -> Iterator[str]:
    yield f"# TYPE {one.name} {one.type}"
    yield f"# HELP {one.name} {_escaped(one.help)}"
    for labels, value in one.samples:
        yield f"{one.name}{SUFFIX.get(one.type, '')}{_labels(labels)} {value}"


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(words: str) -> str:
    return safe(words).replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
