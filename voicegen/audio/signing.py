"""C2PA: an audio file says, signed with a certificate of the user's, that a model made it and which.

The signature is over the whole file, marks and samples, but for the chunk that holds it. C2PA's own library makes it:
https://opensource.contentauthenticity.org/docs/c2pa-python; what a certificate must be:
https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html#x509_certificates
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from voicegen.audio.audio_file import encode_audio
from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.errors import ConfigError, MissingDependency, OutputError
from voicegen.records import ModelInfo

INSTALL: Final = "`uv sync --extra c2pa`, or `pip install 'voicegen[c2pa]'`"

_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_WANTED: Final = (
    "C2PA wants a certificate for signing, no CA's, with an extended key usage such as emailProtection, followed by "
    "those above it in the same file"
)


class Signer:
    """Signs audio files in memory. The key stays in it: it is in no message and in no record.

    Args:
        certificate: a PEM file: the signer's certificate, then those above it.
        key: a PEM file: the certificate's private key, without a password.

    Raises:
        ConfigError: a file cannot be read, the two do not belong together, or what they sign is not valid; says why.
        MissingDependency: C2PA's library is not installed.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        if find_spec("c2pa") is None:
            raise MissingDependency(f"c2pa.certificate needs the package c2pa-python: install it with {INSTALL}")
        import c2pa

        chain, secret = _read("certificate", certificate), _read("key", key)
        algorithm = _algorithm(certificate, chain, key, secret)
        try:
            self._signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, secret, None))
            self._try(certificate)
        except c2pa.C2paError as error:
            raise ConfigError(f"c2pa.certificate={certificate} cannot sign ({error}): {_WANTED}") from None

    def signed(self, data: bytes, audio: AudioFormat, claim: Mapping[str, Any]) -> bytes:
        """The file with `claim`, a manifest definition of C2PA's, in it; other bytes each time, with the same samples.

        Raises:
            OutputError: it cannot be signed.
        """
        import c2pa

        try:
            return self._signed(data, audio, claim)
        except c2pa.C2paError as error:
            raise OutputError(f"C2PA's library could not sign a file: {error}") from error

    def _signed(self, data: bytes, audio: AudioFormat, claim: Mapping[str, Any]) -> bytes:
        import c2pa

        signed = io.BytesIO()
        with c2pa.Builder(json.dumps(claim)) as builder:
            builder.sign(self._signer, f"audio/{audio.container}", io.BytesIO(data), signed)
        return signed.getvalue()

    def _try(self, certificate: Path) -> None:
        """Signs a second of silence and has it read back; that nobody here knows the certificate's root is no fault."""
        import c2pa

        claim = Origin(ModelInfo("silence", "tone")).claim()
        signed = self._signed(encode_audio(np.zeros(8000, np.float32), 8000), WAV, claim)
        with c2pa.Reader("audio/wav", io.BytesIO(signed)) as reader:
            found = json.loads(reader.json())
        if found.get("validation_state") == "Invalid":
            faults = ", ".join(status["code"] for status in found.get("validation_status", ()))
            raise ConfigError(f"c2pa.certificate={certificate}: what it signs is not valid ({faults}): {_WANTED}")


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"c2pa.{setting}={path}: {error.strerror or error}") from None


def _algorithm(certificate: Path, chain: bytes, key: Path, secret: bytes) -> str:
    """The name that C2PA has for how this key signs, once it is known to be the certificate's."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        signer = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise ConfigError(f"c2pa.certificate={certificate}: this is no PEM file of certificates") from None
    try:
        private = load_pem_private_key(secret, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # whose texts may show what is in the file
        raise ConfigError(f"c2pa.key={key}: this is no PEM file of a private key without a password") from None
    if private.public_key() != signer.public_key():
        raise ConfigError(f"c2pa.key={key} is not the key of the first certificate in {certificate}")
    if not signer.not_valid_before_utc <= datetime.now(UTC) <= signer.not_valid_after_utc:
        span = f"{signer.not_valid_before_utc:%Y-%m-%d} to {signer.not_valid_after_utc:%Y-%m-%d}"
        raise ConfigError(f"c2pa.certificate={certificate}: it is valid from {span}: renew it")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise ConfigError(f"c2pa.key={key}: C2PA signs with EC keys (P-256, P-384, P-521), Ed25519 and RSA")
