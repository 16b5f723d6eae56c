"""Derivatives of averages with respect to parameters: each method from its formula, on a stored linearised orbit."""
