"""Maps of exponents over the inputs of a network, and pictures of its gradients."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.errors import InputError
from fastlyap.networks.build import mlp

pytest.importorskip("matplotlib")
NET = mlp((2, 4, 4, 1), gain=2.0)
ACROSS, UP = np.linspace(-1, 1, 5), np.linspace(0, 3, 4)
GRID = np.stack(np.meshgrid(ACROSS, UP), axis=-1)  # (4, 5, 2): rows are the vertical axis


def values(ax):
    return np.asarray(ax.collections[0].get_array()).reshape(4, 5)


def test_grids_of_any_order_give_one_picture():
    found = fl.finite_time(NET, GRID)
    ax = fl.plot.ftle_map(found)
    np.testing.assert_array_equal(values(ax), found.exponents[..., 0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x[0]", "x[1]") and ax.get_ylim() == (0, 3)
    mixed = np.random.default_rng(0).permutation(20)
    for x in (GRID.reshape(-1, 2), GRID.reshape(-1, 2)[mixed], GRID.swapaxes(0, 1)):
        np.testing.assert_array_equal(values(fl.plot.ftle_map(fl.finite_time(NET, x))), values(ax))


def test_planes_of_more_inputs():
    net = mlp((3, 4, 4, 1))
    plane = np.concatenate([GRID, np.ones((4, 5, 1))], axis=-1)
    found = fl.finite_time(net, plane)
    ax = fl.plot.ftle_map(found, extent=(-1, 1, 0, 3), index=1)
    np.testing.assert_array_equal(values(ax), found.exponents[..., 1])
    assert ax.get_xlim() == (-1, 1)
    with pytest.raises(InputError, match="`extent` is missing"):
        fl.plot.ftle_map(found)


def test_no_map():
    with pytest.raises(InputError, match="over a grid of inputs"):
        fl.plot.ftle_map(fl.finite_time(NET, GRID.reshape(-1, 2)[:7]))
    with pytest.raises(InputError, match="`extent` must be"):
        fl.plot.ftle_map(fl.finite_time(NET, GRID), extent=(0, 1))
