"""Weights of PyTorch, Keras and Flax give back the outputs that these computed (docs/make_weight_fixtures.py)."""

from pathlib import Path

import numpy as np
import pytest
import tolerances

import fastlyap as fl
from fastlyap.networks.safetensors_file import TensorFile
from fastlyap.networks.weight_source import Source
from fastlyap.networks.weight_stacks import Choice, stack

FIXTURES = Path(__file__).parent / "fixtures"
READOUT = {"torch": "fc", "keras": "dense", "flax": "Dense_0"}
NAMES = sorted(path.stem for path in FIXTURES.glob("*.safetensors"))


@pytest.fixture(scope="module")
def outputs():
    with np.load(FIXTURES / "outputs.npz") as archive:
        return dict(archive)


def read(name):
    """The network of a fixture."""
    path = FIXTURES / f"{name}.safetensors"
    layout = {"nnx": "flax"}.get(name.split("_")[0], name.split("_")[0])
    activation = {"torch_rnn_relu": "relu"}.get(name, "tanh" if "mlp" in name else None)
    readout = None
    if "mlp" not in name:
        layers = {key.rpartition("/" if layout == "keras" else ".")[0] for key in TensorFile(path)}
        readout = next((layer for layer in layers if READOUT[layout] in layer), None)
    return fl.networks.from_safetensors(path, layout, activation=activation, readout=readout)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_framework(name, outputs):
    net = read(name)
    drive = outputs["drive"]
    found = net.forward(drive, backend="reference")
    found = found if "mlp" in name else found.outputs
    wanted = outputs[name]
    assert found.shape == wanted.shape
    # a dozen steps of some fifty terms each, in the framework's own working type
    eps = tolerances.eps(wanted.dtype)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=200 * eps)


def test_fixtures_are_there():
    frameworks = {name.split("_")[0] for name in NAMES}
    assert frameworks == {"torch", "keras", "flax", "nnx"}
    assert {"torch_rnn_relu", "torch_lstm", "torch_gru", "keras_gru_before", "flax_lstm"} <= set(NAMES)
    assert sum(path.stat().st_size for path in FIXTURES.iterdir()) < 100_000


@pytest.mark.parametrize("name", ["torch_lstm", "torch_gru", "torch_rnn", "torch_mlp"])
def test_state_dicts_of_arrays(name, outputs):
    """The same from a mapping of names to arrays, as from a file."""
    tensors = dict(TensorFile(FIXTURES / f"{name}.safetensors"))
    file = read(name)
    readout = "fc" if "fc.weight" in tensors else None
    found = fl.networks.from_torch(tensors, readout=readout, activation="tanh" if "mlp" in name else None)
    assert set(found.parameters) == set(file.parameters)
    for key, value in found.parameters.items():
        np.testing.assert_array_equal(value, file.parameters[key])
        assert value.dtype == np.float64


def test_gates_and_biases_of_torch_by_hand():
    """i, f, g, o and r, z, n side by side, matrices transposed; biases summed, but those of a GRU apart."""
    rng = np.random.default_rng(0)
    for kind, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        shapes = {"weight_ih_l0": (gates * 2, 3), "weight_hh_l0": (gates * 2, 2)}
        shapes |= {name: (gates * 2,) for name in ("bias_ih_l0", "bias_hh_l0")}
        state = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        cell = fl.networks.from_torch(state, kind=kind)
        np.testing.assert_array_equal(cell.parameters["0.input"], state["weight_ih_l0"].T)
        np.testing.assert_array_equal(cell.parameters["0.hidden"], state["weight_hh_l0"].T)
        if kind == "gru":
            np.testing.assert_array_equal(cell.parameters["0.bias"], state["bias_ih_l0"])
            np.testing.assert_array_equal(cell.parameters["0.hidden_bias"], state["bias_hh_l0"])
        else:
            np.testing.assert_array_equal(cell.parameters["0.bias"], state["bias_ih_l0"] + state["bias_hh_l0"])
        np.testing.assert_array_equal(cell.x0, 0.0)


def test_layers_are_counted_not_spelled():
    """Layer 10 comes behind layer 2."""
    rng = np.random.default_rng(1)
    state = {f"net.{2 * i}.weight": rng.standard_normal((4, 4)) for i in reversed(range(7))}
    net = fl.networks.from_torch(state, activation="tanh")
    weights = [value for key, value in net.parameters.items() if key.endswith("weight")]
    for i, weight in enumerate(weights):
        np.testing.assert_array_equal(weight, state[f"net.{2 * i}.weight"].T)


def test_order_by_name():
    rng = np.random.default_rng(2)
    state = {"out.weight": rng.standard_normal((4, 4)), "in.weight": rng.standard_normal((4, 4))}
    with pytest.raises(fl.InputError, match="`order` is missing.*'out', 'in'"):
        fl.networks.from_torch(state, activation="tanh")
    net = fl.networks.from_torch(state, activation=("relu", "sigmoid"), order=("in", "out"))
    x = rng.standard_normal((3, 4))
    hidden = np.maximum(x @ state["in.weight"].T, 0.0)
    wanted = 1.0 / (1.0 + np.exp(-hidden @ state["out.weight"].T))
    np.testing.assert_allclose(net.forward(x, backend="reference"), wanted, rtol=1e-14)


def test_keras_gru_without_biases():
    """Nothing in the file tells the two variants apart."""
    rng = np.random.default_rng(3)
    tensors = {"gru/gru_cell/kernel": rng.standard_normal((3, 6)),
               "gru/gru_cell/recurrent_kernel": rng.standard_normal((2, 6))}  # fmt: skip
    for variant in (None, "torch", "original"):
        found = stack(Source(tensors, "keras", "path"), Choice(variant=variant))
        assert found.kind == "gru" and found.variant == (variant or "torch")
        order = [2, 3, 0, 1, 4, 5]  # z, r, h to r, z, n
        np.testing.assert_array_equal(found.layers[0]["input"], tensors["gru/gru_cell/kernel"][:, order])
        assert ("hidden_bias" in found.layers[0]) == (variant != "original")


def test_layers_of_several_sizes_are_refused():
    tensors = {f"{name}/{part}": np.ones(shape) for name, m, h in (("rnn", 3, 2), ("rnn_1", 2, 4)) for part, shape in
               (("kernel", (m, h)), ("recurrent_kernel", (h, h)))}  # fmt: skip
    with pytest.raises(fl.InputError, match=r"equally many units, got \[2, 4\]"):
        stack(Source(tensors, "keras", "path"), Choice())
