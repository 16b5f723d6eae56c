"""Pictures of results. Each function returns the Matplotlib `Axes` and touches no global state."""

from fastlyap.plot.orbits import bifurcation, trajectory
from fastlyap.plot.spectra import convergence, spectrum
from fastlyap.plot.sweeps import sweep

__all__ = ["bifurcation", "convergence", "spectrum", "sweep", "trajectory"]
