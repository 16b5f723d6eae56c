"""Errors are honest: over fifty seeds the deviations from known values, in standard errors, are standard normal.

Their mean must be below .47 and their sum of squares between 23 and 90. Where no exact value is known, the mean over
all seeds stands for it, and only the squares tell.
"""

import numpy as np
import pytest
import responses

import fastlyap as fl

SEEDS = range(50)
CAT = fl.iterated_map(state="x y", parameters={"eps": 0.0, "kappa": 0.0}, x0=(0.3, 0.4))(responses.cat)
SEEN = fl.iterated_map(state="x y", parameters={"kappa": 0.0}, x0=(0.3, 0.4))(responses.cat_seen)
TENT = fl.iterated_map(state=1, parameters={"gamma": 2.0}, x0=(0.3,), noise=0.1)(responses.tent)
RANDOM = dict(state=1, parameters={"gamma": 0.3, "theta": 1.0}, x0=(0.2,), noise=responses.squeezed_size)
SQUEEZED = fl.iterated_map(**RANDOM)(responses.squeezed)

pytestmark = [pytest.mark.slow, pytest.mark.compiled, pytest.mark.timeout(1800)]


def deviations(system, objective, method, truth, **how):
    """(50, parameters) deviations from `truth`, a dict, in standard errors."""
    found = [fl.gradient(system, objective, tuple(truth), method=method, seed=seed, **how) for seed in SEEDS]
    return np.array([[(g.gradient[name] - truth[name]) / g.stderr[name] for name in truth] for g in found])


def check(z):
    """The acceptance rule, for each parameter."""
    mean, squares = z.mean(axis=0), (z**2).sum(axis=0)
    print(f"mean z {mean.round(2)}, sum of squares {squares.round(1)}")
    assert np.all(np.abs(mean) < 0.47), (mean, squares)
    assert np.all((squares > 23) & (squares < 90)), (mean, squares)


@pytest.mark.parametrize("modes", [1, "auto"])
def test_linear_response_of_the_cat_map(modes):
    truth = {name: shadowing - unstable for name, (shadowing, unstable) in responses.CAT.items()}
    method = fl.FastResponse(10, modes, 6)
    check(deviations(CAT, fl.average(responses.difference), method, truth, steps=2000, members=64))


def test_linear_response_in_other_coordinates():
    how = dict(steps=2000, members=64)
    check(deviations(SEEN, fl.average(responses.difference_seen), fl.FastResponse(5, 1, 6), {"kappa": 0.0}, **how))


@pytest.mark.parametrize("solver", ["least_squares", "march"])
def test_shadowing_part_of_the_cat_map(solver):
    truth = {name: shadowing for name, (shadowing, _) in responses.CAT.items()}
    method = fl.Shadowing(10, 1, solver)
    check(deviations(CAT, fl.average(responses.difference), method, truth, steps=4000, members=64))


def test_shadowing_of_lorenz_climate():
    how = dict(steps=10_000, transient=2000, dt=0.005, members=32, method=fl.Shadowing(40, 2))
    found = [fl.gradient(fl.systems.lorenz63(), fl.average(lambda x, p: x.z), "rho", seed=s, **how) for s in SEEDS]
    value, error = (np.array([getattr(g, name)["rho"] for g in found]) for name in ("gradient", "stderr"))
    check(((value - value.mean()) / error)[:, None])


@pytest.mark.parametrize("gamma", responses.TENT)
def test_kernel_differentiation_of_the_noisy_tent_map(gamma):
    how = dict(steps=4000, transient=100, members=64, parameters={"gamma": gamma})
    truth = {"gamma": responses.TENT[gamma]}
    check(deviations(TENT, fl.average(responses.position), fl.KernelDifferentiation(6), truth, **how))


SHARES = [fl.PathKernel(), fl.PathKernel(0.5), fl.PathKernel([[0.8]]), fl.PathKernel(0.0)]


@pytest.mark.parametrize("method", [fl.KernelDifferentiation(), *SHARES], ids=repr)
def test_noise_that_depends_on_state_and_parameter(method):
    truth = dict(zip(("gamma", "theta"), responses.SQUEEZED, strict=True))
    final = fl.terminal(lambda x, p: x[0] ** 2)
    check(deviations(SQUEEZED, final, method, truth, steps=3, transient=0, members=10_000))
