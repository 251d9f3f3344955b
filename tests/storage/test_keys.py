"""Key files that are not what opsgit makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage.git import Git
from opsgit.storage.keys import KeyStore


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    found = KeyStore("0" * 32)
    found.folder.mkdir(parents=True)
    return found


def keygen(path: Path, kind: str, passphrase: str) -> None:
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(words, check=True)


@pytest.mark.parametrize(("kind", "passphrase"), [("ed25519", "secret"), ("ecdsa", "")])
def test_a_key_that_no_agent_can_have(store: KeyStore, kind: str, passphrase: str) -> None:
    keygen(store.path("dev"), kind, passphrase)
    with pytest.raises(Refused) as refused:
        store.make("dev")
    assert refused.value.refusal.code == "KEY_UNFIT"


def test_a_key_of_another_kind_signs_nothing(store: KeyStore) -> None:
    keygen(store.path("dev"), "ecdsa", "")
    with pytest.raises(Refused) as refused:
        store.sign("dev", b"words")
    assert refused.value.refusal.code == "KEY_UNFIT"


def test_a_key_that_cannot_be_read(store: KeyStore) -> None:
    store.path("dev").write_text("no key")
    with pytest.raises(Refused) as refused:
        store.sign("dev", b"words")
    assert refused.value.refusal.code == "KEY_UNFIT"


def test_objects_are_not_read_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        Git(tmp_path).get("0" * 40)
    assert refused.value.refusal.code == "TOOL_FAILED"


def test_a_key_with_a_passphrase_signs_nothing_without_ssh_keygen(
    store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keygen(store.path("dev"), "ed25519", "secret")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        store.sign("dev", b"words")
    assert refused.value.refusal.code == "TOOL_FAILED"
