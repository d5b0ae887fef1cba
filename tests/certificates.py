"""Certificates of our own, for tests: a root, what it signed, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Pair:
    """A signer's chain and its key, in PEM files."""

    certificate: Path
    key: Path

    @property
    def words(self) -> tuple[str, str]:
        """The settings that name them."""
        return f"c2pa.certificate={self.certificate}", f"c2pa.key={self.key}"


def pair(folder: Path, kind: str = "p256", *, is_ca: bool = False, days: int = 30) -> Pair:
    """A chain of a signer and its root, valid from yesterday for so many days."""
    root_key, key = KEYS["p256"](), KEYS[kind]()
    root = _certificate("Root", root_key, "Root", root_key, is_ca=True, days=30)
    signer = _certificate("Ada", key, "Root", root_key, is_ca=is_ca, days=days)
    folder.mkdir(parents=True, exist_ok=True)
    found = Pair(folder / "chain.pem", folder / "key.pem")
    found.certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in (signer, root)))
    found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return found


def _certificate(name: str, key: Any, issuer: str, issuer_key: Any, *, is_ca: bool, days: int) -> x509.Certificate:
    begin = datetime.now(UTC) - timedelta(days=1)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_ca, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, decipher_only=False, **usage
            ),
            True,
        )
    )
    if not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Of our own"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        ]
    )
