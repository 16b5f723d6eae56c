"""Pictures of sweeps on disk, drawn chunk by chunk."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.plot import sweeps as pictures

pytest.importorskip("zarr")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.compiled
HOW = dict(steps=100, transient=20, progress=False)


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    grid = fl.grid(a=np.linspace(1.0, 1.6, 12), b=np.linspace(0.1, 0.3, 8))
    store = tmp_path_factory.mktemp("plane") / "a.zarr"
    return fl.sweep("spectrum", fl.systems.henon(), grid, store=store, chunk=16, **HOW)


@pytest.mark.parametrize("what", ["exponents", "kaplan_yorke", "n_positive", "status"])
def test_a_plane_is_that_of_its_result(plane, what):
    drawn = fl.plot.sweep(plane, what).collections[0].get_array()
    np.testing.assert_array_equal(drawn, fl.plot.sweep(plane.result(), what).collections[0].get_array())


def test_blocks(plane, monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 4)
    drawn = fl.plot.sweep(plane).collections[0].get_array()
    values = plane.exponents[:, :, 0].reshape(4, 3, 4, 2)
    with np.errstate(invalid="ignore"):
        wanted = np.where(np.isfinite(values), values, 0).sum((1, 3)) / np.isfinite(values).sum((1, 3))
    np.testing.assert_allclose(np.ma.filled(drawn, np.nan), wanted.T)


def test_a_curve(tmp_path):
    grid = fl.grid(a=np.linspace(1.0, 1.6, 12))
    found = fl.sweep("spectrum", fl.systems.henon(), grid, store=tmp_path / "b.zarr", **HOW)
    axes = fl.plot.sweep(found)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), grid["a"])
    with pytest.raises(fl.InputError, match="`what`"):
        fl.plot.sweep(found, "colour")


def test_what_errors_leave_open_is_dotted(plane):
    plain, dotted = fl.plot.sweep(plane), fl.plot.sweep(plane, unsure=True)
    assert [t.get_text() for t in plain.get_legend().texts] == ["failed"]
    assert [t.get_text() for t in dotted.get_legend().texts] == ["failed", "within two errors of 0"]


def test_gradients(tmp_path):
    @fl.iterated_map(state=2, parameters=dict(K=0.3, w=np.array([0.1, 0.2])), x0=(0.1, 0.2))
    def settling(t, x, p):
        return 0.5 * x[0] + p.w[0] + p.K * fl.math.sin(x[1]), 0.4 * x[1] + p.w[1]

    found = fl.sweep(
        "gradient", settling, fl.grid(K=np.linspace(0.1, 0.4, 5)), store=tmp_path / "g.zarr", steps=20, transient=0,
        objective=fl.average(lambda x, p: x[0]), progress=False,
    )  # fmt: skip
    for drawn in (found, found.result()):
        np.testing.assert_array_equal(fl.plot.sweep(drawn, "value").lines[0].get_ydata(), found.value[:])
        assert len(fl.plot.sweep(drawn, "gradient_w").lines) == 3  # two entries, and the line at zero
        assert "derivative of the objective by K" in fl.plot.sweep(drawn, "gradient_K").get_ylabel()
    with pytest.raises(fl.InputError, match="gradient_w"):
        fl.plot.sweep(found, "gradient")
