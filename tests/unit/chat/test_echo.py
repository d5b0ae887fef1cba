from voicegen.chat.echo import EchoAnswerModel, EchoChatModel
from voicegen.protocols import GenerationOptions
from voicegen.records import ChatUsage, Message, Question, Role


def said(model, *texts, **options):
    messages = [Message(Role.USER, text) for text in texts]
    *deltas, usage = model.stream(messages, GenerationOptions(**options))
    assert isinstance(usage, ChatUsage)
    return [delta.text for delta in deltas], usage


def test_questions_come_back_as_answers_in_order():
    questions = [Question(0, "a", "One?"), None, Question(1, "b", "Two words?")]
    answers = list(EchoAnswerModel({"One?": "Written down."}).answer(questions))
    assert [answer.text for answer in answers] == ["Written down.", "Two words?"]


def test_a_chat_repeats_the_last_question_a_word_at_a_time():
    words, usage = said(EchoChatModel(), "First?", "Is this\nthe last?")
    assert words == ["Is", " this", "\nthe", " last?"]
    assert (usage.finish_reason, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == ("stop", 5, 4, 0)


def test_written_replies_come_first_and_are_cut_at_max_tokens():
    model = EchoChatModel(["one two three"])
    assert said(model, "x", max_tokens=2)[0] == ["one", " two"]
    words, usage = said(model, "x", "y")
    assert words == ["y"]
    assert usage.cached_tokens == 1
