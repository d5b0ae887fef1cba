"""Marvis on MLX: Apple's GPUs, and MLX's own CPU and CUDA backends. The same requests, slots and draws as in torch."""
