"""What the renderers make of the kept ledger, as files: `python -m tests.views.golden` writes them anew.

Look at the difference before you commit it: it is what people will see.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from opsgit.operations import compile, site, summary
from opsgit.operations import report as figures
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository
from opsgit.storage.trees import Trees
from opsgit.views import board, markdown, report
from opsgit.views import site as pages

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "ledgers" / "rules-1.bundle"


def rendered(folder: Path) -> dict[str, str]:
    """Every view of the kept ledger, by the name of its file; `folder` is where the ledger is cloned to."""
    subprocess.run(["git", "clone", "-q", "-b", "main", str(BUNDLE), str(folder / "kept")], check=True)
    repository = Repository((folder / "kept/.git").resolve(), folder / "kept")
    session = Session(repository)
    newest = session.index().log("1")[-1]["at"]
    session.clock = lambda: newest + 60
    told, short = figures.report(session, "7d"), summary.summary(session, newest)
    found = site.gather(session)
    page = pages.Pages(found).task(site.page(session, found, "R-1", Trees(repository.git)))
    texts = b"".join(compile.text(session.index())), markdown.dashboard(summary.document(session, None))
    repository.close()
    return {
        "state.json": texts[0].decode(),
        "dashboard.txt": board.dashboard(short, 100, False) + "\n",
        "dashboard-narrow-colour.txt": board.dashboard(short, 60, True) + "\n",
        "dashboard.md": texts[1],
        "dashboard.html": pages.single(found.overview),
        "site.html": pages.single(found.overview, whole=found),
        "task.html": page,
        "report.txt": report.text(told) + "\n",
        "report.md": report.markdown(told) + "\n",
    }


def save() -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as box:
        os.environ.update({"HOME": box, "XDG_DATA_HOME": f"{box}/data", "XDG_STATE_HOME": f"{box}/pins"})
        for name, text in rendered(Path(box).resolve()).items():
            (HERE / "golden" / name).write_text(text)


if __name__ == "__main__":
    save()
