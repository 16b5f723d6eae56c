"""What `fl.exponent_gradient` returns: exponents of a finite run and their exact derivatives."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastlyap import summary, units
from fastlyap.result import Result
from fastlyap.status import Status
from fastlyap.storage import storable
from fastlyap.units import Unit


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ExponentGradient(Result):
    """Exponents of one finite run, and the derivatives of these numbers.

    Attributes
    ----------
    exponents : (..., k)
        Mean logarithms of the diagonal of R after the transient, in the order of the frame, which is not sorted; nats
        per unit time (flows) or per step.
    gradient : dict of name to (..., k, own shape), or (..., own shape) with weights
        Derivatives of each exponent, or of their weighted sum, by each parameter and by "x0".
    weights : (..., k) or None
        Those of the exponents.
    growth : (...)
        Rate at which the covectors of the state grew on the way back, per unit of time.
    status, failed_step, parameters, x0, dims, system, settings
        As in `Spectrum`. `UNTRUSTED` where the covectors of the state grew so much that the derivatives are those of
        this one run and tell nothing of the exponents of a long one; `DEGENERATE` where a direction was lost.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"x0": ("component",), "growth": ()}

    exponents: np.ndarray
    gradient: dict[str, np.ndarray]
    weights: np.ndarray | None
    growth: np.ndarray

    @property
    def unit(self) -> Unit:
        """Of the exponents."""
        return units.natural(self.system.kind)

    def to_xarray(self) -> Any:
        """The result as an `xarray.Dataset`; the gradient by `a` is `gradient_a`."""
        found = super().to_xarray()
        front = (*self.dims, *(() if self.weights is not None else ("exponent",)))
        for name, values in self.gradient.items():
            own = [f"{name}_{i}" for i in range(np.ndim(values) - len(front))]
            found[f"gradient_{name}"] = ((*front, *own), values)
        return found

    def __repr__(self) -> str:
        k, what = self.exponents.shape[-1], "each" if self.weights is None else "their weighted sum"
        lines = [f"ExponentGradient of {self.system.name}: {k} exponent{'s' * (k > 1)}, {summary.batch(self)}"]
        if not self.status.ndim:
            lines.append(f"  {self.unit}: " + ", ".join(f"{value:.6g}" for value in self.exponents[: summary.SHOWN]))
        lines.append(f"  gradient of {what} by {', '.join(self.gradient)}")
        told = [Status(int(code)).name for code in self.status.ravel()]
        lines.append(f"  {self.message()}" if not self.status.ndim else f"  status: {summary.tally(np.array(told))}")
        return "\n".join(lines)
