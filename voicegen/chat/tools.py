"""Tools that a model may call: their schemas, and calls that always come back as a message to the model."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, validate_call
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from voicegen.errors import ConfigError
from voicegen.reading.calls import malformed_text
from voicegen.records import Message, Role, ToolCall
from voicegen.text.well_formed import well_formed

if TYPE_CHECKING:
    from referencing import Resource

ENTRY_POINTS = "voicegen.tools"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SAY_A_TYPE: Final = frozenset({"type", "enum", "const", "anyOf", "allOf", "oneOf", "$ref"})
_TEXT: Final = {"type": "string"}
_TYPES_OF_DEFAULTS: Final[Mapping[type, Mapping[str, Any]]] = MappingProxyType(
    {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": "number"},
        list: {"type": "array", "items": {}},
        dict: {"type": "object"},
    }
)
_LONGEST_RESULT = 20_000  # characters: about 5,000 tokens, so that one result can't fill the context


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call.

    Attributes:
        parameters: the JSON schema that arguments are checked by.
        timeout: in seconds.
        shown: the schema as models see it, where it says more than is checked.
    """

    name: str
    description: str
    callback: Callable[..., Any]
    parameters: Mapping[str, Any]
    timeout: float = 30.0
    shown: Mapping[str, Any] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The tool in the form of chat completions."""
        parameters = dict(self.shown or self.parameters)
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


class ToolRegistry:
    """The tools that one session or run offers to its model."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    @property
    def names(self) -> list[str]:
        """The tools' names, in the order of registration."""
        return list(self._tools)

    @property
    def schemas(self) -> list[dict[str, Any]]:
        """What a chat template or server takes as `tools`."""
        return [tool.schema for tool in self._tools.values()]

    def register(
        self,
        name: str,
        description: str,
        callback: Callable[..., Any],
        parameters: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> Tool:
        """Adds a tool, in place of one of the same name.

        Args:
            name: up to 64 letters, digits, `_` and `-`.
            description: tells the model what the tool is for.
            callback: called with the arguments as keywords, on a thread of its own; may be a coroutine function. Text
                is given to the model as it is, anything else as JSON.
            parameters: JSON schema of the arguments, an object. By default it is read from the type hints, and
                the arguments are converted to the hinted types. One without a hint takes any value; models are shown
                the type of its default, or text.
            timeout: seconds after which the model is told that the tool gave no answer.

        Raises:
            ConfigError: the name, the description, the schema or the timeout cannot be used.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"Tool name {name!r}: use up to 64 letters, digits, _ and -.")
        if not isinstance(description, str):
            raise ConfigError(f"Tool {name!r}: its description is {description!r}; tell in text what the tool is for.")
        if not _is_timeout(timeout):
            raise ConfigError(f"Tool {name!r}: timeout={timeout!r} must be a number of seconds over 0.")
        if not callable(callback):
            raise ConfigError(f"Tool {name!r}: its callback is a {type(callback).__name__}, not a function.")
        shown = None
        if parameters is None:
            parameters, callback = _from_hints(name, callback)
            shown = _with_types(parameters)
        tool = Tool(name, description, callback, _checked(name, parameters), timeout, shown)
        self._tools[name] = tool
        return tool

    def add(self, tool: Tool) -> None:
        """Adds a tool that was made elsewhere."""
        added = self.register(tool.name, tool.description, tool.callback, tool.parameters, tool.timeout)
        self._tools[tool.name] = replace(added, shown=tool.shown)

    def call(self, call: ToolCall) -> Message:
        """Runs one call. Whatever goes wrong is told to the model in the message: no call raises."""
        return Message(Role.TOOL, well_formed(self._outcome(call)), tool_call_id=call.id, name=call.name)

    def call_all(self, calls: Sequence[ToolCall]) -> list[Message]:
        """Runs the calls of one message, one after another, in the order that the model wrote them."""
        return [self.call(call) for call in calls]

    def _outcome(self, call: ToolCall) -> str:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

        tool = self._tools.get(call.name)
        if tool is None:
            return _refusal(f"There is no tool named {call.name!r}. Tools: {', '.join(self._tools) or 'none'}.")
        text = malformed_text(call.arguments)
        if text is not None:
            return _refusal(f"The arguments of {call.name} must be one JSON object. Got: {text[:500]}")
        try:
            problem = best_match(Draft202012Validator(tool.parameters).iter_errors(dict(call.arguments)))
        except RecursionError:
            return _refusal(f"The arguments of {call.name} cannot be checked: they or its schema nest without end.")
        if problem is not None:
            where = "".join(f"[{part!r}]" for part in problem.absolute_path)
            return _refusal(f"The arguments{where} of {call.name} do not fit its schema: {problem.message}")
        return _run(tool, call.arguments)


def load_tools(names: Sequence[str]) -> ToolRegistry:
    """The tools that installed packages offer under these names, as entry points of the group `voicegen.tools`.

    An entry point is a function, whose docstring describes the tool, or a `Tool`. A name is looked up among
    installed packages only: a config can never name a Python path.

    Raises:
        ConfigError: nothing installed offers the name, or what it offers cannot be used.
    """
    registry = ToolRegistry()
    offered = {point.name: point for point in entry_points(group=ENTRY_POINTS)} if names else {}
    for name in names:
        if name not in offered:
            known = ", ".join(sorted(offered)) or "none"
            raise ConfigError(
                f"chat.tools: no installed package offers the tool {name!r} "
                f"(entry points of {ENTRY_POINTS!r}; installed: {known})."
            )
        try:
            found = offered[name].load()
        except Exception as error:  # whatever a package raises that is being imported
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(f"chat.tools: {name!r} ({offered[name].value}) cannot be loaded: {why}") from error
        if isinstance(found, Tool):
            registry.add(found)
        elif callable(found):
            registry.register(name, inspect.getdoc(found) or name, found)
        else:
            raise ConfigError(
                f"chat.tools: {name!r} is of the type {type(found).__name__}, neither a function nor a Tool."
            )
    return registry


def cut_text(text: str, most: int) -> str:
    """The first `most` characters of `text`, and a line that tells the model how many are missing."""
    return text if len(text) <= most else f"{text[:most]}\n[cut: {len(text) - most} more characters]"


def _from_hints(name: str, callback: Callable[..., Any]) -> tuple[Mapping[str, Any], Callable[..., Any]]:
    function: Any = callback
    if not inspect.isroutine(callback) and not isinstance(callback, functools.partial):
        # pydantic takes no other callable objects
        function = type(callback).__call__.__get__(callback)
    try:
        schema = TypeAdapter(function).json_schema()
        converting = validate_call(function)
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
        raise ConfigError(f"Tool {name!r}: no schema can be read from its type hints; give `parameters`.") from error
    if schema.get("type") != "object":
        raise ConfigError(f"Tool {name!r}: a tool's parameters must be callable by name; give `parameters`.")
    cleaned: Mapping[str, Any] = _without_titles(schema)
    return cleaned, converting


def _with_types(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with a type for each parameter that has none: templates and servers do not expect one without."""
    properties = {
        key: {**_TYPES_OF_DEFAULTS.get(type(part.get("default")), _TEXT), **part}
        if _SAY_A_TYPE.isdisjoint(part)
        else part
        for key, part in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _is_timeout(value: object) -> bool:
    """Whether a thread can be waited for so long: not for ever, nor for longer than the system counts."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) <= threading.TIMEOUT_MAX


def _without_titles(schema: Any) -> Any:
    """Pydantic's titles repeat the names; a property may itself be named `title`, and is kept."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    return {key: _without_titles(value) for key, value in kept.items()}


def _checked(name: str, parameters: Any) -> Mapping[str, Any]:
    from jsonschema import Draft202012Validator  # where a tool is registered, and in no chat without one
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    if not isinstance(parameters, Mapping):
        kind = type(parameters).__name__
        raise ConfigError(f"Tool {name!r}: its parameters are a {kind}; a JSON schema of an object is a mapping.")
    try:
        Draft202012Validator.check_schema(dict(parameters))
        resource = DRAFT202012.create_resource(dict(parameters))
        _follow_references(Registry().resolver_with_root(resource), resource)
    except SchemaError as error:
        raise ConfigError(f"Tool {name!r}: its parameters are no JSON schema: {error.message}") from error
    except Unresolvable as error:
        raise ConfigError(f"Tool {name!r}: its parameters refer to {error.ref!r}, which they do not hold.") from error
    if parameters.get("type", "object") != "object":
        raise ConfigError(f"Tool {name!r}: the schema of its parameters must have type 'object'.")
    return {"type": "object", **parameters}


def _follow_references(resolver: Any, schema: Resource[Any]) -> None:
    """Raises what the first `$ref` of the schema that leads nowhere raises."""
    reference = schema.contents.get("$ref") if isinstance(schema.contents, Mapping) else None
    if isinstance(reference, str):
        resolver.lookup(reference)
    for part in schema.subresources():
        _follow_references(resolver.in_subresource(part), part)


def _run(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Runs the callback on a daemon thread: a tool that hangs holds up neither the model nor the program's end."""
    outcome: list[str] = []

    def work() -> None:
        try:
            value = tool.callback(**arguments)
            if inspect.isawaitable(value):
                value = asyncio.run(_wait_for(value))
            outcome.append(_as_text(value))
        except BaseException as error:  # a tool's error is the model's to deal with, and so is its sys.exit()
            outcome.append(_refusal(f"{tool.name} failed: {type(error).__name__}: {error}"))

    thread = threading.Thread(target=work, name=f"tool {tool.name}", daemon=True)
    thread.start()
    thread.join(tool.timeout)
    return outcome[0] if outcome else _refusal(f"{tool.name} gave no answer within {tool.timeout:g} s.")


async def _wait_for(value: Any) -> Any:
    return await value


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return cut_text(text, _LONGEST_RESULT)


def _refusal(reason: str) -> str:
    return json.dumps({"error": reason}, ensure_ascii=False)
