"""SSH signatures in the SSHSIG format (OpenSSH's PROTOCOL.sshsig), made and checked in process, for ed25519 keys only.

Signing is deterministic: the result equals that of `ssh-keygen -Y sign` byte for byte. Exactly one encoding of a
signature is accepted, the one that `armor` gives.
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
_KEY_MAGIC = b"openssh-key-v1\0"
_KEY_BEGIN, _KEY_END = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----END OPENSSH PRIVATE KEY-----"
_BEGIN, _END, _WIDTH = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----", 70


# A public key encodes a point of the curve (RFC 8032) by its y coordinate and a sign. SMALL_ORDER has the y coordinates
# of the eight points whose order divides 8: anybody can make signatures that fit them. A y coordinate that is not below
# PRIME is a second encoding of a point. Both are refused.
PRIME = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = frozenset({0, 1, PRIME - 1, ORDER_8, PRIME - ORDER_8})


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def public_line(raw: bytes) -> str:
    """Return the OpenSSH line (`ssh-ed25519 AAAA...`) of a public key.

    :param raw: the 32 bytes of the key.
    """
    return "ssh-ed25519 " + base64.b64encode(_string(_TYPE) + _string(raw)).decode()


def public_bytes(line: str) -> bytes:
    """Return the 32 bytes of a public key.

    :param line: the OpenSSH line without a comment.
    :raises ValueError: if it is not an ed25519 line, or no private key can belong to it.
    """
    blob = base64.b64decode(line.partition(" ")[2], validate=True)
    if public_line(blob[19:]) != line:
        raise ValueError("not an ssh-ed25519 public key")
    height = int.from_bytes(blob[19:], "little") & (2**255 - 1)
    if height >= PRIME or height in SMALL_ORDER:
        raise ValueError("not the public key of any private one")
    return blob[19:]


def fingerprint(line: str) -> str:
    """Return the SHA256 fingerprint that ssh-keygen and git show for a public key.

    :param line: the OpenSSH line.
    """
    return _fingerprint(base64.b64decode(line.partition(" ")[2]))


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def signer(armored: str) -> str:
    """Return the fingerprint of the public key that a signature names. Whether it is valid is `verify`'s question.

    :param armored: the text of the signature, in the encoding that `armor` gives.
    """
    blob = base64.b64decode("".join(armored.split("\n")[1:-2]))
    start = len(_MAGIC) + 4
    length = int.from_bytes(blob[start : start + 4], "big")
    return _fingerprint(blob[start + 4 : start + 4 + length])


def _to_sign(message: bytes, namespace: str) -> bytes:
    digest = hashlib.sha512(message).digest()
    return _MAGIC + _string(namespace.encode()) + _string(b"") + _string(_HASH) + _string(digest)


def sign(key: Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """Return the armored signature of a message.

    :param message: the bytes to sign.
    :param namespace: the SSHSIG namespace, such as `git`.
    """
    raw = key.public_key().public_bytes_raw()
    return armor(raw, key.sign(_to_sign(message, namespace)), namespace)


def armor(raw: bytes, signature: bytes, namespace: str) -> str:
    """Return the one accepted text of a signature.

    :param raw: the 32 bytes of the public key.
    :param signature: the 64 bytes of the ed25519 signature.
    :param namespace: the SSHSIG namespace.
    """
    public = _string(_TYPE) + _string(raw)
    blob = _MAGIC + struct.pack(">I", 1) + _string(public) + _string(namespace.encode()) + _string(b"")
    blob += _string(_HASH) + _string(_string(_TYPE) + _string(signature))
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def verify(line: str, armored: str, message: bytes, namespace: str) -> bool:
    """Return whether a signature by a key is valid for a message, and in the encoding that `armor` gives.

    :param line: the OpenSSH line of the public key.
    :param armored: the text of the signature.
    :param message: the signed bytes.
    :param namespace: the SSHSIG namespace.
    """
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


def halves(content: bytes) -> tuple[bytes, bytes] | None:
    """Return the private and the public half (32 bytes each) of a key file as ssh-keygen writes it (PROTOCOL.key).

    :param content: the bytes of the file.
    :returns: None for any other form, such as a file with a passphrase. Whether the halves fit is not checked.
    """
    lines = content.splitlines()
    if lines[:1] != [_KEY_BEGIN] or lines[-1] != _KEY_END:
        return None
    try:
        blob = base64.b64decode(b"".join(lines[1:-1]), validate=True)
    except ValueError:
        return None
    first = _KEY_MAGIC + _string(b"none") + _string(b"none") + _string(b"") + struct.pack(">I", 1)
    kind, raw = _string(_TYPE), blob[len(first) + 23 :][:32]
    first += _string(kind + _string(raw))
    secret = blob[len(first) + 4 :]
    second = secret[:4] * 2 + kind + _string(raw) + struct.pack(">I", 64)
    seed = secret[len(second) :][:32]
    third = secret[len(second) + 64 :]
    padding = third[4 + int.from_bytes(third[:4], "big") :]
    whole = first + struct.pack(">I", len(secret)) + second + seed + raw + third[: len(third) - len(padding)]
    fits = blob == whole + bytes(range(1, len(padding) + 1)) and len(padding) < 8 and len(seed) == len(raw) == 32
    return (seed, raw) if fits else None


def proof_text(repository: str, agent: str, line: str) -> bytes:
    """Return the bytes that a new key signs to prove possession of its private half.

    :param repository: the repository id.
    :param agent: the agent's name.
    :param line: the OpenSSH line of the key.
    """
    return f"{repository}\n{agent}\n{line}\n".encode()


def compact(armored: str) -> str:
    """Return an armored signature as one line of base64, the form in which files keep it."""
    return "".join(armored.split("\n")[1:-2])


def proves(repository: str, agent: str, line: str, proof: str) -> bool:
    """Return whether a proof is the key's own signature over repository id, agent and key.

    :param proof: one line of base64, as `compact` gives it.
    """
    lines = [proof[start : start + _WIDTH] for start in range(0, len(proof), _WIDTH)]
    return verify(line, "\n".join([_BEGIN, *lines, _END, ""]), proof_text(repository, agent, line), PROOF)
