"""A conversation that remembers: `python docs/examples/chat.py [CHAT_MODEL]`."""

import sys

from voicegen import ChatSession

# "smollm2" runs anywhere; on a Mac with 16 GB try mlx-community/gpt-oss-20b-MXFP4-Q8
model = sys.argv[1] if len(sys.argv) > 1 else "smollm2"

session = ChatSession(model, system_prompt="Be brief.", max_tokens=64)

print(session.chat("What is MLX?"))
print(session.chat("Count to three."))

for message in session.get_history():
    print(f"{message.role}: {message.content}")

session.save("conversation.jsonl")
session.clear_history(keep_system=True)
