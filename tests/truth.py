"""Exponents of known systems with their uncertainties: what any part of the package may be compared to.

Natural logarithm; per unit time (flows, delay equations), per step or layer (maps, nets, matrix products); largest
first. How to compare: first `total` (the sum rule needs no long run), then structure (`zeros`, bounded by C/T, and
`pairing`), then the exponents, within `allowed`. Rows marked "loose" are for tests of honest reporting, not of a
number.

"own" is an independent run: rk4 or exact iteration, analytic tangent, modified Gram-Schmidt, float64; mean and
standard error over starts after a transient. Other sources: J. C. Sprott's table of common chaotic systems, and the
tests of jitcode and jitcdde.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import special, stats

LN2 = float(np.log(2.0))
CAT = float(np.log((3.0 + np.sqrt(5.0)) / 2.0))
Pair = tuple[float, float]


@dataclass(frozen=True)
class Truth:
    """One row.

    name : of the row; system : function of the catalogue, "" for none, called with `arguments`; `parameters` are
    those of the row, empty for the defaults.
    exponents : index -> (value, uncertainty), negative indices from the end; uncertainty 0 is exact.
    total : (sum of all exponents, uncertainty); exact for maps, up to discretisation for flows.
    zeros : how many exponents are 0; pairing : the value of l_i + l_(n-1-i), None without that symmetry.
    compare : "exact" (finite-time error C/T at most), "statistical" (block errors), "loose" (see `note`).
    x0, dt : where they matter; kaplan_yorke, entropy, n_positive : None where not known.
    """

    name: str
    system: str = ""
    arguments: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)
    exponents: dict[int, Pair] = field(default_factory=dict)
    total: Pair | None = None
    zeros: int = 0
    pairing: float | None = None
    compare: str = "statistical"
    kaplan_yorke: float | None = None
    entropy: float | None = None
    n_positive: int | None = None
    x0: tuple[float, ...] | None = None
    dt: float | None = None
    source: str = "own"
    note: str = ""


def allowed(row: Truth, index: int, stderr: float, bias: float = 0.0) -> float:
    """How far exponent `index`, measured with `stderr`, may lie from the row: 3 sqrt(s^2 + s_ref^2) + bias.

    bias : discretisation, and for zero exponents and exact rows the C/T of a finite run.
    """
    return 3.0 * float(np.hypot(stderr, row.exponents[index][1])) + bias


def gaussian_product(n: int, scale: float) -> np.ndarray:
    """Exponents (n,) of products of n x n matrices with independent N(0, scale^2) entries (Newman 1986)."""
    return np.log(scale) + 0.5 * (LN2 + special.digamma(np.arange(n, 0, -1) / 2))


def doubling_lattice(n: int, coupling: float) -> np.ndarray:
    """Exponents (n,) of a diffusive ring of doubling maps; its Jacobian is constant and circulant."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.sort(LN2 + np.log(np.abs(1 - coupling + coupling * np.cos(angles))))[::-1]


def linear_delay(a: float, tau: float, branches: int) -> np.ndarray:
    """Exponents of x' = -a x(t - tau): real parts of W_j(-a tau) / tau, a conjugate pair for each branch j >= 0."""
    roots = np.array([special.lambertw(-a * tau, j) for j in range(branches)]).real / tau
    return np.repeat(roots, 2)


def relu_net(n: int, variance: float) -> float:
    """Largest exponent per layer of a ReLU net of width n with fresh N(0, variance/n) weights in every layer."""
    m = np.arange(1, n + 1)
    weights = stats.binom.pmf(m, n, 0.5)
    mean = np.sum(weights * special.digamma(m / 2)) / np.sum(weights)
    return float(0.5 * (np.log(variance / n) + LN2 + mean))


def entropy_of_cut(a: float) -> float:
    """-a ln a - (1 - a) ln(1 - a): the exponent of skew tent and baker maps cut at a."""
    return float(-a * np.log(a) - (1 - a) * np.log(1 - a))


