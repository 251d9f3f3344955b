"""SSH signatures, proved against the real ssh-keygen both ways, byte for byte."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from opsgit.domain.refusals import Refused
from opsgit.storage import sshsig
from opsgit.storage.keys import KeyStore

MESSAGE = "tree 0\n\nmessage → 🎉\n".encode()


def keygen(*words: str, given: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    done = subprocess.run(["ssh-keygen", *words], input=given, capture_output=True, check=True, env=env)
    return done.stdout


@pytest.fixture
def store() -> KeyStore:
    return KeyStore("0" * 32)


def test_signing_gives_the_bytes_that_ssh_keygen_gives(store: KeyStore) -> None:
    store.make("dev")
    for namespace in (sshsig.GIT, sshsig.PROOF):
        theirs = keygen("-q", "-Y", "sign", "-n", namespace, "-f", str(store.path("dev")), given=MESSAGE)
        assert store.sign("dev", MESSAGE, namespace) == theirs.decode()


def test_ssh_keygen_accepts_ours_and_we_accept_its(store: KeyStore, tmp_path: Path) -> None:
    line = store.make("dev")
    (tmp_path / "signers").write_text(f"dev@x {line}\n")
    (tmp_path / "sig").write_text(store.sign("dev", MESSAGE))
    told = keygen(
        "-Y",
        "verify",
        "-f",
        str(tmp_path / "signers"),
        "-I",
        "dev@x",
        "-n",
        "git",
        "-s",
        str(tmp_path / "sig"),
        given=MESSAGE,
    )
    assert b"Good" in told
    theirs = keygen("-q", "-Y", "sign", "-n", "git", "-f", str(store.path("dev")), given=MESSAGE).decode()
    assert sshsig.verify(line, theirs, MESSAGE, "git")


def test_a_key_that_ssh_keygen_made_is_used(store: KeyStore) -> None:
    store.folder.mkdir(parents=True)
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", str(store.path("dev")))
    line = " ".join((store.folder / "dev.pub").read_text().split()[:2])
    assert store.make("dev") == line
    assert sshsig.verify(line, store.sign("dev", MESSAGE), MESSAGE, "git")
    assert keygen("-lf", str(store.path("dev"))).decode().split()[1] == sshsig.fingerprint(line)


def test_keys_are_the_owners_alone(store: KeyStore) -> None:
    store.make("dev")
    assert store.path("dev").stat().st_mode & 0o777 == 0o600
    assert store.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("change", ["message", "namespace", "key"])
def test_another_message_namespace_or_key_is_not_good(store: KeyStore, change: str) -> None:
    line, other = store.make("dev"), store.make("qa")
    signature = store.sign("dev", MESSAGE)
    assert not sshsig.verify(
        other if change == "key" else line,
        signature,
        MESSAGE + b"." if change == "message" else MESSAGE,
        "file" if change == "namespace" else "git",
    )


def plus_order(signature: bytes) -> bytes:
    """The same signature with the group order added to its scalar: the same equation, other bytes."""
    order = 2**252 + 27742317777372353535851937790883648493
    return signature[:32] + ((int.from_bytes(signature[32:], "little") + order) % 2**256).to_bytes(32, "little")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
        lambda text: "\n" + text,
        lambda text: text.removesuffix("\n"),
        lambda text: re.sub(r"(.{70})\n", r"\1", text),
        lambda text: text.replace("-----END", "=\n-----END"),
        lambda text: text.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        lambda text: text.replace("U1NI", "U1NJ"),
        lambda _: "",
        lambda _: "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_one_encoding_is_accepted(store: KeyStore, spoil: object) -> None:
    line = store.make("dev")
    assert callable(spoil)
    assert not sshsig.verify(line, spoil(store.sign("dev", MESSAGE)), MESSAGE, "git")


def test_a_malleated_signature_is_not_good() -> None:
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    good = key.sign(sshsig._to_sign(MESSAGE, "git"))
    line = sshsig.public_line(raw)
    assert sshsig.verify(line, sshsig.armor(raw, good, "git"), MESSAGE, "git")
    assert not sshsig.verify(line, sshsig.armor(raw, plus_order(good), "git"), MESSAGE, "git")


def test_a_key_with_a_passphrase_signs_through_ssh_keygen(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.folder.mkdir(parents=True)
    keygen("-q", "-t", "ed25519", "-N", "secret", "-C", "", "-f", str(store.path("dev")))
    line = " ".join((store.folder / "dev.pub").read_text().split()[:2])
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    with pytest.raises(Refused) as caught:
        store.sign("dev", MESSAGE)
    assert caught.value.refusal.code == "KEY_UNFIT"
    asker = tmp_path / "ask"
    asker.write_text("#!/bin/sh\necho secret\n")
    asker.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(asker))
    assert sshsig.verify(line, store.sign("dev", MESSAGE), MESSAGE, "git")


def test_a_key_in_ssh_agent_signs_through_ssh_keygen(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.folder.mkdir(parents=True)
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key"))
    line = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    (store.folder / "dev.pub").write_text((tmp_path / "key.pub").read_text())
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while not socket.exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], check=True, capture_output=True)
        os.unlink(tmp_path / "key")
        assert store.holds("dev")
        assert sshsig.verify(line, store.sign("dev", MESSAGE), MESSAGE, "git")
    finally:
        agent.terminate()
        agent.wait()


def test_a_key_that_is_not_here_is_said_to_be_missing(store: KeyStore) -> None:
    with pytest.raises(Refused) as caught:
        store.sign("dev", MESSAGE)
    assert caught.value.refusal.code == "KEY_MISSING"


GOOD = sshsig.public_line(Ed25519PrivateKey.from_private_bytes(b"\1" * 32).public_key().public_bytes_raw())
HEADLESS = base64.b64encode(b"\0\0\0\x0bssh-ed25518\0\0\0\x20" + base64.b64decode(GOOD[12:])[19:]).decode()


@pytest.mark.parametrize(
    "line",
    ["ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-ed25519", "", "ssh-ed25519 " + "A" * 68, f"ssh-ed25519 {HEADLESS}", f"{GOOD}AAAA",
     GOOD.replace("ssh-ed25519", "ssh-rsa"), f"{GOOD} me", GOOD.replace(" ", "  ")],
)  # fmt: skip
def test_other_keys_are_not_ed25519(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        sshsig.public_bytes(line)


def test_a_proof_is_for_one_repository_agent_and_key(store: KeyStore) -> None:
    line = store.make("dev")
    proof = sshsig.compact(store.sign("dev", sshsig.proof_text(store.repository, "dev", line), sshsig.PROOF))
    assert sshsig.proves(store.repository, "dev", line, proof)
    assert not sshsig.proves("1" * 32, "dev", line, proof)
    assert not sshsig.proves(store.repository, "qa", line, proof)
    assert not sshsig.proves(store.repository, "dev", store.make("qa"), proof)


def points_of_small_order() -> set[int]:
    """The y coordinates of the points whose order divides 8, by plain arithmetic on the curve (RFC 8032)."""
    prime = sshsig.PRIME
    d = -121665 * pow(121666, -1, prime) % prime

    def x_of(y: int) -> int:
        square = (y * y - 1) * pow(d * y * y + 1, -1, prime) % prime
        root = pow(square, (prime + 3) // 8, prime)
        return root if (root * root - square) % prime == 0 else root * pow(2, (prime - 1) // 4, prime) % prime

    def doubled(x: int, y: int) -> tuple[int, int]:
        k = d * x * x * y * y % prime
        return 2 * x * y * pow(1 + k, -1, prime) % prime, (y * y + x * x) * pow(1 - k, -1, prime) % prime

    def vanishes(y: int) -> bool:
        point = (x_of(y), y)
        for _ in range(3):
            point = doubled(*point)
        return point == (0, 1)

    return {y for y in sshsig.SMALL_ORDER if vanishes(y)}


def test_a_public_key_without_a_private_one_is_none() -> None:
    """Points of small order: anybody can sign for them; and second encodings of a point."""
    assert points_of_small_order() == sshsig.SMALL_ORDER and len(sshsig.SMALL_ORDER) == 5
    for y in (*sshsig.SMALL_ORDER, sshsig.PRIME, sshsig.PRIME + 1, 2**255 - 1):
        for sign in (0, 1 << 255):
            with pytest.raises(ValueError, match=r"public key|public one|private one"):
                sshsig.public_bytes(sshsig.public_line((y | sign).to_bytes(32, "little")))
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert sshsig.public_bytes(sshsig.public_line(raw)) == raw


@pytest.mark.parametrize("comment", ["", "me@here", "x" * 300])
def test_the_halves_of_a_key_file_are_those_that_the_library_reads(tmp_path: Path, comment: str) -> None:
    keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(tmp_path / "key"))
    content = (tmp_path / "key").read_bytes()
    theirs = load_ssh_private_key(content, None)
    assert isinstance(theirs, Ed25519PrivateKey)
    assert sshsig.halves(content) == (theirs.private_bytes_raw(), theirs.public_key().public_bytes_raw())


def test_a_key_file_in_another_form_has_no_halves(store: KeyStore) -> None:
    store.make("dev")
    content = store.path("dev").read_bytes()
    halves = sshsig.halves(content)
    assert halves
    for end in range(len(content) - 1):
        assert sshsig.halves(content[:end]) is None, end
    for place in range(0, len(content) - 1, 3):
        other = bytearray(content)
        other[place] ^= 1
        found = sshsig.halves(bytes(other))
        if found:  # then the library reads the same
            theirs = load_ssh_private_key(bytes(other), None)
            assert isinstance(theirs, Ed25519PrivateKey)
            assert theirs.private_bytes_raw() == found[0], place
    keygen("-q", "-p", "-N", "secret", "-f", str(store.path("dev")))
    assert sshsig.halves(store.path("dev").read_bytes()) is None


def test_a_key_file_whose_halves_do_not_fit_signs_nothing(store: KeyStore) -> None:
    store.make("dev")
    lines = store.path("dev").read_text().splitlines()
    blob = base64.b64decode("".join(lines[1:-1]))
    halves = sshsig.halves(store.path("dev").read_bytes())
    assert halves
    text = base64.b64encode(blob.replace(halves[0], bytes(32))).decode()
    store.path("dev").write_text("\n".join([lines[0], text, lines[-1], ""]))
    other = sshsig.halves(store.path("dev").read_bytes())
    assert other == (bytes(32), halves[1])
    with pytest.raises(Refused) as caught:
        store.sign("dev", MESSAGE)
    assert caught.value.refusal.code == "KEY_UNFIT"
