"""Delay systems are integrated to fourth order, states and tangents, whether or not delays are multiples of the step.

The tangent is that of the discrete step, histories included, and the exponents of the discrete map of the linear
equation, eigenvalues of a product of its steps, go to the real parts of Lambert's W like h^4.
"""

import numpy as np
import pytest
from scipy.special import lambertw

import fastlyap as fl
from fastlyap.backend import cpu
from fastlyap.machines import delays
from fastlyap.request import Integration
from tests import truth

ORDER = 3.7  # what a fourth-order method must show on halving the step
ROOT = complex(lambertw(-1.0, 0))  # x' = -x(t - 1) has the solution exp(ROOT t)

BETWEEN = (3.37, 7.37, 15.37, 31.37)  # the error depends on where between two steps the delay ends: always there


@fl.flow(state="x", parameters=dict(a=1.0, tau=1.0), delay="tau", x0=(1.0,), dt=0.1)
def linear(t, x, p):
    return (-p.a * x.delayed.x,)


@fl.flow(
    state="x y", parameters=dict(a=1.1, b=0.7, tau=1.0, s=0.41), delay=("tau", "s"), x0=(0.5, 0.2), dt=0.1
)  # fmt: skip
def curved(t, x, p):
    past, recent = x.delayed
    return -p.a * past.x / (1 + past.y**2) + fl.math.sin(x.y), x.x * recent.x - p.b * x.y + 0.3 * fl.math.cos(t)


def smooth(t):
    """A history that its equation continues smoothly."""
    return (np.exp(ROOT * t).real,)


def orders(errors, steps):
    """Observed orders from one step size to the next."""
    return np.diff(np.log(errors)) / np.diff(np.log(steps))


@pytest.mark.parametrize("cuts", [BETWEEN, (4, 8, 16, 32)], ids=["between", "on the grid"])
def test_states_on_a_smooth_history(cuts):
    errors = []
    for cut in cuts:
        found = fl.trajectory(linear, smooth, steps=round(4 * cut), dt=1 / cut)
        errors.append(np.abs(found.state[-1] - smooth(found.times[-1])).max())
    assert np.all(orders(errors, 1 / np.array(cuts)) > ORDER), errors


def test_states_from_a_constant_history_on_the_grid():
    """The kink where the run begins, and those it leaves at its multiples, lie between two steps."""
    dts = 1.0 / np.array([5, 10, 20, 40])
    found = [fl.trajectory(curved, parameters=dict(s=0.4), steps=round(6 / dt), dt=dt).state[-1] for dt in dts]
    truth = found[-1] + (found[-1] - found[-2]) / 15
    errors = [np.abs(x - truth).max() for x in found[:-1]]
    assert np.all(orders(errors, dts[:-1]) > ORDER), errors


def test_a_kink_within_a_step_costs_one_error_of_second_order():
    """Stated in the documentation: so a transient, after which the orbit is smooth, goes before all else."""
    cuts = np.array(BETWEEN)
    errors = []
    for cut in cuts:
        t = np.arange(1, round(2.2 * cut) + 1) / cut
        exact = 1 - t + np.where(t > 1, (t - 1) ** 2 / 2, 0) - np.where(t > 2, (t - 2) ** 3 / 6, 0)
        errors.append(np.abs(fl.trajectory(linear, steps=len(t), dt=1 / cut).state[:, 0] - exact).max())
    assert np.all(orders(errors, 1 / cuts) > 1.5) and np.all(np.array(errors) < 0.3 / cuts**2)


def product_of_steps(system, how, x0, *, steps, settled=0):
    """The tangent of `steps` steps as a matrix (N, N), and the rows of `S` before and after, from the kernels."""
    batch = delays.members(system, how, x0, None)
    size = batch.extent.rows
    S, A = delays.new_rows(system, batch, size, rows=size, seed=0)
    first = S.shape[1] - size * size
    kernels = cpu.load(system, how, 1, "tuples")
    if settled:
        run = cpu.CpuBatch(kernels, S, A, batch.p)
        run.grow(how, 0.0, size, 0, settled, 10**6)
        S = run.read()[0]
    S[:, first:] = np.eye(size).ravel()
    run = cpu.CpuBatch(kernels, S, A, batch.p)
    run.grow(how, settled * how.dt, size, 0, steps, 10**6)
    after = run.read()[0]
    return after[0, first:].reshape(size, size), S[0, :first], after[0, :first], (kernels, A, batch.p)


@pytest.mark.parametrize("settled", [0, 1, 7, 30])
def test_tangent_is_that_of_the_discrete_step(settled):
    """Central differences of one step by each number of the extended state, at many places of the rings."""
    n, how = 2, Integration("rk4", 0.13)
    matrix, before, after, (kernels, A, p) = product_of_steps(curved, how, None, steps=1, settled=settled)
    size, extended = len(matrix), np.r_[0:n, 3 * n + 2 : len(before)]
    S = np.zeros((2 * size, len(before)))
    S[:] = before
    shift = 1e-5
    for i, place in enumerate(extended):
        S[2 * i, place] += shift
        S[2 * i + 1, place] -= shift
    run = cpu.CpuBatch(kernels, S, np.repeat(A[:, : 6 + 2], 2 * size, axis=0), np.repeat(p, 2 * size, axis=0))
    run.follow(how, settled * how.dt, 0, 1, 1)
    moved = run.read()[0][:, extended]
    np.testing.assert_allclose((moved[::2] - moved[1::2]) / (2 * shift), matrix, rtol=0, atol=2e-9)


def exponents_of_the_map(cut):
    """Leading pair and next pair of exponents of the discrete linear equation, steps of tau / cut."""
    dt = 1 / cut
    slots = int(np.ceil(cut)) + 1
    matrix = product_of_steps(linear, Integration("rk4", dt), None, steps=slots, settled=slots)[0]
    sizes = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1][:4]
    return np.log(sizes) / (slots * dt)


@pytest.mark.parametrize("cuts", [BETWEEN, (5, 10, 20)], ids=["between", "on the grid"])
def test_exponents_of_the_discrete_map(cuts):
    wanted = truth.linear_delay(1.0, 1.0, 2)
    errors = [np.abs(exponents_of_the_map(cut) - wanted) for cut in cuts]
    leading, next_pair = np.array([(e[:2].max(), e[2:].max()) for e in errors]).T
    assert np.all(orders(leading, 1 / np.array(cuts)) > ORDER), leading
    assert orders(next_pair, 1 / np.array(cuts))[-1] > ORDER, next_pair  # decays within two steps of the coarsest grid
    assert leading[-1] < 1e-6


@pytest.mark.compiled
@pytest.mark.parametrize("cuts", [BETWEEN[1:], (8, 16, 32)], ids=["between", "on the grid"])
def test_exponents_from_a_call(cuts):
    """The plane of the two leading vectors is the same at all times after a transient: its growth has no O(1/T)."""
    errors = []
    for cut in cuts:
        pair = fl.spectrum(linear, k=2, dt=1 / cut, transient=round(40 * cut), steps=round(20 * cut))
        errors.append(abs(pair.exponents.mean() - ROOT.real))
    assert np.all(orders(errors, 1 / np.array(cuts)) > ORDER), errors
