import pytest

from voicegen.retrieval.sentence_model import SentenceModel


@pytest.fixture(scope="session")
def model() -> SentenceModel:
    """The real one, from its wheel."""
    return SentenceModel.load()
