"""Random systems against closed forms: strong orders, exact exponents by z-scores, honest standard errors."""

import numpy as np
import pytest

import fastlyap as fl
from tests import truth

pytestmark = pytest.mark.compiled

MEMBERS = 4096
DTS = 2.0 ** -np.arange(4, 9)
MU, SIGMA = 0.5, 0.8
LEVEL = 4.5  # standard errors; about 1e-5 for each comparison


def with_path(size, rule, **parameters):
    """A one-dimensional equation beside its own Brownian motion, w."""

    @fl.flow(state="x w", parameters=parameters, x0=(1.0, 0.0), noise=size, noise_directions=[[1.0], [1.0]])
    def system(t, x, p):
        return rule(x, p), 0.0 * x.w

    return system


def paths(system, dt, integrator):
    """(x, w) at all multiples of dt up to time 1, (members, steps + 1) each."""
    x0 = np.tile(system.x0, (MEMBERS, 1))
    state = fl.trajectory(system, x0, steps=round(1 / dt), dt=dt, integrator=integrator, seed=6).state
    return np.moveaxis(np.concatenate([x0[:, None], state], axis=1), 2, 0)


def order(errors):
    """Slope of log error against log dt."""
    return np.polyfit(np.log(DTS), np.log(errors), 1)[0]


GEOMETRIC = with_path(lambda t, x, p: (p.sigma * x.x, 1.0), lambda x, p: p.mu * x.x, mu=MU, sigma=SIGMA)


@pytest.mark.parametrize("integrator, expected", [("euler", 0.5), ("heun_sde", 1.0)])
def test_strong_order_with_multiplicative_noise(integrator, expected):
    """Geometric Brownian motion: the exact solution on the path that was drawn, Ito or Stratonovich."""
    drift = MU - SIGMA**2 / 2 if integrator == "euler" else MU
    errors = []
    for dt in DTS:
        x, w = paths(GEOMETRIC, dt, integrator)
        errors.append(np.mean(np.abs(x[:, -1] - np.exp(drift + SIGMA * w[:, -1]))))
    assert abs(order(errors) - expected) < 0.2, errors  # half way between the orders in question is 0.25


@pytest.mark.parametrize("integrator", ["euler", "heun_sde", "rk4"])
def test_strong_order_with_additive_noise(integrator):
    """Ornstein-Uhlenbeck: given the increments, the exact solution is drawn from its conditional distribution."""
    theta = 1.5
    system = with_path(lambda t, x, p: (p.sigma, 1.0), lambda x, p: -p.theta * x.x, theta=theta, sigma=SIGMA)
    rng = np.random.default_rng(1)
    errors = []
    for dt in DTS:
        x, w = paths(system, dt, integrator)
        decay = np.exp(-theta * dt)
        share = (1 - decay) / (theta * dt)
        rest = np.sqrt((1 - decay**2) / (2 * theta) - share**2 * dt)
        exact = x[:, 0].copy()
        for increment in np.diff(w, axis=1).T:
            exact = decay * exact + SIGMA * (share * increment + rest * rng.standard_normal(MEMBERS))
        errors.append(np.mean(np.abs(x[:, -1] - exact)))
    assert abs(order(errors) - 1.0) < 0.2, errors


def test_increments_are_brownian():
    """Mean 0 and variance dt, and independent from step to step."""
    _, w = paths(GEOMETRIC, DTS[2], "euler")
    steps = np.diff(w, axis=1) / np.sqrt(DTS[2])
    count = steps.size
    assert abs(steps.mean()) < LEVEL / np.sqrt(count)
    assert abs((steps**2).mean() - 1) < LEVEL * np.sqrt(2 / count)
    assert abs((steps[:, 1:] * steps[:, :-1]).mean()) < LEVEL / np.sqrt(count)


