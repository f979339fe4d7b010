"""Certificates and a signing key for a local system, made in its data folder. For development: nothing here is rotated.

ca.pem, ca.key                  the authority
<service>.pem, <service>.key    a service's certificate, as server and as client
jwt.key, jwks.json              what signs callers' tokens, and what verifies them
evidence.key, evidence.pub      what signs the audit log's checkpoints, and what verifies them
"""

import json
import os
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from jwt.algorithms import OKPAlgorithm

SERVICES = ("gate", "executor", "control", "audit")
ISSUER = AUDIENCE = "whatlead"
EVIDENCE_ORIGIN = "whatlead/audit"
DEFAULT_TTL = timedelta(hours=12)
_LIFETIME = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_LOCAL_ADDRESSES = ("127.0.0.1", "::1")

_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def ensure(data_dir: Path, *, services: Sequence[str] = SERVICES) -> None:
    """Make what is missing in `data_dir` or about to expire; keep the rest. Only its owner can read the files."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if not _current(data_dir / "ca.pem"):
        for service in services:
            (data_dir / f"{service}.pem").unlink(missing_ok=True)
        _make_authority(data_dir)
    for service in services:
        if not _current(data_dir / f"{service}.pem"):
            issue(data_dir, service)
    if not (data_dir / "jwks.json").exists():
        _make_signing_key(data_dir)
    if not (data_dir / "evidence.key").exists():
        _write(data_dir / "evidence.key", _pem(ed25519.Ed25519PrivateKey.generate()))
        (data_dir / "evidence.pub").unlink(missing_ok=True)
    if not (data_dir / "evidence.pub").exists():
        key = _load_key(data_dir / "evidence.key")
        assert isinstance(key, ed25519.Ed25519PrivateKey)  # noqa: S101 we wrote it
        _write(data_dir / "evidence.pub", public_line(key).encode() + b"\n")


def mint_token(
    data_dir: Path, subject: str, organization_id: str, role: str = "owner", ttl: timedelta = DEFAULT_TTL
) -> str:
    """Return a token signed by the folder's key. `role` is owner, admin, member or platform."""
    key = _load_key(data_dir / "jwt.key")
    published = json.loads((data_dir / "jwks.json").read_text())["keys"][0]
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "organization_id": organization_id,
        "role": role,
        "iat": now,
        "exp": now + int(ttl.total_seconds()),
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": published["kid"]})


def public_line(key: ed25519.Ed25519PrivateKey) -> str:
    """Return what checks the signatures of an evidence key, as C2SP signed notes have it: name+id+key."""
    raw = b"\x01" + key.public_key().public_bytes_raw()
    key_id = sha256(f"{EVIDENCE_ORIGIN}\n".encode() + raw).hexdigest()[:8]
    return f"{EVIDENCE_ORIGIN}+{key_id}+{b64encode(raw).decode()}"


def issue(data_dir: Path, service: str) -> None:
    """Make a certificate for `service`, signed by the folder's authority, over the one it has."""
    authority = x509.load_pem_x509_certificate((data_dir / "ca.pem").read_bytes())
    authority_key = _load_key(data_dir / "ca.key")
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"spiffe://whatlead/{service}"),
        x509.DNSName("localhost"),
        x509.DNSName(service),
        *(x509.IPAddress(ip_address(address)) for address in _LOCAL_ADDRESSES),
    ]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        _builder(service, authority.subject, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(data_dir / f"{service}.key", _pem(key))
    _write(data_dir / f"{service}.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _make_authority(data_dir: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WhatLead development authority")])
    certificate = (
        _builder("WhatLead development authority", name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_AUTHORITY_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(data_dir / "ca.key", _pem(key))
    _write(data_dir / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))


_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(common_name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _make_signing_key(data_dir: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public |= {"kid": f"dev-{int(time.time())}", "alg": "EdDSA", "use": "sig"}
    _write(data_dir / "jwt.key", _pem(key))
    _write(data_dir / "jwks.json", json.dumps({"keys": [public]}, indent=2).encode() + b"\n")


def _current(certificate: Path) -> bool:
    """Say whether a certificate is there, with its key, and good for a while."""
    if not certificate.exists() or not certificate.with_suffix(".key").exists():
        return False
    until = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return until - datetime.now(UTC) > _RENEW_BEFORE


def _load_key(path: Path) -> _PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)  # noqa: S101 we wrote it
    return key


def _pem(key: _PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Put the file in place whole, readable by its owner only."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)
