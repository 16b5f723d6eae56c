"""Compiled fast response: against the reference member by member, exact responses, and what it is not for."""

import numpy as np
import pytest
import responses

import fastlyap as fl
from fastlyap import cast
from fastlyap.machines.gradient_starts import repeated
from fastlyap.reference.sensitivity.fast_response import response
from fastlyap.reference.sensitivity.orbit import orbit

CAT = fl.iterated_map(state="x y", parameters={"eps": 0.0, "kappa": 0.0}, x0=(0.3, 0.4))(responses.cat)
SEEN = fl.iterated_map(state="x y", parameters={"kappa": 0.0}, x0=(0.3, 0.4))(responses.cat_seen)


def z(found, error, exact):
    return np.abs(found - exact) / error


@pytest.mark.compiled
def test_both_parts_of_the_cat_maps_response_are_exact():
    g = fl.gradient(CAT, fl.average(responses.difference), steps=20_000, members=32, method=fl.FastResponse(window=6))
    assert g.status == fl.Status.OK and g.stats["modes"] == g.stats["unstable"] == 1
    for name, (shadowing, unstable) in responses.CAT.items():
        assert z(g.stats["shadowing_part"][name], g.stats["shadowing_part_stderr"][name], shadowing) < 4.5
        assert z(g.stats["unstable_part"][name], g.stats["unstable_part_stderr"][name], unstable) < 4.5
        assert z(g.gradient[name], g.stderr[name], shadowing - unstable) < 4.5


@pytest.mark.compiled
def test_second_derivatives_enter():
    """In these coordinates the unstable part without them would be .190, ten standard errors away."""
    objective = fl.average(responses.difference_seen)
    g = fl.gradient(SEEN, objective, steps=40_000, members=32, method=fl.FastResponse(5, 1, 6))
    error = g.stats["unstable_part_stderr"]["kappa"]
    assert error < 0.002 and z(g.stats["unstable_part"]["kappa"], error, 0.223607) < 4.5
    assert z(g.gradient["kappa"], g.stderr["kappa"], 0.0) < 4.5


def test_members_are_those_of_the_reference():
    """The same sums over the same steps, as far as frames have turned into place in four steps."""
    method = fl.FastResponse(segment=1, modes=1, window=1)
    g = fl.gradient(
        SEEN.with_parameters(kappa=0.1), fl.average(responses.difference_seen), method=method, steps=25, transient=0,
        spread=0.05, members=3, keep_members=True, seed=4,
    )  # fmt: skip
    starts = repeated(cast.members(SEEN, None, {"kappa": 0.1}), 3, 0.05, 4).x
    dynamics = responses.dynamics(responses.cat_seen, 3, kappa=0.1)
    made = orbit(dynamics, (0,), responses.difference_seen, starts, steps=25)
    made = made._replace(x=made.x, A=made.A[:24], B=made.B[:24])  # the last step has no window
    frame = np.broadcast_to(np.array([[[0.6, 0.8]]]), (3, 1, 2))
    expected = response(dynamics, (0,), made, frame, length=1, window=1, skip=4)
    expected = (expected.shadowing - expected.unstable)[:, 0]
    np.testing.assert_allclose(g.members["kappa"], expected, atol=2e-2 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.compiled
def test_objectives_and_grids():
    objectives = (fl.average(responses.difference_seen), fl.average(lambda x, p: fl.math.sin(6.283185307179586 * x.y)))
    options = dict(steps=3000, members=8, parameters={"kappa": np.array([0.0, 0.1, 0.2])}, keep_members=True)
    both = fl.gradient(SEEN, objectives, method=fl.FastResponse(5, 1, 6), **options)
    for g in both:
        assert g.gradient["kappa"].shape == (3,) and g.stats["unstable_part"]["kappa"].shape == (3,)
        parts = g.stats["shadowing_part"]["kappa"] - g.stats["unstable_part"]["kappa"]
        np.testing.assert_allclose(parts, g.gradient["kappa"], rtol=1e-9, atol=1e-12)
    one = fl.gradient(SEEN, objectives[0], method=fl.FastResponse(5, 1, 6), **options)
    np.testing.assert_allclose(one.members["kappa"], both[0].members["kappa"], rtol=1e-6, atol=1e-9)


@pytest.mark.compiled
def test_the_number_of_modes_must_be_that_of_unstable_directions():
    g = fl.gradient(CAT, fl.average(responses.difference), steps=3000, members=8, method=fl.FastResponse(3, 2, 6))
    assert g.status == fl.Status.UNTRUSTED and any("modes" in reason for reason in g.stats["reasons"])


@pytest.mark.parametrize(
    ("system", "method", "word"),
    [
        (fl.systems.lorenz63(), fl.FastResponse(), "flow"),
        (CAT.with_noise(0.1), fl.FastResponse(), "noise"),
        (CAT, fl.FastResponse(modes=3), "modes"),
        (CAT, fl.FastResponse(window=900), "steps"),
        (CAT, fl.FastResponse(), "window"),
    ],
)
def test_what_it_is_not_for_is_refused(system, method, word):
    def first(x, p):
        return x[0]

    with pytest.raises(fl.InputError, match=word):
        fl.gradient(system, fl.average(first), steps=1000, method=method)
