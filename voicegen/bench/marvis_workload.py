"""What the Marvis benchmark works on: a checkpoint of true sizes with random weights, and texts of realistic lengths.

The sizes are those of Marvis 100M v0.2. Random weights never say EOS, so every take is given the number of frames at
which it ends; the engine finds that out on the device, frame by frame, as it would find EOS.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from voicegen.tts.marvis.orders import FRAME_RATE, SpeechRequest

if TYPE_CHECKING:
    import torch

    from voicegen.tts.marvis.codec import Codec
    from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
    from voicegen.tts.marvis.engine import Marvis

WORDS = (  # noqa: SIM905 - easier to read
    "the of and to a in is that it was for on are with as his they be at one have this from or had by but some what "
    "there we can out other were all your when up use word how said an each she which do their time if will way about"
).split()


class Normal(Protocol):
    """Draws a matrix (rows, columns), in whose products variances grow by the square of `gain`."""

    def __call__(self, rows: int, columns: int, *, gain: float = 1.0) -> Any: ...  # noqa: D102


def true_sizes() -> MarvisConfig:
    """The sizes of Marvis 100M v0.2: 368,273,408 parameters, which its published 6-bit file fits."""
    from voicegen.tts.marvis.config import MarvisConfig, RopeConfig, TransformerConfig

    rope = RopeConfig(theta=500_000.0, factor=32.0, low=1.0, high=4.0, original_context=8192)

    def part(layers: int, context: int) -> TransformerConfig:
        return TransformerConfig(layers, 1024, 8, 2, 128, 4096, context, 1e-5, rope)

    return MarvisConfig(part(8, 2048), part(4, 33), 49_152, 2051, 32, 0)


def random_parts(config: MarvisConfig, normal: Normal, ones: Callable[[int], Any], layer: Any) -> dict[str, Any]:
    """Random weights of these sizes, by the names that both arithmetics have for them; `heads` is a list.

    Args:
        config: the sizes.
        normal: draws a matrix (rows, columns) whose products have a gain, 1 where it is not said.
        ones: makes a vector.
        layer: what holds a layer's weights.
    """

    def layers(sizes: TransformerConfig) -> tuple[Any, ...]:
        query, key = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        return tuple(
            layer(
                input_norm=ones(sizes.width),
                qkv=normal(query + 2 * key, sizes.width),
                out=normal(sizes.width, query),
                ffn_norm=ones(sizes.width),
                gate_up=normal(2 * sizes.ffn, sizes.width),
                down=normal(sizes.width, sizes.ffn),
            )
            for _ in range(sizes.layers)
        )

    backbone, depth = config.backbone, config.depth
    audio = normal(config.codebooks * config.audio_vocab, backbone.width, gain=10.0)
    return {
        "text_embeddings": normal(config.text_vocab, backbone.width, gain=32.0),
        "audio_embeddings": audio,
        "depth_embeddings": audio,
        "projection": normal(depth.width, backbone.width),
        "first_head": normal(config.audio_vocab, backbone.width, gain=4.0),
        "heads": [normal(config.audio_vocab, depth.width, gain=4.0) for _ in range(config.codebooks - 1)],
        "backbone": layers(backbone),
        "backbone_norm": ones(backbone.width),
        "depth": layers(depth),
        "depth_norm": ones(depth.width),
    }


def random_model(config: MarvisConfig, device: torch.device, dtype: torch.dtype) -> Any:
    """A `MarvisModel` of these sizes, its weights drawn on the device."""
    import torch

    from voicegen.tts.marvis.model import MarvisModel
    from voicegen.tts.marvis.weights import LayerWeights, MarvisWeights

    generator = torch.Generator(device).manual_seed(0)

    def normal(rows: int, columns: int, *, gain: float = 1.0) -> torch.Tensor:
        values = torch.randn((rows, columns), generator=generator, device=device, dtype=torch.float32)
        return (values * (gain / math.sqrt(columns))).to(dtype)

    def ones(width: int) -> torch.Tensor:
        return torch.ones(width, device=device, dtype=dtype)

    parts = random_parts(config, normal, ones, LayerWeights)
    weights = MarvisWeights(**{**parts, "heads": torch.stack(parts["heads"])})
    return MarvisModel(config, weights, device, dtype)


class WordTokenizer:
    """One token a word of about four characters, as a trained tokenizer gives for plain text."""

    def encode(self, text: str, speaker: int = 0) -> list[int]:
        """Token ids, between a begin and an end token."""
        return [1, 3 + speaker, *(10 + hash_of(word) % 40_000 for word in text.split()), 2]


def hash_of(word: str) -> int:
    """A number of a word that is the same in every process."""
    return int.from_bytes(word.encode()[:8].ljust(8, b"\0"), "little") % 1_000_003


def random_codec(device: torch.device, dtype: torch.dtype) -> Codec:
    """Mimi of its true sizes with random weights."""
    import torch
    from transformers import MimiConfig, MimiModel

    from voicegen.tts.marvis.codec import Codec
    from voicegen.tts.marvis.torch_mimi import TorchMimi

    torch.manual_seed(0)
    return Codec(TorchMimi(MimiModel(MimiConfig(num_quantizers=32)), device, dtype))


def random_engine(
    device: torch.device, dtype: torch.dtype, slots: int, codec: str | Codec, *, exact: bool = True, **options: int
) -> Marvis:
    """An engine with random weights of true sizes; a codec that is named is loaded when it is needed.

    `options` are the engine's own.
    """
    from voicegen.records import ModelInfo
    from voicegen.tts.marvis.engine import Marvis
    from voicegen.tts.marvis.runners import TorchRunners

    model = random_model(true_sizes(), device, dtype)
    info = ModelInfo(id="random weights of Marvis 100M's sizes", backend="marvis")
    runners = TorchRunners(model, exact=exact)
    return Marvis(runners, WordTokenizer(), info=info, codec=codec, slots=slots, **options)  # type: ignore[arg-type]


def workload(utterances: int, seed: int = 0) -> list[SpeechRequest]:
    """Requests whose takes last 2 to 20 s with a long tail (log-normal, median 5 s), with text to match."""
    rng = random.Random(seed)
    requests = []
    for index in range(utterances):
        seconds = min(20.0, max(2.0, rng.lognormvariate(math.log(5.0), 0.55)))
        text = " ".join(rng.choice(WORDS) for _ in range(max(3, round(seconds * 3))))
        requests.append(SpeechRequest(text, seed=index, max_frames=round(seconds * FRAME_RATE)))
    return requests


def fading(slots: int) -> list[SpeechRequest]:
    """Short requests of which half end at a time, so that every smaller batch comes by and its kernels are compiled."""
    return [
        SpeechRequest(
            "some words to warm up with", seed=index, max_frames=3 + 3 * (slots.bit_length() - index.bit_length())
        )
        for index in range(slots)
    ]


def audio_seconds(requests: list[SpeechRequest]) -> float:
    """Seconds of audio that the requests will give."""
    return sum(request.max_frames or 0 for request in requests) / FRAME_RATE


def write_wavs(folder: Path) -> Any:
    """A function that writes a `Speech` record as a WAV in a thread of a pool; its `shutdown` waits for all."""
    from concurrent.futures import ThreadPoolExecutor

    from voicegen.audio.audio_file import encode_audio

    pool = ThreadPoolExecutor(4)
    folder.mkdir(parents=True, exist_ok=True)

    def write(speech: Any) -> None:
        data = encode_audio(speech.samples, speech.sampling_rate)
        (folder / f"{speech.utterance.index:06d}.wav").write_bytes(data)

    def submit(speech: Any) -> None:
        pool.submit(write, speech)

    submit.shutdown = pool.shutdown  # type: ignore[attr-defined]
    return submit
