"""How fast this machine is at what people run: rates per workload, compilation apart, in about half a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlyap import gradients, hardware, lyapunov, networks, objective, systems
from fastlyap.directional import vectors

ROUNDS = 3
SECONDS = 1.0  # that a timed call should last


class Workload(NamedTuple):
    """A call of `steps` steps, the members it moves, and what a unit of its rate is."""

    call: Callable[[int], Any]
    members: int
    unit: str
    steps: int  # of the first timed call, from which the length of the others follows


class Line(NamedTuple):
    """What a workload came to."""

    name: str
    rate: float  # units per second, all cores
    unit: str
    first: float  # seconds of the first call of a few steps: compilation, or loading of what was compiled before


def workloads() -> dict[str, Workload]:
    """The calls of the card."""
    lorenz, ring, henon = systems.lorenz63(), systems.lorenz96(40), systems.henon()
    height = objective.average(lambda x, p: x.z)
    rho, many = np.linspace(25.0, 100.0, 4096), np.linspace(25.0, 50.0, 64)
    quiet: dict[str, Any] = {"transient": 0, "progress": False}

    def spectrum(system: Any, **more: Any) -> Callable[[int], Any]:
        return lambda steps: lyapunov.spectrum(system, steps=steps, **quiet, **more)

    def shadowing(steps: int) -> Any:
        return gradients.gradient(
            lorenz, height, "rho", parameters={"rho": many}, steps=steps, transient=100, progress=False
        )

    return {
        "Henon, 16 384 points": Workload(
            spectrum(henon, parameters={"a": np.linspace(1.0, 1.4, 16_384)}), 16_384, "member-steps/s", 200
        ),
        "Lorenz 63, one orbit": Workload(spectrum(lorenz), 1, "steps/s", 100_000),
        "Lorenz 63, 4 096 points": Workload(spectrum(lorenz, parameters={"rho": rho}), 4_096, "member-steps/s", 200),
        "Lorenz 96, 40 exponents, 64 orbits": Workload(
            spectrum(ring, x0=ring.x0 + 0.01 * np.arange(64)[:, None]), 64, "member-steps/s", 100
        ),
        "Lorenz 63, covariant vectors, 256 points": Workload(
            lambda steps: vectors(lorenz, parameters={"rho": rho[::16]}, steps=steps, store=False, progress=False),
            256, "member-steps/s", 1_000,
        ),
        "random network of 200 units, 50 exponents": Workload(
            spectrum(networks.random_rnn(200, g=2.0, seed=0), k=50), 1, "steps/s", 200
        ),
        "Lorenz 63, shadowing gradients, 64 x 16 orbits": Workload(shadowing, 1024, "member-steps/s", 2_000),
    }  # fmt: skip


def measured(name: str, work: Workload) -> Line:
    """The best of a few rounds: what else the machine does can only make a call slower."""
    begin = time.perf_counter()
    work.call(work.steps)
    first = time.perf_counter() - begin
    steps = work.steps
    seconds = _timed(work, steps)
    steps = max(work.steps, int(steps * min(SECONDS / max(seconds, 1e-6), 50.0)))
    best = min(_timed(work, steps) for _ in range(ROUNDS))
    return Line(name, work.members * steps / best, work.unit, max(0.0, first - seconds))


def _timed(work: Workload, steps: int) -> float:
    begin = time.perf_counter()
    work.call(steps)
    return time.perf_counter() - begin


def run(show: Callable[[str], object] = print) -> list[Line]:
    """Measure all workloads, showing one line each.

    Parameters
    ----------
    show : callable
        Takes one line of text.

    Returns
    -------
    list of Line
        Name, rate per second on all cores, its unit, and seconds of compilation.
    """
    show(f"{hardware.processor()}, {hardware.cores()} cores, {hardware.simd_name()}")
    found = []
    for name, work in workloads().items():
        line = measured(name, work)
        show(f"{name:<48}{line.rate / 1e6:>10.4g} M {line.unit:<16}compiled or loaded in {line.first:.1f} s")
        found.append(line)
    return found
