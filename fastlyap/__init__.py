"""fastlyap: Lyapunov analysis, and gradients that survive chaos, at sweep scale.

The public names; each is imported from its room when first used, so that importing the package stays light.
"""

import importlib
from typing import Any

from fastlyap._version import __version__

_ROOMS = {
    "InputError": "errors", "Interrupted": "errors", "MemberError": "errors", "Status": "status",
    "System": "system", "flow": "system", "iterated_map": "system", "check": "checking",
    "spectrum": "lyapunov", "maximal": "lyapunov", "trajectory": "lyapunov", "plan": "plans",
    "vectors": "directional", "Vectors": "machines.vectors_result",
    "finite_time": "directional", "FiniteTime": "machines.finite_time_result",
    "gali": "indicators", "Gali": "machines.alignment_result",
    "kaplan_yorke": "statistics", "Spectrum": "result", "Trajectory": "result", "save": "storage", "load": "storage",
    "grid": "sweeps.grid", "design": "sweeps.points", "sweep": "sweeps.verb", "open_sweep": "sweeps.opened",
    "Sweep": "sweeps.opened",
    "exponent_gradient": "exponent_gradients", "ExponentGradient": "machines.exponent_gradient_result",
    "gradient": "gradients", "Gradient": "machines.gradient_result", "average": "objective", "terminal": "objective",
    "Backprop": "method", "KernelDifferentiation": "method", "PathKernel": "method", "FiniteDifference": "method",
    "Shadowing": "method", "FastResponse": "method",
    "mean_field": "networks.mean_field", "MeanField": "networks.mean_field",
    "critical_sigma_w": "networks.mean_field",
    "diagnose": "diagnosis", "Diagnosis": "diagnosis",
}  # fmt: skip
_MODULES = ("math", "systems", "networks", "loss", "plot", "bridges")

__all__ = ["__version__", *_ROOMS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(importlib.import_module(f"fastlyap.{_ROOMS[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"fastlyap.{name}")
    raise AttributeError(f"module 'fastlyap' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
