import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.tool_parsers import json_tools

from tests.chat_tokenizers import byte_tokenizer, chatml_tokenizer, real_harmony, think_tokenizer, trl_template
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import call_arguments, malformed_text
from voicegen.reading.parsing import TextParser, TokenParser
from voicegen.records import ToolCall

THINK = ChatTemplate(think_tokenizer())
OPENED = ChatTemplate(think_tokenizer("deepseek_r1_distill"))
PLAIN = ChatTemplate(chatml_tokenizer())


def read(template: ChatTemplate, text: str, finish: bool = True) -> TokenParser:
    parser = template.parser()
    for token in template.encode(text):
        parser.feed(token)
    if finish:
        parser.finish()
    return parser


def test_a_plain_reply_is_the_answer() -> None:
    parser = read(PLAIN, "Hello, wörld! 👋<|im_end|>")
    assert (parser.answer, parser.reasoning, parser.stopped) == ("Hello, wörld! 👋", None, True)


def test_characters_split_over_tokens_are_never_shown_in_halves() -> None:
    parser = PLAIN.parser()
    pieces = [delta.text for token in PLAIN.encode("añ漢👋👩‍👧") for delta in parser.feed(token)]
    assert "".join(pieces) == "añ漢👋👩‍👧"
    assert "\ufffd" not in "".join(pieces)


def test_a_character_cut_by_the_end_is_marked_as_broken() -> None:
    parser = PLAIN.parser()
    for token in PLAIN.encode("a👋")[:-1]:
        parser.feed(token)
    parser.finish()
    assert parser.answer.rstrip("\ufffd") == "a"


def test_nothing_after_the_stop_is_part_of_the_answer() -> None:
    assert read(PLAIN, "Hi.<|im_end|>\n<|im_start|>user\nMore").answer == "Hi."


def test_a_new_turn_without_the_end_of_the_last_stops_the_reply() -> None:
    parser = read(PLAIN, "Hi.\n<|im_start|>user\nMore")
    assert (parser.answer, parser.stopped) == ("Hi.", True)


def test_white_space_around_an_answer_is_dropped_and_within_it_kept() -> None:
    assert read(PLAIN, " \n Hi,  you.\n\nBye. \n<|im_end|>").answer == "Hi,  you.\n\nBye."


def test_thinking_is_kept_apart() -> None:
    parser = read(THINK, "<think>\nLet me see.\n</think>\n\nIt is four.<|im_end|>")
    assert (parser.answer, parser.reasoning) == ("It is four.", "Let me see.")


def test_thinking_that_the_prompt_opened_is_kept_apart() -> None:
    parser = read(OPENED, "Let me see.\n</think>\n\nIt is four.")
    assert (parser.answer, parser.reasoning) == ("It is four.", "Let me see.")


def test_a_think_model_may_answer_at_once() -> None:
    assert read(THINK, "Four.<|im_end|>").answer == "Four."


def test_every_cut_inside_the_thinking_is_told() -> None:
    tokens = THINK.encode("<think>\nHm, é.\n</think>\n\nFour.")
    first_answer = next(n for n in range(len(tokens)) if read_tokens(THINK, tokens[:n]).answer_begun)
    thought_ends = tokens.index(THINK.encode("</think>")[0])
    for length in range(1, first_answer):
        parser = read_tokens(THINK, tokens[:length])
        assert parser.cut_in_reasoning == (length <= thought_ends)
        assert parser.answer == ""


def read_tokens(template: ChatTemplate, tokens: list[int]) -> TokenParser:
    parser = template.parser()
    for token in tokens:
        parser.feed(token)
    parser.finish()
    return parser


@pytest.mark.parametrize(("template", "text"), [(THINK, "<think>\nHm"), (OPENED, "Hm")])
def test_an_answer_can_be_forced_out_of_the_thinking(template: ChatTemplate, text: str) -> None:
    parser = read(template, text, finish=False)
    for token in [*parser.force_answer_tokens(), *template.encode("Four.")]:
        parser.feed(token)
    parser.finish()
    assert (parser.answer, parser.reasoning, parser.cut_in_reasoning) == ("Four.", "Hm", False)


def test_an_answer_that_has_begun_needs_no_force() -> None:
    assert read(THINK, "<think>a</think>b", finish=False).force_answer_tokens() == []
    assert read(PLAIN, "b", finish=False).force_answer_tokens() == []


