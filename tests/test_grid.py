"""Open-mesh grids."""

import pickle

import numpy as np
import pytest

from fastlyap.errors import InputError
from fastlyap.sweeps import grid


def test_axes_come_in_the_order_written():
    found = grid(rho=np.linspace(0, 1, 4), sigma=[8.0, 9.0, 10.0], beta=2.5)
    assert found.dims == ("rho", "sigma") and found.shape == (4, 3)
    assert found["rho"].shape == (4, 1) and found["sigma"].shape == (1, 3) and found["beta"].shape == ()
    assert np.broadcast_shapes(*(v.shape for v in found.values())) == found.shape
    assert list(found) == ["rho", "sigma", "beta"] and len(found) == 3


def test_it_is_numpy_ix_with_names():
    a, b, c = np.arange(2.0), np.arange(3.0), np.arange(4.0)
    for ours, theirs in zip(grid(a=a, b=b, c=c).values(), np.ix_(a, b, c), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_starts_come_first():
    found = grid(x0={"x": [1.0, 2.0], "y": [3.0, 4.0, 5.0], "z": 1.0}, rho=[1.0, 2.0, 3.0, 4.0])
    assert found.dims == ("x", "y", "rho") and found.shape == (2, 3, 4)
    assert found.x0["x"].shape == (2, 1, 1) and found.x0["y"].shape == (1, 3, 1) and found.x0["z"].shape == ()
    assert found["rho"].shape == (1, 1, 4)


def test_whole_states_make_one_axis():
    found = grid(x0=np.zeros((5, 3)), rho=[1.0, 2.0])
    assert found.dims == ("x0", "rho") and found.x0.shape == (5, 1, 3)
    one = grid(x0=[1.0, 2.0, 3.0], rho=[1.0, 2.0])
    assert one.dims == ("rho",) and one.x0.shape == (3,)


def test_own_shapes_stay_behind():
    found = grid(K=[1.0, 2.0], omega=np.zeros((4, 7)))
    assert found.shape == (2, 4) and found["omega"].shape == (1, 4, 7)


def test_a_state_and_a_parameter_of_one_name_keep_apart():
    found = grid(x0={"a": [1.0, 2.0]}, a=[1.0, 2.0, 3.0])
    assert found.dims == ("x0.a", "a") and found.shape == (2, 3)


def test_nothing_varied_is_one_point():
    assert grid(rho=28.0).shape == () and grid().shape == ()


def test_empty_axes_make_empty_batches():
    assert grid(rho=[], sigma=[1.0, 2.0]).shape == (0, 2)


def test_it_is_frozen_and_keeps_no_view_of_the_callers_data():
    values = np.arange(3.0)
    found = grid(rho=values)
    values[0] = 7.0
    assert found["rho"][0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        found["rho"][0] = 1.0
    with pytest.raises(AttributeError):
        found.x0 = None
    again = pickle.loads(pickle.dumps(found))
    assert again.dims == found.dims and np.array_equal(again["rho"], found["rho"])


def test_its_words_name_axes_and_size():
    text = repr(grid(x0={"x": [0.0, 1.0]}, rho=np.linspace(0, 250, 100), beta=2.5))
    assert text == "Grid(x: 2 from 0 to 1, rho: 100 from 0 to 250; beta = 2.5), 200 points"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rho": ["a"]}, "`rho`"),
        ({"rho": [1.0, np.nan]}, "`rho` must be finite"),
        ({"x0": {"x": [[1.0]]}}, r"`x0\['x'\]` must have at most 1 axes"),
        ({"x0": np.zeros((2, 2, 2))}, "`x0` must have at most 2 axes"),
    ],
)
def test_wrong_values_are_refused_by_name(arguments, words):
    with pytest.raises(InputError, match=words):
        grid(**arguments)
