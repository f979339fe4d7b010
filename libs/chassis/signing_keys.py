"""The public keys that sign callers' tokens, from a file or a URL, current without a restart. Knows no token."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from kernel.errors import Failure, Kind

ALGORITHMS = frozenset({"EdDSA", "ES256", "RS256"})
_FILE_CHECK_SECONDS = 1.0
_URL_REFRESH_SECONDS = 300.0
_URL_RETRY_SECONDS = 10.0
_URL_TIMEOUT = aiohttp.ClientTimeout(total=5)
_MAX_DOCUMENT = 1_000_000

log = structlog.get_logger(__name__)


class SigningKeys(Protocol):
    """Gives the key a token names. `version` changes whenever the keys do."""

    version: int

    async def load(self) -> None:
        """Read the keys for the first time."""
        ...

    async def refresh(self) -> None:
        """Read the keys again if they may have changed; cheap when they have not."""
        ...

    async def find(self, key_id: str | None) -> PyJWK | None:
        """Return the key by its id (or the only key, for a token that names none), looking anew for an unknown one."""
        ...


def parse_keys(document: bytes) -> dict[str, PyJWK]:
    """Return the usable signing keys by id. Keys of other algorithms and uses are left out. Raises ValueError."""
    try:
        listed: list[dict[str, Any]] = json.loads(document)["keys"]
        keys: dict[str, PyJWK] = {}
        for item in listed:
            if item.get("kty") == "oct" or item.get("use", "sig") != "sig":
                continue
            try:
                key = PyJWK(item)
            except PyJWTError:
                continue
            if key.algorithm_name in ALGORITHMS:
                keys[str(item.get("kid", ""))] = key
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("not a JSON Web Key Set") from error
    return keys


def _choose(keys: dict[str, PyJWK], key_id: str | None) -> PyJWK | None:
    if key_id is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(key_id)


class FileKeys:
    """Keys of a file, read again within a second of its change. A file that cannot be read changes nothing."""

    def __init__(self, path: Path) -> None:
        self.version = 0
        self._path = path
        self._keys: dict[str, PyJWK] = {}
        self._seen: tuple[int, int] | None = None
        self._checked = float("-inf")

    async def load(self) -> None:
        await self.refresh()
        if not self._keys:
            raise Failure(
                Kind.FAILED_PRECONDITION, "WRONG_STATE", f"{self._path} holds no usable EdDSA, ES256 or RS256 key"
            )

    async def refresh(self) -> None:
        if time.monotonic() - self._checked < _FILE_CHECK_SECONDS:
            return
        self._read()

    async def find(self, key_id: str | None) -> PyJWK | None:
        if (key := _choose(self._keys, key_id)) is None:
            self._read()
            key = _choose(self._keys, key_id)
        return key

    def _read(self) -> None:
        self._checked = time.monotonic()
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen == self._seen:
                return
            keys = parse_keys(self._path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("signing_keys.unreadable", source=str(self._path), error=str(error))
            return
        self._seen, self._keys = seen, keys
        self.version += 1


class UrlKeys:
    """Keys of a URL, fetched every five minutes and, at most every ten seconds, for a key not known yet."""

    def __init__(self, url: str) -> None:
        self.version = 0
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def load(self) -> None:
        # An issuer that is down now must not keep the service from starting: the first tokens fetch again.
        await self._fetch()

    async def refresh(self) -> None:
        # One call waits for the fetch; the others go on with the keys there are.
        if time.monotonic() - self._fetched >= _URL_REFRESH_SECONDS and not self._fetching.locked():
            await self._fetch()

    async def find(self, key_id: str | None) -> PyJWK | None:
        if (key := _choose(self._keys, key_id)) is None:
            await self._fetch()
            key = _choose(self._keys, key_id)
        if not self._keys:
            raise Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "the keys that verify tokens cannot be fetched")
        return key

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() - self._tried < _URL_RETRY_SECONDS:
                return
            self._tried = time.monotonic()
            try:
                async with aiohttp.ClientSession(timeout=_URL_TIMEOUT) as session, session.get(self._url) as answer:
                    answer.raise_for_status()
                    keys = parse_keys(await answer.content.read(_MAX_DOCUMENT))
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("signing_keys.unreachable", source=self._url, error=repr(error))
                return
            self._fetched, self._keys = time.monotonic(), keys
            self.version += 1


def signing_keys(source: str) -> SigningKeys:
    """Return the keys of `source`, an http(s) URL or a file."""
    return UrlKeys(source) if source.startswith(("https://", "http://")) else FileKeys(Path(source))
