"""Sign checkpoints, and tell whether one was signed here (C2SP signed-note, Ed25519). Knows no tree and no store."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from audit.domain.checkpoint import ORIGIN, Checkpoint, Refused

_ED25519 = b"\x01"
_MARK = "— "


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in a PEM file. Raises ValueError if there is none."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, ValueError, OSError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("must be an Ed25519 private key (PEM): `whatlead keys` makes one")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the key in a file of the form `name+id+key`. Raises ValueError if it is none of this log's."""
    try:
        name, key_id, encoded = path.read_text(encoding="utf-8").strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw[1:])
    except (ValueError, OSError):
        raise ValueError("must be a public key as `whatlead keys` writes it: name+id+key") from None
    if (name, raw[:1], key_id) != (ORIGIN, _ED25519, _key_id(key).hex()):
        raise ValueError(f"must be an Ed25519 public key of {ORIGIN}")
    return key


class Notary:
    """Holds the key that signs, and knows the former ones."""

    def __init__(self, key: Ed25519PrivateKey, former: Sequence[Ed25519PublicKey] = ()) -> None:
        self._key = key
        self._id = _key_id(key.public_key())
        self._known = {_key_id(one): one for one in (key.public_key(), *former)}

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note of a checkpoint."""
        text = str(checkpoint)
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_MARK}{ORIGIN} {signature}\n"

    def read(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note signed with a known key. Raises Refused for any other."""
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        try:
            for line in signatures.splitlines():
                mark, name, encoded = line.split(" ")
                raw = base64.b64decode(encoded, validate=True)
                if (mark, name) == (_MARK.strip(), ORIGIN) and raw[:4] in self._known:
                    self._known[raw[:4]].verify(raw[4:], text.encode())
                    return Checkpoint.parse(text)
        except (ValueError, InvalidSignature):
            pass
        raise Refused(f"a checkpoint is not signed with the evidence key: {note.splitlines()[:3]}")


def _key_id(key: Ed25519PublicKey) -> bytes:
    return sha256(ORIGIN.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]
