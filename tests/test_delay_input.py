"""Wrong delays, histories and uses are refused in our words before anything is compiled."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.trace import cache


def rule(t, x, p):
    return (p.a * x.delayed.x - x.x,)


def define(**given):
    return fl.flow(**{"state": "x", "parameters": dict(a=0.5, tau=1.0), "delay": "tau", "x0": (0.5,), **given})(rule)


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch):
    """Loading generated code is an error."""

    def refuse(*_):
        raise AssertionError("a module was loaded before the arguments were checked")

    monkeypatch.setattr(cache, "load", refuse)


DEFINITIONS = {
    "unknown": (dict(delay="sigma"), "`delay` must name parameters, got 'sigma'; there are: a, tau"),
    "number": (dict(delay=1.0), "`delay` must be the name of a parameter"),
    "empty": (dict(delay=()), "`delay` must be the name of a parameter"),
    "array": (dict(parameters=dict(a=1.0, tau=[1.0, 2.0])), "one number, got 'tau' of shape"),
    "zero": (dict(parameters=dict(a=1.0, tau=0.0)), "must be > 0"),
    "negative": (dict(parameters=dict(a=1.0, tau=-1.0)), "must be > 0"),
    "noise": (dict(noise=0.1), "`noise` and `delay` cannot be combined"),
    "state": (dict(state="delayed"), "`state` cannot hold `delayed`"),
    "history": (dict(x0=lambda t: (1.0,)), "functions of time go into the call"),
}


@pytest.mark.parametrize("case", DEFINITIONS)
def test_wrong_definitions(case):
    wrong, words = DEFINITIONS[case]
    with pytest.raises(fl.InputError, match=words):
        define(**wrong)


def test_delayed_states_need_a_delay():
    with pytest.raises(fl.InputError, match="there is no state `delayed`"):
        define(delay=None)
    with pytest.raises(fl.InputError, match="`with_noise`.*delays"):
        define().with_noise(0.1)


CALLS = {
    "zero": (dict(parameters=dict(tau=[1.0, 0.0])), "`tau` is a delay and must be > 0, got 0"),
    "negative": (dict(parameters=dict(tau=-1.0)), "`tau` is a delay and must be > 0"),
    "below a step": (dict(parameters=dict(tau=[1.0, 0.05])), "at least a step, dt = 0.1, got 0.05; use a smaller"),
    "too long": (dict(parameters=dict(tau=1e6)), "`tau` must be at most 1048576 steps"),
    "integrator": (dict(integrator="dopri5"), "`integrator` must be 'rk4'"),
    "history": (dict(x0=lambda t: (1.0, 2.0)), r"`x0` must have shape \(..., 1\).*got \(2,\)"),
    "history shape": (dict(x0=lambda t: (1.0,) if t > -0.5 else (1.0, 2.0)), "one shape at all times"),
    "history NaN": (dict(x0=lambda t: (np.nan if t < -0.3 else 1.0,)), "must be finite"),
    "history raises": (dict(x0=lambda t: (1 / 0,)), "`x0` raised ZeroDivisionError at t = 0"),
    "history batch": (dict(x0=lambda t: np.ones((3, 1)), parameters=dict(a=[1.0, 2.0])), "broadcast together"),
    "backend": (dict(backend="cuda"), "has a delay"),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("verb", [fl.spectrum, fl.maximal, fl.trajectory])
def test_wrong_calls(verb, case, monkeypatch):
    from fastlyap.machines import planning

    wrong, words = CALLS[case]
    if case == "backend":
        pytest.importorskip("numba_cuda")
        from fastlyap.backend import cuda

        monkeypatch.setattr(cuda, "problem", lambda: "")
        assert planning.backend("cuda") == "cuda"
    with pytest.raises(fl.InputError, match=words):
        verb(define(), **{"steps": 10, "dt": 0.1, **wrong})


def test_wrong_spectra():
    system = define()
    with pytest.raises(fl.InputError, match="`k` must be at most 21, the dimension of the state and its stored"):
        fl.spectrum(system, dt=0.1, k=22, steps=10)
    with pytest.raises(fl.InputError, match='`direction` must be "tangent"'):
        fl.spectrum(system, dt=0.1, steps=10, direction="adjoint")
    with pytest.raises(fl.InputError, match="`dt`"):
        fl.trajectory(system, dt=-0.1, steps=10)
    with pytest.raises(fl.InputError, match="`x0` must be an array for henon, which has no delay"):
        fl.spectrum(fl.systems.henon(), lambda t: (0.1, 0.1), steps=10)


@pytest.mark.parametrize("verb", ["vectors", "finite_time", "gali"])
def test_verbs_that_know_no_delays(verb):
    if not hasattr(fl, verb):
        pytest.skip("not there yet")
    with pytest.raises(fl.InputError, match="has a delay"):
        getattr(fl, verb)(define(), dt=0.1, steps=20)


def test_a_step_that_is_the_delay_up_to_rounding():
    """0.1 * 3 is a little more than 0.3, and 0.1 a little less than 0.3 / 3."""
    plan = fl.plan("spectrum", define(), parameters=dict(tau=[0.3, 0.1 * 3]), dt=0.3, steps=10)
    assert plan.members == 2


def test_x_holds_the_delayed_states_behind_the_present_ones():
    system = define()
    np.testing.assert_allclose(system.rule([1.0, 3.0]), [0.5])
    np.testing.assert_allclose(system.jacobian([1.0, 3.0]), [[-1.0, 0.5]])
    assert "x(t - \\tau)" in system.to_latex() and fl.check(system).ok
    with pytest.raises(fl.InputError, match=r"`x` must have shape \(..., 2\)"):
        system.rule([1.0])