_MAPS = [
    Truth(
        "logistic", "logistic", parameters={"r": 4.0}, exponents={0: (LN2, 0.0)}, compare="exact", source="exact",
        note="a coboundary: a finite mean errs by about 1.35/N, and block errors are far too large",
    ),
    Truth("tent", "tent", parameters={"s": 1.9999}, exponents={0: (float(np.log(1.9999)), 0.0)},
          compare="exact", source="exact", note="at slope 2 every float64 orbit ends at 0 within 56 steps"),
    Truth("skew tent", "skew_tent", parameters={"a": 0.3}, exponents={0: (entropy_of_cut(0.3), 0.0)}, source="exact"),
    Truth("cat", "cat", exponents={0: (CAT, 0.0), 1: (-CAT, 0.0)}, total=(0.0, 0.0), pairing=0.0, compare="exact",
          source="exact", kaplan_yorke=2.0),
    Truth("baker", "baker", parameters={"a": 0.3}, total=(0.0, 0.0), pairing=0.0, source="exact",
          exponents={0: (entropy_of_cut(0.3), 0.0), 1: (-entropy_of_cut(0.3), 0.0)}),
    Truth("Henon", "henon", parameters={"a": 1.4, "b": 0.3}, exponents={0: (0.419234, 6e-5), 1: (-1.623207, 6e-5)},
          total=(float(np.log(0.3)), 0.0), kaplan_yorke=1.2583, source="own; Sprott 0.41922, -1.62319"),
    Truth("Lozi", "lozi", parameters={"a": 1.7, "b": 0.5}, total=(float(np.log(0.5)), 0.0), source="exact"),
    Truth("Ikeda", "ikeda", parameters={"u": 0.9}, exponents={0: (0.50755, 8e-5), 1: (-0.71827, 8e-5)},
          total=(2 * float(np.log(0.9)), 0.0)),
    Truth("standard K=1", "standard", parameters={"K": 1.0}, exponents={0: (0.11, 0.02)}, total=(0.0, 0.0),
          pairing=0.0, compare="loose", source="Sprott 0.10497; own 0.112 +- 0.005",
          note="a sticky sea: assert the pairing and 0.09 to 0.13"),
    Truth("standard K=10", "standard", parameters={"K": 10.0}, total=(0.0, 0.0), pairing=0.0,
          exponents={0: (1.62035, 0.00025), 1: (-1.62035, 0.00025)}),
    Truth("folded towel", "folded_towel", kaplan_yorke=2.2448,
          exponents={0: (0.43048, 9e-5), 1: (0.37745, 8e-5), 2: (-3.30099, 1e-4)}),
]  # fmt: skip

_FLOWS = [
    Truth("Lorenz63", "lorenz63", parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}, zeros=1, dt=0.005,
          exponents={0: (0.90558, 9e-5), 1: (0.0, 0.0), 2: (-14.57224, 9e-5)}, total=(-41 / 3, 0.0),
          kaplan_yorke=2.0621, source="own, time 4e5, 8 starts; Sprott 0.9056, -14.5723",
          note="rk4 shifts the sum by 1.0e-4 at dt = 0.01, 6e-6 at 0.005"),
    Truth("Rossler", "rossler", parameters={"a": 0.2, "b": 0.2, "c": 5.7}, zeros=1, kaplan_yorke=2.0133,
          exponents={0: (0.07151, 0.00015), 1: (0.0, 0.0), 2: (-5.39435, 0.00015)},
          source="own; Sprott 0.0714, -5.3943"),
    Truth("hyperchaotic Rossler", "hyper_rossler", parameters={"a": 0.25, "b": 3.0, "c": 0.5, "d": 0.05}, zeros=1,
          exponents={0: (0.1130, 0.0007), 1: (0.0207, 0.0005), 2: (0.0, 0.0), 3: (-25.1, 0.1)},
          x0=(-10.0, -6.0, 0.0, 10.0), n_positive=2),
    Truth("Lorenz96 n=40", "lorenz96", {"n": 40}, {"F": 8.0}, zeros=1, total=(-40.0, 0.0), dt=0.01,
          exponents={0: (1.684, 0.005), 12: (0.029, 0.003), 13: (0.0, 0.0), 14: (-0.084, 0.003), -1: (-4.89, 0.01)},
          kaplan_yorke=27.04, entropy=10.17, n_positive=13, source="own, time 2000, 8 starts",
          note="the uncertainty of number 15 is estimated"),
    Truth("Lorenz96 n=36", "lorenz96", {"n": 36}, {"F": 8.0}, zeros=1, total=(-36.0, 0.0), dt=0.01,
          exponents={0: (1.671, 0.007)}, kaplan_yorke=24.38, entropy=9.195),
    Truth("Henon-Heiles", "henon_heiles", exponents={1: (0.0, 0.0), 2: (0.0, 0.0)}, zeros=2, total=(0.0, 0.0),
          pairing=0.0, compare="loose", note="E = 1/8: chaotic starts 0.026 to 0.049, regular starts below 2e-4"),
    Truth("Mackey-Glass", parameters={"beta": 0.2, "gamma": 0.1, "n": 10.0, "tau": 17.0}, zeros=1,
          exponents={0: (0.00506, 1e-4), 1: (0.0, 0.0), 2: (-0.03857, 5e-4), 3: (-0.0532, 5e-4)}, kaplan_yorke=2.131,
          source="own, one run of time 2e5; jitcdde 0.00517", note="uncertainties estimated, one run only"),
    Truth("delay-coupled Rosslers", zeros=1, source="jitcdde tests/test_lyaps.py, asserted to 3.5 standard errors",
          exponents={0: (0.0806, 0.002), 1: (0.0, 0.0), 2: (-0.0368, 0.002), 3: (-0.1184, 0.002)},
          note="omega = (0.88167179, 0.87768425), a = 0.165, b = 0.2, c = 10, 0.25 y0(t - 4.5) into y3; "
          "uncertainties estimated"),
    Truth("coupled FitzHugh-Nagumo", source="jitcode tests/scenarios.py", zeros=1,
          exponents={0: (0.0071, 0.0005), 1: (0.0, 0.0), 2: (-0.0513, 0.002), 3: (-0.187, 0.002)},
          note="uncertainties estimated"),
    Truth("Kuramoto-Sivashinsky L=22", zeros=3, dt=0.1, kaplan_yorke=5.24, source="own, N = 64, time 8000, 2 runs",
          exponents={0: (0.048, 0.001), 1: (0.0, 0.0), 2: (0.0, 0.0), 3: (0.0, 0.0), 4: (-0.0035, 0.001),
                     5: (-0.187, 0.002), 6: (-0.257, 0.002), 7: (-0.290, 0.002), 8: (-0.310, 0.002),
                     9: (-1.963, 0.005), 10: (-1.967, 0.005), 11: (-5.605, 0.01)},
          note="tangents include the mean mode; without it two zeros and dimension 4.24; published 0.048 0 0 -0.003 "
          "-0.189 -0.256 -0.290 -0.310 -1.963 -1.967 -5.605; uncertainties from the sixth on are estimated"),
]  # fmt: skip


