"""Kokoro-82M: StyleTTS 2 with an ISTFTNet decoder in ONNX, on the CPU, with many voices by name."""
