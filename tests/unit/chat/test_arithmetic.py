from __future__ import annotations

import pytest

from voicegen.chat.arithmetic import calculate
from voicegen.chat.tools import load_tools
from voicegen.records import ToolCall


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("(3 + 4) * 12 / 5", "16.8"),
        ("2 ** 10", "1024"),
        ("2^10", "1024"),
        ("7 // 2 - -1", "4"),
        ("sqrt(2)", "1.41421356237"),
        ("round(10 / 3)", "3"),
        ("max(1, 2, 3) % 2", "1"),
        ("2 * pi", "6.28318530718"),
    ],
)
def test_arithmetic_is_worked_out(expression: str, result: str) -> None:
    assert calculate(expression) == result


NO_ARITHMETIC = ["", "1 +", "__import__('os')", "x", "'a' * 3", "True", "[1]", "(1).real", "round(x=1)", "lambda: 1"]
TOO_MUCH = ["9 ** 9 ** 9", "1e99 * 1e99", "(-8) ** 0.5", "1+" * 150 + "1"]


@pytest.mark.parametrize("expression", [*NO_ARITHMETIC, *TOO_MUCH])
def test_what_is_no_arithmetic_or_too_large_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"arithmetic|too large|at most|no real"):
        calculate(expression)


def test_it_comes_along_as_a_tool_and_a_refusal_goes_to_the_model() -> None:
    registry = load_tools(["calculate"])
    [schema] = registry.schemas
    assert schema["function"]["parameters"]["required"] == ["expression"]
    done, refused = (
        registry.call(ToolCall(id="1", name="calculate", arguments={"expression": text})) for text in ("6 * 7", "x")
    )
    assert "42" in done.content
    assert "is no arithmetic" in refused.content