def test_a_thoughts_end_without_a_beginning_makes_all_before_it_a_thought() -> None:
    parser = read(THINK, "Let me see.</think>Four.")
    assert (parser.answer, parser.reasoning) == ("Four.", "Let me see.")


def test_tool_calls_of_qwens_form_are_read() -> None:
    text = '<think>\nLook.\n</think>\n\nOne moment.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n'
    parser = read(THINK, text + '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call><|im_end|>')
    assert parser.tool_calls == (ToolCall("f", {"a": 1}, "call_0"), ToolCall("g", {}, "call_1"))
    assert parser.answer == "One moment."


def test_a_tool_call_that_was_cut_is_dropped_and_one_that_is_whole_is_kept() -> None:
    assert read(THINK, '<tool_call>\n{"name": "f", "argu').tool_calls == ()
    assert [call.name for call in read(THINK, '<tool_call>{"name": "f", "arguments": {}}').tool_calls] == ["f"]


def test_a_tool_call_that_is_no_json_comes_as_a_call_without_a_name() -> None:
    (call,) = read(THINK, "<tool_call>search for MLX</tool_call>").tool_calls
    assert call.name == ""
    assert "search for MLX" in str(call.arguments)


def test_mlx_lms_own_tool_parser_is_used_where_there_is_one() -> None:
    wrapped = TokenizerWrapper(
        byte_tokenizer("{{ messages[0].content }}", ["<e>"], eos="<e>"),
        tool_call_start="[CALL]",
        tool_call_end="[/CALL]",
        tool_parser=json_tools.parse_tool_call,
    )
    (call,) = read(ChatTemplate(wrapped), 'Hm. [CALL]{"name": "f", "arguments": {"a": 2}}[/CALL]').tool_calls
    assert (call.name, call.arguments) == ("f", {"a": 2})


def test_markers_that_no_token_spells_are_found_in_the_text() -> None:
    tokenizer = byte_tokenizer("{{ messages[0].content }}{# </think> #}", ["<e>"], eos="<e>")
    template = ChatTemplate(tokenizer)
    assert template.format == "think"
    parser = read(template, "<think>Hm < 3</think>a <b> c")
    assert (parser.answer, parser.reasoning) == ("a <b> c", "Hm < 3")


def test_text_from_a_server_without_markers_is_the_answer_as_it_comes() -> None:
    parser = TextParser(Beginning.ANSWER)
    assert [delta.text for piece in ["Hel", "lo <", "b>"] for delta in parser.feed(piece)] == ["Hel", "lo", " <b>"]
    assert parser.finish() == []


def test_text_from_a_server_may_think_first() -> None:
    parser = TextParser()
    for piece in ["<th", "ink>Hm", ".</thi", "nk>", "\n\nYes."]:
        parser.feed(piece)
    parser.finish()
    assert (parser.answer, parser.reasoning) == ("Yes.", "Hm.")


def pieces_of(parser: TextParser, *pieces: str, cut: bool = False) -> list[tuple[str, str]]:
    deltas = [delta for piece in pieces for delta in parser.feed(piece)] + parser.finish(cut)
    return [(delta.text, delta.channel) for delta in deltas if delta.text]


def test_text_that_may_be_reasoning_is_held_until_the_reply_shows_what_it_is() -> None:
    assert pieces_of(TextParser(), "h", "m.", "</think>", "Yes") == [("hm.", "reasoning"), ("Yes", "answer")]
    assert pieces_of(TextParser(), "Y", "es.") == [("Yes.", "answer")]
    assert pieces_of(TextParser(), "Y", "es.", cut=True) == [("Yes.", "reasoning")]
    assert pieces_of(TextParser(), "Well. ", "<think>", "hm") == [("Well.", "answer"), ("hm", "reasoning")]


@pytest.mark.parametrize(
    ("pieces", "began"),
    [
        (["hm</think>Yes"], Beginning.REASONING),
        (["Yes."], Beginning.ANSWER),
        (["<think>hm</think>Yes."], Beginning.UNKNOWN),
        (["<|channel|>final<|message|>Yes."], Beginning.UNKNOWN),
        ([" "], Beginning.UNKNOWN),
        (["</think>Yes."], Beginning.UNKNOWN),
    ],
)
def test_a_reply_shows_how_replies_begin(pieces: list[str], began: Beginning) -> None:
    parser = TextParser()
    pieces_of(parser, *pieces)
    assert parser.began is began


