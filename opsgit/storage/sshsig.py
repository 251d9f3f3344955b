"""SSH signatures (the SSHSIG format of OpenSSH's PROTOCOL.sshsig), made and checked in process, ed25519 only.

Signing is deterministic, so what is made here is what `ssh-keygen -Y sign` makes, byte for byte. Exactly one
encoding of a signature is accepted: the one that `armor` gives.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GIT, PROOF = "git", "opsgit-proof"
_TYPE, _HASH, _MAGIC = b"ssh-ed25519", b"sha512", b"SSHSIG"
_BEGIN, _END, _WIDTH = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----", 70


# A public key is a point, encoded by its y coordinate and a sign. The y coordinates of the eight points whose order
# divides 8 (RFC 8032 has the curve): anybody could sign for them. Others than below the prime are second encodings.
PRIME = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = frozenset({0, 1, PRIME - 1, ORDER_8, PRIME - ORDER_8})


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def public_line(raw: bytes) -> str:
    """The OpenSSH line (`ssh-ed25519 AAAA...`) of a public key's 32 bytes."""
    return "ssh-ed25519 " + base64.b64encode(_string(_TYPE) + _string(raw)).decode()


def public_bytes(line: str) -> bytes:
    """The 32 bytes of an OpenSSH ed25519 line without comment.

    :raises ValueError: if it is anything else.
    """
    kind, _, encoded = line.partition(" ")
    blob = base64.b64decode(encoded, validate=True)
    if kind != "ssh-ed25519" or len(blob) != 51 or public_line(blob[19:]) != line:
        raise ValueError("not an ssh-ed25519 public key")
    height = int.from_bytes(blob[19:], "little") & (2**255 - 1)
    if height >= PRIME or height in SMALL_ORDER:
        raise ValueError("not the public key of any private one")
    return blob[19:]


def fingerprint(line: str) -> str:
    """The SHA256 fingerprint that ssh-keygen and git show for a public key."""
    blob = base64.b64decode(line.partition(" ")[2])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _to_sign(message: bytes, namespace: str) -> bytes:
    digest = hashlib.sha512(message).digest()
    return _MAGIC + _string(namespace.encode()) + _string(b"") + _string(_HASH) + _string(digest)


def sign(key: Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """The armored signature of a message in a namespace."""
    raw = key.public_key().public_bytes_raw()
    return armor(raw, key.sign(_to_sign(message, namespace)), namespace)


def armor(raw: bytes, signature: bytes, namespace: str) -> str:
    """The one accepted text of a signature.

    :param raw: the public key's 32 bytes.
    :param signature: the 64 bytes that ed25519 made.
    """
    public = _string(_TYPE) + _string(raw)
    blob = _MAGIC + struct.pack(">I", 1) + _string(public) + _string(namespace.encode()) + _string(b"")
    blob += _string(_HASH) + _string(_string(_TYPE) + _string(signature))
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def verify(line: str, armored: str, message: bytes, namespace: str) -> bool:
    """Whether `armored` signs a message in a namespace by the key of an OpenSSH line, in our encoding."""
    from cryptography.exceptions import InvalidSignature

    try:
        raw = public_bytes(line)
        blob = base64.b64decode("".join(armored.split("\n")[1:-2]), validate=True)
        if armor(raw, blob[-64:], namespace) != armored:
            return False
        _public(raw).verify(blob[-64:], _to_sign(message, namespace))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _public(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def proof_text(repository: str, agent: str, line: str) -> bytes:
    """What a new key signs to prove that its private half is held: repository id, agent, key."""
    return f"{repository}\n{agent}\n{line}\n".encode()


def compact(armored: str) -> str:
    """An armored signature as one line of base64, as files keep it."""
    return "".join(armored.split("\n")[1:-2])


def proves(repository: str, agent: str, line: str, proof: str) -> bool:
    """Whether `proof` (one line of base64) is the key's signature over repository id, agent and key."""
    lines = [proof[start : start + _WIDTH] for start in range(0, len(proof), _WIDTH)]
    return verify(line, "\n".join([_BEGIN, *lines, _END, ""]), proof_text(repository, agent, line), PROOF)
