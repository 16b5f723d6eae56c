"""Tangent and adjoint of whole noisy runs: finite differences, <w, J v> = <J' w, v>, volumes, and equal full sums."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import lyapunov
from fastlyap.machines import chunks
from fastlyap.machines.rows import new_rows, with_cells
from tests import noisy, tolerances

STEPS = 12
SMOOTH = [name for name in noisy.SMALL if name != "matrices"]


def matrices(name, seed):
    """(J, J' by the adjoint) of `STEPS` steps of three members."""
    system, integrator = noisy.CASES[name]
    n = system.dim
    given = dict(lyapunov.spectrum.__kwdefaults__, steps=STEPS, integrator=integrator, seed=seed)
    request = lyapunov.spectrum_request(system, noisy.starts(system, 3), None, given)
    plan = lyapunov.spectrum_plan(request, "cpu", 1)
    new_batch = chunks.new_batches(request, plan)
    how, long = request.integration, 10 * STEPS
    S, A = new_rows(request.members.x, np.eye(n))
    batch = new_batch(S, with_cells(A, n), request.members.p)
    start = batch.checkpoint()
    batch.grow(how, 0.0, n, 0, STEPS, long)
    forward = batch.read()[0][:, n + 1 :].reshape(3, n, n).swapaxes(1, 2)  # column j is J e_j
    batch = new_batch(S, with_cells(A, n), request.members.p)
    batch.pull_back(how, 0.0, n, start, 0, STEPS, 0, long)
    back = batch.read()[0][:, n + 1 :].reshape(3, n, n).swapaxes(1, 2)  # column j is J' e_j
    return forward, back


@pytest.mark.parametrize("name", list(noisy.CASES))
def test_the_adjoint_is_the_transpose(name):
    """The backward pass draws the noise of the forward pass again."""
    J, transposed = matrices(name, seed=4)
    size = np.linalg.norm(J, axis=(1, 2), keepdims=True)
    n = J.shape[1]
    allowed = 10 * n * STEPS * tolerances.eps("float64")
    assert np.all(np.abs(J.swapaxes(1, 2) - transposed) <= allowed * np.maximum(size, 1.0) * np.exp(2.0))
    assert np.any(np.abs(J - matrices(name, seed=5)[0]) > 1e-6 * size)  # which depends on the noise


@pytest.mark.parametrize("name", SMOOTH)
def test_the_tangent_is_the_derivative_of_the_run(name):
    """The same noise acts on neighbours: differences of their orbits, the slope of the noise's size included."""
    system, integrator = noisy.CASES[name]
    x0, h = noisy.starts(system, 3), 1e-6
    J, _ = matrices(name, seed=4)
    for j in range(system.dim):
        step = h * np.eye(system.dim)[j]
        ends = [
            fl.trajectory(system, x0 + sign * step, steps=STEPS, every=STEPS, integrator=integrator, seed=4).state[:, 0]
            for sign in (1, -1)
        ]
        difference = (ends[0] - ends[1]) / (2 * h)
        scale = 1.0 + np.abs(J).max()
        np.testing.assert_allclose(J[:, :, j], difference, rtol=0, atol=1e-8 * scale**2)


@pytest.mark.parametrize("name", list(noisy.CASES))
def test_full_sums_agree_with_the_volume_and_with_the_adjoint(name):
    system, integrator = noisy.CASES[name]
    how = dict(steps=60, transient=8, every=2, integrator=integrator, seed=9)
    tangent, adjoint = (
        fl.spectrum(system, noisy.starts(system, 3), direction=direction, **how) for direction in ("tangent", "adjoint")
    )
    time = how["steps"] * (tangent.settings["dt"] or 1.0)
    size = np.abs(tangent.exponents).sum(axis=-1).max() * time
    worst = max(tangent.conditioning.max(), adjoint.conditioning.max())
    allowed = tolerances.sum_rule("float64", n=system.dim, steps=60, log_size=size, conditioning=worst)
    for found in (tangent, adjoint):
        assert np.all(np.abs(found.sum_rule) * time <= allowed)
    sums = [found.exponents.sum(axis=-1) * time for found in (tangent, adjoint)]
    np.testing.assert_allclose(*sums, rtol=0, atol=2 * allowed)


@pytest.mark.slow
def test_divergence_errors():
    """Additive noise and Stratonovich noise leave the discretisation; multiplicative Ito noise has none: NaN."""
    x0 = [1.0, 0.3]
    errors = {}
    for name in ("flow, additive, rk4", "flow, diagonal, heun", "flow, multiplicative, euler"):
        system, integrator = noisy.CASES[name]
        errors[name] = fl.spectrum(system, x0, steps=2000, integrator=integrator, seed=1).divergence_error
    assert abs(errors["flow, additive, rk4"]) < 1e-4
    assert abs(errors["flow, diagonal, heun"]) < 0.05  # of the order of dt
    assert np.isnan(errors["flow, multiplicative, euler"])


def test_covariant_vectors_of_one_noise_are_dual():
    """Tangent and adjoint covariant vectors, found independently, belong to one sequence of random numbers."""
    system, how = fl.systems.henon().with_noise(1e-3), dict(steps=40, warmup=(60, 60), seed=8)
    found = {kind: fl.vectors(system, kind=kind, **how) for kind in ("covariant", "adjoint_covariant")}
    np.testing.assert_array_equal(found["covariant"].state, found["adjoint_covariant"].state)
    product = np.einsum("tin,tjn->tij", found["adjoint_covariant"].vectors, found["covariant"].vectors)
    assert np.abs(product[:, [0, 1], [1, 0]]).max() < 1e-10
    assert np.abs(product[:, [0, 1], [0, 1]]).min() > 1e-3


@pytest.mark.parametrize("name", list(noisy.CASES))
def test_check_covers_the_noise(name):
    report = fl.check(noisy.CASES[name][0], seed=3)
    assert report.ok, str(report)


def test_latex_shows_the_noise():
    text = noisy.pendulum("s", noisy.MIXED).to_latex()
    assert r"s \, \left(\xi_{1} + 0.5 \, \xi_{2}\right)" in text and r"\xi_{3}" in text
