"""state.json, dashboard.md and dashboard.html as files: the same commit always gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from opsgit.operations import compile, site
from opsgit.operations.session import Session
from opsgit.storage.disk import put
from opsgit.views import markdown
from opsgit.views.site import single


def write(session: Session, folder: Path | None = None) -> list[Path]:
    """Write state.json, dashboard.md and dashboard.html, and return their paths.

    dashboard.html links into the folder `site` beside it, if there is a site.

    :param folder: where they are written; None: the top of the checkout, in a bare repository opsgit's own folder in
        the git folder.
    :raises OSError: if a file cannot be written.
    """
    place = folder or session.repository.top or session.repository.own
    compiled = compile.state(session)
    links = "site/" if (place / "site/index.html").exists() else ""
    texts = {"state.json": compile.dumped(compiled), "dashboard.md": markdown.dashboard(compiled),
             "dashboard.html": single(site.gather(session, state=compiled), whole=False, links=links)}  # fmt: skip
    place.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        put(place / name, text.encode())
    return [place / name for name in texts]