def expectation(function):
    """Mean of a function of a standard normal number, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    return float(weights @ function(nodes) / weights.sum())


def linear(noise):
    """dx = mu x dt + sigma x dB, about its fixed point 0."""

    @fl.flow(state="x", parameters={"mu": 0.1, "sigma": 0.6}, x0=(0.0,), dt=0.02, noise=noise)
    def linear(t, x, p):
        return p.mu * x.x

    return linear


@pytest.mark.parametrize("integrator", ["euler", "heun_sde"])
def test_geometric_brownian_motion(integrator):
    """Ito: mu - sigma^2 / 2; Stratonovich: mu; the exponents of the discrete steps are known exactly."""
    found = fl.spectrum(
        linear(lambda t, x, p: p.sigma * x.x), np.zeros((256, 1)), steps=4000, transient=10, integrator=integrator,
        seed=3,
    )  # fmt: skip
    mu, sigma, h = 0.1, 0.6, 0.02
    growth = {
        "euler": lambda b: 1 + mu * h + sigma * np.sqrt(h) * b,
        "heun_sde": lambda b: 1 + (z := mu * h + sigma * np.sqrt(h) * b) + z * z / 2,
    }[integrator]
    exact = expectation(lambda b: np.log(np.abs(growth(b)))) / h
    assert abs(exact - (mu - sigma**2 / 2 * (integrator == "euler"))) < 2 * h * (mu + sigma**2)
    rates = found.exponents[:, 0]
    assert abs(rates.mean() - exact) < LEVEL * rates.std(ddof=1) / 16
    assert np.all(found.status == fl.Status.OK)


@pytest.mark.parametrize("integrator, factor", [
    ("euler", lambda z: 1 + z),
    ("heun_sde", lambda z: 1 + z + z**2 / 2),
    ("rk4", lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24),
])  # fmt: skip
def test_ornstein_uhlenbeck(integrator, factor):
    """Additive noise leaves a linear system's exponent alone: that of the step, to rounding."""
    found = fl.spectrum(linear(0.3), parameters={"mu": -1.0}, steps=500, transient=0, integrator=integrator)
    assert found.exponents[0] == pytest.approx(np.log(factor(-0.02)) / 0.02, rel=1e-12)


@pytest.mark.parametrize("n", [2, 8])
def test_newmans_exponents(n):
    """Independent members, each exponent by its z-score; and the standard errors mean what they say."""
    members = 200
    system = fl.systems.random_matrix_product(n)
    found = fl.spectrum(system, np.zeros((members, n)), steps=1500, transient=50, seed=12)
    exact = truth.gaussian_product(n, 1 / np.sqrt(n))
    np.testing.assert_allclose(system.known.exponents, exact, rtol=1e-12)
    mean = found.exponents.mean(axis=0)
    z = (mean - exact) / (found.exponents.std(axis=0, ddof=1) / np.sqrt(members))
    assert np.all(np.abs(z) < LEVEL), z
    pulls = np.sum(((found.exponents - exact) / found.stderr) ** 2, axis=0)
    # block errors of some 32 blocks: chi^2 of `members` degrees of freedom, a little wider
    assert np.all(np.abs(pulls / members - 1) < LEVEL * np.sqrt(2 / members) + 0.15), pulls


def test_members_of_one_point_have_honest_errors():
    """`members=` starts with independent noise: the errors of 60 seeds cover the exact exponents."""
    exact = truth.gaussian_product(2, 1 / np.sqrt(2))
    system = fl.systems.random_matrix_product(2)
    z = []
    for seed in range(60):
        found = fl.spectrum(system, members=8, spread=0, steps=400, transient=20, seed=seed)
        z.append((found.exponents - exact) / found.stderr)
    z = np.array(z)
    assert np.all(np.abs(z.mean(axis=0)) < LEVEL * 1.2 / np.sqrt(60))
    assert np.all(np.mean(z**2, axis=0) < 1.0 + LEVEL * np.sqrt(2 / 60) * 1.3)


def test_little_noise_makes_chaos():
    """The period-3 window of the logistic map (Crutchfield et al. 1982): stable without, chaotic with noise."""
    sizes = [0.0, 0.0005, 0.003]
    found = fl.spectrum(fl.systems.noisy_logistic(), parameters={"sigma": sizes}, steps=100_000)
    assert found.exponents[0, 0] < -0.3 and found.exponents[2, 0] > 10 * found.stderr[2, 0] > 0
    assert np.all(np.diff(found.exponents[:, 0]) > 0)


def test_noise_synchronises_a_limit_cycle():
    """The neutral exponent of an oscillator becomes negative under common noise (Teramae & Tanaka 2004)."""
    system = fl.systems.van_der_pol().with_noise(0.3, [[0.0], [1.0]])
    found = fl.spectrum(system, members=128, steps=20_000)
    assert found.exponents[0] < -5 * found.stderr[0]
