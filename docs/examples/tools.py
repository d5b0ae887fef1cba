"""A model that looks things up: `python docs/examples/tools.py [CHAT_MODEL]`.

It takes a model that was trained to call tools, such as gpt-oss or Qwen3.
"""

import sys

from voicegen import ChatSession

DOCS = {
    "mlx arrays": "MLX arrays are lazy and live in shared memory.",
    "mlx devices": "MLX runs on the CPU and the GPU.",
}

session = ChatSession(sys.argv[1] if len(sys.argv) > 1 else "mlx-community/gpt-oss-20b-MXFP4-Q8", max_tokens=256)

# Register tools
session.register_tool(
    name="search",
    description="Search documentation",
    callback=lambda q: [text for topic, text in DOCS.items() if topic in q.lower()],
)

# The model can call tools
response = session.execute_tool_loop("Find info about MLX arrays")
print(response)
