"""Maps in three and more dimensions: folded towel, solenoid, coupled logistic maps."""

from __future__ import annotations

import math

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.math import cos, mod, pi, sin
from fastlyap.system import System, iterated_map


def folded_towel() -> System:
    """Rossler's folded towel, a hyperchaotic map (Rossler 1979)."""

    @iterated_map(
        state="x y z",
        parameters={"a": 3.8, "b": 0.05, "c": 0.1, "d": 3.78, "e": 0.2},
        x0=(0.085, -0.121, 0.075),
        known=Known(
            exponents=(0.43048, 0.37745, -3.30099),
            stderr=(9e-5, 8e-5, 1e-4),
            source="independent runs, 8 starts",
            note="Kaplan-Yorke dimension 2.2448",
        ),
    )
    def folded_towel(t, x, p):
        fold = (x.y + 0.35) * (1 - 2 * x.z)
        return (
            p.a * x.x * (1 - x.x) - p.b * fold,
            p.c * (fold - 1) * (1 - 1.9 * x.x),
            p.d * x.z * (1 - x.z) + p.e * x.y,
        )

    return folded_towel


def solenoid() -> System:
    """Smale and Williams: angle' = 2 angle mod 2 pi, x' = a x + cos(angle)/2, y' = a y + sin(angle)/2.

    The angle is kept in radians: doubling modulo the float64 nearest 2 pi permutes its grid, doubling modulo 1
    would end at 0 within 56 steps.
    """

    @iterated_map(
        state="angle x y",
        parameters={"a": 0.1},
        x0=(1.0, 0.1, 0.2),
        known=Known(
            exponents=(math.log(2.0), math.log(0.1), math.log(0.1)),
            stderr=(0.0, 0.0, 0.0),
            sum=math.log(2.0) + 2.0 * math.log(0.1),
            source="exact: ln 2, ln a, ln a",
        ),
    )
    def solenoid(t, x, p):
        return mod(2 * x.angle, 2 * pi), p.a * x.x + cos(x.angle) / 2, p.a * x.y + sin(x.angle) / 2

    return solenoid


def coupled_logistic(n: int = 2) -> System:
    """Ring of n logistic maps f(x) = r x (1 - x): x_i' = (1 - e) f(x_i) + e/2 (f(x_(i-1)) + f(x_(i+1))).

    At the default coupling e = 0.3 two maps synchronise. Larger rings may have several attractors.
    """
    n = cast.count("n", n, 2)
    sync = (math.log(2.0), math.log(2.0) + math.log(0.4))
    known = Known(
        sync, (0.0, 0.0), sum=sum(sync), source="exact: ln 2 and ln 2 + ln(1 - 2 e) of the synchronised orbit"
    )

    @iterated_map(
        state=n,
        parameters={"r": 4.0, "coupling": 0.3},
        x0=[0.2 + 0.6 * (math.sqrt(2.0) * i % 1.0) for i in range(n)],
        known=known if n == 2 else None,
    )
    def coupled_logistic(t, x, p):
        f = [p.r * each * (1 - each) for each in x]
        return [(1 - p.coupling) * f[i] + p.coupling / 2 * (f[i - 1] + f[(i + 1) % n]) for i in range(n)]

    return coupled_logistic
