"""Lorenz's flows and a relative: Lorenz 1963, 1984, 1996, Chen."""

from __future__ import annotations

import math

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.system import System, flow


def lorenz63() -> System:
    """dx = sigma (y - x), dy = x (rho - z) - y, dz = x y - beta z (Lorenz 1963)."""

    @flow(
        state="x y z",
        parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
        x0=(1.0, 1.0, 25.0),
        dt=0.01,
        known=Known(
            exponents=(0.90558, 0.0, -14.57224),
            stderr=(9e-5, 0.0, 9e-5),
            sum=-(10.0 + 1.0 + 8 / 3),
            source="independent rk4 runs (dt = 0.005, time 4e5, 8 starts); Sprott gives 0.9056, 0, "
            "-14.5723; the sum is exact",
            note="Kaplan-Yorke dimension 2.0621; the rk4 step at dt = 0.01 shifts the sum by 1e-4",
        ),
    )
    def lorenz63(t, x, p):
        return p.sigma * (x.y - x.x), x.x * (p.rho - x.z) - x.y, x.x * x.y - p.beta * x.z

    return lorenz63


def lorenz84() -> System:
    """dx = -y^2 - z^2 - a x + a F, dy = x y - b x z - y + G, dz = b x y + x z - z (Lorenz 1984)."""

    @flow(state="x y z", parameters={"a": 0.25, "b": 4.0, "F": 8.0, "G": 1.0}, x0=(1.0, 1.0, 1.0), dt=0.01)
    def lorenz84(t, x, p):
        return (
            -(x.y**2) - x.z**2 - p.a * x.x + p.a * p.F,
            x.x * x.y - p.b * x.x * x.z - x.y + p.G,
            p.b * x.x * x.y + x.x * x.z - x.z,
        )

    return lorenz84


def chen() -> System:
    """dx = a (y - x), dy = (c - a) x - x z + c y, dz = x y - b z (Chen & Ueta 1999)."""

    @flow(
        state="x y z",
        parameters={"a": 35.0, "b": 3.0, "c": 28.0},
        x0=(-3.0, 2.0, 20.0),
        dt=0.002,
        known=Known(sum=-10.0, source="exact: the sum is c - a - b"),
    )
    def chen(t, x, p):
        return p.a * (x.y - x.x), (p.c - p.a) * x.x - x.x * x.z + p.c * x.y, x.x * x.y - p.b * x.z

    return chen


_KNOWN_96 = {  # n: (largest exponent, its error, note)
    36: (1.671, 0.007, "Kaplan-Yorke dimension 24.38, sum of the positive exponents 9.195"),
    40: (1.684, 0.005, "13 positive exponents, Kaplan-Yorke dimension 27.04, sum of the positive exponents 10.17"),
}


def lorenz96(n: int = 40) -> System:
    """dx_i = (x_(i+1) - x_(i-2)) x_(i-1) - x_i + F on a ring of n >= 4, at F = 8 (Lorenz 1996)."""
    n = cast.count("n", n, 4)
    if n in _KNOWN_96:
        largest, stderr, note = _KNOWN_96[n]
        known = Known(
            (largest,),
            (stderr,),
            -n,
            "independent rk4 runs (dt = 0.01, time 2000, 8 starts); the sum -n is exact",
            note,
        )
    else:
        known = Known(sum=-n, source="exact: the sum is -n")

    # spread over the attractor's range without a random generator
    start = [2.3 + 5.0 * math.sin(i * i) for i in range(n)]

    @flow(state=n, parameters={"F": 8.0}, x0=start, dt=0.01, known=known)
    def lorenz96(t, x, p):
        return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F for i in range(n)]

    return lorenz96
