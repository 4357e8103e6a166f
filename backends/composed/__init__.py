"""Lookups composed of a library's array operations: CuPy, MLX, Numba, SciPy and tinygrad."""
