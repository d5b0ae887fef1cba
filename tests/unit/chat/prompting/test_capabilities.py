"""Conversations reach the prompt whole, whatever the template refuses or drops."""

from importlib.resources import files

import pytest

from tests.chat_tokenizers import byte_tokenizer, trl_template
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.errors import ModelError
from voicegen.records import Message, Role, ToolCall

LOOP = "{% for m in messages %}"
ROLES_ALTERNATE = (
    LOOP + "{% if m.role not in ('user', 'assistant') or (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)
NINE_CHARACTERS = (
    LOOP + "{% if m.tool_calls %}{% for c in m.tool_calls %}{% if c.id|length != 9 or not c.id.isalnum() %}"
    "{{ raise_exception('ids have nine characters') }}{% endif %}[{{ c.id }}]{{ c.function.name }}"
    "{{ c.function.arguments|tojson }}{% endfor %}{% elif m.role == 'tool' %}"
    "{% if m.tool_call_id|length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
    "[{{ m.tool_call_id }}={{ m.content }}]{% else %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"
)
STRING_ARGUMENTS = (
    LOOP
    + "[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %}"
    "{% endfor %}"
)
DROPS_RESULTS = LOOP + "{% if m.role != 'tool' %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"
DROPS_SYSTEM = LOOP + "{% if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"
LIST_CONTENT = (
    LOOP
    + "[{{ m.role }}]{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}"
)

CALLS = [
    Message(Role.SYSTEM, "Be brief."),
    Message(Role.USER, "Compare."),
    Message(
        Role.ASSISTANT,
        "",
        tool_calls=(ToolCall("weather", {"city": "Paris"}, "call_0"), ToolCall("weather", {"city": "Rome"}, "call_1")),
    ),
    Message(Role.TOOL, "rain", tool_call_id="call_0", name="weather"),
    Message(Role.TOOL, "sun", tool_call_id="call_1", name="weather"),
]


def prompt(source: str, messages: list[Message]) -> str:
    tokenizer = byte_tokenizer(source, ["<s>", "<e>"], eos="<e>")
    tokenizer.bos_token = "<s>"
    template = ChatTemplate(tokenizer, name="some/model")
    return str(template.tokenizer.decode(template.render(messages)))


def test_ids_have_nine_letters_and_digits_where_the_template_wants_them() -> None:
    assert prompt(NINE_CHARACTERS, CALLS) == (
        '[system]Be brief.[user]Compare.[000000000]weather{"city": "Paris"}[000000001]weather{"city": "Rome"}'
        "[000000000=rain][000000001=sun]"
    )


def test_arguments_are_a_json_string_where_the_template_joins_them_to_text() -> None:
    assert prompt(STRING_ARGUMENTS, CALLS) == (
        '[system]Be brief.[user]Compare.[assistant]weather{"city": "Paris"}weather{"city": "Rome"}[tool]rain[tool]sun'
    )


def test_calls_are_one_a_message_each_before_its_result_where_the_template_takes_a_single_one() -> None:
    source = LOOP + (
        "{% if m.tool_calls and m.tool_calls|length > 1 %}{{ raise_exception('one call') }}{% endif %}"
        "[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls %}{{ c.function.arguments|tojson }}{% endfor %}"
        "{% endfor %}"
    )
    assert prompt(source, CALLS) == (
        '[system]Be brief.[user]Compare.[assistant]{"city": "Paris"}[tool]rain[assistant]{"city": "Rome"}[tool]sun'
    )


def test_where_roles_must_alternate_system_text_calls_and_results_are_text() -> None:
    assert prompt(ROLES_ALTERNATE, CALLS) == (
        "[user]Be brief.\n\nCompare."
        '[assistant]<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>\n'
        '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
        "[user]<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>"
    )


def test_a_result_that_the_template_would_drop_is_text() -> None:
    assert prompt(DROPS_RESULTS, CALLS).endswith(
        "[user]<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>"
    )


def test_a_system_prompt_that_the_template_would_drop_leads_the_question() -> None:
    assert prompt(DROPS_SYSTEM, CALLS[:2]) == "[user]Be brief.\n\nCompare."


def test_a_template_that_reads_lists_of_parts_gets_them() -> None:
    assert prompt(LIST_CONTENT, CALLS[:2]) == "[system]Be brief.[user]Compare."


def test_a_template_that_drops_every_question_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="chat template of some/model leaves the user's question out"):
        prompt("Hello.", CALLS[:2])


@pytest.mark.parametrize(
    "name",
    sorted(
        entry.name.removesuffix(".jinja")
        for entry in files("trl").joinpath("chat_templates").iterdir()
        if entry.name.endswith(".jinja") and "_training" not in entry.name and "gptoss" not in entry.name
    ),
)
def test_a_real_template_holds_system_text_question_calls_and_results(name: str) -> None:
    text = prompt(trl_template(name), CALLS)
    assert [part for part in ("Be brief.", "Compare.", "Paris", "Rome", "rain", "sun") if part not in text] == []
