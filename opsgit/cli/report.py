"""The command `opsgit report`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import common, looking_back
from opsgit.operations.session import Session


@click.command("report", epilog="\b\nExample:\n  opsgit report --format html --out site")
@click.option("--since", metavar="TIME", help="Start of the period: 12h, 7d, 4w ago.  [default: 7d; 14d with --retro]")
@click.option("--format", "form", type=click.Choice(["text", "md", "html", "json"]), default="text", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH",
              help="With html: the folder of a site, with a page for each task and agent.")  # fmt: skip
@click.option("--retro", is_flag=True, help="Write a retrospective in Markdown, for the team to complete.")
@click.option(
    "--single-file", is_flag=True, help="With html: one file without the pages of tasks (to --out, or stdout)."
)
@common
@looking_back
def command(
    session: Session, as_json: bool, since: str | None, form: str, out: Path | None, retro: bool, single_file: bool
) -> None:
    """Report progress, pipeline, each agent's performance, cycle times, quotas, activity.

    --retro says where tasks waited, who rejects, who has too much to do, and what changed against the period
    before.

    --format html makes pages that work without network, server and scripts: an overview, the board, charts of flow,
    delivery, agents, the audit, and all tasks. The same commit, review branches and attachments give the same bytes.
    If the folder has a site already, only the pages that changed are written.
    """
    if (out or single_file) and form != "html":
        raise click.UsageError("--out and --single-file are for --format html", click.get_current_context())
    if retro:
        if form not in ("text", "md"):
            raise click.UsageError("--retro is Markdown", click.get_current_context())
        from opsgit.operations.retro import retro as gathered
        from opsgit.views.retro import markdown

        text = markdown(gathered(session, since or "14d"))
        if as_json:
            output.data("retro", markdown=text)
        else:
            output.document(text)
        return
    if form == "html":
        if since or (as_json and not out):
            raise click.UsageError(
                "with html, --since is not used, and --json needs --out", click.get_current_context()
            )
        _pages(session, as_json, out, single_file or out is None)
        return
    from opsgit.operations import report as figures
    from opsgit.views import report

    told = figures.report(session, since or "7d")
    if as_json or form == "json":
        output.data("report", report=told)
    else:
        click.echo({"text": report.text, "md": report.markdown}[form](told))


def _pages(session: Session, as_json: bool, out: Path | None, single_file: bool) -> None:
    from opsgit.operations import site, site_files
    from opsgit.storage.disk import put
    from opsgit.views.site import single

    if not single_file and out:
        built = site_files.build(session, out)
        if as_json:
            output.data("site", path=str(out.absolute()), **built._asdict())
            return
        output.line(str(out / "index.html"))
        output.say(f"{built.written} pages written, {built.unchanged} unchanged, {built.removed} removed")
        return
    found = site.gather(session)
    text = single(found.overview, whole=found)
    if out:
        put(out, text.encode())
        if as_json:
            output.data("site", path=str(out.absolute()), written=1, unchanged=0, removed=0)
        else:
            output.line(str(out))
    else:
        click.echo(text, nl=False)
