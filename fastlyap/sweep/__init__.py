"""Sweeps over many parameter points and starts."""

from fastlyap.sweep.grid import Grid, grid

__all__ = ["Grid", "grid"]
