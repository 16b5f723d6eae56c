"""Networks as values: batches of them, modes, running statistics, masks, pickles, printing, threads."""

import pickle

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import BatchNorm, Dense, Dropout, Sequential, compiled, initialise, mlp
from fastlyap.reference import layers as reference
from tests.networks.made_networks import MAKE, network, numbers
from tests.tolerances import eps

TINY = 2000 * eps("float64")


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", sorted(set(MAKE) - {"nothing"}))
def test_a_batch_is_its_members(name, train):
    """Batch axes of weights and samples broadcast; members differ by their masks alone, which go by their number."""
    nets = network(name, train=train, batch=(2, 1))
    x, v, w = numbers(nets, front=(3,))
    w = np.broadcast_to(w, (2, *w.shape))
    out, found = nets.forward(x), nets.backward(x, w)
    assert out.shape == (2, 3, 4, *nets.output_shape) and found.input.shape == (2, 3, 4, *nets.input_shape)
    masked = train and any("Dropout" in repr(layer) for layer in nets.layers)
    for i in range(2):
        net = nets.with_parameters(**{k: a[i, 0] for k, a in (nets.parameters | nets.statistics).items()})
        for j in range(3):
            if masked and (i, j) != (0, 0):
                continue
            np.testing.assert_allclose(out[i, j], net.forward(x[j]), rtol=TINY, atol=TINY)
            one = net.backward(x[j], w[i, j])
            np.testing.assert_allclose(found.input[i, j], one.input, rtol=TINY, atol=TINY)
            for key in net.parameters:
                assert found.parameters[key].shape == (2, 3, *net.shapes[key])
                np.testing.assert_allclose(found.parameters[key][i, j], one.parameters[key], rtol=TINY, atol=TINY)


def test_a_parameter_may_vary_alone():
    net = mlp((3, 4, 2))
    gains = np.linspace(0.5, 2.0, 5)[:, None, None]
    nets = net.with_parameters(**{"0.weight": gains * net.parameters["0.weight"]})
    assert nets.batch_shape == (5,) and nets.n_parameters == net.n_parameters == 26
    x = np.random.default_rng(0).standard_normal((6, 3))
    np.testing.assert_allclose(nets.forward(x), nets.forward(x, backend="reference"), rtol=TINY)
    jacobian = nets.jacobian(x)
    assert jacobian.shape == (5, 6, 2, 3)
    np.testing.assert_allclose(jacobian, nets.jacobian(x, backend="reference"), rtol=TINY, atol=TINY)


def test_nothing_depends_on_threads_and_blocks(monkeypatch):
    net = network("dense", batch=(3,))
    x, v, w = numbers(net, samples=50)
    w = np.broadcast_to(w, (3, *w.shape))
    masked = mlp((6, 5, 4), dropout=0.4).train()
    expected = masked.forward(x, seed=2)
    whole = net.forward(x, threads=1), net.tangent(x, v, threads=1), net.backward(x, w, threads=1)
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1.0)
    monkeypatch.setattr(compiled, "BLOCK", 1)
    monkeypatch.setattr(compiled, "FEWEST", 16)
    monkeypatch.setattr(compiled, "GROUP", 1)
    found = net.forward(x, threads=2), net.tangent(x, v, threads=2), net.backward(x, w, threads=2)
    for a, b in zip(found[:2], whole[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=TINY, atol=TINY)
    np.testing.assert_array_equal(found[2].parameters["0.weight"], whole[2].parameters["0.weight"])
    np.testing.assert_allclose(masked.forward(x, seed=2, threads=2), expected, rtol=TINY, atol=TINY)


def test_networks_are_never_changed():
    net = mlp((3, 4, 2))
    weight = net.parameters["0.weight"]
    with pytest.raises(ValueError, match="read-only"):
        weight[0] = 1.0
    with pytest.raises(TypeError):
        net.parameters["0.weight"] = weight
    with pytest.raises(AttributeError, match="never changed in place"):
        net.mode = "train"
    given = np.ones((3, 4))
    changed = net.with_parameters(**{"0.weight": given})
    given[:] = 7.0
    assert np.all(changed.parameters["0.weight"] == 1.0) and not np.any(net.parameters["0.weight"] == 1.0)


@pytest.mark.parametrize("name", MAKE)
def test_pickles_and_prints(name):
    net = network(name, train=True)
    x, _, _ = numbers(net)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.forward(x), net.forward(x))
    assert again.mode == "train" and "train" in repr(net)
    assert repr(mlp((9,) * 300)).count("\n") < 24


