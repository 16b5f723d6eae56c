"""Pictures of results. Each function returns the Matplotlib `Axes` and touches no global state."""

from fastlyap.plot.directions import angles, ftle_map, vectors
from fastlyap.plot.estimates import gradients
from fastlyap.plot.norms import gradient_norms
from fastlyap.plot.orbits import bifurcation, trajectory
from fastlyap.plot.spectra import convergence, spectrum
from fastlyap.plot.sweeps import sweep

__all__ = [
    "angles", "bifurcation", "convergence", "ftle_map", "gradient_norms", "gradients", "spectrum", "sweep",
    "trajectory", "vectors",
]  # fmt: skip
