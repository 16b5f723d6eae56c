"""Hamiltonian flows: Henon and Heiles' star, the double pendulum, a chain of springs."""

from __future__ import annotations

import math

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.math import cos, sin
from fastlyap.system import System, flow


def henon_heiles() -> System:
    """H = (px^2 + py^2 + x^2 + y^2)/2 + x^2 y - y^3/3, started at the energy 1/8 (Henon & Heiles 1964).

    At this energy regular and chaotic orbits lie side by side: exponents depend on the start.
    """
    y = -0.15
    px = math.sqrt(0.25 - y**2 + 2 * y**3 / 3)

    @flow(
        state="x y px py",
        x0=(0.0, y, px, 0.0),
        dt=0.02,
        known=Known(
            sum=0.0,
            source="exact: exponents come in pairs of opposite sign, two are 0",
            note="at E = 1/8 chaotic starts give 0.026 to 0.049 in finite runs, regular ones 0",
        ),
    )
    def henon_heiles(t, x, p):
        return x.px, x.py, -x.x - 2 * x.x * x.y, -x.y - x.x**2 + x.y**2

    return henon_heiles


def double_pendulum() -> System:
    """Two massless rods with point masses, angles from the vertical (theta), angular velocities (omega)."""

    @flow(
        state="theta1 theta2 omega1 omega2",
        parameters={"m1": 1.0, "m2": 1.0, "l1": 1.0, "l2": 1.0, "g": 9.81},
        x0=(2.0, 2.5, 0.0, 0.0),
        dt=0.005,
        known=Known(sum=0.0, source="exact: exponents come in pairs of opposite sign, two are 0"),
    )
    def double_pendulum(t, x, p):
        gap, mass = x.theta1 - x.theta2, p.m1 + p.m2
        s, c = sin(gap), cos(gap)
        inertia = p.m1 + p.m2 * s**2
        pull1, pull2 = p.g * sin(x.theta1), p.g * sin(x.theta2)
        spin1, spin2 = p.l1 * x.omega1**2, p.l2 * x.omega2**2
        turn1 = (p.m2 * (pull2 * c - s * (spin1 * c + spin2)) - mass * pull1) / (p.l1 * inertia)
        turn2 = (mass * (spin1 * s - pull2 + pull1 * c) + p.m2 * spin2 * s * c) / (p.l2 * inertia)
        return x.omega1, x.omega2, turn1, turn2

    return double_pendulum


def fput(n: int = 16) -> System:
    """n unit masses between walls, springs with force r + alpha r^2 + beta r^3 (Fermi, Pasta, Ulam & Tsingou 1955).

    H = sum p_i^2 / 2 + sum over springs r^2 / 2 + alpha r^3 / 3 + beta r^4 / 4; 2 n states, positions first. Separable,
    so that "leapfrog" and "yoshida4" step it.
    """
    n = cast.count("n", n, 2)

    @flow(
        state=[f"q{i}" for i in range(n)] + [f"p{i}" for i in range(n)],
        parameters={"alpha": 0.25, "beta": 1.0},
        x0=[0.0] * n + [1.4 * math.sin(1 + i * i) for i in range(n)],
        dt=0.05,
        integrator="yoshida4",
        known=Known(sum=0.0, source="exact: exponents come in pairs of opposite sign, two are 0"),
    )
    def fput(t, x, p):
        q = [0.0, *x[:n], 0.0]
        stretch = [q[i + 1] - q[i] for i in range(n + 1)]
        force = [r + p.alpha * r**2 + p.beta * r**3 for r in stretch]
        return [*x[n:], *[force[i + 1] - force[i] for i in range(n)]]

    return fput
