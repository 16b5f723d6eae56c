"""Formulas that circulate as definitions of Lyapunov exponents, where they fail; docs/definitions.md in numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlyap as fl

SHEAR = np.array([[1.0, 10.0], [0.0, 0.5]])
SWAP = np.array([[0.0, 4.0], [1.0, 0.0]])
TURN = np.array([[0.0, -2.0], [2.0, 0.0]])
UP, DOWN = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])


def power_iteration(A, count):
    """Multiply, normalise, repeat; the last norm."""
    v = np.random.default_rng(0).standard_normal(len(A))
    for _ in range(count):
        v = A @ (v / np.linalg.norm(v))
    return np.linalg.norm(v)


def repeated_decomposition(A, count=50):
    """A = Q R, then R = Q R, and so on; the norm of the last R Q."""
    R = A
    for _ in range(count):
        Q, R = np.linalg.qr(R)
    return np.linalg.norm(R @ Q, 2)


def by_decomposition(matrices):
    """The QR method: mean log |r_ii|, in the order of the frame."""
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal(np.shape(matrices[0])))[0]
    total = np.zeros(len(Q))
    for A in matrices:
        Q, R = np.linalg.qr(A @ Q)
        with np.errstate(divide="ignore"):
            total += np.log(np.abs(np.diag(R)))
    return total / len(matrices)


@fl.iterated_map(state=2, parameters=dict(A=np.eye(2), B=np.eye(2)), x0=(0.0, 0.0))
def alternating(t, x, p):
    even = fl.math.mod(t, 2) < 0.5
    M = [[fl.math.where(even, p.A[i, j], p.B[i, j]) for j in range(2)] for i in range(2)]
    return M[0][0] * x[0] + M[0][1] * x[1], M[1][0] * x[0] + M[1][1] * x[1]


def exponents(A, B=None, steps=1000, **how):
    """Of the map that multiplies by A and B in turn."""
    given = dict(A=A, B=A if B is None else B)
    return fl.spectrum(alternating, parameters=given, steps=steps, transient=60, backend="reference", **how).exponents


def test_the_norm_of_a_step_is_no_exponent():
    assert np.linalg.norm(SHEAR, 2) == pytest.approx(10.0622, abs=1e-3)
    np.testing.assert_allclose(exponents(SHEAR), [0.0, -np.log(2.0)], atol=1e-12)
    np.testing.assert_allclose(by_decomposition([SHEAR] * 4000), [0.0, -np.log(2.0)], atol=1e-3)


def test_power_iteration_need_not_converge():
    found = [power_iteration(SWAP, count) for count in (200, 201)]
    np.testing.assert_allclose(sorted(found), [1.3433, 2.9777], atol=1e-3)
    assert np.abs(np.linalg.eigvals(SWAP)).max() == pytest.approx(2.0)
    np.testing.assert_allclose(exponents(SWAP), [np.log(2.0)] * 2, atol=1e-12)
    np.testing.assert_allclose(by_decomposition([SWAP] * 4000), [np.log(2.0)] * 2, atol=1e-3)
    assert power_iteration(TURN, 200) == pytest.approx(2.0)  # of constant matrices with one modulus it is right


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_repeated_decomposition_returns_the_norm(seed, n):
    A = np.random.default_rng(seed).standard_normal((n, n))
    assert repeated_decomposition(A) == pytest.approx(np.linalg.norm(A, 2), rel=1e-12)


def test_repeated_decomposition_of_the_shear():
    assert repeated_decomposition(SHEAR) == pytest.approx(10.062183, abs=1e-6)


@given(st.integers(0, 10_000))
def test_constant_matrices_have_the_logarithms_of_their_eigenvalues(seed):
    """And norms are bounds. Complex pairs need long runs; eigenvalues of nearly one modulus too."""
    rng = np.random.default_rng(seed)
    moduli = rng.uniform(0.3, 1.0) * np.array([2.0, 1.0])
    P = np.eye(2) + 0.5 * rng.uniform(-1.0, 1.0, (2, 2))
    A = P @ np.diag(moduli * rng.choice([-1.0, 1.0], 2)) @ np.linalg.inv(P)
    found = exponents(A, steps=60)
    np.testing.assert_allclose(found, np.log(moduli), atol=1e-10)
    assert found[0] <= np.log(np.linalg.norm(A, 2)) + 1e-12


def test_eigenvalues_of_each_matrix_say_nothing_about_products():
    assert np.abs(np.linalg.eigvals(UP)).max() == 0.0 == np.abs(np.linalg.eigvals(DOWN)).max()
    power = np.linalg.matrix_power(UP @ DOWN, 10)
    assert np.log(np.linalg.norm(power, 2)) / 20 == pytest.approx(np.log(2.0))
    found = exponents(UP, DOWN, steps=60)
    assert found[0] == pytest.approx(np.log(2.0)) and np.isneginf(found[1])


def test_the_modulus_of_an_eigenvalue_is_no_exponent_of_a_flow():
    @fl.flow(state=2, x0=(1.0, 0.0), dt=0.01)
    def spiral(t, x, p):
        return -0.1 * x[0] - 5.0 * x[1], 5.0 * x[0] - 0.1 * x[1]

    assert np.abs(np.linalg.eigvals(spiral.jacobian([0.0, 0.0]))).max() > 5.0
    found = fl.spectrum(spiral, steps=100, transient=10, backend="reference").exponents
    np.testing.assert_allclose(found, [-0.1, -0.1], atol=1e-6)  # of rk4


def test_transposed_matrices_in_the_order_of_time_are_another_system():
    three = np.array([[[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 0.5]]])
    right, wrong = (np.log(np.abs(np.linalg.eigvals(p)).max()) / 3 for p in
                    (three[2] @ three[1] @ three[0], three[0] @ three[1] @ three[2]))  # fmt: skip
    forward = by_decomposition(np.tile(three, (1000, 1, 1)))[0]
    transposed = by_decomposition(np.tile(three.swapaxes(1, 2), (1000, 1, 1)))[0]
    backward = by_decomposition(np.tile(three.swapaxes(1, 2)[::-1], (1000, 1, 1)))[0]
    np.testing.assert_allclose([forward, backward, transposed], [right, right, wrong], atol=1e-3)
    assert wrong - right > 0.1


def test_the_hidden_part_of_an_lstm_is_not_its_state():
    """Without recurrent weights the block of h is 0 and the exponents are those of the forget gate, and -inf."""
    cell = fl.networks.lstm(0, 3, forget_bias=2.0).with_parameters(**{"0.hidden": np.zeros((3, 12))})
    assert np.abs(cell.jacobian(cell.x0)[:3, :3]).max() == 0.0
    found = fl.spectrum(cell, steps=500, transient=100, backend="reference").exponents
    np.testing.assert_allclose(found[:3], -np.log1p(np.exp(-2.0)), atol=1e-9)
    assert np.all(np.isneginf(found[3:]))


def test_the_hidden_part_of_an_lstm_misses_chaos():
    """Driven cells of large weights that remember: growth of the state, and of the h block alone, has two signs."""
    H, steps, rates = 32, 400, np.zeros(2)
    for seed in range(3):
        drive = np.random.default_rng(seed).standard_normal((steps, 2))
        cell = fl.networks.lstm(2, H, gain=8.0, forget_bias=2.0, seed=seed)
        x, v, h = cell.x0, np.ones(2 * H), np.ones(H)
        for u in drive:
            J = cell.jacobian(x, u=u)
            x, v, h = cell.rule(x, u=u), J @ v, J[:H, :H] @ h
            sizes = np.array([np.linalg.norm(v), np.linalg.norm(h)])
            rates += np.log(sizes) / steps / 3
            v, h = v / sizes[0], h / sizes[1]
    assert rates[0] > 0.03 and rates[1] < -0.02


def test_the_mean_gradient_grows_faster_than_the_median():
    """Log-normal factors of mean log mu and variance s^2: mu, mu + s^2 / 2 and mu + s^2 for median, mean and rms."""
    mu, s, steps, count = -0.02, 0.3, 10, 40_000
    logs = np.random.default_rng(0).normal(mu, s, (steps, count)).sum(axis=0)
    spread = s * np.sqrt(steps)
    g = np.exp(logs)
    z = [
        (np.median(logs) - steps * mu) / (np.sqrt(np.pi / 2) * spread / np.sqrt(count)),
        (g.mean() - np.exp(steps * (mu + s**2 / 2))) / (g.std() / np.sqrt(count)),
        ((g**2).mean() - np.exp(2 * steps * (mu + s**2))) / ((g**2).std() / np.sqrt(count)),
    ]
    assert np.all(np.abs(z) < 4)


def test_most_weights_may_exceed_one_in_a_product_that_vanishes():
    """E log |w| of a normal w of standard deviation s is log s - (Euler's constant + log 2) / 2."""
    s = 1.8
    w = np.abs(np.random.default_rng(0).normal(0.0, s, 100_000))
    wanted = np.log(s) - (np.euler_gamma + np.log(2.0)) / 2
    assert wanted < 0 and (w > 1).mean() > 0.5
    assert abs(np.log(w).mean() - wanted) < 4 * np.pi / np.sqrt(8) / np.sqrt(len(w))


def test_bits():
    given = dict(A=SWAP, B=SWAP)
    found = fl.spectrum(alternating, parameters=given, steps=60, transient=0, backend="reference")
    np.testing.assert_allclose(found.bits().exponents, [1.0, 1.0], atol=1e-12)
