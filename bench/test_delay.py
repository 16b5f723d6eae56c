"""A delay equation: Mackey-Glass with 4 tangent vectors, against jitcdde at equal error of the state.

The error is that of the state after `TIME` units from a constant history, against steps 32 times smaller; both programs
converge to it. jitcdde's time at our error is read off its own curve of time against error, on logarithmic axes.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import with_jitcdde
from bench.timing import Contender, at_error
from bench.workloads import exponents, sweep

SECTION = "D. Mackey-Glass, delay 17, 4 exponents"
MEMBERS, TIME, DT, EVERY = 256, 200, 0.25, 32
TOLERANCES = 10.0 ** -np.arange(3.0, 8.0)
BATCHES = {"other rates": ("gamma", sweep(0.1, 0.11, MEMBERS)), "other delays": ("tau", sweep(16.0, 18.0, MEMBERS))}

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="delay")
SYSTEM = fl.systems.mackey_glass()


def state(dt: float) -> float:
    """The state at `TIME`."""
    steps = round(TIME / dt)
    return float(fl.trajectory(SYSTEM, steps=steps, every=steps, dt=dt).state[-1, 0])


def ours(name: str, length: float, **batch) -> Contender:
    """Ourselves; the work is in units of time of a member."""
    steps, members = round(length / DT), max([1, *map(np.size, batch.values())])
    return Contender(
        f"fastlyap, {name}",
        lambda: exponents(SYSTEM, parameters=batch, k=4, steps=steps, dt=DT, every=EVERY),
        length * members,
    )


def test_against_jitcdde(compare, book, sizes, absent):
    if reason := absent("jitcdde"):
        return book.add(SECTION, "against jitcdde", note=reason)
    exact = state(DT / 32)
    error = abs(state(DT) - exact)
    errors = [abs(with_jitcdde.mackey_glass(rtol, TIME)[0] - exact) for rtol in TOLERANCES]
    length = 2_000 * sizes.scale
    curve = [
        Contender(f"{rtol:.0e}", lambda rtol=rtol: with_jitcdde.mackey_glass(rtol, length), length)
        for rtol in TOLERANCES
    ]
    us = [ours("one orbit", 10 * length)]
    us += [ours(label, length, **{name: values}) for label, (name, values) in BATCHES.items()]
    found = compare(*us, *curve)
    rounds = [at_error(errors, [found.seconds[c.name][i] for c in curve], error) for i in range(sizes.rounds)]
    labels = ["one orbit", *(f"a member of {MEMBERS} with {other}" for other in BATCHES)]
    for one, label in zip(us, labels, strict=True):
        ratios = np.array(rounds) / np.array(found.seconds[one.name])
        step = found.per_unit(one.name) * DT * 1e9
        book.add(
            SECTION, f"{label}, against jitcdde", float(np.median(ratios)), unit="x", low=float(ratios.min()),
            high=float(ratios.max()), aim=">= 20", note=f"at error {error:.1e}; {step:.3g} ns a step",
        )  # fmt: skip
    return None
