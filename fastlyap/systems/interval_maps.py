"""Maps of the interval: logistic, tent, skew tent."""

from __future__ import annotations

import math

from fastlyap.definition import Known
from fastlyap.math import minimum, where
from fastlyap.system import System, iterated_map


def logistic() -> System:
    """x' = r x (1 - x), at r = 4.

    In float64 an orbit at r = 4 comes within 1e-8 of x = 1/2 with probability about 1e-8 per step and then stays
    at 0: runs of 10^8 steps and more should take r = 3.9999.
    """

    @iterated_map(
        state="x",
        parameters={"r": 4.0},
        x0=(0.2,),
        known=Known(
            exponents=(math.log(2.0),),
            stderr=(0.0,),
            source="exact",
            note="finite means err by about 1.35/steps, far less than block errors say",
        ),
    )
    def logistic(t, x, p):
        return p.r * x.x * (1 - x.x)

    return logistic


def tent() -> System:
    """x' = s min(x, 1 - x). The slope is 1.9999: at slope 2 every float64 orbit ends at 0 within 56 steps."""

    @iterated_map(
        state="x",
        parameters={"s": 1.9999},
        x0=(0.3,),
        known=Known(exponents=(math.log(1.9999),), stderr=(0.0,), sum=math.log(1.9999), source="exact: ln s"),
    )
    def tent(t, x, p):
        return p.s * minimum(x.x, 1 - x.x)

    return tent


def skew_tent() -> System:
    """x' = x/a below the peak at a, (1 - x)/(1 - a) above; the invariant density is uniform."""
    a = 0.3
    exponent = -a * math.log(a) - (1 - a) * math.log(1 - a)

    @iterated_map(
        state="x",
        parameters={"a": a},
        x0=(0.37,),
        known=Known((exponent,), (0.0,), sum=exponent, source="exact: -a ln a - (1 - a) ln(1 - a)"),
    )
    def skew_tent(t, x, p):
        return where(x.x < p.a, x.x / p.a, (1 - x.x) / (1 - p.a))

    return skew_tent
