"""Tokens and certificates to identities. Knows no method and no permission.

A token must be signed by a known key with that key's own algorithm (EdDSA, ES256 or RS256), name our issuer and
audience, expire, and carry `sub`, `organization_id` and `role`.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import jwt

from chassis.identity import Caller, Peer, Role
from chassis.signing_keys import SigningKeys
from kernel.errors import Failure, Kind

_LEEWAY_SECONDS = 5
_MAX_TOKEN = 8_192
_CACHED_TOKENS = 4_096
_ORGANIZATION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SUBJECT = re.compile(r"[!-~]{1,256}")
_SPIFFE = "spiffe://"
_SPIFFE_OURS = re.compile(r"spiffe://whatlead/([a-z][a-z0-9-]{0,62})")
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")


def _refused(message: str) -> Failure:
    return Failure(Kind.UNAUTHENTICATED, "UNAUTHENTICATED", message)


class Tokens:
    """Verifies bearer tokens. What was verified once is remembered until it expires or the keys change."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._version = keys.version

    async def verify(self, token: str) -> Caller:
        """Return whom `token` names. Raises Failure UNAUTHENTICATED for one that does not verify."""
        await self._keys.refresh()
        if self._version != self._keys.version:
            self._verified.clear()
            self._version = self._keys.version
        known = self._verified.get(token)
        if known is not None and time.time() < known[1]:
            return known[0]
        caller, expires = await self._verify(token)
        self._verified[token] = (caller, expires)
        if len(self._verified) > _CACHED_TOKENS:
            self._verified.popitem(last=False)
        return caller

    async def _verify(self, token: str) -> tuple[Caller, float]:
        if len(token) > _MAX_TOKEN:
            raise _refused("the token is too long")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(key_id)
            if key is None:
                raise _refused("the token is signed by an unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            # What exactly is wrong helps only those who try.
            raise _refused("the token does not verify") from None
        return _caller(claims), float(claims["exp"])


def _caller(claims: dict[str, Any]) -> Caller:
    subject, organization_id, role = claims["sub"], claims.get("organization_id", ""), claims.get("role")
    if role not in tuple(Role):
        raise _refused("the token's role is not one of owner, admin, member, platform")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise _refused("the token's subject is not 1 to 256 printable characters")
    if not isinstance(organization_id, str) or not (
        _ORGANIZATION.fullmatch(organization_id) or (role == Role.PLATFORM and not organization_id)
    ):
        raise _refused("the token's organization_id is not 1 to 64 characters of A-Z a-z 0-9 . _ -")
    return Caller(subject=subject, organization_id=organization_id, role=Role(role))


def bearer_token(authorization: Iterable[str | bytes]) -> str:
    """Return the token of a call's `authorization` metadata. Raises Failure UNAUTHENTICATED without exactly one."""
    values = list(authorization)
    if len(values) != 1:
        raise _refused("send exactly one `authorization: Bearer <token>`")
    value = values[0] if isinstance(values[0], str) else values[0].decode("ascii", "replace")
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("send exactly one `authorization: Bearer <token>`")
    return token.strip()


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """Return the service that a verified client certificate names: its SPIFFE id, else its common name.

    Raises Failure UNAUTHENTICATED for a certificate that names none, several, or one of another installation.
    """
    names = [name.decode("utf-8", "replace") for name in auth_context.get("x509_subject_alternative_name", ())]
    ids = [name for name in names if name.startswith(_SPIFFE)]
    if ids:
        match = _SPIFFE_OURS.fullmatch(ids[0]) if len(ids) == 1 else None
        if match is None:
            raise _refused("the client certificate names no service of this installation")
        return Peer(service=match[1])
    common = [name.decode("utf-8", "replace") for name in auth_context.get("x509_common_name", ())]
    if len(common) != 1 or not _SERVICE.fullmatch(common[0]):
        raise _refused("the client certificate names no service")
    return Peer(service=common[0])
