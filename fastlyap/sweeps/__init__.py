"""Sweeps over many parameter points and starts: grids, designs, and runs that outlive the process.

Only the grid is loaded here: every call may need it, and few the rest.
"""

from fastlyap.sweeps.grid import Grid, grid

__all__ = ["Grid", "grid"]
