"""Page tokens: a position in one list, bound to the organization and the filter it was made for. Knows no list.

A token is no secret and grants nothing: every list reads within the caller's organization whatever the position says.
The checksum turns a token of another list, filter or organization, or a damaged one, into a clear error.
"""

import base64
import binascii
import hashlib

from kernel.errors import Failure, Kind, Violation

_CHECKSUM_BYTES = 12


def encode(*, organization_id: str, filter: bytes, position: str) -> str:  # noqa: A002 - the word for it
    """Return the token of `position`. `filter` is the request, serialised, without its page token and page size."""
    where = position.encode()
    token = base64.urlsafe_b64encode(_checksum(organization_id, filter, where) + where)
    return token.rstrip(b"=").decode()


def decode(token: str, *, organization_id: str, filter: bytes) -> str:  # noqa: A002 - the word for it
    """Return the position that `encode` was given, or raise `Failure` INVALID_ARGUMENT, INVALID_PAGE_TOKEN."""
    try:
        content = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        where = content[_CHECKSUM_BYTES:]
        if content[:_CHECKSUM_BYTES] != _checksum(organization_id, filter, where):
            raise _refused()
        return where.decode()
    except (binascii.Error, UnicodeError):
        raise _refused() from None


def _checksum(organization_id: str, request: bytes, where: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_CHECKSUM_BYTES, person=b"whatlead.page")
    for part in (organization_id.encode(), request, where):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


def _refused() -> Failure:
    return Failure(
        Kind.INVALID_ARGUMENT,
        "INVALID_PAGE_TOKEN",
        "the page token is not one of this list, this filter and this organization",
        violations=(Violation(field="page_token", description="start again without it"),),
    )
