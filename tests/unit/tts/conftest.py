import pytest

from voicegen.tts.piper.speech import PiperSpeech


@pytest.fixture(scope="session")
def joe() -> PiperSpeech:
    """The starter voice, loaded once."""
    return PiperSpeech.load("en_US-joe-medium", threads=2)
