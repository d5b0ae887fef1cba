"""A fast matrix product for MLX on a Linux CPU, for whoever computes with MLX: chat and speech."""
