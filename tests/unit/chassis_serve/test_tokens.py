"""Only a token that a known key signed, for us, that has not expired, names a caller."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from chassis import authentication
from chassis.authentication import Tokens, bearer_token
from chassis.identity import Caller, Role
from chassis.signing_keys import FileKeys
from kernel.errors import Failure, Kind

ED25519, ES256, RS256 = (
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(public_exponent=65537, key_size=2048),
)


def published(key: Any, kid: str, **extra: str) -> dict[str, Any]:
    algorithms: list[tuple[type, Any]] = [(rsa.RSAPrivateKey, RSAAlgorithm), (ec.EllipticCurvePrivateKey, ECAlgorithm)]
    algorithm = next((found for kind, found in algorithms if isinstance(key, kind)), OKPAlgorithm)
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **extra}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    listed = [
        published(ED25519, "ed", alg="EdDSA"),
        published(ES256, "es", alg="ES256"),
        published(RS256, "rs", alg="RS256"),
        {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(b"k" * 32).decode(), "alg": "HS256"},
    ]
    path.write_text(json.dumps({"keys": listed}))
    return path


def tokens_of(path: Path) -> Tokens:
    return Tokens(FileKeys(path), issuer="whatlead", audience="whatlead")


def signed(
    key: PrivateKeyTypes | bytes = ED25519, algorithm: str = "EdDSA", kid: str | None = "ed", **claims: Any
) -> str:
    body = {
        "iss": "whatlead",
        "aud": "whatlead",
        "sub": "crm",
        "organization_id": "acme",
        "role": "member",
        "exp": int(time.time()) + 60,
    } | claims
    headers = {} if kid is None else {"kid": kid}
    present = {name: value for name, value in body.items() if value is not ...}
    return jwt.encode(present, key, algorithm=algorithm, headers=headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(ED25519, "EdDSA", "ed"), (ES256, "ES256", "es"), (RS256, "RS256", "rs")]
)
async def test_a_good_token_names_its_caller(keys: Path, key: PrivateKeyTypes, algorithm: str, kid: str) -> None:
    caller = await tokens_of(keys).verify(signed(key, algorithm, kid))
    assert caller == Caller(subject="crm", organization_id="acme", role=Role.MEMBER)


def unsigned() -> str:
    _, body, _ = signed().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"ed"}').rstrip(b"=").decode()
    return f"{none}.{body}."


def confused() -> str:
    """A token whose HMAC secret is our public key."""
    return signed(b"x" * 32, "HS256", "ed")


def tampered() -> str:
    header, _, signature = signed().split(".")
    body = base64.urlsafe_b64encode(json.dumps({"sub": "crm", "role": "owner"}).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: signed(exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda: signed(nbf=int(time.time()) + 60), id="not yet valid"),
        pytest.param(lambda: signed(exp=...), id="never expires"),
        pytest.param(lambda: signed(exp=float("inf")), id="expires at infinity"),
        pytest.param(lambda: signed(exp="soon"), id="expiry is no number"),
        pytest.param(lambda: signed(aud="somebody-else"), id="foreign audience"),
        pytest.param(lambda: signed(aud=...), id="no audience"),
        pytest.param(lambda: signed(iss="somebody-else"), id="foreign issuer"),
        pytest.param(lambda: signed(iss=...), id="no issuer"),
        pytest.param(lambda: signed(sub=...), id="no subject"),
        pytest.param(lambda: signed(sub="a\nb"), id="subject with a line break"),
        pytest.param(lambda: signed(organization_id=...), id="no organization"),
        pytest.param(lambda: signed(organization_id="a/b"), id="organization of other characters"),
        pytest.param(lambda: signed(organization_id=7), id="organization is no text"),
        pytest.param(lambda: signed(role=...), id="no role"),
        pytest.param(lambda: signed(role="god"), id="unknown role"),
        pytest.param(lambda: signed(role=[]), id="role is a list"),
        pytest.param(lambda: signed(kid="unknown"), id="unknown key"),
        pytest.param(lambda: signed(kid=None), id="no key id among several"),
        pytest.param(lambda: signed(ES256, "ES256", "ed"), id="another key's id"),
        pytest.param(lambda: signed(ed25519.Ed25519PrivateKey.generate()), id="foreign key"),
        pytest.param(lambda: signed(b"k" * 32, "HS256", "shared"), id="shared secret"),
        pytest.param(confused, id="public key as secret"),
        pytest.param(unsigned, id="alg none"),
        pytest.param(tampered, id="tampered"),
        pytest.param(lambda: signed(padding="x" * 9000), id="too long"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b.c", id="garbage"),
        pytest.param(lambda: "ção.b.c", id="not ascii"),
    ],
)
async def test_a_bad_token_names_nobody(keys: Path, make: Callable[[], str]) -> None:
    with pytest.raises(Failure) as raised:
        await tokens_of(keys).verify(make())
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_only_the_platform_role_may_have_no_organization(keys: Path) -> None:
    caller = await tokens_of(keys).verify(signed(role="platform", organization_id=...))
    assert caller == Caller(subject="crm", organization_id="", role=Role.PLATFORM)


async def use_until_refused(tokens: Tokens, token: str) -> None:
    while True:
        await tokens.verify(token)
        await asyncio.sleep(0.05)


async def test_a_token_seen_before_still_expires(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_LEEWAY_SECONDS", 0)
    tokens, token = tokens_of(keys), signed(exp=int(time.time()) + 1)
    async with asyncio.timeout(5):
        with pytest.raises(Failure, match="expired"):
            await use_until_refused(tokens, token)


async def test_a_key_that_is_withdrawn_withdraws_the_tokens_seen_before(keys: Path) -> None:
    tokens, token = tokens_of(keys), signed()
    await tokens.verify(token)
    keys.write_text(json.dumps({"keys": [published(ES256, "es", alg="ES256")]}))
    with pytest.raises(Failure):
        await tokens.verify(signed(kid="looks-again"))
    with pytest.raises(Failure):
        await tokens.verify(token)


async def test_a_new_key_is_found_at_once(keys: Path) -> None:
    tokens = tokens_of(keys)
    await tokens.verify(signed())
    fresh = ed25519.Ed25519PrivateKey.generate()
    keys.write_text(json.dumps({"keys": [published(ED25519, "ed"), published(fresh, "fresh")]}))
    assert (await tokens.verify(signed(fresh, kid="fresh"))).subject == "crm"


async def test_a_file_that_breaks_keeps_the_keys_it_held(keys: Path) -> None:
    tokens = tokens_of(keys)
    await tokens.verify(signed())
    keys.write_text("{")
    with pytest.raises(Failure):
        await tokens.verify(signed(kid="looks-again"))
    assert (await tokens.verify(signed())).subject == "crm"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_weak_rsa_keys_do_not_count(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [published(weak, "weak")]}))
    with pytest.raises(Failure):
        await tokens_of(path).verify(signed(weak, "RS256", "weak"))


@pytest.mark.parametrize(
    "values", [[], ["Bearer a", "Bearer b"], ["Basic abc"], ["Bearer "], ["Bearer"], [b"\xff\xfe"]], ids=str
)
def test_exactly_one_bearer_token_is_taken(values: list[str | bytes]) -> None:
    with pytest.raises(Failure) as raised:
        bearer_token(values)
    assert raised.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", b"Bearer abc", "BEARER  abc "], ids=str)
def test_the_scheme_is_read_in_any_case(value: str | bytes) -> None:
    assert bearer_token([value]) == "abc"
