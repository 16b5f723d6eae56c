"""Interleaved timing: A B A B ..., so that a slow minute of the machine slows everybody down.

A ratio is taken within each round; reported are its median over the rounds and its range.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Contender:
    """A program to be timed.

    name : as it stands in the table
    run : does `work` units of work and returns the exponents
    work : e.g. member-steps, flops, units of time
    """

    name: str
    run: Callable[[], Any]
    work: float


class Ratio(NamedTuple):
    """How many times longer somebody takes for a unit of work: median and range over the rounds."""

    value: float
    low: float
    high: float


@dataclass
class Timing:
    """Seconds per unit of work, for each contender and round; the first call, which compiles, apart."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)

    def per_unit(self, name: str) -> float:
        """Median seconds per unit of work."""
        return float(np.median(self.seconds[name]))

    def rate(self, name: str) -> float:
        """Units of work per second."""
        return 1.0 / self.per_unit(name)

    def ratio(self, slow: str, fast: str) -> Ratio:
        """Time of `slow` over time of `fast`, per unit of work."""
        rounds = np.array(self.seconds[slow]) / np.array(self.seconds[fast])
        return Ratio(float(np.median(rounds)), float(rounds.min()), float(rounds.max()))

    def best(self, names: list[str]) -> str:
        """The fastest of these."""
        return min(names, key=self.per_unit)

    def compile_seconds(self, contender: Contender) -> float:
        """What the first call took beyond a later one."""
        return max(0.0, self.first[contender.name] - contender.work * self.per_unit(contender.name))


def interleave(everyone: list[Contender], rounds: int, clock: Callable[[], float] = time.process_time) -> Timing:
    """Time all contenders in turn, `rounds` times, after one call of each that is not counted."""
    timing = Timing()
    for contender in everyone:
        start = clock()
        contender.run()
        timing.first[contender.name] = clock() - start
    for _ in range(rounds):
        for contender in everyone:
            note(timing, contender, clock)
    return timing


def note(timing: Timing, contender: Contender, clock: Callable[[], float]) -> None:
    """Time one run of one contender."""
    start = clock()
    contender.run()
    spent = (clock() - start) / contender.work
    timing.seconds.setdefault(contender.name, []).append(spent)


def at_error(errors: list[float], seconds: list[float], error: float) -> float:
    """Seconds at `error` on the straight pieces between the measured points; the end pieces go on."""
    order = np.argsort(errors)
    x, y = np.log(np.array(errors)[order]), np.log(np.array(seconds)[order])
    i = int(np.clip(np.searchsorted(x, np.log(error)), 1, len(x) - 1))
    slope = (y[i] - y[i - 1]) / (x[i] - x[i - 1])
    return float(np.exp(y[i] + slope * (np.log(error) - x[i])))
