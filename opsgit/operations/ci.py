"""`ci init`: the CI job that verifies the ledger and publishes its report, for three kinds of forges."""

from __future__ import annotations

from opsgit.domain import names
from opsgit.domain.request import ManagedFile
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written

# The job's commands, the same for every forge. Tests run exactly these lines.
COMMANDS = (
    "pip install --quiet opsgit",
    "opsgit verify --require-pin --pin {genesis}",
    "mkdir -p site",
    "opsgit dashboard --format html > site/index.html",
    "opsgit report --since 7d --format html > site/report.html",
)
STEPS = """\
name: opsgit
on:
  push:
  schedule:
    - cron: "17 5 * * *"
permissions:
  contents: read
jobs:
  verify:
    runs-on: {runner}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: verify and report
        run: |
{commands}
      - uses: actions/upload-artifact@{upload}
        with:
          name: report
          path: site
"""
GITLAB = """\
opsgit:
  image: python:3.12
  variables:
    GIT_DEPTH: "0"
  script:
{commands}
  artifacts:
    paths:
      - site
"""
FORGES = {
    "github": (".github/workflows/opsgit.yml", STEPS, {"runner": "ubuntu-latest", "upload": "v4"}),
    "forgejo": (".forgejo/workflows/opsgit.yml", STEPS, {"runner": "docker", "upload": "v3"}),
    "gitlab": (".gitlab-ci.yml", GITLAB, {}),
}


def init(session: Session, forge: str) -> list[Written]:
    """Commit the CI job for a forge, with this ledger's genesis as its pin.

    :param forge: a key of `FORGES`.
    :raises Refused: if the rule book refuses the operation.
    """
    path, _, _ = FORGES[forge]
    files = {path: ManagedFile(job(session, forge).encode())}
    return act(session, "file.set", "", files=files)


def commands(session: Session) -> list[str]:
    """Return the job's commands for this ledger."""
    genesis = (
        session.repository.git.run("rev-list", "--first-parent", "--max-parents=0", names.MAIN).decode().split()[-1]
    )
    return [command.format(genesis=genesis) for command in COMMANDS]


def job(session: Session, forge: str) -> str:
    """Return the text of the job's file.

    :param forge: a key of `FORGES`.
    """
    _, template, words = FORGES[forge]
    lead = "    - " if forge == "gitlab" else "          "
    return template.format(commands="\n".join(lead + line for line in commands(session)), **words)
