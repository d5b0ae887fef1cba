import dataclasses

import pytest

from tests.mlx_models import starter_model, tiny_model
from voicegen.chat.mlx.answer_model import MLXAnswerModel
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.chat.mlx.kv import shared_prefix
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions
from voicegen.reading.stops import before_stop
from voicegen.records import Answer, Delta, Failure, Message, Question, Role

SAMPLED = GenerationOptions(max_tokens=12, temperature=1.0, top_p=0.95)


def questions(count, text="Question number {}?"):
    return [Question(i, f"q{i}", text.format("x" * (i % 5) + str(i)), seed=100 + i) for i in range(count)]


def texts(model, asked):
    """What each question is answered with, by its index; where there is no answer, why."""
    answers = list(model.answer(asked))
    assert len(answers) == len(asked)
    return dict(
        (row.index, row.error) if isinstance(row, Failure) else (row.question.index, row.text) for row in answers
    )


@pytest.fixture(scope="module")
def tiny():
    return tiny_model()


def model(loaded, **settings):
    return MLXAnswerModel(
        loaded, **{"system_prompt": "Be brief.", "options": GenerationOptions(max_tokens=12), **settings}
    )


@pytest.mark.parametrize(
    "options", [GenerationOptions(max_tokens=12), SAMPLED, GenerationOptions(12, 0.8, top_k=20, repetition_penalty=1.3)]
)
def test_answers_do_not_depend_on_the_batch_that_they_are_made_in(tiny, options):
    alone = texts(model(tiny, batch_size=1, options=options), questions(9))
    for size in (3, 16):
        assert texts(model(tiny, batch_size=size, options=options), questions(9)) == alone
    resumed = model(tiny, batch_size=8, options=options)
    assert texts(resumed, questions(9)[:4]) | texts(resumed, questions(9)[4:]) == alone


def test_a_sampled_answer_is_the_same_streamed_and_in_a_batch(tiny):
    asked = questions(6)
    batched = [model(tiny, options=SAMPLED, system_prompt=None).answer([question]) for question in asked]
    said = [row.text if isinstance(row, Answer) else "" for (row,) in batched]
    for question, text in zip(asked, said, strict=True):
        options = dataclasses.replace(SAMPLED, seed=question.seed)
        deltas = list(MLXChatModel(tiny).stream([Message(Role.USER, question.text)], options))
        streamed = "".join(delta.text for delta in deltas if isinstance(delta, Delta))
        assert streamed.strip() == text


@pytest.mark.parametrize("size", [1, 3, 16])
def test_an_answer_ends_before_a_stop_string_alone_and_in_company(tiny, size):
    asked = questions(6)
    whole = texts(model(tiny, batch_size=1, options=SAMPLED), asked)
    stop = whole[0][4:6]
    stopping = dataclasses.replace(SAMPLED, stop=(stop,))
    records = list(model(tiny, batch_size=size, options=stopping).answer(asked))
    assert {record.question.index: record.text for record in records} == {
        index: before_stop(text, [stop])[0].strip() for index, text in whole.items()
    }
    assert next(record for record in records if record.question.index == 0).finish_reason == "stop"
    chat = MLXChatModel(tiny)
    options = dataclasses.replace(stopping, seed=asked[0].seed)
    events = list(chat.stream([Message(Role.SYSTEM, "Be brief."), Message(Role.USER, asked[0].text)], options))
    assert "".join(delta.text for delta in events[:-1]).strip() == before_stop(whole[0], [stop])[0].strip()
    assert events[-1].finish_reason == "stop"
    assert events[-1].completion_tokens < SAMPLED.max_tokens


def test_the_same_question_with_another_seed_is_another_answer(tiny):
    asked = [dataclasses.replace(questions(1)[0], index=i, seed=i) for i in range(4)]
    assert len(set(texts(model(tiny, options=SAMPLED), asked).values())) == 4


def test_greedy_batches_say_what_mlx_lms_own_generate_says():
    from mlx_lm import generate

    asked = ["What is the capital of France?", "Name a colour."]
    loaded = starter_model()
    expected = []
    for text in asked:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        prompt = loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        expected.append(generate(loaded.model, loaded.tokenizer, prompt, max_tokens=6).strip())
    rows = [Question(i, str(i), text) for i, text in enumerate(asked)]
    options = GenerationOptions(max_tokens=6)
    for size in (1, 8):
        answered = texts(model(loaded, batch_size=size, options=options), rows)
        assert [answered[i] for i in range(len(asked))] == expected


def test_tokens_reasons_and_time_are_counted(tiny):
    (answer,) = model(tiny).answer(questions(1))
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == 12
    assert answer.prompt_tokens > 20
    assert answer.seconds > 0


def added_rows(monkeypatch):
    """What is asked of the batch from now on: the rows' prompts and the tokens that they find cached."""
    added = []
    add = TokenGenerator.add
    monkeypatch.setattr(TokenGenerator, "add", lambda self, *a: added.append((a[0], a[3])) or add(self, *a))
    return added


def test_the_system_prompt_is_prefilled_once(tiny, monkeypatch):
    added = added_rows(monkeypatch)
    answers = list(model(tiny, batch_size=4).answer(questions(6)))
    rows = [row for prompts, cached in added for row in zip(prompts, cached, strict=True)]
    assert len({tuple(cached) for _, cached in rows}) == 1
    assert len(rows[0][1]) >= len("<|im_start|>system\nBe brief.") - 12
    assert {len(prompt) + len(cached) for prompt, cached in rows} == {answer.prompt_tokens for answer in answers}


