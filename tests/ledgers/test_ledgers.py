"""Kept ledgers verify for ever, to the byte, whatever the rule book becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.message import parse
from opsgit.domain.rules import VERSIONS
from tests.conftest import git

HERE = Path(__file__).parent
KEPT = sorted(HERE.glob("rules-*.bundle"))


def clone(bundle: Path, folder: Path) -> Path:
    git(folder, "clone", "-q", "-b", "main", str(bundle), "kept")
    git(folder / "kept", "fetch", "-q", "origin", "+refs/heads/review/*:refs/heads/review/*")
    return folder / "kept"


@pytest.mark.parametrize("bundle", KEPT, ids=lambda path: path.stem)
def test_a_kept_ledger_has_the_findings_that_it_had(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = json.loads(bundle.with_suffix(".json").read_text())
    kept = clone(bundle, tmp_path)
    exit_code = main(["-C", str(kept), "verify", "--json", "--pin", expected["genesis"]])
    told = json.loads(capsys.readouterr().out)
    assert [{"code": one["code"], "commit": one["commit"]} for one in told["findings"]] == expected["findings"]
    assert exit_code == (10 if expected["findings"] else 0)
    assert git(kept, "rev-parse", "main").strip() == expected["main"]


def test_every_version_has_its_ledger() -> None:
    assert [path.stem for path in KEPT] == [f"rules-{number}" for number in sorted(VERSIONS)]


@pytest.mark.parametrize("bundle", KEPT, ids=lambda path: path.stem)
def test_it_holds_every_operation_of_its_version(bundle: Path, tmp_path: Path) -> None:
    kept = clone(bundle, tmp_path)
    texts = git(kept, "log", "--all", "--format=%B%x00").split("\x00")
    held = {parse(text.lstrip("\n")).op for text in texts if text.strip()}
    version = int(bundle.stem.removeprefix("rules-"))
    alone = {"project.upgrade-rules"} if version == min(VERSIONS) else set()  # there was nothing to come from
    assert set(VERSIONS[version].operations) - held == alone


def test_a_kept_ledger_with_one_bit_changed_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = clone(KEPT[0], tmp_path)
    file = kept / "tasks/k1/K-1.yaml"
    file.write_text(file.read_text().replace("after", "After"))
    git(kept, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "x")
    assert main(["-C", str(kept), "verify", "--json"]) == 10
    assert "BAD_SIGNATURE" in capsys.readouterr().out
