"""Exponents of networks through which nothing comes, or nothing finite; and calls that make no sense."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.errors import InputError
from fastlyap.networks.build import Sequential, mlp
from fastlyap.networks.layers import Activation, Dense
from fastlyap.networks.normalisation_layers import BatchNorm

NET = mlp((4, 4, 4, 3), "relu", bias=0.5, init="he", seed=1)
X = np.random.default_rng(0).standard_normal((6, 4))


def with_bias(values):
    return NET.with_parameters(**{"2.bias": np.array(values, dtype=float)})


def test_dead_units_lose_rank():
    """Two of four units are dead for all inputs: expected, so all is well."""
    net = with_bias([-99.0, 99.0, -99.0, 99.0])
    found = fl.finite_time(net, X)
    rank = np.linalg.matrix_rank(sub_jacobian(net))
    np.testing.assert_array_equal(found.n_dead, 4 - rank)
    assert rank.max() == 2 and np.all(found.status == fl.Status.OK)
    assert np.all(np.isneginf(found.exponents) == (np.arange(4) >= rank[:, None]))
    product = found.right @ np.swapaxes(found.right, -1, -2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(4), product.shape), atol=1e-13)
    assert f"{found.n_dead.sum()} of 24 are -inf" in repr(found)


def sub_jacobian(net):
    values = {name: value for name, value in net.parameters.items() if not name.startswith("4")}
    return mlp((4, 4, 4), "relu", "relu").with_parameters(**values).jacobian(X)


def test_dead_for_some_inputs_only():
    net = with_bias([0.0, 0.0, 0.0, 0.0])
    found = fl.finite_time(net, X)
    rank = np.linalg.matrix_rank(sub_jacobian(net))
    np.testing.assert_array_equal(4 - found.n_dead, rank)
    assert len(set(rank.tolist())) > 1 and np.all(found.status == fl.Status.OK)
    live = np.isfinite(found.exponents)
    values = np.linalg.svd(sub_jacobian(net), compute_uv=False)
    np.testing.assert_allclose(found.exponents[live], np.log(values[live]) / 2, atol=1e-12)


@pytest.mark.parametrize("dead", [{"2.bias": np.full(4, -99.0)}, {"0.weight": np.zeros((4, 4))}])
def test_nothing_comes_through(dead):
    found = fl.finite_time(NET.with_parameters(**dead), X)
    assert np.all(np.isneginf(found.exponents)) and np.all(found.n_dead == 4)
    assert np.all(found.status == fl.Status.OK) and np.all(found.change == 0)


def test_rank_lost_for_no_visible_reason_is_a_caution():
    """Two equal columns of weights: the rounding of their difference is no singular value."""
    weight = NET.parameters["0.weight"].copy()
    weight[:, 1] = weight[:, 0]
    net = mlp((4, 4, 4, 3), "tanh").with_parameters(**{"0.weight": weight})
    found = fl.finite_time(net, X)
    assert np.all(found.status == fl.Status.DEGENERATE) and np.all(found.n_dead == 1)


def test_one_bad_sample_changes_nothing_for_the_others():
    x = X.copy()
    x[2, 1] = np.nan
    found, good = fl.finite_time(NET, x), fl.finite_time(NET, X)
    assert found.status[2] == fl.Status.NOT_FINITE and found.failed_step[2] >= 0
    assert np.isnan(found.exponents[2]).all() and np.isnan(found.right[2]).all()
    others = np.arange(6) != 2
    np.testing.assert_array_equal(found.exponents[others], good.exponents[others])
    assert "NOT_FINITE" in found.message(2)
    with pytest.raises(fl.MemberError):
        fl.finite_time(NET, x, throw=True)


def test_plan_reference_and_storage(tmp_path):
    assert "blocks of 6 samples" in str(fl.plan("finite_time", NET, X))
    found, plain = fl.finite_time(NET, X), fl.finite_time(NET, X, backend="reference")
    np.testing.assert_allclose(found.exponents, plain.exponents, atol=1e-9)
    np.testing.assert_array_equal(found.n_dead, plain.n_dead)
    fl.save(found, tmp_path / "a.npz")
    again = fl.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.left, found.left)
    assert repr(again) == repr(found) and str(again.unit) == "nats per layer"


def test_threads_do_not_matter():
    net, x = mlp((2, 6, 6, 1)), np.random.default_rng(1).standard_normal((40, 50, 2))
    one, two = (fl.finite_time(net, x, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.exponents, two.exponents)


def test_labelled():
    pytest.importorskip("xarray")
    data = fl.finite_time(mlp((2, 5, 3)), np.zeros((3, 2))).to_xarray()
    assert dict(data.sizes) == {"sample": 3, "exponent": 2, "component": 2, "output": 5}


COUPLED = Sequential([Dense(2, 3), BatchNorm(3), Activation("tanh"), Dense(3, 2)]).train()
BAD = {
    "samples missing": (lambda: fl.finite_time(NET), "`x0` is missing"),
    "width": (lambda: fl.finite_time(NET, X[:, :3]), r"`x` must have shape \(..., B, 4\)"),
    "one sample": (lambda: fl.finite_time(NET, X[0]), r"one sample is `x\[None\]`"),
    "empty": (lambda: fl.finite_time(NET, X[:0]), "at least one sample"),
    "text": (lambda: fl.finite_time(NET, [["a"] * 4]), "`x` must hold real numbers"),
    "steps": (lambda: fl.finite_time(NET, X, steps=3), "`steps` has no meaning for a network"),
    "dt": (lambda: fl.finite_time(NET, X, dt=0.1), "`dt` has no meaning for a network"),
    "drive": (lambda: fl.finite_time(NET, X, drive=0), "`drive` has no meaning"),
    "parameters": (lambda: fl.finite_time(NET, X, {"0.bias": 0}), "with_parameters"),
    "k": (lambda: fl.finite_time(NET, X, k=5), "`k` must be at most 4"),
    "k = 0": (lambda: fl.finite_time(NET, X, k=0), "`k` must be a whole number >= 1"),
    "tolerance": (lambda: fl.finite_time(NET, X, tolerance=-1.0), "`tolerance` must be > 0"),
    "sweeps": (lambda: fl.finite_time(NET, X, max_sweeps=0), "`max_sweeps` must be"),
    "no layers": (lambda: fl.finite_time(NET, X, layers=slice(2, 2)), "`layers` must hold at least one of the 3"),
    "layers": (lambda: fl.finite_time(NET, X, layers=1), "`layers` must be a slice"),
    "stride": (lambda: fl.finite_time(NET, X, layers=slice(0, 3, 2)), "without a step"),
    "float32": (lambda: fl.finite_time(NET, X, dtype="float32"), '`dtype` must be "float64"'),
    "cuda": (lambda: fl.finite_time(NET, X, backend="cuda"), "cannot run networks yet"),
    "coupled": (lambda: fl.finite_time(COUPLED, X[:, :2]), "couples the samples"),
    "no weights": (lambda: fl.finite_time(Sequential([Activation("tanh")], input_shape=2), X[:, :2]), "no layer with"),
    "system": (lambda: fl.finite_time(fl.systems.henon(), steps=3, layers=slice(2)), "`layers` is for networks"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, words = BAD[name]
    with pytest.raises(InputError, match=words):
        call()
