"""Dissipative maps of the plane: Henon, Lozi, Ikeda."""

from __future__ import annotations

import math

from fastlyap.definition import Known
from fastlyap.math import abs, cos, sin
from fastlyap.system import System, iterated_map


def henon() -> System:
    """x' = 1 - a x^2 + y, y' = b x (Henon 1976)."""

    @iterated_map(
        state="x y",
        parameters={"a": 1.4, "b": 0.3},
        x0=(0.1, 0.1),
        known=Known(
            exponents=(0.419234, -1.623207),
            stderr=(6e-5, 6e-5),
            sum=math.log(0.3),
            source="independent runs, 8 starts; Sprott gives 0.41922, -1.62319; the sum ln b is exact",
            note="Kaplan-Yorke dimension 1.2583",
        ),
    )
    def henon(t, x, p):
        return 1 - p.a * x.x**2 + x.y, p.b * x.x

    return henon


def lozi() -> System:
    """x' = 1 - a |x| + y, y' = b x (Lozi 1978)."""

    @iterated_map(
        state="x y",
        parameters={"a": 1.7, "b": 0.5},
        x0=(0.1, 0.1),
        known=Known(sum=math.log(0.5), source="exact: the sum is ln b"),
    )
    def lozi(t, x, p):
        return 1 - p.a * abs(x.x) + x.y, p.b * x.x

    return lozi


def ikeda() -> System:
    """(x, y)' = (1 + u (x cos s - y sin s), u (x sin s + y cos s)), s = 0.4 - 6/(1 + x^2 + y^2)."""

    @iterated_map(
        state="x y",
        parameters={"u": 0.9},
        x0=(0.1, 0.1),
        known=Known(
            exponents=(0.50755, -0.71827),
            stderr=(8e-5, 8e-5),
            sum=2.0 * math.log(0.9),
            source="independent runs, 8 starts; the sum 2 ln u is exact",
        ),
    )
    def ikeda(t, x, p):
        s = 0.4 - 6 / (1 + x.x**2 + x.y**2)
        return 1 + p.u * (x.x * cos(s) - x.y * sin(s)), p.u * (x.x * sin(s) + x.y * cos(s))

    return ikeda
