"""Text to a WAV file: `python docs/examples/one_shot.py [TTS_MODEL]`."""

import sys

from voicegen import MarvisTTSClient

# "joe" runs anywhere; the document's model is Marvis-AI/marvis-tts-100m-v0.2
client = MarvisTTSClient(sys.argv[1] if len(sys.argv) > 1 else "joe")

audio = client.synthesize("Hello world!")
client.save_wav(audio, "output.wav")

client.stream_to_file("Hello!", "hello.wav")