def test_a_cut_reply_shows_nothing_and_is_in_doubt() -> None:
    parser = TextParser()
    pieces_of(parser, "It may be", cut=True)
    assert (parser.began, parser.in_doubt, parser.answer) == (Beginning.UNKNOWN, True, "")


def test_reasoning_that_was_taken_for_an_answer_is_told() -> None:
    parser = TextParser(Beginning.LIKELY_ANSWER)
    pieces_of(parser, "hm", "</think>", "Yes.")
    assert parser.retracted
    assert (parser.answer, parser.reasoning, parser.began) == ("Yes.", "hm", Beginning.REASONING)


@pytest.mark.parametrize("text", ["It is </think>.", "</think>", "</Think > ends it.", "A </think> and a </think>."])
def test_where_replies_are_known_to_begin_with_the_answer_a_lone_end_marker_is_text(text: str) -> None:
    parser = TextParser(Beginning.ANSWER)
    pieces_of(parser, *text)
    assert (parser.answer, parser.reasoning, parser.retracted, parser.began) == (text, None, False, Beginning.UNKNOWN)


def test_an_end_marker_in_an_answer_that_follows_a_reasoning_is_text() -> None:
    for text in ("<think>hm</think>It is </think>.", "hm</think>It is </think>."):
        for begins in Beginning:
            parser = TextParser(begins)
            pieces_of(parser, *text)
            if begins is not Beginning.ANSWER or text.startswith("<think>"):
                assert (parser.answer, parser.reasoning) == ("It is </think>.", "hm")
    assert read(THINK, "<think>hm</think>\n</think>\n\nYes.").answer == "Yes."


TAGGED = [
    "[THINK]hm[/THINK]Yes.",
    "<thinking>\nhm\n</thinking>\n\nYes.",
    "<thought>hm</thought>Yes.",
    "<reasoning>hm</reasoning> Yes.",
    "<seed:think>hm</seed:think>Yes.",
    "<longcat_think>hm</longcat_think>Yes.",
    "<|think:start|>hm<|think:end|>Yes.",
    "<Think>hm</Think>Yes.",
    "\n <think >hm</think >Yes.",
    "<THINKING>hm</thinking>Yes.",
]


@pytest.mark.parametrize("text", TAGGED)
@pytest.mark.parametrize("begins", [begins for begins in Beginning if begins is not Beginning.REASONING])
def test_reasoning_between_any_known_tags_is_kept_apart(text: str, begins: Beginning) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser(begins)
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning, parser.cut_in_reasoning) == ("Yes.", "hm", False)


@pytest.mark.parametrize("text", TAGGED)
def test_models_on_mlx_may_use_any_of_these_tags_too(text: str) -> None:
    parser = read(PLAIN, text)
    assert (parser.answer, parser.reasoning) == ("Yes.", "hm")


def test_a_tag_that_is_a_token_is_read_as_one() -> None:
    tags = ["<e>", "[THINK]", "[/THINK]", "<|channel>", "<channel|>"]
    tokenizer = byte_tokenizer("{{ messages[0].content }}", tags, eos="<e>")
    for text in ("[THINK]hm[/THINK]Yes.<e>", "<|channel>hm<channel|>Yes.<e>", "<Think >hm</think>Yes.<e>"):
        parser = read(ChatTemplate(tokenizer), text)
        assert (parser.answer, parser.reasoning) == ("Yes.", "hm")


def test_gemmas_thought_is_kept_apart() -> None:
    parser = TextParser()
    pieces_of(parser, *"<|channel>thought\nhm\n<channel|>Yes.")
    assert (parser.answer, parser.reasoning) == ("Yes.", "thought\nhm")
    parser = TextParser()
    pieces_of(parser, "<|channel>thought\n<channel|>Yes.")
    assert parser.answer == "Yes."


@pytest.mark.parametrize(
    "text",
    [
        "Write <thinking> before it and </thinking> after it.",
        "Magistral writes [THINK] and [/THINK].",
        "analysis is a word, and so is assistantfinal.",
        "analysis: none.",
        "commentary",
        "anal",
        "Gemma writes <|channel>thought and <channel|>.",
        "</reasoning> ends it.",
    ],
)
def test_an_answer_may_talk_about_such_tags(text: str) -> None:
    for begins in (Beginning.ANSWER, Beginning.LIKELY_ANSWER, Beginning.UNKNOWN):
        for pieces in ([text], list(text)):
            parser = TextParser(begins)
            pieces_of(parser, *pieces)
            assert (parser.answer, parser.reasoning) == (text, None)
    assert read(PLAIN, text).answer == text


