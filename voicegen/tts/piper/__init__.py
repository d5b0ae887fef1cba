"""Piper voices: VITS in ONNX, on the CPU."""
