"""Rossler's flows: the chaotic band, hyperchaos, a coupled pair."""

from __future__ import annotations

from fastlyap.definition import Known
from fastlyap.system import System, flow


def rossler() -> System:
    """dx = -y - z, dy = x + a y, dz = b + z (x - c) (Rossler 1976)."""

    @flow(
        state="x y z",
        parameters={"a": 0.2, "b": 0.2, "c": 5.7},
        x0=(1.0, 1.0, 0.0),
        dt=0.01,
        known=Known(
            exponents=(0.07151, 0.0, -5.39435),
            stderr=(0.00015, 0.0, 0.00015),
            source="independent runs, 8 starts; Sprott gives 0.0714, 0, -5.3943",
            note="Kaplan-Yorke dimension 2.0133",
        ),
    )
    def rossler(t, x, p):
        return -x.y - x.z, x.x + p.a * x.y, p.b + x.z * (x.x - p.c)

    return rossler


def hyper_rossler() -> System:
    """dx = -y - z, dy = x + a y + w, dz = b + x z, dw = -c z + d w (Rossler 1979), hyperchaotic."""

    @flow(
        state="x y z w",
        parameters={"a": 0.25, "b": 3.0, "c": 0.5, "d": 0.05},
        x0=(-10.0, -6.0, 0.0, 10.0),
        dt=0.01,
        known=Known(
            exponents=(0.1130, 0.0207, 0.0, -25.1),
            stderr=(0.0007, 0.0005, 0.0, 0.1),
            source="independent runs, 8 starts",
            note="the basin is small: other starts may escape",
        ),
    )
    def hyper_rossler(t, x, p):
        return -x.y - x.z, x.x + p.a * x.y + x.w, p.b + x.x * x.z, -p.c * x.z + p.d * x.w

    return hyper_rossler


def coupled_rossler() -> System:
    """Two Rossler oscillators of frequencies omega, coupled through x (Rosenblum, Pikovsky & Kurths 1996)."""

    @flow(
        state="x1 y1 z1 x2 y2 z2",
        parameters={"omega": [0.95, 0.99], "a": 0.165, "b": 0.2, "c": 10.0, "coupling": 0.035},
        x0=(1.0, 1.0, 0.0, -1.0, 2.0, 0.0),
        dt=0.01,
    )
    def coupled_rossler(t, x, p):
        def one(omega, u, v, w, other):
            return -omega * v - w + p.coupling * (other - u), omega * u + p.a * v, p.b + w * (u - p.c)

        return *one(p.omega[0], *x[:3], x.x2), *one(p.omega[1], *x[3:], x.x1)

    return coupled_rossler