def test_a_plain_model_may_talk_about_think_tags() -> None:
    text = "First comes <think> and then </think>."
    assert (read(PLAIN, text).answer, read(PLAIN, text).reasoning) == (text, None)
    assert read(PLAIN, "<think>hm</think>Yes.").answer == "Yes."


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>a <think>b</think> c</think>Yes.", "a <think>b</think> c"),
        ("<think><think>b</think> c</think>Yes.", "<think>b</think> c"),
        ("<think>a [THINK] </thinking> b</think>Yes.", "a [THINK] </thinking> b"),
        ("[THINK]a <think> b[/THINK]Yes.", "a <think> b"),
    ],
)
def test_tags_within_a_reasoning_are_part_of_it(text: str, reasoning: str) -> None:
    for parser in (TextParser(), TextParser(Beginning.ANSWER)):
        pieces_of(parser, *text)
        assert (parser.answer, parser.reasoning) == ("Yes.", reasoning)
    assert read(THINK, text).answer == "Yes."


def test_the_parts_of_an_answer_around_a_reasoning_do_not_run_into_each_other() -> None:
    for text in (
        "<think>a</think>One.<think>b</think>Two.",
        "<think>a</think>One. <think>b</think> Two.<think>c</think>",
    ):
        parser = TextParser()
        pieces_of(parser, *text)
        assert parser.answer.split() == ["One.", "Two."]


@pytest.mark.parametrize("text", ["hm</think>Yes.", "<think>hm</think>Yes.", "\n<think>\nhm</think>Yes."])
def test_a_reasoning_that_the_prompt_has_started_may_be_started_again(text: str) -> None:
    parser = TextParser(Beginning.REASONING)
    pieces_of(parser, *text)
    assert (parser.answer, parser.reasoning) == ("Yes.", "hm")
    assert read(OPENED, text).answer == "Yes."


def test_a_call_within_a_reasoning_does_not_end_it() -> None:
    parser = read(THINK, '<think>a<tool_call>{"name": "f", "arguments": {}}</tool_call>b</think>Yes.')
    assert ([call.name for call in parser.tool_calls], parser.answer, parser.reasoning) == (["f"], "Yes.", "ab")


def test_tags_within_a_call_are_part_of_it() -> None:
    (call,) = read(THINK, '<tool_call>{"name": "f", "arguments": {"x": "<think>"}}</tool_call>').tool_calls
    assert call.arguments == {"x": "<think>"}


def test_an_answer_can_be_forced_out_of_every_level_of_a_reasoning() -> None:
    for template, text in ((THINK, "<think>a <think>b"), (PLAIN, "[THINK]a")):
        parser = read(template, text, finish=False)
        for token in [*parser.force_answer_tokens(), *template.encode("Four.")]:
            parser.feed(token)
        parser.finish()
        assert parser.answer == "Four."


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("analysisWe need it.assistantfinalYes.", "Yes.", "We need it."),
        ('analysis"Yes" it is.assistantfinalYes.', "Yes.", '"Yes" it is.'),
        ("commentaryI look.assistantanalysisHm.assistantfinalYes.", "Yes.", "I look.\nHm."),
        ("analysisHm.assistantfinalIt is assistantfinal.", "It is assistantfinal.", "Hm."),
        ("analysisHm.assistantcommentary to=functions.f json{}", "", "Hm.\n to=functions.f json{}"),
        ("analysisHm.assistantcommentaryI look.assistantfinalYes.", "Yes.", "Hm.\nI look."),
    ],
)  # fmt: skip
def test_harmony_without_its_special_tokens_is_read(text: str, answer: str, reasoning: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == (answer, reasoning)


def test_harmony_without_its_special_tokens_that_is_cut_gives_no_answer() -> None:
    text = "analysisWe need it.assistantfinal"
    for length in range(len("analysisW"), len(text)):
        parser = TextParser()
        pieces_of(parser, text[:length], cut=True)
        assert (parser.answer, parser.cut_in_reasoning) == ("", True)


def test_a_tool_call_leaves_it_open_what_the_text_before_it_was() -> None:
    call = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    for text, expected in (("One moment." + call, "One moment."), ("hm" + call + "</think>Yes.", "Yes.")):
        parser = TextParser()
        pieces_of(parser, text)
        assert ([entry.name for entry in parser.tool_calls], parser.answer) == (["f"], expected)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("qwen3", Beginning.UNKNOWN),
        ("deepseek_r1_distill", Beginning.REASONING),
        ("qwen3_6", Beginning.REASONING),
        ("qwen3_5_nothink", Beginning.LIKELY_ANSWER),
        ("qwen3_instruct_2507", Beginning.LIKELY_ANSWER),
    ],
)
def test_a_template_tells_how_replies_begin(name: str, begins: Beginning) -> None:
    assert ChatTemplate(think_tokenizer(name)).begins is begins


