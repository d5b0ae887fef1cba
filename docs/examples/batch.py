"""Many texts to numbered WAV files: `python docs/examples/batch.py [TTS_MODEL]`."""

import sys

from voicegen import batch_synthesize

questions_and_answers = [
    "What is MLX? MLX is Apple's array framework.",
    "How fast is it? Very fast.",
    "Who made it? Apple's researchers.",
]

batch_synthesize(
    questions_and_answers,
    output_dir="var/audio_dataset",
    prefix="qa",
    model=sys.argv[1] if len(sys.argv) > 1 else "joe",
)
# Creates: qa_000.wav, qa_001.wav, qa_002.wav
