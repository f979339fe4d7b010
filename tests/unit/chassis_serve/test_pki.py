"""Local certificates and keys: made once, private, renewed before they run out."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from chassis.authentication import Tokens
from chassis.identity import Caller, Role
from chassis.signing_keys import FileKeys
from console import pki


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_is_there_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    names = {"ca.pem", "ca.key", "jwt.key", "jwks.json", "evidence.key", "evidence.pub"}
    names |= {f"{service}.{ending}" for service in pki.SERVICES for ending in ("pem", "key")}
    assert set(contents(tmp_path)) == names
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    before = contents(tmp_path)
    pki.ensure(tmp_path)
    assert contents(tmp_path) == before


def test_what_is_missing_is_made_again(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "gate.key").unlink()
    pki.ensure(tmp_path)
    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"gate.key", "gate.pem"}


def test_what_runs_out_soon_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_LIFETIME", timedelta(days=3))
        pki.ensure(tmp_path)
    before = contents(tmp_path)
    pki.ensure(tmp_path)
    after = contents(tmp_path)
    assert after["ca.pem"] != before["ca.pem"]
    assert after["executor.pem"] != before["executor.pem"]
    assert after["jwt.key"] == before["jwt.key"]


def test_a_certificate_names_its_service_and_this_machine(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / "control.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://whatlead/control"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "control"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


async def test_a_minted_token_verifies_with_the_published_keys(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    token = pki.mint_token(tmp_path, subject="ops", organization_id="acme", role="admin", ttl=timedelta(minutes=1))
    tokens = Tokens(FileKeys(tmp_path / "jwks.json"), issuer="whatlead", audience="whatlead")
    assert await tokens.verify(token) == Caller(subject="ops", organization_id="acme", role=Role.ADMIN)
