"""Units of exponents: nats or bits per tick of a clock.

A flow's natural clock is its time, a map's and a cell's the step, a net's the layer; results come in nats per
tick of the natural clock and convert from there.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.storage import storable

NATURAL = {"flow": "time", "delay": "time", "net": "layer"}
TICKS = {"time": "unit time", "step": "step", "layer": "layer", "lyapunov_time": "Lyapunov time"}


@storable
@dataclass(frozen=True, eq=False)
class Unit:
    """A unit of exponents.

    Attributes
    ----------
    log : "nats" or "bits"
    clock : "time", "step", "layer" or "lyapunov_time"
    scale : float or (...) array
        What numbers in the natural unit are multiplied by.
    """

    log: str = "nats"
    clock: str = "step"
    scale: Any = 1.0

    def __str__(self) -> str:
        return f"{self.log} per {TICKS[self.clock]}"


def natural(kind: str) -> Unit:
    """Nats per tick of the natural clock of a system of this kind."""
    return Unit("nats", NATURAL.get(kind, "step"))


def with_clock(unit: Unit, clock: str, *, kind: str, dt: float, largest: np.ndarray) -> Unit:
    """The unit with another clock.

    Parameters
    ----------
    clock : "step", "time" or "lyapunov_time"
        For maps and nets the step, or layer, is the unit of time.
    dt : float
        Time of one step.
    largest : (...)
        Largest exponents in `unit`; where not positive there is no Lyapunov time, and the scale is NaN.
    """
    cast.choice("clock", clock, ("step", "time", "lyapunov_time"))
    own = NATURAL.get(kind, "step")
    scale = abs(dt) if clock == "step" and own == "time" else 1.0
    if clock == "lyapunov_time":
        nats = np.asarray(largest / unit.scale)
        scale = 1.0 / np.where(nats > 0, nats, np.nan)
    elif own != "time":
        clock = own
    return Unit(unit.log, clock, scale * per_nat(unit))


def in_bits(unit: Unit) -> Unit:
    """The unit with bits for nats."""
    return Unit("bits", unit.clock, unit.scale * per_nat(Unit("bits")) / per_nat(unit))


def per_nat(unit: Unit) -> float:
    """How many of the unit's logarithmic units one nat is."""
    return 1.0 / math.log(2.0) if unit.log == "bits" else 1.0
