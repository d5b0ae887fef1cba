from dataclasses import dataclass

import pytest

from voicegen.dataset.relations import AnswerRelations, Repeats
from voicegen.records import ManifestRow


@dataclass
class Finished:
    """Rows whose answers repeat each other in pairs."""

    end: int

    def get(self, indexes):
        answers = {index: f"Rain falls on the town number {index // 2} today." for index in indexes}
        return {index: ManifestRow(index, "ok", seed=0, answer=answer) for index, answer in answers.items()}


def repeated(relations):
    return {name: column.to_pylist() for name, column in relations.columns(range(6)).items()}


def test_what_answers_repeat_is_found_whole_after_an_interruption(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    whole, broken_off = AnswerRelations(), AnswerRelations()
    whole.read(Finished(6))
    broken_off.read(Finished(2))
    with monkeypatch.context() as patch:
        patch.setattr(Repeats, "note", interrupt)
        with pytest.raises(KeyboardInterrupt):
            broken_off.read(Finished(6))
    broken_off.read(Finished(6))
    assert repeated(broken_off) == repeated(whole)
    assert repeated(whole)["answer_duplicate_of"][1::2] == [0, 2, 4]
