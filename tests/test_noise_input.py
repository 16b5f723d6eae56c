"""Wrong noise is refused before anything compiles, in words that say what to do."""

import numpy as np
import pytest

import fastlyap as fl
from tests.noisy import pendulum

LORENZ = fl.systems.lorenz63()
NOISY = LORENZ.with_noise(0.1)


def kernels(noise):
    """A system of compiled functions with noise."""

    def rule(t, x, p, out):
        out[0] = -x[int(x[0]) * 0]

    def tangent(t, x, v, p, out):
        out[0] = -v[0]

    return fl.System.from_kernels(kind="flow", dim=1, rule=rule, tangent=tangent, x0=[1.0], dt=0.1, noise=noise)


DEFINITIONS = {
    "a negative size": (lambda: pendulum(-0.1), "`noise` must be >= 0"),
    "an unknown parameter": (lambda: pendulum("sigma"), "`noise` must name a parameter, one of damping, s"),
    "too many sizes": (lambda: pendulum(lambda t, x, p: (1.0, 2.0, 3.0)), "must return 1 or 2 value"),
    "a matrix of sizes": (lambda: pendulum(lambda t, x, p: np.eye(2)), "one value per state"),
    "a size that is no number": (lambda: pendulum(np.ones(3)), "`noise` must be one real number"),
    "directions of another dimension": (lambda: pendulum(0.1, np.ones((3, 1))), r"`noise_directions` .* \(2, q\)"),
    "one direction as a vector": (lambda: pendulum(0.1, np.ones(2)), r"`noise_directions` .* got \(2,\)"),
    "infinite directions": (lambda: pendulum(0.1, [[np.inf], [0.0]]), "`noise_directions` must be finite"),
    "a negative sigma": (lambda: LORENZ.with_noise(-1.0), "`sigma` must be a number >= 0"),
    "too few sigmas": (lambda: LORENZ.with_noise([0.1, 0.2]), "3 of them, one per state"),
    "sigma that is text": (lambda: LORENZ.with_noise("rho"), "`sigma` must hold real numbers"),
    "directions beside sigma": (lambda: LORENZ.with_noise(0.1, np.eye(2)), r"`directions` .* \(3, q\)"),
    "no direction": (lambda: pendulum(0.1, np.ones((2, 0))), r"\(2, q\), one column per direction, got \(2, 0\)"),
    "noise twice": (lambda: fl.systems.noisy_logistic().with_noise(0.1), "has noise already"),
    "a size for a batch": (lambda: NOISY.with_parameters(noise_size=[0.1, 0.2]), r"`noise_size` must have shape \(\)"),
}


@pytest.mark.parametrize("case", list(DEFINITIONS))
def test_definitions(case):
    make, words = DEFINITIONS[case]
    with pytest.raises(fl.InputError, match=words):
        make()


MULTIPLICATIVE = pendulum(lambda t, x, p: p.s * x.q)

CALLS = {
    "rk4 with multiplicative noise": (MULTIPLICATIVE, {"integrator": "rk4"}, '"heun_sde" .Stratonovich. or "euler"'),
    "adaptive steps": (NOISY, {"integrator": "dopri5"}, "`integrator` must be one of 'heun_sde', 'rk4', 'euler'"),
    "a stochastic method without noise": (LORENZ, {"integrator": "heun_sde"}, "`integrator` must be one of 'rk4'"),
    "an integrator for a map": (fl.systems.noisy_logistic(), {"integrator": "euler"}, "`integrator`"),
    "a seed beyond the generator's": (NOISY, {"seed": 2**64}, "`seed` .* below 2"),
    "a negative seed": (NOISY, {"seed": -1}, "`seed`"),
    "more steps than float32 counts": (NOISY, {"steps": 2**24, "dtype": "float32"}, 'use dtype="float64"'),
    "the size of nothing": (LORENZ, {"parameters": {"noise_size": 0.1}}, "no `noise_size`"),
}


@pytest.mark.parametrize("case", list(CALLS))
def test_calls(case):
    system, options, words = CALLS[case]
    with pytest.raises(fl.InputError, match=words):
        fl.spectrum(system, **{"steps": 10, **options})


def test_backward_in_time():
    with pytest.raises(fl.InputError, match="`dt` must be > 0 for lorenz63, which has noise"):
        fl.trajectory(NOISY, steps=10, dt=-0.01)


def test_systems_of_compiled_functions():
    with pytest.raises(fl.InputError, match="`noise` of a size that depends on the state needs a rule"):
        fl.trajectory(kernels(lambda t, x, p: x[0]), steps=3)


def test_resumed_steps_are_counted_too():
    begun = fl.spectrum(fl.systems.noisy_logistic(), steps=8, transient=0, every=1, dtype="float32")
    with pytest.raises(fl.InputError, match=r"at most 16777216 with noise in float32, got 16777217"):
        fl.spectrum(fl.systems.noisy_logistic(), resume=begun, steps=2**24 - 7)


def test_lost_members_leave_the_others_alone():
    """A member that noise throws out of the window escapes; its neighbours stay bit for bit."""
    system, sizes = fl.systems.noisy_logistic(), np.array([0.001, 5.0, 0.002])
    found = fl.spectrum(system, parameters={"sigma": sizes}, steps=40, transient=5)
    assert list(fl.Status.failed(found.status)) == [False, True, False] and np.isnan(found.exponents[1, 0])
    calm = fl.spectrum(system, parameters={"sigma": [0.001, 0.001, 0.002]}, steps=40, transient=5)
    np.testing.assert_array_equal(found.exponents[[0, 2]], calm.exponents[[0, 2]])
