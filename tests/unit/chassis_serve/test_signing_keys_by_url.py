"""Keys of a URL: fetched when needed, not more often than that, and kept when the issuer is away."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from chassis import signing_keys
from chassis.signing_keys import UrlKeys
from kernel.errors import Failure, Kind


class Issuer:
    """An issuer whose keys a test can change or take away."""

    def __init__(self) -> None:
        self.kids = ["first"]
        self.up = True
        self.asked = 0
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        if not self.up:
            return web.Response(status=503)
        key = ed25519.Ed25519PrivateKey.generate().public_key()
        listed = [{**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": kid} for kid in self.kids]
        return web.Response(text=json.dumps({"keys": listed}))


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    application = web.Application()
    application.add_routes([web.get("/jwks", issuer.answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield issuer
    await runner.cleanup()


async def test_an_unknown_key_is_looked_for_but_not_at_every_call(issuer: Issuer) -> None:
    keys = UrlKeys(issuer.url)
    await keys.load()
    for _ in range(5):
        assert await keys.find("unknown") is None
    assert await keys.find("first") is not None
    assert issuer.asked == 1


async def test_a_new_key_is_found_once_the_pause_is_over(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = UrlKeys(issuer.url)
    await keys.load()
    version = keys.version
    issuer.kids = ["second"]
    monkeypatch.setattr(signing_keys, "_URL_RETRY_SECONDS", 0.0)
    assert await keys.find("second") is not None
    assert await keys.find("first") is None
    assert keys.version > version


async def test_an_issuer_that_is_away_changes_nothing(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = UrlKeys(issuer.url)
    await keys.load()
    issuer.up = False
    monkeypatch.setattr(signing_keys, "_URL_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(signing_keys, "_URL_REFRESH_SECONDS", 0.0)
    await keys.refresh()
    assert await keys.find("first") is not None


async def test_without_any_key_the_trouble_is_ours(issuer: Issuer) -> None:
    issuer.up = False
    keys = UrlKeys(issuer.url)
    await keys.load()
    with pytest.raises(Failure) as raised:
        await keys.find("first")
    assert raised.value.kind is Kind.UNAVAILABLE
