import io
import json
import struct

import mutagen.flac
import numpy as np
import pytest
import soundfile

from voicegen.audio.audio_file import encode_audio, encode_clip
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import DIGITAL_SOURCE_TYPE, Origin
from voicegen.records import ModelInfo, Speech, Utterance

TTS = ModelInfo("piper-ä", "piper", "1.0.0", "cc0-1.0")
MARKS = Origin(TTS, ModelInfo("smollm2", "mlx", "0.1.2"), "0123456789abcdef")
TONE = (0.5 * np.sin(np.arange(4410) * 0.1)).astype(np.float32)
SPEECH = Speech(Utterance(7, "Hm.", voice="日本"), TONE, 22_050)
FORMATS = [AudioFormat("wav"), AudioFormat("wav", "FLOAT"), AudioFormat("flac")]


def info_chunk(data):
    """The tags of a RIFF's LIST chunk of the type INFO, by their four letters; read by the format alone."""
    assert (data[:4], data[8:12]) == (b"RIFF", b"WAVE")
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    place, tags = 12, {}
    while place < len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        if name == b"LIST" and data[place + 8 : place + 12] == b"INFO":
            inside, end = place + 12, place + 8 + size
            while inside < end:
                tag, length = struct.unpack("<4sI", data[inside : inside + 8])
                tags[tag.decode()] = data[inside + 8 : inside + 8 + length].rstrip(b"\0").decode()
                inside += 8 + length + length % 2
        place += 8 + size + size % 2
    return tags


def test_a_wav_says_in_its_info_that_it_is_synthetic_and_what_made_it():
    _, data = encode_clip(SPEECH, 7, "audio/000007.wav", AudioFormat("wav"), MARKS)
    tags = info_chunk(data)
    assert json.loads(tags["ICMT"]) == {
        "synthetic": True,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "generator": "voicegen",
        "tts_model": "piper-ä",
        "tts_revision": "1.0.0",
        "voice": "日本",
        "chat_model": "smollm2",
        "chat_revision": "0.1.2",
        "run": "0123456789abcdef",
        "row": 7,
    }
    assert tags["ICMT"].isascii()
    assert (tags["INAM"], tags["IGNR"]) == ("row 7", "Synthetic speech")
    assert tags["IART"] == "日本 (piper-ä, synthetic)"


def test_a_flac_says_the_same_in_its_vorbis_comments():
    _, wav = encode_clip(SPEECH, 7, "audio/000007.wav", AudioFormat("wav"), MARKS)
    _, flac = encode_clip(SPEECH, 7, "audio/000007.flac", AudioFormat("flac"), MARKS)
    tags = mutagen.flac.FLAC(io.BytesIO(flac)).tags
    named = dict(
        zip(("ICMT", "INAM", "IGNR", "IART", "IPRD"), ("comment", "title", "genre", "artist", "album"), strict=True)
    )
    for chunk, tag in named.items():
        assert tags[tag] == [info_chunk(wav)[chunk]]


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_marks_change_no_sample_and_the_same_marks_give_the_same_bytes(audio):
    clip, marked = encode_clip(SPEECH, 7, "a", audio, MARKS)
    assert encode_clip(SPEECH, 7, "a", audio, MARKS) == (clip, marked)
    assert encode_clip(SPEECH, 8, "a", audio, MARKS)[0].sha256 != clip.sha256
    plain = encode_audio(TONE, 22_050, audio)
    samples = [soundfile.read(io.BytesIO(data), dtype="float64")[0] for data in (marked, plain)]
    assert np.array_equal(*samples)
    assert soundfile.SoundFile(io.BytesIO(marked)).copy_metadata()["genre"] == "Synthetic speech"


def test_a_model_in_a_folder_is_named_without_the_way_to_it():
    facts = json.loads(Origin(ModelInfo("/home/ada/models/mine", "marvis")).tags()["comment"])
    assert facts["tts_model"] == "mine"
    assert "row" not in facts
    assert "run" not in facts
    assert "chat_model" not in facts