def test_talk_about_harmony_from_another_model_loses_only_the_header() -> None:
    parser = TextParser()
    parser.feed("gpt-oss writes <|channel|>final<|message|> before its answer.")
    parser.finish()
    assert parser.answer.split() == ["gpt-oss", "writes", "before", "its", "answer."]


_FRAGMENTS = [
    *(
        "<think>",
        "</think>",
        "<Think >",
        "[THINK]",
        "[/THINK]",
        "</thinking>",
        "<thinking>",
        "<|channel>",
        "<channel|>",
    ),
    *(
        "analysis",
        "assistantfinal",
        "assistantcommentary",
        "<tool_call>{}",
        "</tool_call>",
        "<|channel|>",
        "<|message|>",
    ),
    *[
        "<|start|>",
        "<|end|>",
        "<|call|>",
        "<|return|>",
        "<|constrain|>",
        "<|im_end|>",
        "<|im_start|>",
        "<|x|>",
        "user",
        "final",
        "assistant",
    ],
    *[
        "assistantanalysis",
        "<|START_THINKING|>",
        "<|END_THINKING|>",
        "<|START_RESPONSE|>",
        "<answer>",
        "</answer>",
        "</seed:think>",
    ],
    *("Here is my thought process:", "Here is my response:", "<|open|>think<|sep|>", " to=functions.f", "{}"),
    *("<|think|>", "<|content|>", "<reflection>", "</reflection>", "&lt;think&gt;", "&lt;/think&gt;", "`", '"'),
    *("**Thinking:**", "Thought:", "\nAnswer: ", "**Final Answer:**", " Use the ", "\n"),
    *("<", "/", "think", " >", " ", "\n", "a", "b.", "👋"),
]


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12), st.integers(1, 7), st.sampled_from(Beginning), st.booleans())
@settings(max_examples=400, deadline=None)
def test_the_pieces_in_which_text_comes_make_no_difference(
    fragments: list[str], size: int, begins: Beginning, cut: bool
) -> None:
    text = "".join(fragments)
    whole, pieces = TextParser(begins), TextParser(begins)
    pieces_of(whole, text, cut=cut)
    pieces_of(pieces, *(text[place : place + size] for place in range(0, len(text), size)), cut=cut)
    assert readings(whole) == readings(pieces)


OF_OTHER_FAMILIES = [
    "<mm:think>hm</mm:think>Yes.",
    "<think:opensource>hm</think:opensource>Yes.",
    "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>",
    "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>Yes.<|close|>response<|sep|><|close|>message<|sep|>",
    "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>Yes.<|end_of_solution|>",
    "<|inner_prefix|>hm<|inner_suffix|>Yes.",
    "◁think▷hm◁/think▷Yes.",
    "<unused94>hm<unused95>Yes.",
    "<think>hm</think><answer>Yes.</answer>",
    "Here is my thought process: hm Here is my response: Yes.",
    "Here's my thought process:\nhm\n\nHere's my response:\nYes.",
]


@pytest.mark.parametrize("text", OF_OTHER_FAMILIES)
def test_the_reasoning_of_other_families_is_kept_apart(text: str) -> None:
    for begins in (Beginning.ANSWER, Beginning.LIKELY_ANSWER, Beginning.UNKNOWN):
        for pieces in ([text], list(text)):
            parser = TextParser(begins)
            pieces_of(parser, *pieces)
            assert (parser.answer, parser.reasoning) == ("Yes.", "hm")


