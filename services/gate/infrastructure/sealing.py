"""Keep numbers and contents secret: keyed hashes to match by, sealed bytes to hand over. Knows one key, no message."""

import hmac
import os
from functools import lru_cache
from hashlib import blake2b

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_HASH_BYTES = 16


class Vault:
    """Hashes and seals under keys that derive from one; with another key nothing matches and nothing opens."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the recipient key has 32 bytes")
        self._number_hash = hmac.new(hmac.digest(key, b"whatlead number hash", "sha256"), digestmod="sha256")
        self._content_key = hmac.digest(key, b"whatlead content hash", "sha256")
        # A campaign says the same to many people.
        self.digest_content = lru_cache(maxsize=4096)(self.hash_content)
        self._cipher = AESGCM(hmac.digest(key, b"whatlead seal", "sha256"))

    def hash_number(self, organization_id: str, canonical: str) -> bytes:
        """Return what a person's number is known by within an organization."""
        keyed = self._number_hash.copy()
        keyed.update(f"{organization_id}\0{canonical}".encode())
        return keyed.digest()[:_HASH_BYTES]

    def hash_content(self, *parts: bytes) -> bytes:
        """Return what contents are compared by; no two lists of parts look alike."""
        digest = blake2b(digest_size=_HASH_BYTES, key=self._content_key)
        for part in parts:
            digest.update(len(part).to_bytes(4))
            digest.update(part)
        return digest.digest()

    def seal(self, organization_id: str, content: bytes) -> bytes:
        """Encrypt for one organization."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, organization_id.encode())

    def unseal(self, organization_id: str, sealed: bytes) -> bytes:
        """Decrypt what was sealed for this organization."""
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], organization_id.encode())
