import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tests.scripted_chat import ScriptedChatModel
from voicegen.chat import ChatSession
from voicegen.chat.conversation.options import generation_options
from voicegen.errors import ConfigError
from voicegen.protocols import GenerationOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 2.5), ("max_tokens", "9"), ("max_tokens", True),
        ("temperature", math.nan), ("temperature", -1), ("temperature", math.inf), ("temperature", None),
        ("top_p", 5), ("top_p", -0.1), ("top_k", -3), ("top_k", 1.5), ("min_p", 2), ("repetition_penalty", 0),
        ("repetition_penalty", math.nan), ("seed", 0.5), ("reasoning_effort", "huge"), ("reasoning_effort", ["low"]),
        ("stop", "###"), ("stop", [""]), ("stop", [5]), ("stop", None),
    ],
)  # fmt: skip
def test_a_value_that_an_option_cannot_have_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name}=.*: it must be "):
        ChatSession(ScriptedChatModel(), **{name: value})


def test_every_default_is_a_value_that_may_be_given() -> None:
    default = GenerationOptions()
    assert generation_options({field.name: getattr(default, field.name) for field in fields(default)}) == default


def test_numbers_of_any_kind_and_the_ends_of_the_ranges_are_taken() -> None:
    given = {"max_tokens": np.int64(1), "temperature": 5, "top_p": np.float32(1), "top_k": 0, "min_p": 0, "seed": -7}
    assert generation_options(given).max_tokens == 1
    assert generation_options({"reasoning_effort": "high"}).reasoning_effort == "high"
