import asyncio
import enum
import functools
import json
import sys
import threading
from importlib.metadata import EntryPoint, EntryPoints
from typing import Annotated, Any, Literal
from unittest import mock

import pytest
from pydantic import BaseModel, Field

from voicegen.chat.tools import Tool, ToolRegistry, load_tools
from voicegen.errors import ConfigError
from voicegen.reading.calls import call_arguments
from voicegen.records import Role, ToolCall


def run(registry: ToolRegistry, name: str, arguments: dict[str, Any]) -> str:
    return registry.call(ToolCall(name, arguments, "id")).content


def error(registry: ToolRegistry, name: str, arguments: dict[str, Any]) -> str:
    return str(json.loads(run(registry, name, arguments))["error"])


@pytest.fixture
def registry() -> ToolRegistry:
    return ToolRegistry()


def test_the_schema_is_read_from_the_type_hints(registry: ToolRegistry) -> None:
    def weather(city: Annotated[str, Field(description="Where.")], unit: Literal["C", "F"] = "C", days: int = 1) -> str:
        return f"{city} {unit} {days}"

    tool = registry.register("weather", "Tells the weather.", weather)
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "days": {"type": "integer", "default": 1},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert registry.schemas == [{"type": "function", "function": {
        "name": "weather", "description": "Tells the weather.", "parameters": tool.parameters}}]  # fmt: skip
    assert run(registry, "weather", {"city": "Paris", "days": 3}) == "Paris C 3"


def test_a_parameter_without_a_hint_is_shown_with_a_type_and_takes_any_value(registry: ToolRegistry) -> None:
    def find(q, k=5, deep=False, *, near: list[str] | None = None):  # type: ignore[no-untyped-def]
        return [q, k, deep, near]

    other = ToolRegistry()
    other.add(registry.register("find", "d", find))
    for tools in (registry, other):
        shown = tools.schemas[0]["function"]["parameters"]
        assert {name: part.get("type") for name, part in shown["properties"].items()} == {
            "q": "string", "k": "integer", "deep": "boolean", "near": None}  # fmt: skip
        assert shown["properties"]["k"]["default"] == 5
        assert run(tools, "find", {"q": 7, "k": "all", "deep": 1}) == '[7, "all", 1, null]'


def test_a_function_without_hints_takes_any_value(registry: ToolRegistry) -> None:
    tool = registry.register("search", "Search documentation", lambda q, k=5: [q, k])
    assert tool.parameters["required"] == ["q"]
    assert run(registry, "search", {"q": "MLX"}) == '["MLX", 5]'


def test_a_parameter_named_title_is_kept(registry: ToolRegistry) -> None:
    assert "title" in registry.register("f", "d", lambda title: title).parameters["properties"]


def test_arguments_are_converted_to_the_hinted_types(registry: ToolRegistry) -> None:
    class Mood(enum.Enum):
        GOOD = "good"

    class Place(BaseModel):
        name: str

    registry.register("f", "d", lambda: None)

    def visit(place: Place, mood: Mood) -> str:
        return f"{place.name} {mood.name}"

    registry.register("visit", "d", visit)
    assert run(registry, "visit", {"place": {"name": "Rome"}, "mood": "good"}) == "Rome GOOD"


def test_methods_and_callable_objects_can_be_tools(registry: ToolRegistry) -> None:
    class Searcher:
        def find(self, q: str) -> str:
            return f"found {q}"

        def __call__(self, q: str) -> str:
            return f"called {q}"

    registry.register("find", "d", Searcher().find)
    registry.register("call", "d", Searcher())
    assert run(registry, "find", {"q": "x"}) == "found x"
    assert run(registry, "call", {"q": "x"}) == "called x"


def test_a_coroutine_function_can_be_a_tool(registry: ToolRegistry) -> None:
    async def slow(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    registry.register("slow", "d", slow)
    assert run(registry, "slow", {"n": 1}) == "2"


def test_a_given_schema_is_used_as_it_is(registry: ToolRegistry) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}}
    registry.register("f", "d", lambda **given: given, parameters=schema)
    assert run(registry, "f", {"n": 4}) == '{"n": 4}'
    assert "2 is less than the minimum of 3" in error(registry, "f", {"n": 2})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "'city' is a required property"),
        ({"city": 5}, "['city'] of weather do not fit its schema: 5 is not of type 'string'"),
        ({"city": "x", "when": "now"}, "'when' was unexpected"),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_model(
    registry: ToolRegistry, arguments: dict[str, Any], problem: str
) -> None:
    called: list[str] = []

    def weather(city: str) -> None:
        called.append(city)

    registry.register("weather", "d", weather)
    assert problem in error(registry, "weather", arguments)
    assert called == []


def test_arguments_that_are_no_json_object_are_told_to_the_model(registry: ToolRegistry) -> None:
    registry.register("f", "d", lambda a: a)
    message = registry.call(ToolCall("f", call_arguments('{"a": '), "id"))
    assert 'must be one JSON object. Got: {"a": ' in json.loads(message.content)["error"]


def test_an_error_of_a_tool_is_told_to_the_model(registry: ToolRegistry) -> None:
    def broken() -> None:
        raise KeyError("no index")

    registry.register("broken", "d", broken)
    assert error(registry, "broken", {}) == "broken failed: KeyError: 'no index'"


def test_a_tool_that_hangs_is_left_and_told_to_the_model(registry: ToolRegistry) -> None:
    released = threading.Event()
    registry.register("hang", "d", lambda: released.wait(30), timeout=0.05)
    try:
        assert error(registry, "hang", {}) == "hang gave no answer within 0.05 s."
    finally:
        released.set()


