"""An answer as it is generated: `python docs/examples/streaming.py [CHAT_MODEL]`."""

import sys

from voicegen import ChatSession

session = ChatSession(sys.argv[1] if len(sys.argv) > 1 else "smollm2", max_tokens=64)

print("Assistant: ", end="", flush=True)
for piece in session.chat_stream("What is MLX?"):
    print(piece, end="", flush=True)
print()
