"""voicegen: a file of questions in, a speech dataset out.

The names below are loaded when they are first used; importing the package loads the standard library alone.
"""

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from voicegen.audio.mel import LogMel
    from voicegen.chat import ChatSession, Message, Role
    from voicegen.commands.run import run
    from voicegen.dataset.torch_dataset import SpeechDataset, collate, load_manifest
    from voicegen.tts.client import MarvisTTSClient, TTSConfig, batch_synthesize
    from voicegen.voicechat.pipeline import VoiceChatPipeline

__all__ = [
    "ChatSession",
    "LogMel",
    "MarvisTTSClient",
    "Message",
    "Role",
    "SpeechDataset",
    "TTSConfig",
    "VoiceChatPipeline",
    "__version__",
    "batch_synthesize",
    "collate",
    "load_manifest",
    "run",
]


__getattr__ = lazily(
    __name__,
    {
        "ChatSession": "voicegen.chat",
        "LogMel": "voicegen.audio.mel",
        "MarvisTTSClient": "voicegen.tts.client",
        "Message": "voicegen.chat",
        "Role": "voicegen.chat",
        "SpeechDataset": "voicegen.dataset.torch_dataset",
        "TTSConfig": "voicegen.tts.client",
        "VoiceChatPipeline": "voicegen.voicechat.pipeline",
        "batch_synthesize": "voicegen.tts.client",
        "collate": "voicegen.dataset.torch_dataset",
        "load_manifest": "voicegen.dataset.torch_dataset",
        "run": "voicegen.commands.run",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