@pytest.mark.parametrize("text", OF_OTHER_FAMILIES)
def test_the_reasoning_of_other_families_is_kept_apart_where_its_markers_are_special_tokens(text: str) -> None:
    special = ["<e>", *re.findall(r"<\|?\w+\|?>", text)]
    parser = read(ChatTemplate(byte_tokenizer("{{ messages[0].content }}", special, eos="<e>")), text + "<e>")
    assert (parser.answer, parser.reasoning) == ("Yes.", "hm")


def test_a_special_token_that_nobody_knows_is_not_dropped_from_around_what_it_marks() -> None:
    tokenizer = byte_tokenizer("{{ messages[0].content }}", ["<e>", "<|muse|>", "<|/muse|>"], eos="<e>")
    assert read(ChatTemplate(tokenizer), "<|muse|>hm<|/muse|>Yes.<e>").answer == "<|muse|>hm<|/muse|>Yes."


def test_what_mlx_lm_or_the_template_tells_of_a_models_tags_counts() -> None:
    wrapped = TokenizerWrapper(byte_tokenizer("{{ messages[0].content }}", ["<e>"], eos="<e>"))
    wrapped._think_start, wrapped._think_end = "<hmm>", "</hmm>"
    parser = read(ChatTemplate(wrapped), "<hmm>hm</hmm>Yes.")
    assert (parser.answer, parser.reasoning) == ("Yes.", "hm")
    opened = (
        "{{ messages[0].content }}{% if add_generation_prompt %}{{ '<seed:think>\n' }}{% endif %}{# </seed:think> #}"
    )
    template = ChatTemplate(byte_tokenizer(opened, ["<e>"], eos="<e>"))
    assert template.begins is Beginning.REASONING
    parser = read(template, "hm</seed:think>Yes.")
    assert (parser.answer, parser.reasoning) == ("Yes.", "hm")


@pytest.mark.parametrize(
    "end", ["</seed:think>", "[/THINK]", "</thought>", "<channel|>", "<|END_THINKING|>", "</Think >"]
)
@pytest.mark.parametrize("begins", [begins for begins in Beginning if begins is not Beginning.ANSWER])
def test_a_lone_end_of_any_pair_makes_all_before_it_a_thought(end: str, begins: Beginning) -> None:
    for pieces in (["Hm.", end, "Yes."], list(f"Hm.{end}Yes.")):
        parser = TextParser(begins)
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == ("Yes.", "Hm.")


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("Sure.<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>Four.", "Sure.\nFour.", "hm"),
        ("assistantanalysisWe think.assistantfinalFour.", "Four.", "We think."),
        ("final2 + 2 = 4.", "2 + 2 = 4.", None),
        ("assistantfinalFour.", "Four.", None),
        ("<|channel|>analysis<|message|>hm<|end|>\nFour.", "Four.", "hm"),
        ("hm<|end|><|start|>assistant<|channel|>final<|message|>Four.", "Four.", "hm"),
        ("hm<|end|>Four.", "Four.", "hm"),
        ("Four.<|end|>", "Four.", None),
        ("Four.<|return|>", "Four.", None),
        ("Four.<|im_end|>\n<|im_start|>user\nNext?<|im_end|>", "Four.", None),
        ("Four.<|eot_id|><|start_header_id|>user<|end_header_id|>Next?", "Four.", None),
        ("analysisHm.assistantfinalFour.<|end|>Next?", "Four.", "Hm."),
        ("<think>It writes <|end|> there.</think>Four.", "Four.", "It writes <|end|> there."),
    ],
)  # fmt: skip
def test_markers_are_found_wherever_they_stand(text: str, answer: str, reasoning: str | None) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == (answer, reasoning)


@pytest.mark.parametrize(
    "text",
    ["finally, yes.", "final answer: four", "finals are near", "assistantly", "to", "a", "Here is my list: one."],
)
def test_words_that_only_look_like_a_header_are_the_answer(text: str) -> None:
    for begins in (Beginning.ANSWER, Beginning.LIKELY_ANSWER, Beginning.UNKNOWN):
        parser = TextParser(begins)
        pieces_of(parser, *text)
        assert (parser.answer, parser.reasoning) == (text, None)