def _exactly(values: np.ndarray) -> dict[int, Pair]:
    return {i: (float(value), 0.0) for i, value in enumerate(values)}


_NETS = [
    Truth("Gaussian product n=8", exponents=_exactly(gaussian_product(8, 8**-0.5)), compare="statistical",
          source="exact: ln s + (ln 2 + psi((n - i + 1)/2))/2"),
    Truth("linear delay equation", exponents=_exactly(linear_delay(1.0, 1.0, 2)), compare="exact", source="exact"),
    Truth("ReLU net n=64", exponents={0: (relu_net(64, 2.0), 0.0)}, source="exact; own -0.02009 +- 0.0003"),
    Truth("doubling lattice n=8", exponents=_exactly(doubling_lattice(8, 0.3)), compare="exact", source="exact",
          note="float64 orbits of the doubling map collapse; the Jacobian is constant"),
    Truth("tanh network n=128, seed 0", arguments={"n": 128, "g": 2.0, "seed": 0}, n_positive=15,
          exponents={0: (0.1365, 0.0005), 1: (0.1285, 0.0005), 2: (0.1194, 0.0005)}, total=(-153.6, 0.1),
          source="own, 20000 steps after 2000; uncertainties estimated",
          note="x' = g J tanh x, J = default_rng(seed).standard_normal((n, n))/sqrt(n), x0 next from the generator"),
    Truth("tanh network n=128, seed 1", arguments={"n": 128, "g": 2.0, "seed": 1}, n_positive=16,
          exponents={0: (0.1354, 0.0005)}, source="own, 20000 steps after 2000; uncertainty estimated"),
    Truth("tanh network n=64, seed 0", arguments={"n": 64, "g": 1.5, "seed": 0}, exponents={0: (0.0126, 0.001)},
          compare="loose", note="seeds 1, 2, 3 are not chaotic: a leading zero within 1e-4"),
    *(
        Truth(f"tanh network n=64, seed {seed}", arguments={"n": 64, "g": 1.5, "seed": seed},
              exponents={0: (0.0, 1e-4)}, zeros=1, compare="loose", note="quasi-periodic or a cycle, not chaotic")
        for seed in (1, 2, 3)
    ),
]  # fmt: skip

_LINEAR = [
    Truth("diagonal linear flow", exponents=_exactly(np.array([-1.0, -2.0, -5.0])), total=(-8.0, 0.0),
          compare="exact", source="exact: real parts of the eigenvalues"),
    Truth("damped rotation", parameters={"omega": 3.0, "damping": 1.0}, exponents=_exactly(np.array([-1.0, -1.0])),
          total=(-2.0, 0.0), compare="exact", source="exact: x' = -x - 3 y, y' = 3 x - y"),
]  # fmt: skip

TABLE: tuple[Truth, ...] = (*_MAPS, *_LINEAR, *_FLOWS, *_NETS)
BY_NAME: dict[str, Truth] = {row.name: row for row in TABLE}


def rows(compare: str | None = None, *, catalogue: bool = True) -> list[Truth]:
    """Rows of one way of comparing (all by default), by default those of systems in the catalogue."""
    return [row for row in TABLE if compare in (None, row.compare) and (bool(row.system) or not catalogue)]