def test_widths_and_names():
    net = mlp((6, 5, 5, 2), batch_norm=True, residual=True)
    assert net.widths == (6, 5, 5, 2)
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "BatchNorm", "Activation", "Residual", "Dense"]
    assert list(net.parameters)[:5] == ["0.weight", "0.bias", "1.weight", "1.bias", "3.0.weight"]
    assert set(net.statistics) == {f"{i}.running_{what}" for i in ("1", "3.1") for what in ("mean", "var")}


def test_train_mode_takes_the_statistics_of_the_batch():
    net = Sequential([BatchNorm(3, eps=1e-12)]).train()
    x = 5.0 + 3.0 * np.random.default_rng(0).standard_normal((200, 3))
    y = net.forward(x)
    np.testing.assert_allclose(y.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(y.var(0), 1.0, rtol=1e-9)
    assert net.eval().mode == "eval" and np.array_equal(net.eval().forward(x), x / np.sqrt(1.0 + 1e-12))


def test_running_statistics_are_unbiased_and_move():
    net = mlp((3, 4, 2), batch_norm=True)
    x = np.random.default_rng(0).standard_normal((7, 3))
    z = net.tape(x)[0]
    moved = net.with_statistics_of(x, momentum=0.25).statistics
    np.testing.assert_allclose(moved["1.running_mean"], 0.25 * z.mean(0), rtol=TINY)
    np.testing.assert_allclose(moved["1.running_var"], 0.75 + 0.25 * z.var(0, ddof=1), rtol=TINY)
    assert not np.any(net.statistics["1.running_mean"])


def test_masks_drop_as_often_as_they_should():
    """By a z-score; the same seed gives the same masks, another member others, evaluation none."""
    p, net = 0.3, Sequential([Dropout(0.3)], input_shape=50).train()
    x = np.ones((2, 400, 50))
    y = net.forward(x, seed=9)
    assert set(np.unique(y)) == {0.0, 1.0 / (1.0 - p)}
    dropped = np.mean(y == 0.0)
    assert abs(dropped - p) < 5 * np.sqrt(p * (1 - p) / y.size)
    np.testing.assert_array_equal(net.forward(x, seed=9), y)
    np.testing.assert_array_equal(net.tangent(x, x, seed=9), y)
    assert 0.3 < np.mean(y[0] != y[1]) < 0.55 and np.any(net.forward(x, seed=8) != y)
    np.testing.assert_array_equal(y[1], reference.masks(9, 1, 400)(50, p))
    np.testing.assert_array_equal(net.eval().forward(x), x)


def test_nan_stays_with_its_member_and_sample():
    nets = network("dense", batch=(3,))
    x, _, w = numbers(nets, front=(3,))
    x[1, 2, 0] = np.nan
    out = nets.forward(x)
    assert np.isnan(out[1, 2]).all() and np.isfinite(np.delete(out.reshape(12, -1), 6, axis=0)).all()
    found = nets.backward(x, w).parameters["0.weight"]
    assert np.isnan(found[1]).any() and np.isfinite(found[[0, 2]]).all()


SPREAD = {"xavier": np.sqrt(2 / 500), "he": np.sqrt(2 / 200), "lecun": np.sqrt(1 / 200), "normal": 1.0}


@pytest.mark.parametrize("init", initialise.NAMES)
def test_initial_weights(init):
    """Mean and variance by z-scores; orthogonal matrices are that, up to the gain, whichever side is longer."""
    weight = mlp((200, 300), init=init, gain=1.5, seed=4).parameters["0.weight"]
    if init == "orthogonal":
        np.testing.assert_allclose(weight @ weight.T, 2.25 * np.eye(200), atol=1e-12)
        tall = mlp((30, 20), init=init).parameters["0.weight"]
        np.testing.assert_allclose(tall.T @ tall, np.eye(20), atol=1e-12)
    else:
        z = weight / (1.5 * SPREAD[init])
        assert abs(z.mean()) < 5 / np.sqrt(z.size) and abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)


def test_seeds_decide_the_weights():
    first, again, other = (mlp((4, 3), seed=s).parameters["0.weight"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.all(first != other)
    np.testing.assert_array_equal(mlp((4, 3), bias=0.5).parameters["0.bias"], 0.5)
    assert "0.bias" not in mlp((4, 3), bias=None).parameters
    assert Dense(4, 3) == Dense(4, 3) and fl.networks.Dense is Dense
