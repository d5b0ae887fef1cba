"""Whether a model on MLX begins its replies with the answer, where its template leaves that open."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from voicegen.chat.mlx.kv import prefill
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.reading.beginning import SHORT_ANSWER, Beginning, short_question


def found_beginning(model: Any, template: ChatTemplate) -> Beginning:
    """What the template tells; else a short question shows whether text may be given as it comes, or must be held.

    It takes at most `SHORT_ANSWER` tokens. A reply is never taken for reasoning because another one was: what is held
    is judged alone.
    """
    if template.begins is not Beginning.UNKNOWN:
        return template.begins
    parser = template.parser()
    cache = make_prompt_cache(model)
    fed = template.render(short_question())
    for _ in range(SHORT_ANSWER):
        token = int(mx.argmax(prefill(model, cache, fed)).item())  # type: ignore[arg-type]
        if any(delta.text for delta in parser.feed(token)):  # text is given when it is known what it is
            break
        if token in template.stop_tokens or parser.stopped:
            parser.finish()
            break
        fed = [token]
    return Beginning.LIKELY_ANSWER if parser.began is Beginning.ANSWER else Beginning.UNKNOWN
