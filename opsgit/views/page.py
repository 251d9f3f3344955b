"""Templates of HTML pages, and Markdown as HTML. Text by others is escaped or cleaned."""

from __future__ import annotations

from functools import cache

import jinja2
import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

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
    made.filters |= {"markdown": rendered}
    return made


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").enable("strikethrough")


def rendered(text: str) -> Markup:
    """Return Markdown as HTML, with raw HTML as text, without images, and with http, https and mailto links only."""
    made = _parser().render(safe(text))
    clean = nh3.clean(made, tags=TAGS, attributes={"a": {"href", "title"}}, url_schemes={"http", "https", "mailto"})
    return Markup(clean)  # noqa: S704 - cleaned on the line above
