"""`voicegen chat`: talk with the model in the terminal; it answers aloud."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicegen.backend import B, Backends
from voicegen.chat.backends import CHAT
from voicegen.commands.flags import HELP_IN_SHORT, CommandLine, read_words, refuse_words
from voicegen.config import JobConfig, VoiceChatConfig
from voicegen.errors import ConfigError, InputError
from voicegen.job.composing import launch
from voicegen.tts.backends import SPEECH

if TYPE_CHECKING:
    from pydantic import BaseModel

    from voicegen.voicechat.page import Page
    from voicegen.voicechat.pipeline import VoiceChatPipeline
    from voicegen.voicechat.recording import ChatRecorder

USAGE = f"""\
usage: voicegen chat [KEY=VALUE ...] [flags]

Talk with a language model; its answers are spoken, and kept as WAVs in outputs/chat.

  --chat-model MODEL      chat.model=      a folder, a starter model, a Hugging Face name, or URL#MODEL
  --tts-model MODEL       tts.model=       likewise: a Piper voice or a Marvis checkpoint
  --preset NAME           preset=          starter (default; needs no download) or marvis
  --system-prompt TEXT    chat.system_prompt=
  --max-tokens N          chat.max_tokens=   shorter answers are spoken sooner
  --voice NAME            voice.names=     one of the speech model's voices
  --stream                voicechat.stream=true      show and speak an answer while it is written
  --play                  voicechat.play=true        play the answers
  --device NAME           voicechat.device=          which audio device, by number or name; implies --play
  --output-dir FOLDER     output_dir=      where the WAVs go, as response_<timestamp>.wav
  --no-save-audio         voicechat.save_audio=false without --play: answer in writing only
  --mcp COMMAND           offer an MCP server's tools to the model: the command that starts it, its URL, or its name
  --record FOLDER         voicechat.record=          keep the chat as a dataset, with WAVs and manifest.parquet
  --docs FILE.npz         retrieval=vectordb retrieval.path=   answer with what is in your documents (voicegen index)
  --single TEXT           one question, one spoken answer; - reads it from standard input
{HELP_IN_SHORT}
In the chat: /help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves. Questions may also come through a pipe,
one a line; answers go to standard output, everything else to standard error.

