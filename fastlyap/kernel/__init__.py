"""The machine floor: lane values, elementary functions and the compiled kernels."""
