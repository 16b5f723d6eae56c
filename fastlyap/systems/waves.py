"""Partial differential equations in a few Fourier modes: Kuramoto and Sivashinsky's flames."""

from __future__ import annotations

import math

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.math import pi, sum
from fastlyap.system import System, flow

_KNOWN = Known(
    (0.048, 0.0, 0.0, 0.0, -0.0035, -0.187, -0.257, -0.290, -0.310, -1.963, -1.967, -5.605),
    (0.001, 0.0, 0.0, 0.0, 0.001, 0.002, 0.002, 0.002, 0.002, 0.005, 0.005, 0.01),
    source="independent etdrk4 runs (64 points, dt = 0.1, time 8000); from the sixth on the errors are estimated",
    note="three are 0: time, translation and the mean; Kaplan-Yorke dimension 5.24 with the mean, 4.24 without",
)


def kuramoto_sivashinsky(L: float = 22.0, modes: int = 21) -> System:
    """u_t = -u u_x - u_xx - u_xxxx with period L (Kuramoto & Tsuzuki 1976, Sivashinsky 1977).

    u = c0 + sum over k of c_k cos(k q x) + s_k sin(k q x), q = 2 pi / L, wave numbers k = 1 .. `modes`; 2 `modes` + 1
    states, the cosines first. The product is exact: nothing is aliased, 21 modes are what is left of 64 points by the
    2/3 rule. The mean c0 never changes. Stepped by "etdrk4", which solves the linear part exactly. Exponents below some
    -1/dt are those of the step, not of the flow (`divergence_error` shows it): ask for the leading ones by `k`.

    Parameters
    ----------
    L : float
        Default of the parameter `L`, which sweeps may vary.
    modes : int
        Wave numbers; about L suffice.
    """
    M = cast.count("modes", modes, 2)
    length = cast.positive("L", L)

    def rates(p):
        square = [(2 * pi * k / p.L) ** 2 for k in range(M + 1)]
        found = [s - s * s for s in square]
        return [0.0, *found[1:], *found[1:]]

    @flow(
        state=[f"c{k}" for k in range(M + 1)] + [f"s{k}" for k in range(1, M + 1)],
        parameters={"L": length},
        linear=rates,
        x0=[0.0, *[f(k * k) / k**2 for f in (math.sin, math.cos) for k in range(1, M + 1)]],
        dt=0.1,
        integrator="etdrk4",
        known=_KNOWN if length == 22.0 and M >= 16 else None,
    )
    def kuramoto_sivashinsky(t, x, p):
        c, s = x[: M + 1], [0.0, *x[M + 1 :]]
        squares = [_square(c, s, k, M) for k in range(1, M + 1)]
        slope = [pi * k / p.L for k in range(1, M + 1)]  # k q / 2
        return [
            0.0,
            *[-slope[k] * squares[k][1] for k in range(M)],
            *[slope[k] * squares[k][0] for k in range(M)],
        ]

    return kuramoto_sivashinsky


def _square(c: list, s: list, k: int, M: int) -> tuple:
    """The coefficients of cos(k q x) and sin(k q x) in u^2, each pair of modes once."""
    cosines, sines = [2 * c[0] * c[k]], [2 * c[0] * s[k]]
    for i in range(1, (k + 1) // 2):
        cosines.append(c[i] * c[k - i] - s[i] * s[k - i])
        sines.append(c[i] * s[k - i] + s[i] * c[k - i])
    if k % 2 == 0:
        half = k // 2
        cosines.append((c[half] * c[half] - s[half] * s[half]) / 2)
        sines.append(c[half] * s[half])
    for i in range(1, M + 1 - k):
        cosines.append(c[i] * c[i + k] + s[i] * s[i + k])
        sines.append(c[i] * s[i + k] - s[i] * c[i + k])
    return sum(cosines), sum(sines)
