"""Pictures of vectors, angles and finite-time exponents."""

import io

import numpy as np
import pytest

import fastlyap as fl

matplotlib = pytest.importorskip("matplotlib")

HENON = fl.systems.henon()


def drawn(ax):
    """The Axes, after checking that the figure can be rendered."""
    ax.figure.savefig(io.BytesIO(), format="png", dpi=50)
    return ax


def test_vectors_on_the_orbit():
    found = fl.vectors(HENON, steps=30, warmup=30)
    ax = drawn(fl.plot.vectors(found, count=10))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert [len(lines.get_segments()) for lines in ax.collections] == [10, 10]
    segment = ax.collections[0].get_segments()[0]
    middle, direction = segment.mean(axis=0), np.diff(segment, axis=0)[0]
    np.testing.assert_allclose(middle, found.state[0])
    np.testing.assert_allclose(np.cross(np.r_[direction, 0], np.r_[found.vectors[0, 0], 0]), 0, atol=1e-12)
    lean = fl.vectors(HENON, steps=30, warmup=30, store=False)
    with pytest.raises(fl.InputError, match="store=True"):
        fl.plot.vectors(lean)
    with pytest.raises(fl.InputError, match="`components`"):
        fl.plot.vectors(found, (0, 2))


def test_angles_of_one_member_and_of_batches():
    one = fl.vectors(HENON, steps=30, warmup=30)
    ax = drawn(fl.plot.angles(one))
    assert ax.get_xlabel() == "angle (degrees)"
    values, edges, _ = ax.patches[0].get_data()
    assert (values * np.diff(edges)).sum() == pytest.approx(1.0)
    a, b = np.linspace(1.2, 1.4, 4), np.linspace(0.2, 0.3, 3)
    line = fl.vectors(HENON, parameters=fl.grid(a=a), steps=30, warmup=30)
    assert "smallest angle" in drawn(fl.plot.angles(line)).get_ylabel()
    plane = fl.vectors(HENON, parameters=fl.grid(a=a, b=b), steps=30, warmup=30, store=False)
    ax = drawn(fl.plot.angles(plane, [(0, 1)]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    shown = np.asarray(ax.collections[0].get_array()).reshape(3, 4)
    np.testing.assert_allclose(shown, np.rad2deg(plane.minimum_angle[..., 0, 1]).T)
    drawn(fl.plot.angles(plane, index=(1, 1)))
    with pytest.raises(fl.InputError, match="`pairs`"):
        fl.plot.angles(plane, [(0, 2)])


def test_field():
    gyre = fl.systems.double_gyre()
    grid = fl.grid(x0=dict(x=np.linspace(0, 2, 5), y=np.linspace(0, 1, 4)))
    found = fl.finite_time(gyre, parameters=grid, steps=10)
    ax = drawn(fl.plot.ftle_map(found))
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 2), (0, 1))
    assert "largest finite-time exponent" in ax.figure.axes[1].get_ylabel()
    ax = drawn(fl.plot.ftle_map(found, extent=(0.5, 1.5, 0, 1), index=1))
    assert ax.get_xlim() == (0.5, 1.5)
    for wrong, message in ((dict(index=2), "`index`"), (dict(extent=(0, 1)), "`extent`")):
        with pytest.raises(fl.InputError, match=message):
            fl.plot.ftle_map(found, **wrong)
    with pytest.raises(fl.InputError, match="two batch axes"):
        fl.plot.ftle_map(fl.finite_time(gyre, steps=10))
