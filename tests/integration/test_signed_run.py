"""A run whose audio is signed by C2PA: made, gone on with, made again, measured and exported."""

import io
import json

import c2pa
import pytest
import soundfile

from tests.certificates import pair
from tests.product import manifest_rows, questions_csv, voicegen, wav_hashes

FAKE = ("preset=fake", "quality=off", "tts.duration=0.2", "questions.path=q.csv", "name=r")


@pytest.fixture
def run(tmp_path):
    questions_csv(tmp_path / "q.csv", 3)
    chain = pair(tmp_path / "mine")

    def run(*words, signed=True):
        return voicegen("run", *FAKE, *(chain.words if signed else ()), *words, cwd=tmp_path)

    return run


def state(path):
    """What C2PA's library says of a file; nothing where it has no signature."""
    try:
        with c2pa.Reader(f"audio/{path.suffix[1:]}", io.BytesIO(path.read_bytes())) as reader:
            return json.loads(reader.json())["validation_state"]
    except c2pa.C2paError.ManifestNotFound:
        return None


def states(folder):
    return [state(path) for path in sorted(folder.rglob("*.wav")) + sorted(folder.rglob("*.flac"))]


def test_all_audio_of_a_run_is_signed_and_what_is_made_again_is_signed_anew(run, tmp_path):
    assert run("questions.limit=2").returncode == 0
    first = wav_hashes(tmp_path / "outputs/r")
    assert run().returncode == 0
    folder = tmp_path / "outputs/r"
    assert states(folder / "audio") == ["Valid"] * 3
    assert first.items() <= wav_hashes(folder).items()
    assert {row["audio_path"]: row["audio_sha256"] for row in manifest_rows(folder)} == wav_hashes(folder)
    assert voicegen("verify", "outputs/r", cwd=tmp_path).stdout == ""
    assert "nothing was left to do" in run().stdout
    lost = folder / "audio/000001.wav"
    samples = soundfile.read(lost)[0]
    lost.unlink()
    assert run().returncode == 0
    assert (soundfile.read(lost)[0] == samples).all()
    assert states(folder / "audio") == ["Valid"] * 3
    assert voicegen("verify", "outputs/r", cwd=tmp_path).stdout == ""


def test_signed_and_unsigned_files_are_not_mixed_but_another_certificate_may_go_on(run, tmp_path):
    run("questions.limit=2")
    refused = run(signed=False)
    assert refused.returncode == 2
    assert "c2pa.signed: true then, null now" in refused.stderr
    pair(tmp_path / "mine", "ed25519")  # renewed
    assert run().returncode == 0
    assert states(tmp_path / "outputs/r/audio") == ["Valid"] * 3


def test_no_file_of_a_run_holds_the_key_or_says_where_it_is(run, tmp_path):
    run()
    secret = (tmp_path / "mine/key.pem").read_text("ascii").splitlines()[1].encode()
    files = [path for path in (tmp_path / "outputs/r").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if secret in path.read_bytes() or b"key.pem" in path.read_bytes()]


def test_a_certificate_that_cannot_sign_ends_a_run_before_it_begins(run, tmp_path):
    (tmp_path / "mine/key.pem").write_bytes(pair(tmp_path / "other").key.read_bytes())
    for words in ((), ("--dry-run",)):
        refused = run(*words)
        assert refused.returncode == 2
        assert "key.pem is not the key of the first certificate" in refused.stderr
    assert not list((tmp_path / "outputs/r").rglob("*.wav"))
    refused = run("c2pa.key=null")
    assert "c2pa: certificate and key belong together" in refused.stderr


def test_an_export_keeps_signatures_where_it_copies_and_says_where_they_are_lost(run, tmp_path):
    run()

    def export(place, *flags):
        done = voicegen("export", "outputs/r", "--to", "audiofolder", place, *flags, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout, (tmp_path / place / "README.md").read_text("utf-8")

    said, card = export("same")
    assert "C2PA signature" not in said + card
    assert states(tmp_path / "same") == ["Valid"] * 3
    said, card = export("anew", "--format", "flac")
    assert "signed    Audio that was encoded anew has lost the C2PA signature" in said
    assert "has lost the C2PA signature" in card
    assert states(tmp_path / "anew") == [None] * 3


def test_synth_signs_and_a_chat_does_not(tmp_path):
    words = pair(tmp_path / "mine").words
    done = voicegen("synth", "--text", "Hello.", "tts=tone", "quality=off", "tts.format=flac", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "outputs/synth") == ["Valid"]
    refused = voicegen("chat", "preset=fake", *words, cwd=tmp_path, stdin="Hi.\n")
    assert refused.returncode == 2
    assert "the audio of a chat is not signed" in refused.stderr
