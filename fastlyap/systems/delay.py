"""Delay systems: the blood cells of Mackey and Glass, and two Rosslers of which one sees the other's past."""

from __future__ import annotations

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.system import System, flow


def mackey_glass(n: int = 10) -> System:
    """dx = beta x(t - tau) / (1 + x(t - tau)^n) - gamma x (Mackey & Glass, Science 197, 1977)."""
    n = cast.count("n", n, 1)
    own = Known(
        exponents=(0.00506, 0.0, -0.03857, -0.0532),
        stderr=(1e-4, 0.0, 5e-4, 5e-4),
        source="one independent run, time 2e5; jitcdde 0.00517",
        note="Kaplan-Yorke dimension 2.131; errors are estimates",
    )

    @flow(
        state="x",
        parameters={"beta": 0.2, "gamma": 0.1, "tau": 17.0},
        delay="tau",
        x0=(0.5,),
        dt=0.25,
        known=own if n == 10 else None,
    )
    def mackey_glass(t, x, p):
        past = x.delayed.x
        return p.beta * past / (1 + past**n) - p.gamma * x.x

    return mackey_glass


def delayed_rosslers() -> System:
    """Two Rosslers, the second pulled towards the first as it was a time tau ago.

    dx = omega1 (-y - z), dy = omega1 (x + a y), dz = omega1 (b + z (x - c)), and the same for u, v, w with omega2 and
    du = ... + k (x(t - tau) - u).
    """

    @flow(
        state="x y z u v w",
        parameters={
            "omega1": 0.88167179, "omega2": 0.87768425, "a": 0.165, "b": 0.2, "c": 10.0, "k": 0.25, "tau": 4.5,
        },
        delay="tau",
        x0=(1.0, 1.0, 0.0, 0.5, -1.0, 0.0),
        dt=0.05,
        known=Known(
            exponents=(0.0806, 0.0, -0.0368, -0.1184),
            stderr=(0.002, 0.0, 0.002, 0.002),
            source="the tests of jitcdde",
            note="errors are estimates: those tests allow two standard errors of a run over 1000",
        ),
    )  # fmt: skip
    def delayed_rosslers(t, x, p):
        return (
            p.omega1 * (-x.y - x.z),
            p.omega1 * (x.x + p.a * x.y),
            p.omega1 * (p.b + x.z * (x.x - p.c)),
            p.omega2 * (-x.v - x.w) + p.k * (x.delayed.x - x.u),
            p.omega2 * (x.u + p.a * x.v),
            p.omega2 * (p.b + x.w * (x.u - p.c)),
        )

    return delayed_rosslers
