"""HTML pages: each is self-contained and works without scripts and network. User text is escaped or cleaned."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from opsgit.views import figures
from opsgit.views.figures import State
from opsgit.views.terminal import safe

TAGS = {"p", "br", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "a",
        "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "s"}  # fmt: skip


@cache
def templates() -> jinja2.Environment:
    """Return the environment of all templates: it escapes, and shows control characters as escapes."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("opsgit.views"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: safe(value) if type(value) is str else value,
    )
    made.filters |= {"markdown": rendered, "exhausted": figures.exhausted, "completed": figures.completed}
    return made


def rendered(text: str) -> Markup:
    """Return Markdown as HTML, with raw HTML as text, without images, and with http, https and mailto links only."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table").enable("strikethrough").render(safe(text))
    clean = nh3.clean(made, tags=TAGS, attributes={"a": {"href", "title"}}, url_schemes={"http", "https", "mailto"})
    return Markup(clean)  # noqa: S704 - cleaned on the line above


def dashboard(state: State) -> str:
    """Return the dashboard of a compiled state as an HTML page."""
    return templates().get_template("dashboard.html").render(
        state=state,
        counts=figures.counts(state),
        waiting=figures.waiting(state),
        activity=figures.activity(state, 30),
        metrics=figures.metrics(state),
        total=len(state["tasks"]),
    )  # fmt: skip


def report(told: dict[str, Any]) -> str:
    """Return a report as an HTML page.

    :param told: the report with its `sections`.
    """
    return templates().get_template("report.html").render(**told)
