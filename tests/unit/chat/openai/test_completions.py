import json

import pytest

from tests.openai_clients import error_of, only, to
from tests.openai_server import completion, piece, says, serving
from tests.transcripts import harmony_transcripts
from voicegen.chat.openai.completions import StreamedCompletion, parse_completion
from voicegen.reading.beginning import Beginning
from voicegen.records import Answer


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_kept_apart(key: str) -> None:
    with serving(says("Four.", **{key: "Two and two."})) as script:
        record = only(script)
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("Four.", "Two and two.")


@pytest.mark.parametrize(
    "content",
    ["<think>\nHm.\n</think>\n\nFour.", "Hm.</think>Four.",
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four.",
     "analysisHm.assistantfinalFour.", "[THINK]Hm.[/THINK]Four.", "<Think >Hm.</Think>Four."],
)  # fmt: skip
def test_reasoning_in_the_content_is_kept_apart(content: str) -> None:
    with serving(says(content)) as script:
        record = only(script, server=to(script, starts_in_reasoning=None))
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("Four.", "Hm.")


def test_a_reply_that_ends_inside_its_reasoning_says_so() -> None:
    with serving(says("<thinking>Hm. Four.")) as script:
        assert "without an answer, inside its reasoning" in error_of(only(script))


def test_raw_harmony_in_the_content_is_read_like_the_models_own_tokens() -> None:
    readable = [t for t in harmony_transcripts() if t.answer and not t.calls and "<|message|>" in t.text]
    for transcript in readable:
        assert parse_completion(json.dumps(completion(transcript.text))).text == transcript.answer.strip()


@pytest.mark.parametrize("usage", [{"prompt_tokens": "x"}, {"prompt_tokens": None, "completion_tokens": []}, "x", [1]])
def test_a_usage_that_cannot_be_read_is_unknown_and_the_answer_stands(usage: object) -> None:
    reply = parse_completion(json.dumps({**completion("Four."), "usage": usage}))
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("Four.", 0, 0)

    streamed = StreamedCompletion(Beginning.ANSWER)
    deltas = streamed.feed({**piece("stop", content="Four."), "usage": usage})
    deltas += streamed.finish()
    assert "".join(delta.text for delta in deltas) == "Four."
    assert (streamed.prompt_tokens, streamed.completion_tokens) == (0, 1)
