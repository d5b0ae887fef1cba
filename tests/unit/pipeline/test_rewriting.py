"""Asking with `text.rewrite=chat`: a row passes the chat model twice."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.question_parts import in_parts
from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import Script, ask
from voicegen.records import Answer, Failure, ModelInfo, Question
from voicegen.text.rewriting import INSTRUCTIONS
from voicegen.text.wording import Wording

REWRITING = Wording(rewrite="chat")
COST = {"prompt_tokens": 10, "completion_tokens": 3, "seconds": 0.5}


class Batched:
    """Answers up to `size` questions together, the last one first; a reply may be a text, an error or an answer cut.

    Attributes:
        batches: what was in hand at each answer, and whether it was a rewrite.
    """

    info = ModelInfo("scripted", "test")

    def __init__(self, answers: dict[str, str], rewrites: dict[str, str | None], size: int = 2, cut: str = "") -> None:
        self.answers, self.rewrites, self.size, self.cut = answers, rewrites, size, cut
        self.asked: list[Question] = []
        self.batches: list[list[tuple[int, bool]]] = []

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        source, hand, ended = iter(questions), list[Question](), False
        while hand or not ended:
            while not ended and len(hand) < self.size:
                question = next(source, self)
                ended = question is self
                if question is None:
                    assert hand, "None is for a model that has work in hand"
                    break
                if isinstance(question, Question):
                    self.asked.append(question)
                    hand.append(question)
            if hand:
                self.batches.append([(question.index, question.instructions is not None) for question in hand])
                yield self._reply(hand.pop())

    def _reply(self, question: Question) -> Answer | Failure:
        text = (self.answers if question.instructions is None else self.rewrites).get(question.text)
        if text is None:
            return Failure(question.index, "chat", "refused")
        return Answer(question, text, "length" if text == self.cut else "stop", **COST)  # type: ignore[arg-type]


def asked(
    model: Batched, rows: list[Question], wording: Wording = REWRITING
) -> tuple[dict[int, Script | Outcome], list[int]]:
    """What became of each row, and the order of the rows."""
    feed = QuestionFeed(in_parts(rows), lambda _: False, lambda _: None, lambda _question, _failure: None)
    made = [(record, _index(record)) for record in ask(feed, model, wording, lambda *_: 1)]
    return {index: record for record, index in made}, [index for _, index in made]


def _index(record: Script | Outcome) -> int:
    return record.index if isinstance(record, Outcome) else record.utterance.index


def rows(*texts: str, conversation: str | None = None) -> list[Question]:
    return [
        Question(index, str(index), text, seed=100 + index, conversation_id=conversation)
        for index, text in enumerate(texts)
    ]


def only(answer: str, rewrite: str | None, **options: str) -> Script:
    found, _ = asked(Batched({"q": answer}, {answer: rewrite}, **options), rows("q"))  # type: ignore[arg-type]
    script = found[0]
    assert isinstance(script, Script)
    return script


def test_a_rewrite_that_keeps_all_is_spoken_and_the_answer_stays_as_written() -> None:
    script = only("- Salt\n- 5 g flour", "Salt, and 5 grams of flour.")
    assert script.utterance.text == "Salt, and five grams of flour."
    assert (script.utterance.rewritten, script.answer.text) == (True, "- Salt\n- 5 g flour")
    assert script.again().utterance.text == script.utterance.text
    row = Outcome(0, answer=script.answer, utterance=script.utterance).to_row(None, keep_reasoning=False, attempt=1)
    assert (row.rewritten, row.answer, row.answer_spoken) == (True, script.answer.text, script.utterance.text)
    assert (script.answer.prompt_tokens, script.answer.completion_tokens, script.answer.seconds) == (20, 6, 1.0)


def test_else_what_rules_make_of_the_answer_stands() -> None:
    for rewrite in ("Salt, and 6 grams of flour.", "Salt.", "", None):
        script = only("- Salt\n- 5 g flour", rewrite)
        assert (script.utterance.text, script.utterance.rewritten) == ("Salt. five grams flour", False)
    cut = only("- Salt\n- 5 g flour", "Salt, and 5 grams of flour.", cut="Salt, and 5 grams of flour.")
    assert cut.utterance.rewritten is False


def test_the_second_question_is_of_the_same_row_and_stands_alone() -> None:
    model = Batched({"q": "It rains."}, {"It rains.": "It rains."})
    asked(model, rows("q", conversation="a"))
    assert model.asked[1] == Question(0, "0", "It rains.", seed=100, instructions=INSTRUCTIONS)


def test_rewrites_run_beside_the_first_questions_of_others_and_before_those_that_wait() -> None:
    texts = [f"q{index}" for index in range(6)]
    answers = {text: f"It is {text}." for text in texts}
    model = Batched(answers, {answer: answer for answer in answers.values()})
    found, order = asked(model, rows(*texts))
    assert all(isinstance(script, Script) and script.utterance.rewritten for script in found.values())
    assert sorted(order) == list(range(6))
    assert any({again for _, again in batch} == {True, False} for batch in model.batches)
    assert all(len(batch) == 2 for batch in model.batches[:-2])  # but for the last row and its rewrite
    first_of_last = next(place for place, batch in enumerate(model.batches) if (5, False) in batch)
    assert first_of_last > 6  # rows end before others begin


def test_the_next_turn_is_asked_with_the_answer_as_written_and_does_not_wait_for_its_rewrite() -> None:
    model = Batched({"one": "I have 5 g.", "two": "Yes."}, {"I have 5 g.": "I have 5 grams.", "Yes.": "Yes."})
    found, _ = asked(model, rows("one", "two", conversation="a"))
    assert [message.content for message in next(q for q in model.asked if q.text == "two").history] == [
        "one",
        "I have 5 g.",
    ]
    assert [(0, True), (1, False)] in [sorted(batch) for batch in model.batches]
    script = found[0]
    assert isinstance(script, Script)
    assert script.utterance.text == "I have five grams."


def test_rows_that_end_without_a_take_are_not_asked_again() -> None:
    answers = {"empty": "", "foreign": "你好世界。", "fine": "It rains."}
    model = Batched(answers, {"It rains.": "It rains."})
    found, _ = asked(model, rows("empty", "foreign", "refused", "fine"))
    assert [type(found[index]) for index in range(4)] == [Outcome, Outcome, Outcome, Script]
    assert [question.text for question in model.asked if question.instructions] == ["It rains."]


def test_of_a_cut_answer_the_whole_sentences_are_rewritten_and_the_rest_is_still_left_out() -> None:
    cut = "It weighs 5 kg. It is 7"
    model = Batched({"q": cut}, {"It weighs 5 kg.": "It weighs 5 kilograms."}, cut=cut)
    script = asked(model, rows("q"))[0][0]
    assert isinstance(script, Script)
    utterance = script.utterance
    assert (utterance.text, utterance.left_out) == ("It weighs five kilograms.", ("It is 7",))
    assert (utterance.rewritten, utterance.answer_cut, script.answer.finish_reason) == (True, True, "length")


def test_code_blocks_are_left_out_of_a_rewrite_as_of_the_answer() -> None:
    answer = "Run this:\n\n```\nprint(5)\n```\n\nThen stop."
    script = only(answer, "Run this. Then stop.")
    assert (script.utterance.text, script.utterance.rewritten) == ("Run this. Then stop.", True)
    assert script.utterance.left_out == ("print(5)",)


def test_nothing_is_asked_twice_where_rewriting_is_off() -> None:
    model = Batched({"q": "It rains."}, {})
    found, _ = asked(model, rows("q"), replace(REWRITING, rewrite=None))
    script = found[0]
    assert isinstance(script, Script)
    assert (script.utterance.rewritten, len(model.asked)) == (False, 1)
