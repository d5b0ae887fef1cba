"""What a checkpoint is, by its config and the headers of its files: its weights are neither loaded nor fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

from voicegen.errors import ModelError, VoicegenError
from voicegen.tts.marvis.checkpoint import Checkpoint
from voicegen.tts.marvis.codec_files import codec_form
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig, unknown_fields
from voicegen.tts.marvis.layout import Headers, Layout, is_models, layout_of
from voicegen.tts.marvis.tensor_files import CODEC_PREFIX, Header, read_headers, weight_files
from voicegen.tts.marvis.tokenizer import TOKENIZERS, TextTokenizer
from voicegen.tts.voices import PromptFiles, VoicePrompt

Finding = tuple[str, str]
_MOST_PROBLEMS = 5


def examine(model: str, revision: str | None = None) -> Iterator[Finding]:
    """Yields what there is to say of a checkpoint in a folder or on the hub, each part by name.

    A part that cannot be used says so in its place.

    Raises:
        ModelError: it cannot be found, or its config is none of Marvis.
    """
    checkpoint = Checkpoint.find(model, revision, weights=False)
    files, config = checkpoint.files, checkpoint.config
    yield "checkpoint", ", ".join(part for part in (files.id, files.source, files.revision, files.licence) if part)
    yield "backbone", _sizes(config.backbone)
    yield "depth decoder", _sizes(config.depth)
    yield "vocabulary", f"{config.codebooks} codebooks of {config.audio_vocab} codes; {config.text_vocab} text tokens"
    yield from _weights(checkpoint)
    yield "tokenizer", _attempt(lambda: _tokenizer(checkpoint))
    voices = checkpoint.voices()
    unasked = checkpoint.unasked(voices)
    yield "voices", f"{len(voices)}; where none is named {unasked or 'the model falls into any'} speaks"
    for name, prompt in voices.items():
        yield f"voice {name}", _attempt(lambda name=name, prompt=prompt: _voice(name, prompt))  # type: ignore[misc]
    yield "unknown fields", ", ".join(unknown_fields(checkpoint.fields)) or "none"


def _sizes(part: TransformerConfig) -> str:
    return (
        f"{part.layers} layers, {part.width} wide, {part.heads} heads of {part.head_dim}, {part.kv_heads} key-value "
        f"heads, feed-forward {part.ffn}, context {part.context}"
    )


def _weights(checkpoint: Checkpoint) -> Iterator[Finding]:
    try:
        headers = _headers(checkpoint)
        own = {name: header for name, header in headers.items() if is_models(name)}
        layout = layout_of(own, checkpoint.config, checkpoint.files.id)
    except ModelError as error:
        yield "weights", f"not usable: {error}"
        return
    yield "format", _format(layout, own)
    yield "precision", _precision(own, checkpoint)
    yield "needs", _needs(checkpoint.config, layout.parameters())
    yield "codec", _attempt(lambda: _codec(checkpoint, headers))
    found = list(islice(layout.problems(), _MOST_PROBLEMS))
    if not found:
        yield "tensors", f"all {len(layout.shapes)} that the config asks for, and no other"
    for problem in found:
        yield "tensors", f"the checkpoint{problem}"


def _headers(checkpoint: Checkpoint) -> Headers:
    """Of the files that are here, else of those on the hub."""
    files = weight_files(checkpoint.folder)
    if files or checkpoint.files.source != "hub":
        return read_headers(files)
    from huggingface_hub import get_safetensors_metadata

    try:
        found = get_safetensors_metadata(checkpoint.files.id, revision=checkpoint.files.revision)
    except Exception as error:
        raise ModelError(f"the headers on the hub cannot be read ({error}): download the checkpoint") from None
    parts = [part for file in found.files_metadata.values() for part in file.tensors.items()]
    return {name: Header(tensor.dtype, tuple(tensor.shape)) for name, tensor in parts}


def _format(layout: Layout, own: Headers) -> str:
    if layout.fmt == "transformers":
        return "transformers (CsmForConditionalGeneration)"
    names = "Hugging Face's names" if any(name.endswith("input_layernorm.weight") for name in own) else "torchtune's"
    return f"native, {names}"


def _precision(own: Headers, checkpoint: Checkpoint) -> str:
    kinds = Counter(header.precision for header in own.values())
    said = ", ".join(f"{kind} in {count} tensors" for kind, count in kinds.most_common())
    packed = checkpoint.fields.get("quantization")
    if isinstance(packed, dict):
        said += f"; quantized to {packed.get('bits')} bits in groups of {packed.get('group_size')}"
    return f"{said}; {sum(header.bytes for header in own.values()) / 1e9:.2f} GB"


def _needs(config: MarvisConfig, count: int) -> str:
    sizes = config.backbone
    slot = 2 * sizes.layers * sizes.kv_heads * sizes.context * sizes.head_dim
    return (
        f"{count:,} parameters: {count * 4 / 1e9:.2f} GB of memory in float32, {count * 2 / 1e9:.2f} in bfloat16; each "
        f"take at a time {slot * 4 / 1e6:.0f} MB, or {slot * 2 / 1e6:.0f}"
    )


def _codec(checkpoint: Checkpoint, headers: Headers) -> str:
    if not weight_files(checkpoint.folder) and any(name.startswith(CODEC_PREFIX) for name in headers):
        return "its own, among its tensors"
    return f"{checkpoint.codec}: {codec_form(checkpoint.codec)}"


def _tokenizer(checkpoint: Checkpoint) -> str:
    config = checkpoint.config
    tokenizer = TextTokenizer.load(
        checkpoint.folder,
        checkpoint.text_tokenizer,
        config.text_vocab,
        speaker_prefix_space=config.speaker_prefix_space,
    )
    ids = tokenizer.encode("Hello.")
    beyond = "" if max(ids) < config.text_vocab else f", which the model's {config.text_vocab} tokens do not reach"
    own = "its own" if (checkpoint.folder / "tokenizer.json").is_file() else TOKENIZERS.get(config.text_vocab)
    place = checkpoint.text_tokenizer or own
    return f"{place}; 'Hello.' is {' '.join(map(str, ids))}{beyond}"


def _voice(name: str, prompt: PromptFiles) -> str:
    voice = VoicePrompt.from_files(prompt.audio, prompt.transcript, prompt.mode, name=name)
    words = len(voice.transcript.split())
    rate = words / voice.duration
    return f"{voice.duration:.1f} s, {words} words ({rate:.1f} a second), used as {voice.mode}"


def _attempt(look: Callable[[], str]) -> str:
    try:
        return look()
    except VoicegenError as error:
        return f"not usable: {error}"
