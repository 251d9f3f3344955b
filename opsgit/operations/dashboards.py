"""state.json, dashboard.md and dashboard.html as files.

The same commit always gives the same bytes, but for links from dashboard.html to a site beside it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from opsgit.operations import compile
from opsgit.operations.overview import overview
from opsgit.operations.session import Session
from opsgit.operations.summary import document
from opsgit.storage.disk import put
from opsgit.views import markdown
from opsgit.views.site import single


def write(session: Session, folder: Path | None = None) -> tuple[str, list[Path]]:
    """Write state.json, dashboard.md and dashboard.html; return the commit that they tell of (hex id), and their paths.

    dashboard.html links into the folder `site` beside it, if there is a site.

    :param folder: where they are written; None: the top folder of the checkout. In a bare repository: opsgit's
        folder in the git folder.
    :raises OSError: if a file cannot be written.
    """
    place = folder or session.repository.top or session.repository.own
    links = "site/" if (place / "site/index.html").exists() else ""
    index = session.index()
    compile.keep(index)
    place.mkdir(parents=True, exist_ok=True)
    with index.unchanged():
        clock = session.clock if session.at else index.newest
        still = replace(session, past=index, clock=clock)  # all files tell of one commit, also if main moves meanwhile
        put(place / "state.json", compile.text(index))
        put(place / "dashboard.md", markdown.dashboard(document(still, None)).encode())
        put(place / "dashboard.html", single(overview(still), links=links).encode())
        commit = index.tip() or ""
    return commit, [place / name for name in ("state.json", "dashboard.md", "dashboard.html")]
