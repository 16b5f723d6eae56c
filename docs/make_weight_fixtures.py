"""Weights of small networks as PyTorch, Keras and Flax store them, with the frameworks' own outputs, for the tests.

    pip install torch keras "jax[cpu]" flax safetensors
    python docs/make_weight_fixtures.py tests/networks/fixtures

writes a safetensors file for each network, and `outputs.npz` with the input sequence and every network's output. Made
with torch 2.13.0, keras 3.15.1, flax 0.12.8 and jax 0.10.2.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["JAX_PLATFORMS"] = "cpu"

import flax.linen as linen  # noqa: E402
import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import safetensors.numpy  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from flax import nnx  # noqa: E402
from flax.traverse_util import flatten_dict  # noqa: E402

INPUTS, HIDDEN, OUTPUTS, STEPS = 3, 5, 2, 12
rng = np.random.default_rng(0)
drive = rng.standard_normal((STEPS, INPUTS))


class Reader(torch.nn.Module):
    """A recurrent module with a Linear layer behind it."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn
        self.fc = torch.nn.Linear(HIDDEN, OUTPUTS)

    def forward(self, x):
        """Outputs (T, OUTPUTS) for a sequence (T, INPUTS)."""
        return self.fc(self.rnn(x)[0])


def torch_networks():
    """Name, module and the type in which its weights are stored."""
    torch.manual_seed(0)
    yield "torch_rnn", torch.nn.RNN(INPUTS, HIDDEN, num_layers=2), torch.float32
    yield "torch_rnn_relu", torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="relu", bias=False), torch.float64
    yield "torch_lstm", Reader(torch.nn.LSTM(INPUTS, HIDDEN, num_layers=2)), torch.bfloat16
    yield "torch_gru", Reader(torch.nn.GRU(INPUTS, HIDDEN, num_layers=2)), torch.float16
    linear, tanh = torch.nn.Linear, torch.nn.Tanh()
    stack = torch.nn.Sequential(linear(INPUTS, 6), tanh, linear(6, 6), tanh, linear(6, OUTPUTS))
    yield "torch_mlp", stack, torch.float32


def from_torch(folder, outputs):
    """The weights are rounded to the type they are stored in, the outputs computed in double precision."""
    for name, module, dtype in torch_networks():
        state = {key: (3 * value).to(dtype) for key, value in module.state_dict().items()}
        safetensors.torch.save_file(state, folder / f"{name}.safetensors")
        module.double().load_state_dict(state)
        with torch.no_grad():
            found = module(torch.tensor(drive))
        outputs[name] = (found[0] if isinstance(found, tuple) else found).numpy()


def keras_networks():
    """Name and layers."""
    layers = keras.layers
    yield "keras_rnn", [layers.SimpleRNN(HIDDEN, return_sequences=True)]
    yield "keras_lstm", [layers.LSTM(HIDDEN, return_sequences=True), layers.LSTM(HIDDEN, return_sequences=True),
                         layers.Dense(OUTPUTS)]  # fmt: skip
    yield "keras_gru", [layers.GRU(HIDDEN, return_sequences=True), layers.GRU(HIDDEN, return_sequences=True),
                        layers.Dense(OUTPUTS)]  # fmt: skip
    yield "keras_gru_before", [layers.GRU(HIDDEN, return_sequences=True, reset_after=False)]
    yield "keras_mlp", [layers.Dense(6, "tanh"), layers.Dense(6, "tanh"), layers.Dense(OUTPUTS)]


def from_keras(folder, outputs):
    """Random weights, biases too; Keras takes products of matrices in float32 only, so outputs are that good."""
    for name, layers in keras_networks():
        model = keras.Sequential([keras.Input((None, INPUTS)), *layers])
        for weight in model.weights:
            weight.assign(rng.normal(0.0, 0.7, weight.shape))
        # safetensors writes arrays as they lie in memory
        found = {w.path: np.ascontiguousarray(keras.ops.convert_to_numpy(w)) for w in model.weights}
        safetensors.numpy.save_file(found, folder / f"{name}.safetensors")
        outputs[name] = keras.ops.convert_to_numpy(model(drive[None])[0])


class Stacked(linen.Module):
    """Recurrent cells one behind the other, and dense layers behind them."""

    cells: tuple
    dense: tuple = ()

    @linen.compact
    def __call__(self, x):
        """Outputs (1, T, width) for a sequence (1, T, INPUTS)."""
        for cell, width in self.cells:
            x = linen.RNN(cell(width, param_dtype=np.float64))(x)
        for at, width in enumerate(self.dense):
            x = linen.Dense(width, param_dtype=np.float64)(x)
            x = linen.tanh(x) if at + 1 < len(self.dense) else x
        return x


def linen_networks():
    """Name and module."""
    yield "flax_rnn", Stacked(((linen.SimpleCell, HIDDEN),))
    yield "flax_lstm", Stacked(((linen.OptimizedLSTMCell, HIDDEN), (linen.OptimizedLSTMCell, HIDDEN)), (OUTPUTS,))
    yield "flax_gru", Stacked(((linen.GRUCell, HIDDEN), (linen.GRUCell, HIDDEN)), (OUTPUTS,))
    yield "flax_mlp", Stacked((), (6, 6, OUTPUTS))


def from_linen(folder, outputs):
    """Random weights, biases too, in float64."""
    for name, module in linen_networks():
        shapes = jax.eval_shape(module.init, jax.random.key(0), drive[None])
        parameters = jax.tree.map(lambda leaf: rng.normal(0.0, 0.7, leaf.shape), shapes)
        flat = {key: np.asarray(value) for key, value in flatten_dict(parameters, sep=".").items()}
        safetensors.numpy.save_file(flat, folder / f"{name}.safetensors")
        outputs[name] = np.asarray(module.apply(parameters, drive[None])[0])


def from_nnx(folder, outputs):
    """The cells of `flax.nnx`, whose kernels lie side by side."""
    cells = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell, "lstm_gates": nnx.LSTMCell}
    for name, cell in cells.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = cell(INPUTS, HIDDEN, dtype=np.float64, param_dtype=np.float64, rngs=nnx.Rngs(0))
            module = nnx.RNN(made, rngs=nnx.Rngs(0))
            graph, state, rest = nnx.split(module, nnx.Param, ...)
            state = jax.tree.map(lambda leaf: rng.normal(0.0, 0.7, leaf.shape), state)
            flat = {".".join(path): np.asarray(value[...]) for path, value in nnx.to_flat_state(state)}
            outputs[f"nnx_{name}"] = np.asarray(nnx.merge(graph, state, rest)(drive[None])[0])
        safetensors.numpy.save_file(flat, folder / f"nnx_{name}.safetensors")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    jax.config.update("jax_enable_x64", True)
    results = {"drive": drive}
    for make in (from_torch, from_keras, from_linen, from_nnx):
        make(target, results)
    np.savez_compressed(target / "outputs.npz", **results)