exit codes: 0 done; 1 an unexpected error; 2 bad usage or config; 3 with --single, the answer could not be spoken;
130 interrupted
"""


VALUES = (
    "--chat-model", "--tts-model", "--preset", "--system-prompt", "--max-tokens", "--voice", "--device", "--output-dir",
    "--record", "--docs", "--single", "--mcp",
)  # fmt: skip
_KEYS = {
    "--chat-model": "chat.model",
    "--tts-model": "tts.model",
    "--system-prompt": "chat.system_prompt",
    "--output-dir": "output_dir",
    "--device": "voicechat.device",
    "--record": "voicechat.record",
    "--docs": "retrieval.path",
}
_SWITCH_SETTINGS = {
    "--stream": {"voicechat.stream": True},
    "--play": {"voicechat.play": True},
    "--no-save-audio": {"voicechat.save_audio": False},
}
SWITCHES = tuple(_SWITCH_SETTINGS)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES)
    refuse_words(line)
    words = replace(line.config, overrides=[*_chosen(line), *line.config.overrides], settings=_settings(line))
    return launch(words, lambda config: _chat(config, line.values.get("--single"), line.values.get("--mcp")))


def _chosen(line: CommandLine) -> Iterator[str]:
    """What a chat chooses, and what its flags do, before the overrides."""
    yield "name=chat"  # a run's default name would put a chat's WAVs among those of the first run
    yield "voicechat=default"
    if "--docs" in line.values:
        yield "retrieval=vectordb"
    if "--preset" in line.values:
        yield f"preset={line.values['--preset']}"
    if (voice := _owner(line, "tts", SPEECH)) is not None:
        yield f"tts={voice.kind}"
    if (model := _owner(line, "chat", CHAT)) not in (None, CHAT.usual):  # a preset has the usual one with its settings
        yield f"chat={model.kind}"


def _owner(line: CommandLine, group: str, backends: Backends[B]) -> B | None:
    """The backend of the model that a flag names, unless an override chooses one."""
    name = line.values.get(f"--{group}-model")
    chosen = any(word.startswith(f"{group}=") for word in line.config.overrides)
    return None if name is None or chosen else backends.owner(name)


def _chat(config: JobConfig, single: str | None, server: str | None) -> int:
    from voicegen.voicechat.page import Page
    from voicegen.voicechat.terminal import ChatTerminal, is_interactive, piped_lines, typed_lines

    settings = config.voicechat
    if settings is None:
        raise ConfigError("a chat needs its settings: voicechat=default")
    if config.speak != "answer":
        raise ConfigError(f"speak={config.speak} is for `voicegen run`: a chat speaks answers alone; leave it out")
    if config.text.rewrite is not None:
        raise ConfigError("text.rewrite=chat is for `voicegen run`: a chat speaks while it writes; leave it out")
    if config.c2pa.certificate is not None:
        raise ConfigError("c2pa.certificate is for `voicegen run` and `synth`: the audio of a chat is not signed")
    question = _question(single)
    page = Page()
    with ExitStack() as stack:
        pipeline, recorder = _open(config, settings, server, page, stack)
        interactive = question is None and is_interactive()
        keep_reasoning = getattr(config.chat, "keep_reasoning", False)
        terminal = ChatTerminal(pipeline, page, recorder, stays=interactive, keep_reasoning=keep_reasoning)
        if question is not None:
            reply = terminal.ask(question)
            return 0 if reply.text and reply.verdict.status == "ok" else 3
        if interactive:
            page.note("/help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves")
        lines = typed_lines(_history_file()) if interactive else piped_lines(sys.stdin)
        with closing(lines):
            terminal.talk(lines)
    return 0


def _open(
    config: JobConfig, settings: VoiceChatConfig, server: str | None, page: Page, stack: ExitStack
) -> tuple[VoiceChatPipeline, ChatRecorder | None]:
    """Loads the models and opens what the chat needs; `stack` closes it."""
    from voicegen import build
    from voicegen.chat.tool_servers import ToolServer, tools_of
    from voicegen.chat.tools import load_tools
    from voicegen.voicechat.pipeline import VoiceChatPipeline, prepare_folder
    from voicegen.voicechat.playback import StreamPlayer, sound_card
    from voicegen.voicechat.recording import ChatRecorder

    wording = config.wording
    if settings.speaks and wording.remark is not None:
        page.note(wording.remark)
    open_stream = sound_card(settings.device) if settings.play else None
    tools = load_tools(getattr(config.chat, "tools", ()))
    build.look(config, speaks=settings.speaks)
    servers = [*map(ToolServer.named, settings.mcp_servers), *([] if server is None else [ToolServer.given(server)])]
    for name, added in stack.enter_context(tools_of(servers, tools)).items():
        page.note(f"tools of {name}: {', '.join(added)}")
    if settings.save_audio:
        prepare_folder(config.folder)
    page.note(f"loading {' and '.join(_names(config.chat, *([config.tts] if settings.speaks else [])))}")
    voice = build.speech_model(config) if settings.speaks else None
    model = build.chat_model(config)
    pipeline = stack.enter_context(
        VoiceChatPipeline(
            model,
            voice,
            system_prompt=getattr(config.chat, "system_prompt", None),
            output_dir=config.folder,
            save_audio=settings.save_audio,
            stream=settings.stream,
            voice=next(iter(config.voice.names), None),
            wording=wording,
            format=config.tts.format,
            subtype=config.tts.subtype,
            player=StreamPlayer(voice.sample_rate, open_stream) if voice and open_stream else None,
            seed=config.seed,
            **config.chat.generation,
        )
    )
    pipeline.session.tools = tools
    if config.retrieval is not None:
        find = build.finder(config.retrieval)
        pipeline.session.find = lambda question: find([question])[0]
    if settings.record is None or voice is None:
        return pipeline, None
    recorder = ChatRecorder(
        settings.record,
        pipeline,
        identity={
            **{key: value for key, value in config.identity().items() if not key.startswith("questions.")},
            **build.documents_identity(config.retrieval),
        },
        models={"chat": model.info, "tts": voice.info},
        language=config.tts.language,
        consents=config.voice.consents,
        audio=config.tts.audio,
        overwrite=config.overwrite,
    )
    return pipeline, stack.enter_context(recorder)


def _names(*backends: BaseModel) -> Iterator[str]:
    """Of the models; of a backend that has none, its kind."""
    for settings in (backend.model_dump() for backend in backends):
        yield settings.get("model", settings["kind"])


def _question(single: str | None) -> str | None:
    from voicegen.voicechat.terminal import tolerant

    if single is None:
        return None
    question = (tolerant(sys.stdin).read() if single == "-" else single).strip()
    if not question:
        raise InputError("--single: the question is empty")
    return question


def _history_file() -> Path:
    from platformdirs import user_state_path

    return user_state_path("voicegen", appauthor=False) / "chat_history"


def _settings(line: CommandLine) -> dict[str, Any]:
    """The settings that the flags stand for."""
    settings: dict[str, Any] = {key: line.values[flag] for flag, key in _KEYS.items() if flag in line.values}
    for backend, group in ((_owner(line, "chat", CHAT), "chat"), (_owner(line, "tts", SPEECH), "tts")):
        if backend is not None:
            del settings[f"{group}.model"]
            named = backend.settings_of(line.values[f"--{group}-model"])
            settings |= {f"{group}.{key}": value for key, value in named.items()}
    for flag in line.switches:
        settings |= _SWITCH_SETTINGS[flag]
    if (longest := line.values.get("--max-tokens")) is not None:
        settings["chat.max_tokens"] = int(longest) if longest.isdecimal() else longest
    if "--device" in line.values:
        settings["voicechat.play"] = True
    if "--voice" in line.values:
        settings["voice.names"] = [line.values["--voice"]]
    return settings
