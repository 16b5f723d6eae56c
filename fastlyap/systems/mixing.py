"""Flows made of sines: Thomas' labyrinth, the double gyre."""

from __future__ import annotations

import math

from fastlyap.definition import Known
from fastlyap.math import cos, pi, sin
from fastlyap.system import System, flow


def thomas() -> System:
    """dx = sin y - b x, dy = sin z - b y, dz = sin x - b z (Thomas 1999)."""

    @flow(
        state="x y z",
        parameters={"b": 0.18},
        x0=(0.1, 0.2, -0.1),
        dt=0.05,
        known=Known(sum=-0.54, source="exact: the sum is -3 b"),
    )
    def thomas(t, x, p):
        return sin(x.y) - p.b * x.x, sin(x.z) - p.b * x.y, sin(x.x) - p.b * x.z

    return thomas


def double_gyre() -> System:
    """Two gyres in [0, 2] x [0, 1] whose border swings (Shadden, Lekien & Marsden 2005)."""

    @flow(
        state="x y",
        parameters={"A": 0.1, "epsilon": 0.25, "omega": 2 * math.pi / 10},
        x0=(1.0, 0.4),
        dt=0.1,
        known=Known(sum=0.0, source="exact: the flow preserves area"),
    )
    def double_gyre(t, x, p):
        swing = p.epsilon * sin(p.omega * t)
        f = swing * x.x**2 + (1 - 2 * swing) * x.x
        slope = 2 * swing * x.x + 1 - 2 * swing
        return -pi * p.A * sin(pi * f) * cos(pi * x.y), pi * p.A * cos(pi * f) * sin(pi * x.y) * slope

    return double_gyre
