"""What a stream of speech returns when it is over."""

from voicegen.protocols import SpeechStream
from voicegen.records import FinishReason


def ending(stream: SpeechStream) -> FinishReason:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            reason: FinishReason = end.value
            return reason
