"""Oscillators: Duffing, van der Pol, Kuramoto's phases."""

from __future__ import annotations

import math
from statistics import NormalDist

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.math import cos, sin, sum
from fastlyap.system import System, flow


def duffing() -> System:
    """dx = v, dv = -delta v - alpha x - beta x^3 + gamma cos(omega t), driven in two wells."""

    @flow(
        state="x v",
        parameters={"alpha": -1.0, "beta": 1.0, "delta": 0.3, "gamma": 0.5, "omega": 1.2},
        x0=(0.5, 0.0),
        dt=0.01,
        known=Known(sum=-0.3, source="exact: the sum is -delta"),
    )
    def duffing(t, x, p):
        force = p.gamma * cos(p.omega * t)
        return x.v, -p.delta * x.v - p.alpha * x.x - p.beta * x.x**3 + force

    return duffing


def van_der_pol() -> System:
    """dx = v, dv = mu (1 - x^2) v - x: a limit cycle."""

    @flow(
        state="x v",
        parameters={"mu": 1.0},
        x0=(2.0, 0.0),
        dt=0.01,
        known=Known((0.0,), (0.0,), source="exact: along a limit cycle nothing grows"),
    )
    def van_der_pol(t, x, p):
        return x.v, p.mu * (1 - x.x**2) * x.v - x.x

    return van_der_pol


def kuramoto(n: int = 16) -> System:
    """d theta_i = omega_i + K/n sum_j sin(theta_j - theta_i), frequencies at the quantiles of a normal.

    The mean field makes a step cost O(n). Shifting all phases changes nothing, so one exponent is 0.
    """
    n = cast.count("n", n, 2)

    @flow(
        state=[f"theta{i}" for i in range(n)],
        parameters={"K": 1.0, "omega": [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]},
        x0=[2.0 * math.pi * (math.sqrt(2.0) * i % 1.0) for i in range(n)],
        dt=0.05,
        known=Known(source="exact", note="at least one exponent is 0, by the symmetry of shifting all phases"),
    )
    def kuramoto(t, x, p):
        sines, cosines = [sin(theta) for theta in x], [cos(theta) for theta in x]
        s, c = p.K / n * sum(sines), p.K / n * sum(cosines)
        return [p.omega[i] + s * cosines[i] - c * sines[i] for i in range(n)]

    return kuramoto
