"""`ci init`: the CI job that verifies the ledger and publishes its report, for three kinds of forges.

The job trusts the genesis that is written into it, and nothing that a request brings along. Each commit is judged by
the policy and the keys of its parent. On GitHub and Forgejo a request's job is taken from its base.
"""

from __future__ import annotations

from opsgit.domain import names
from opsgit.domain.request import ManagedFile
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written

# The job's commands, the same for every forge. Tests run exactly these lines.
COMMANDS = (
    "pip install --quiet opsgit",
    "opsgit verify --require-pin --pin {genesis} 2>&1 | tee verify.txt",
    "opsgit report --format html --out site",
)
# Before them, for a ledger beside code: the branches get the names that they have in a state repository.
RENAMED = (
    'git fetch --quiet . "+refs/remotes/origin/{lead}*:refs/remotes/origin/*"',
    "git checkout --quiet -B main origin/main",
)
SUMMARY = (
    "{{ echo '```'; cat verify.txt; echo '```'; }} >> {summary}",
    "opsgit dashboard --format md >> {summary} || true",
)
ON = """\
name: opsgit
on:
  push:
  pull_request_target:
  schedule:
    - cron: "17 5 * * *"
  workflow_dispatch:
permissions:
  contents: read
jobs:
  verify:
    runs-on: {runner}
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: verify and report
        shell: bash
        run: |
{commands}
      - name: summary
        if: always()
        shell: bash
        run: |
{summary}
      - uses: actions/upload-artifact@{upload}
        with:
          name: report
          path: site
"""
PAGES = """\
      - uses: actions/upload-pages-artifact@v3
        if: github.ref == 'refs/heads/{lead}main'
        with:
          path: site
  pages:
    needs: verify
    if: github.ref == 'refs/heads/{lead}main' && github.event_name == 'push'
    runs-on: {runner}
    timeout-minutes: 10
    permissions:
      pages: write
      id-token: write
    environment:
      name: github-pages
      url: ${{{{ steps.deployment.outputs.page_url }}}}
    steps:
      - id: deployment
        uses: actions/deploy-pages@v4
"""
GITLAB = """\
stages:
  - test
  - deploy
verify:
  stage: test
  image: python:3.12
  timeout: 30 minutes
  variables:
    GIT_DEPTH: "0"
  script:
    - git fetch --quiet origin "+refs/heads/*:refs/remotes/origin/*"
    - git checkout --quiet -B main origin/{lead}main
{commands}
  after_script:
{summary}
  artifacts:
    when: always
    paths:
      - site
      - summary.md
pages:
  stage: deploy
  image: python:3.12
  needs:
    - verify
  rules:
    - if: $CI_COMMIT_BRANCH == "{lead}main"
  script:
    - mv site public
  artifacts:
    paths:
      - public
"""
FORGES = {
    "github": (".github/workflows/opsgit.yml", ON + PAGES, {"runner": "ubuntu-latest", "upload": "v4"}),
    "forgejo": (".forgejo/workflows/opsgit.yml", ON, {"runner": "docker", "upload": "v3"}),
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
    lead = session.repository.lead
    renamed = [command.format(lead=lead) for command in RENAMED] if lead else []
    return [*renamed, *(command.format(genesis=genesis) for command in COMMANDS)]


def summary(forge: str) -> list[str]:
    """Return the commands that write the job's summary in Markdown, also after a failure.

    :param forge: a key of `FORGES`.
    """
    place = "summary.md" if forge == "gitlab" else '"${GITHUB_STEP_SUMMARY:-/dev/null}"'
    return [command.format(summary=place) for command in SUMMARY]


def job(session: Session, forge: str) -> str:
    """Return the text of the job's file.

    :param forge: a key of `FORGES`.
    """
    _, template, words = FORGES[forge]

    def lines(found: list[str]) -> str:
        if forge == "gitlab":
            return "\n".join(f"    - {_quoted(line)}" for line in found)
        return "\n".join(f"          {line}" for line in found)

    given = {"commands": lines(commands(session)), "summary": lines(summary(forge)), "lead": session.repository.lead}
    return template.format(**given, **words)


def _quoted(line: str) -> str:
    """Return a command as a YAML string in quotes: some begin with a brace or hold `: `."""
    return "'" + line.replace("'", "''") + "'"
