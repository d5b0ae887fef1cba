"""A tool that comes along: `chat.tools=[calculate]` lets a model have arithmetic done."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_OPERATORS: Final[Mapping[type[ast.AST], Callable[..., float]]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
)
_FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = MappingProxyType(
    {
        "sqrt": math.sqrt,
        "abs": abs,
        "round": round,
        "min": min,
        "max": max,
        "sin": math.sin,
        "cos": math.cos,
        "log": math.log,
        "exp": math.exp,
    }
)
_CONSTANTS: Final[Mapping[str, float]] = MappingProxyType({"pi": math.pi, "e": math.e})
_LONGEST = 200  # characters of an expression
_LARGEST = 1e100  # of any value on the way: no power takes time or memory


def calculate(expression: str) -> str:
    """Works out an arithmetic expression such as "(3 + 4) * 12 / 5", "2 ** 10" or "sqrt(2)", and gives the number.

    Raises:
        ValueError: it is no arithmetic, is too long or too large; the model is told so.
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters")
    try:
        value = _value(ast.parse(expression.replace("^", "**"), mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{expression!r} is no arithmetic expression") from None
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value: float = number
        case ast.Name(id=name) if name in _CONSTANTS:
            value = _CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=of) if type(sign) in _OPERATORS:
            value = _OPERATORS[type(sign)](_value(of))
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            value = _power(_value(left), _value(right))
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _OPERATORS:
            value = _OPERATORS[type(sign)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            value = _FUNCTIONS[name](*map(_value, arguments))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is no arithmetic")
    if abs(value) > _LARGEST:
        raise ValueError("a number on the way is too large")
    return value


def _power(base: float, exponent: float) -> float:
    if abs(base) > 1 and exponent * math.log10(abs(base)) > math.log10(_LARGEST):
        raise ValueError("a number on the way is too large")
    value = base**exponent
    if isinstance(value, complex):
        raise ValueError("the power of a negative number is no real one")
    return float(value) if isinstance(value, float) else value
