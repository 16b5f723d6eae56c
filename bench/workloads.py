"""The systems of the benchmarks, and our own contenders on them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastlyap as fl
from bench.timing import Contender
from fastlyap.machines.average import initial_frame

DT, EVERY = 0.01, 10


@fl.flow(state="x y z", parameters=dict(sigma=10.0, rho=28.0, beta=8 / 3), x0=(1.0, 1.0, 25.0), dt=DT)
def lorenz63(t, x, p):
    return p.sigma * (x.y - x.x), x.x * (p.rho - x.z) - x.y, x.x * x.y - p.beta * x.z


@fl.flow(state="a b u v", parameters=dict(g=9.81), x0=(2.0, 2.5, 0.0, 0.0), dt=DT)
def double_pendulum(t, x, p):
    """Unit masses and lengths; angles a, b and their velocities u, v."""
    s, c = fl.math.sin(x.a - x.b), fl.math.cos(x.a - x.b)
    sin_a, sin_b = fl.math.sin(x.a), fl.math.sin(x.b)
    share = 1 / (1 + s * s)
    u = (p.g * (sin_b * c - 2 * sin_a) - s * (x.v**2 + x.u**2 * c)) * share
    v = (2 * p.g * (sin_a * c - sin_b) + s * (2 * x.u**2 + x.v**2 * c)) * share
    return x.u, x.v, u, v


@fl.iterated_map(state="x y", parameters=dict(a=1.4, b=0.3), x0=(0.1, 0.1))
def henon(t, x, p):
    return 1 - p.a * x.x**2 + x.y, p.b * x.x


def lorenz96(n: int) -> fl.System:
    """The n-dimensional ring of Lorenz (1996), from a start that is soon chaotic."""

    @fl.flow(state=n, parameters=dict(F=8.0), x0=8.0 + np.sin(np.arange(1.0, n + 1) ** 2), dt=DT, name=f"lorenz96_{n}")
    def rule(t, x, p):
        return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F for i in range(n)]

    return rule


def sweep(low: float, high: float, members: int) -> np.ndarray:
    """Parameter values of a batch."""
    return np.linspace(low, high, members)


def frame(n: int) -> np.ndarray:
    """The orthonormal vectors (n, n) that our spectra start from: others can start there too."""
    return initial_frame(n, n, 0)


def exponents(system: fl.System, **options: Any) -> np.ndarray:
    """Our spectrum from the system's x0 without a transient, on one thread; (..., k)."""
    settings = dict(transient=0, every=EVERY, threads=1, progress=False) | options
    return fl.spectrum(system, **settings).exponents


def ours(system: fl.System, steps: int, name: str = "fastlyap", **options: Any) -> Contender:
    """Ourselves; the work is in member-steps."""
    batch = np.broadcast_shapes(*(np.shape(v) for v in options.get("parameters", {}).values()), ())
    return Contender(name, lambda: exponents(system, steps=steps, **options), steps * float(np.prod(batch)))


def theirs(name: str, make: Callable[..., np.ndarray], steps: int, values: np.ndarray, **more: Any) -> Contender:
    """A function (values, steps, ...) of somebody else; the work is in member-steps."""
    return Contender(name, lambda: make(values, steps, **more), steps * float(np.size(values)))


def weights(n: int) -> np.ndarray:
    """Couplings (n, n) of a random network, standard deviation 1/sqrt(n)."""
    return np.random.default_rng(0).standard_normal((n, n)) / np.sqrt(n)