def test_a_dialect_of_harmony_without_channels_is_told_by_its_recipients() -> None:
    text = " to=self<|message|>hm<|eom|><|start|>assistant to=user<|message|>Yes.<|eot|><|start|>user<|message|>Next?"
    special = ["<|start|>", "<|message|>", "<|eom|>", "<|eot|>"]
    muse = ChatTemplate(byte_tokenizer(trl_template("muse_glimmer"), special, eos="<|eot|>"))
    assert muse.stop_tokens == set(muse.encode("<|eot|>"))
    parser = TextParser()
    pieces_of(parser, *text)
    for reading in (parser, read(muse, text)):
        assert (reading.answer, reading.reasoning, reading.stopped) == ("Yes.", "hm", True)
    assert read(muse, " to=self<|message|>hm", finish=False).force_answer_tokens() == []


def test_a_turn_that_the_model_makes_up_is_not_read() -> None:
    parser = TextParser()
    pieces_of(
        parser,
        "<|channel|>final<|message|>One.<|end|><|start|>user<|message|>Next?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>Two.",
    )
    assert (parser.answer, parser.stopped) == ("One.", True)


TEMPLATES = {
    "harmony": ChatTemplate(real_harmony(), name="gpt-oss"),
    "think": THINK,
    "opened": OPENED,
    "plain": PLAIN,
    "cohere": ChatTemplate(
        byte_tokenizer(
            "{{ messages[0].content }}{# <|END_THINKING|> #}",
            ["<e>", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"],
            eos="<e>",
        )
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12), st.sampled_from(Beginning), st.integers(1, 9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_reply_reads_the_same_in_tokens_and_in_text(
    name: str, fragments: list[str], begins: Beginning, size: int, cut: bool
) -> None:
    template, text = TEMPLATES[name], "".join(fragments)
    tokens, pieces = template.parser(begins), TextParser(markers=replace(template.markers, begins=begins))
    for token in template.encode(text):
        tokens.feed(token)
    tokens.finish(cut)
    pieces_of(pieces, *(text[place : place + size] for place in range(0, len(text), size)), cut=cut)
    assert readings(pieces) == readings(tokens)


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_servers_text_reads_as_the_tokens_of_a_model_of_which_as_much_is_known(
    fragments: list[str], cut: bool
) -> None:
    text = "".join(fragments)
    for begins in (Beginning.ANSWER, Beginning.LIKELY_ANSWER, Beginning.UNKNOWN):
        tokens, pieces = THINK.parser(begins), TextParser(begins)
        for token in THINK.encode(text):
            tokens.feed(token)
        tokens.finish(cut)
        pieces_of(pieces, text, cut=cut)
        assert readings(pieces) == readings(tokens)


def readings(parser: TextParser | TokenParser) -> list[object]:
    names = ("answer", "reasoning", "tool_calls", "began", "in_doubt", "retracted", "cut_in_reasoning", "stopped")
    return [getattr(parser, name) for name in names]


@pytest.mark.parametrize("depth", [500, 20_000])
@pytest.mark.parametrize("end", ["</tool_call>", ""])
def test_a_call_that_nests_too_deeply_is_malformed_and_no_crash(depth: int, end: str) -> None:
    nested = "[" * depth + "]" * depth
    for text in ('{"name": "f", "arguments": {"x": ' + nested + "}}", nested):
        calls = read(THINK, f"<tool_call>{text}{end}").tool_calls
        assert [call.name for call in calls] == [""] * bool(end)
    assert malformed_text(call_arguments('{"x": ' + nested + "}")) is not None


def test_a_call_in_the_final_channel_is_a_call_and_not_spoken() -> None:
    parser = TextParser()
    parser.feed('<|channel|>final <|constrain|>functions.get_weather<|message|>{"city":"Paris"}<|call|>')
    parser.finish()
    assert parser.answer == ""
    assert [(call.name, dict(call.arguments)) for call in parser.tool_calls] == [("get_weather", {"city": "Paris"})]


NAMED_LIKE_REASONING = [
    *(f"<{tag}>hm</{tag}>Yes." for tag in ("reflection", "scratchpad", "analysis", "inner_monologue", "antThinking")),
    *(f"&lt;{tag}&gt;hm&lt;/{tag}&gt;Yes." for tag in ("think", "thinking", "reasoning", "Reflection")),
    *("<|think|>hm<|/think|>Yes.", "<|think|>hm</think>Yes.", "<think>hm</think>&lt;answer&gt;Yes.&lt;/answer&gt;"),
]


@pytest.mark.parametrize("text", NAMED_LIKE_REASONING)
def test_tags_whose_names_say_reasoning_are_kept_apart(text: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == ("Yes.", "hm")
    for template in (PLAIN, THINK):
        assert (read(template, text).answer, read(template, text).reasoning) == ("Yes.", "hm")


def test_solar_opens_parts_are_kept_apart() -> None:
    text = "<|think|>hm<|end|><|begin|>assistant<|content|>Yes.<|flush|>"
    parser = TextParser()
    pieces_of(parser, *text)
    assert (parser.answer, parser.stopped) == ("Yes.", True)


@pytest.mark.parametrize(
    "text",
    [
        "**Thinking:** hm\n\n**Answer:** Yes.",
        "**Thinking**: hm **Answer**: Yes.",
        "### Thinking\nhm\n\n### Answer\nYes.",
        "**Thought Process**\n\nhm\n\n**Final Answer**\n\nYes.",
        "Thought: hm\nAction: search\nObservation: none\nThought: hm\nFinal Answer: Yes.",
        "Reasoning: hm. Answer: Yes.",
        "\n  My reasoning: hm\nMy final answer: Yes.",
    ],
)
def test_reasoning_below_a_heading_is_kept_apart(text: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        given = pieces_of(parser, *pieces)
        assert (parser.answer, "hm" in (parser.reasoning or "")) == ("Yes.", True)
        assert "".join(piece for piece, channel in given if channel == "answer") == "Yes."
    assert read(PLAIN, text).answer == "Yes."


@pytest.mark.parametrize(
    "text",
    [
        "Thought: what the mind does.",
        "Thinking is hard. My answer: sleep on it.",
        "Reasoning: the act of giving reasons.\nThe answers: none.",
        "**Thoughts**\n\nThey come and go.",
        "**Answer:** Yes.",
        "The thinking: none. Answer: none.",
        "Thought",
    ],
)
def test_a_heading_without_the_other_is_part_of_the_answer(text: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == (text, None)
    assert read(PLAIN, text).answer == text


def test_an_answer_can_be_forced_out_of_a_reasoning_below_a_heading() -> None:
    parser = PLAIN.parser()
    for token in PLAIN.encode("Thought: hm"):
        parser.feed(token)
    parser.finish(cut=True)
    assert (parser.answer, parser.cut_in_reasoning) == ("", True)
    for token in [*parser.force_answer_tokens(), *PLAIN.encode("Four.")]:
        parser.feed(token)
    parser.finish()
    assert (parser.answer, parser.reasoning, parser.cut_in_reasoning) == ("Four.", "Thought: hm", False)


@pytest.mark.parametrize(
    "text",
    [
        "Use the <think> tag to reason.",
        "Use the `<think>` tag.",
        "Models write <think>...</think> before they answer.",
        "It writes <think> before it thinks and </think> behind it.",
        'The tags "<think>" and "</think>" stand around it.',
        "So (<reflection> and </reflection>) it is.",
        "The </think> tag closes it.",
        "It ends with `</think>`, always.",
        "Write this:\n```\n<think>\nhm\n</think>\n```",
        "Escape it as &lt;think&gt; in a page.",
        "The part <analysis> has no end. It is text.",
        "Two parts:\n<analysis>\nNo end comes.",
    ],
)
def test_a_sentence_about_such_tags_keeps_its_words(text: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        given = pieces_of(parser, *pieces)
        assert (parser.answer, parser.reasoning) == (text, None)
        assert "".join(piece for piece, _ in given) == text
    assert (read(THINK, text).answer, read(THINK, text).reasoning) == (text, None)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("One.<reflection>hm</reflection> Two.", "One. Two."),
        ("One.\n\n<analysis>hm\n<b></analysis>\n\nTwo.", "One. Two."),
        ("The sum is <think>I take two and two, and so it is four.</think>four.", "The sum is four."),
        ("Use `<think>` here.\n<think>hm</think>Two.", "Use `<think>` here. Two."),
    ],
)
def test_reasoning_within_an_answer_is_kept_apart(text: str, answer: str) -> None:
    for pieces in ([text], list(text)):
        parser = TextParser()
        pieces_of(parser, *pieces)
        assert " ".join(parser.answer.split()) == answer
    assert " ".join(read(THINK, text).answer.split()) == answer
