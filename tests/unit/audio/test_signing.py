"""Signatures of C2PA, read back and judged by its own library."""

import importlib.util
import io
import json

import c2pa
import numpy as np
import pytest
import soundfile

from tests.certificates import KEYS, pair
from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import DIGITAL_SOURCE_TYPE, Origin
from voicegen.audio.signing import Signer
from voicegen.errors import ConfigError, MissingDependency
from voicegen.records import ModelInfo, Speech, Utterance

TONE = (0.5 * np.sin(np.arange(4410) * 0.1)).astype(np.float32)
SPEECH = Speech(Utterance(7, "Hm.", voice="joe"), TONE, 22_050)
FORMATS = [AudioFormat("wav"), AudioFormat("wav", "FLOAT"), AudioFormat("flac"), AudioFormat("flac", "PCM_24")]


def signed_clip(signer, audio=FORMATS[0]):
    tts = ModelInfo("piper-ä", "piper", "1.0.0")
    return encode_clip(SPEECH, 7, "a", audio, Origin(tts, run="0123456789abcdef", signer=signer))


def judged(data, container="wav"):
    """What the library says of a file: the state, the codes of faults, and the active manifest."""
    with c2pa.Reader(f"audio/{container}", io.BytesIO(data)) as reader:
        found = json.loads(reader.json())
    codes = {status["code"] for status in found.get("validation_status", ())}
    return found["validation_state"], codes, found["manifests"][found["active_manifest"]]


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    chain = pair(tmp_path_factory.mktemp("chain"))
    return Signer(chain.certificate, chain.key)


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_a_signed_file_says_by_whom_that_a_model_made_it_and_which_and_sounds_the_same(signer, audio):
    clip, data = signed_clip(signer, audio)
    state, codes, manifest = judged(data, audio.container)
    assert (state, codes) == ("Valid", {"signingCredential.untrusted"})  # nobody here knows its root
    assert manifest["signature_info"]["common_name"] == "Ada"
    assert manifest["title"] == "row 7"
    [assertion] = manifest["assertions"]
    [action] = assertion["data"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", DIGITAL_SOURCE_TYPE)
    assert action["softwareAgent"] == {"name": "piper-ä", "version": "1.0.0"}
    assert action["description"] == "Synthetic speech by piper-ä, voice joe"
    plain_clip, plain = signed_clip(None, audio)
    assert clip.num_bytes == len(data) > len(plain)
    assert clip.sha256 != plain_clip.sha256
    with soundfile.SoundFile(io.BytesIO(data)) as ours, soundfile.SoundFile(io.BytesIO(plain)) as theirs:
        assert ours.copy_metadata() == theirs.copy_metadata()
        assert (ours.read(dtype="int32") == theirs.read(dtype="int32")).all()


@pytest.mark.parametrize("audio", FORMATS[::2], ids=str)
@pytest.mark.parametrize("what", ["samples", "marks"])
def test_a_file_that_was_changed_is_found_out(signer, audio, what):
    _, data = signed_clip(signer, audio)
    changed = bytearray(data)
    changed[data.index(b"0123456789abcdef") if what == "marks" else -9] ^= 1
    state, codes, _ = judged(bytes(changed), audio.container)
    assert state == "Invalid"
    assert codes & {"assertion.dataHash.mismatch", "claimSignature.mismatch", "assertion.hashedURI.mismatch"}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_the_usual_kinds_sign(tmp_path, kind):
    chain = pair(tmp_path, kind)
    _, data = signed_clip(Signer(chain.certificate, chain.key))
    assert judged(data)[0] == "Valid"


def test_a_certificate_that_cannot_sign_is_one_clear_error_that_shows_no_key(tmp_path):
    good, other = pair(tmp_path / "good"), pair(tmp_path / "other")
    (tmp_path / "text.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    ended, authority = pair(tmp_path / "ended", days=0), pair(tmp_path / "ca", is_ca=True)
    for certificate, key, message in (
        (tmp_path / "no.pem", good.key, "c2pa.certificate=.*no.pem: No such file"),
        (good.certificate, tmp_path, "c2pa.key=.*: Is a directory"),
        (good.key, good.key, "c2pa.certificate=.*: this is no PEM file of certificates"),
        (good.certificate, tmp_path / "text.pem", "c2pa.key=.*: this is no PEM file of a private key without a pass"),
        (good.certificate, other.key, "c2pa.key=.* is not the key of the first certificate in .*good/chain.pem"),
        (ended.certificate, ended.key, "c2pa.certificate=.*: it is valid from .*: renew it"),
        (authority.certificate, authority.key, "C2PA wants a certificate for signing, no CA's"),
    ):
        with pytest.raises(ConfigError, match=message) as refused:
            Signer(certificate, key)
        assert "c2VjcmV0" not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_without_its_library_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    chain = pair(tmp_path)
    plain = importlib.util.find_spec
    monkeypatch.setattr("voicegen.audio.signing.find_spec", lambda name: None if name == "c2pa" else plain(name))
    with pytest.raises(MissingDependency, match=r"c2pa-python: install it with `uv sync --extra c2pa`"):
        Signer(chain.certificate, chain.key)
