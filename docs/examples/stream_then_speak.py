"""Text while it is generated, then its sound: `python docs/examples/stream_then_speak.py [CHAT_MODEL [TTS_MODEL]]`."""

import sys

from voicegen import ChatSession, MarvisTTSClient

chat = ChatSession(sys.argv[1] if len(sys.argv) > 1 else "smollm2", max_tokens=64)
tts = MarvisTTSClient(sys.argv[2] if len(sys.argv) > 2 else "joe")

# Stream text for the user to see
full_response = ""
print("Assistant: ", end="", flush=True)
for token in chat.chat_stream("What is MLX?"):
    print(token, end="", flush=True)
    full_response += token
print()

# Then synthesize the complete response
audio = tts.synthesize(full_response)
tts.save_wav(audio, "response.wav")