def test_an_unknown_tool_is_refused_with_the_names_that_exist(registry: ToolRegistry) -> None:
    registry.register("search", "d", lambda: None)
    assert error(registry, "delete", {}) == "There is no tool named 'delete'. Tools: search."


def test_a_result_goes_back_under_the_id_of_its_call(registry: ToolRegistry) -> None:
    registry.register("f", "d", lambda n: {"n": n, "ü": None})
    first, second = registry.call_all([ToolCall("f", {"n": 1}, "a"), ToolCall("f", {"n": 2}, "b")])
    assert (first.role, first.tool_call_id, first.name, first.content) == (Role.TOOL, "a", "f", '{"n": 1, "ü": null}')
    assert second.tool_call_id == "b"


def test_a_result_of_excessive_length_is_cut(registry: ToolRegistry) -> None:
    registry.register("f", "d", lambda: "x" * 100_000)
    assert len(run(registry, "f", {})) < 21_000
    assert "[cut: 80000 more characters]" in run(registry, "f", {})


@pytest.mark.parametrize("name", ["", "two words", "functions.x", "x" * 65])
def test_a_name_that_no_format_can_carry_is_refused(registry: ToolRegistry, name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        registry.register(name, "d", lambda: None)


def test_a_partial_function_can_be_a_tool(registry: ToolRegistry) -> None:
    def times(n: int, factor: int) -> int:
        return n * factor

    tool = registry.register("double", "d", functools.partial(times, factor=2))
    assert tool.parameters["required"] == ["n"]
    assert run(registry, "double", {"n": 4}) == "8"


def test_a_tool_that_exits_is_told_to_the_model(registry: ToolRegistry) -> None:
    registry.register("leave", "d", lambda: sys.exit(3))
    assert error(registry, "leave", {}) == "leave failed: SystemExit: 3"


def test_a_schema_may_refer_to_its_own_parts(registry: ToolRegistry) -> None:
    schema = {"properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    registry.register("f", "d", lambda n: n, parameters=schema)
    assert run(registry, "f", {"n": 1}) == "1"
    assert "is not of type 'integer'" in error(registry, "f", {"n": "x"})


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://example.org/schema.json", "#anchor"])
def test_a_schema_that_refers_to_what_it_does_not_hold_is_refused(registry: ToolRegistry, reference: str) -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"$ref": reference}}}}
    with pytest.raises(ConfigError, match=r"Tool 'f': its parameters refer to '.*', which they do not hold"):
        registry.register("f", "d", lambda a: a, parameters=schema)


def test_a_schema_without_end_is_told_to_the_model(registry: ToolRegistry) -> None:
    registry.register("f", "d", lambda: 1, parameters={"allOf": [{"$ref": "#"}]})
    assert "nest without end" in error(registry, "f", {})


def test_a_callback_that_is_no_function_is_refused(registry: ToolRegistry) -> None:
    with pytest.raises(ConfigError, match="Tool 'f': its callback is a int, not a function"):
        registry.register("f", "d", 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("parameters", ["x", [1], {"type": "array"}, {"type": "object", "properties": 5}])
def test_parameters_that_are_no_schema_of_an_object_are_refused(registry: ToolRegistry, parameters: Any) -> None:
    with pytest.raises(ConfigError, match="Tool 'f'"):
        registry.register("f", "d", lambda: None, parameters=parameters)


@pytest.mark.parametrize("callback", [lambda x, /: x, lambda *a, b: a])
def test_a_callback_that_cannot_be_called_by_name_is_refused(registry: ToolRegistry, callback: Any) -> None:
    with pytest.raises(ConfigError, match="give `parameters`"):
        registry.register("f", "d", callback)


def offered_function(q: str) -> str:
    """Finds q."""
    return q


OFFERED_TOOL = Tool("ready", "A ready tool.", offered_function, {"type": "object"})


def offering(**points: str) -> Any:
    found = EntryPoints(EntryPoint(name, f"{__name__}:{value}", "voicegen.tools") for name, value in points.items())
    return mock.patch("voicegen.chat.tools.entry_points", lambda group: found.select(group=group))


def test_installed_packages_offer_tools_by_name() -> None:
    with offering(find="offered_function", ready="OFFERED_TOOL"):
        registry = load_tools(["find", "ready"])
    assert registry.names == ["find", "ready"]
    assert registry.schemas[0]["function"]["description"] == "Finds q."


def test_a_name_that_nothing_installed_offers_is_a_config_error() -> None:
    with offering(find="offered_function"), pytest.raises(ConfigError, match=r"'os.system'.*installed: find"):
        load_tools(["os.system"])


def test_no_names_load_nothing() -> None:
    assert len(load_tools([])) == 0


NO_TOOL = 5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nothing_here", r"'find' \(.*:nothing_here\) cannot be loaded: AttributeError: "),
        ("NO_TOOL", "'find' is of the type int, neither a function nor a Tool"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_a_config_error(value: str, message: str) -> None:
    with offering(find=value), pytest.raises(ConfigError, match=message):
        load_tools(["find"])


@pytest.mark.parametrize("timeout", ["a", float("nan"), float("inf"), 0, -1, None, True, 1e12])
def test_a_timeout_that_cannot_be_waited_for_is_refused_at_registration(registry: ToolRegistry, timeout: Any) -> None:
    with pytest.raises(ConfigError, match=r"Tool 'f': timeout=.* must be a number of seconds over 0"):
        registry.register("f", "d", lambda: 1, timeout=timeout)
    assert not registry.names


def test_a_description_and_a_name_are_text(registry: ToolRegistry) -> None:
    with pytest.raises(ConfigError, match="Tool 'f': its description is None"):
        registry.register("f", None, lambda: 1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Tool name None"):
        registry.register(None, "d", lambda: 1)  # type: ignore[arg-type]
