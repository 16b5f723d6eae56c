"""The plain path: every number from its formula, in NumPy, on dual numbers; blind to the compiled kernels."""
