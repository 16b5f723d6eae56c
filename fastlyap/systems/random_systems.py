"""Systems with noise of their own: products of random matrices, a noisy logistic map, a stochastic Lorenz 96."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.special import digamma

from fastlyap import cast
from fastlyap.definition import Known
from fastlyap.math import exp
from fastlyap.math import sum as total
from fastlyap.system import System, flow, iterated_map
from fastlyap.trace.noise import drawn


def random_matrix_product(n: int = 8) -> System:
    """x' = A x with independent normal entries of A, of variance scale^2, drawn anew at every step.

    The default start is the origin, which stays: what grows is the tangent frame, by the product of the matrices.
    The exponents are exact (Newman, Commun. Math. Phys. 103 (1986)): ln scale + (ln 2 + digamma((n - i + 1) / 2)) / 2.
    """
    n = cast.count("n", n, 1)
    scale = 1.0 / math.sqrt(n)
    exact = [math.log(scale) + 0.5 * (math.log(2.0) + float(digamma((n - i) / 2))) for i in range(n)]
    known = Known(
        exponents=tuple(exact),
        stderr=(0.0,) * n,
        source="exact: Newman (1986)",
        note="the sum of a finite run fluctuates like that of every random product",
    )
    entries = drawn(n * n)

    @iterated_map(state=n, parameters={"scale": scale}, x0=(0.0,) * n, known=known)
    def random_matrix_product(t, x, p):
        return [p.scale * total([entries[n * i + j] * x[j] for j in range(n)]) for i in range(n)]

    return replace(random_matrix_product, function=None)


def noisy_logistic() -> System:
    """x' = r x (1 - x) + sigma b, at r = 3.83 in the window of period 3, where little noise makes chaos.

    Crutchfield, Farmer & Huberman, Physics Reports 92 (1982).
    """

    @iterated_map(state="x", parameters={"r": 3.83, "sigma": 0.002}, x0=(0.4,), noise="sigma")
    def noisy_logistic(t, x, p):
        return p.r * x.x * (1 - x.x)

    return noisy_logistic


def stochastic_lorenz96(n: int = 40) -> System:
    """dx_i = ((x_(i+1) - x_(i-2)) x_(i-1) - x_i + F - x_i^2 / 100) dt + (exp(-|x|^2 / 2) + sigma) dB_i, Ito.

    The test case of the path-kernel method (Ni, arXiv 2507.21497), at F = 8 and sigma = 4.
    """
    n = cast.count("n", n, 4)
    start = [2.3 + 5.0 * math.sin(i * i) for i in range(n)]

    def size(t, x, p):
        return exp(-0.5 * total([x[i] ** 2 for i in range(n)])) + p.sigma

    @flow(state=n, parameters={"F": 8.0, "sigma": 4.0}, x0=start, dt=0.002, noise=size, integrator="euler")
    def stochastic_lorenz96(t, x, p):
        return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F - 0.01 * x[i] ** 2 for i in range(n)]

    return stochastic_lorenz96
