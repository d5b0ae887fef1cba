"""A spoken answer in one call: `python docs/examples/full_pipeline.py [CHAT_MODEL [TTS_MODEL]]`."""

import sys

from voicegen import VoiceChatPipeline

pipeline = VoiceChatPipeline(
    sys.argv[1] if len(sys.argv) > 1 else "smollm2",
    sys.argv[2] if len(sys.argv) > 2 else "joe",
    max_tokens=64,
)
text, audio_path = pipeline.process_message("What is MLX?")
print(text)
print(audio_path)
