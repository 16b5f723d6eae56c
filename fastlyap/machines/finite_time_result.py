"""What `fl.finite_time` returns: growth over one finite stretch, and the directions that go with it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastlyap import summary, units
from fastlyap.result import Result
from fastlyap.storage import storable
from fastlyap.units import Unit


@storable
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FiniteTime(Result):
    """Finite-time exponents: logarithms of the singular values of the product of all steps, over the time.

    Attributes
    ----------
    exponents : (..., k)
        In nats per unit time (flows; of |dt|), per step (maps) or per layer (networks), largest first; failed members
        hold NaN. Of networks the last batch axis is that of the samples. -inf where rank is lost, as on dead paths.
    change : (..., k)
        By how much the log singular values (not divided by the time) changed in the last sweep, in nats.
    right : (..., k, n)
        Unit vectors at the start that grow by those factors: the directions of greatest sensitivity.
    left : (..., k, n)
        Unit vectors at the end that they grow into.
    n_sweeps : (...) int64
        Sweeps, there and back, that each member took.
    state : (..., n)
        Where the stretch ends. Of networks `left` and `state` are as wide as the last layer.
    conditioning : (...)
        Largest conditioning of the frame met between two reorthonormalisations.
    status, failed_step, parameters, x0, dims, system, settings
        As in `Spectrum`; `NOT_CONVERGED` where singular values so close that the sweeps had not told them apart.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "right": ("exponent", "component"),
        "left": ("exponent", "component"),
        "state": ("component",),
    }

    exponents: np.ndarray
    change: np.ndarray
    right: np.ndarray
    left: np.ndarray
    n_sweeps: np.ndarray
    state: np.ndarray
    conditioning: np.ndarray

    def __repr__(self) -> str:
        return summary.finite_time(self)

    def axes(self, name: str) -> tuple[str, ...]:
        """Names of the axes behind the batch's; the two ends of a network need not be equally wide."""
        found = super().axes(name)
        if self.system.kind == "net" and name in ("left", "state"):
            return (*found[:-1], "output")
        return found

    @property
    def unit(self) -> Unit:
        """Of the exponents."""
        return units.natural(self.system.kind)

    @property
    def n_dead(self) -> np.ndarray:
        """(...) How many of the exponents are -inf: directions that nothing comes through, dead units for instance."""
        return np.isneginf(self.exponents).sum(axis=-1)[()]

    @property
    def duration(self) -> float:
        """Length of the stretch in units of time (flows), steps (maps) or layers (networks), positive."""
        return self.settings["steps"] * abs(self.settings["dt"] or 1.0)

    @property
    def log_singular_values(self) -> np.ndarray:
        """(..., k) Logarithms of the singular values themselves, nats."""
        return self.exponents * self.duration