def test_history_comes_before_the_question(tiny, monkeypatch):
    added = added_rows(monkeypatch)
    history = (Message(Role.USER, "First?"), Message(Role.ASSISTANT, "Yes."))
    list(model(tiny).answer([dataclasses.replace(questions(1)[0], history=history)]))
    (((prompt,), (cached,)),) = added
    text = tiny.tokenizer.decode([*cached, *prompt])
    assert text.index("Be brief.") < text.index("First?") < text.index("Yes.") < text.index("Question number")


def test_a_rows_own_system_prompt_stands_in_the_place_of_the_models(tiny):
    asked = questions(4)
    own = [dataclasses.replace(question, system_prompt="Be long.") for question in asked]
    as_told, brief = texts(model(tiny, system_prompt="Be long."), asked), texts(model(tiny), asked)
    mixed = [own[i] if i % 2 else asked[i] for i in range(4)]
    assert texts(model(tiny), mixed) == {i: (as_told if i % 2 else brief)[i] for i in range(4)}


def test_a_task_of_ours_is_greedy_under_its_own_instructions_beside_rows_that_draw(tiny, monkeypatch):
    asked = questions(6)
    ours = [dataclasses.replace(question, instructions="Say it again.") for question in asked]
    alone = texts(model(tiny, system_prompt="Say it again.", options=GenerationOptions(max_tokens=12)), asked)
    drawn = texts(model(tiny, options=SAMPLED), asked)
    added = added_rows(monkeypatch)
    mixed = [ours[i] if i % 2 else asked[i] for i in range(6)]
    assert texts(model(tiny, options=SAMPLED), mixed) == {i: (alone if i % 2 else drawn)[i] for i in range(6)}
    rows = [row for prompts, cached in added for row in zip(prompts, cached, strict=True)]
    prompts = [tiny.tokenizer.decode([*start, *rest]) for rest, start in rows]
    assert sum("Say it again." in prompt for prompt in prompts) == 3
    assert all(("Say it again." in prompt) != ("Be brief." in prompt) for prompt in prompts)


def test_a_prompt_beyond_the_context_fails_alone():
    asked = questions(3)
    asked[1] = dataclasses.replace(asked[1], text="long " * 200)
    records = {getattr(r, "index", None) if isinstance(r, Failure) else r.question.index: r
               for r in model(tiny_model(context=300)).answer(asked)}  # fmt: skip
    assert isinstance(records[1], Failure)
    assert "context holds 300" in records[1].error
    assert isinstance(records[0], Answer)
    assert isinstance(records[2], Answer)


def test_a_budget_beyond_the_context_is_cut_to_it():
    short = tiny_model(context=62)
    (answer,) = model(short, options=GenerationOptions(max_tokens=500)).answer(questions(1))
    assert answer.prompt_tokens + answer.completion_tokens == 62


def test_none_goes_on_with_the_work_in_hand(tiny):
    order = []

    def source():
        first, second = questions(2)
        yield None
        yield first
        while first.index not in order:
            yield None
        yield second

    for answer in model(tiny, batch_size=4).answer(source()):
        order += [answer.question.index]
    assert order == [0, 1]


def test_questions_are_read_as_places_come_free(tiny):
    read = []

    def source():
        for question in questions(40):
            read.append(question.index)
            yield question

    answers = model(tiny, batch_size=4).answer(source())
    next(answers)
    assert len(read) <= 12
    assert len(list(answers)) == 39


def test_a_tokens_place_in_memory_costs_the_same_in_any_prefix(tiny):
    costs = {shared_prefix(tiny.model, range(n), range(n)).bytes_per_token for n in (1, 3, 40, 300)}
    assert len(costs) == 1


def test_memory_bounds_the_batch(tiny, monkeypatch):
    (answer,) = model(tiny).answer(questions(1))
    most = 3 * (answer.prompt_tokens + answer.completion_tokens + 8)
    budget = most * shared_prefix(tiny.model, [1, 2, 3], [1, 2, 3]).bytes_per_token
    added = added_rows(monkeypatch)
    assert len(list(model(tiny, batch_size=16, kv_budget=budget).answer(questions(10)))) == 10
    assert max(len(prompts) for prompts, _ in added) <= 3


def test_running_out_of_memory_halves_the_batch_and_changes_no_answer(tiny, monkeypatch):
    expected = texts(model(tiny, batch_size=8, options=SAMPLED), questions(10))
    step = TokenGenerator.next
    failures = []

    def next_or_fail(self):
        if self.completion_batch_size > 2:
            failures.append(self.completion_batch_size)
            raise RuntimeError("[malloc] Unable to allocate")
        return step(self)

    monkeypatch.setattr(TokenGenerator, "next", next_or_fail)
    assert texts(model(tiny, batch_size=8, options=SAMPLED), questions(10)) == expected
    assert failures == [8, 4]


def test_an_error_that_stays_stops_the_run(tiny, monkeypatch):
    def fail(self):
        raise RuntimeError("broken")

    monkeypatch.setattr(TokenGenerator, "next", fail)
    with pytest.raises(ModelError, match="even one question at a time: broken"):
        list(model(tiny, batch_size=4).answer(questions(3)))


def test_no_questions_are_no_answers(tiny):
    assert list(model(tiny).answer([])) == []
    assert list(model(tiny).answer([None, None])) == []


def test_closing_early_leaves_the_model_usable(tiny):
    asked = model(tiny, batch_size=4)
    answers = asked.answer(questions(20))
    next(answers)
    answers.close()
    assert len(list(asked.answer(questions(3)))) == 3
