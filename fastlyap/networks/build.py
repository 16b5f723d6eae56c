"""Make networks: from layers, or multilayer perceptrons from their widths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import initialise
from fastlyap.networks.convolution_layers import Conv1d, Conv2d
from fastlyap.networks.layers import Activation, Dense, Dropout, Layer, Residual, checked, sequence
from fastlyap.networks.network import Network
from fastlyap.networks.normalisation_layers import BatchNorm, LayerNorm


def Sequential(layers: Sequence[Layer], *, input_shape: Any = None, seed: Any = 0) -> Network:
    """A network of layers, one after the other.

    Parameters
    ----------
    layers : sequence of layers
        `Dense, Activation, BatchNorm, LayerNorm, Residual, Dropout, Conv1d, Conv2d, Flatten`.
    input_shape : int or tuple of int
        Shape of one sample; needed where the first layer does not say it: (channels, height, width) of pictures.
    seed : int or array of int
        Of the initial weights, drawn layer after layer from `np.random.default_rng(seed)`; an array makes a batch of
        networks.

    Returns
    -------
    Network
        In eval mode.

    Raises
    ------
    InputError
        For widths that do not fit, naming the layer.

    Examples
    --------
    >>> import fastlyap as fl
    >>> from fastlyap.networks import Activation, Dense, Sequential
    >>> net = Sequential([Dense(64, 50), Activation("tanh"), Dense(50, 10)])
    >>> net.widths, net.n_parameters
    ((64, 50, 10), 3760)
    """
    made = checked(layers)
    shape = _input_shape(made, input_shape)
    return Network(made, shape, _drawn(lambda gain: made, shape, np.float64(1.0), seed))


def _drawn(layers: Callable, shape: tuple[int, ...], gain: Any, seed: Any) -> dict[str, np.ndarray]:
    """Parameters of the networks `layers(gain)` for every gain and seed, the axes of their batch in front."""
    gains, seeds = initialise.members("gain", initialise.gains("gain", gain), initialise.seeds(seed))
    found = []
    for factor, each in zip(gains.flat, seeds.flat, strict=True):
        rng = np.random.default_rng(int(each))
        values: dict[str, np.ndarray] = {}
        for layer, inner, prefix in sequence(layers(float(factor)), shape):
            values |= layer.draw(inner, prefix, rng)
        found.append(values)
    return {name: np.reshape([v[name] for v in found], (*seeds.shape, *np.shape(found[0][name]))) for name in found[0]}


def _input_shape(layers: tuple[Layer, ...], given: Any) -> tuple[int, ...]:
    if given is not None:
        sizes = given if isinstance(given, (tuple, list)) else (given,)
        return tuple(cast.count("input_shape", size, 1) for size in sizes)
    first = next(iter(layers), None)
    while isinstance(first, Residual) and first.layers:
        first = first.layers[0]
    if isinstance(first, Dense):
        return (first.inputs,)
    if isinstance(first, (BatchNorm, LayerNorm)):
        return (first.width,)
    example = "(3, 32, 32)" if isinstance(first, Conv2d) else "(3, 100)" if isinstance(first, Conv1d) else "64"
    raise InputError(f"`input_shape` is missing: the first layer does not say it; pass input_shape={example}, say.")


def mlp(
    widths: Sequence[int], activation: str = "tanh", output_activation: str | None = None, *, init: str = "xavier",
    gain: Any = 1.0, bias: float | None = 0.0, seed: Any = 0, residual: bool = False, batch_norm: bool = False,
    dropout: float = 0.0,
) -> Network:  # fmt: skip
    """A multilayer perceptron: dense layers, each but the last followed by an activation.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden layers, outputs.
    activation, output_activation : str
        One of `fastlyap.networks.activations.ACTIVATIONS`; none after the last layer unless given.
    init : str
        Standard deviation of the initial weights from a to b units: "xavier" sqrt(2 / (a + b)), "he" sqrt(2 / a),
        "lecun" sqrt(1 / a), "normal" 1; "orthogonal" draws orthogonal matrices.
    gain : float or array
        Factor of the initial weights. With "lecun" it is the sigma_w of mean-field theory. Its axes are batch axes: a
        network for every gain, whose layers then say gain 1.
    bias : float or None
        What all biases start from; None for a network without.
    seed : int or array of int
        Of `np.random.default_rng`; weights are drawn layer after layer. An array makes a network for every seed, and
        broadcasts against `gain`; every member is the network of its own gain and seed, to the last bit.
    residual : bool
        Whether hidden layers between equal widths become blocks x + F(x).
    batch_norm : bool
        Whether batch norm stands between the hidden dense layers and their activations.
    dropout : float
        Probability with which outputs of hidden layers are dropped in train mode.

    Returns
    -------
    Network
        In eval mode. Its layers, and so the names of parameters, count activations too, as in `torch.nn.Sequential`:
        "0.weight", "2.weight" ....

    Raises
    ------
    InputError

    Examples
    --------
    >>> import fastlyap as fl
    >>> net = fl.networks.mlp((2, 3, 1), init="orthogonal")
    >>> list(net.parameters)
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> fl.networks.mlp((2, 3, 1), gain=[[0.5], [1.0]], seed=range(8)).batch_shape
    (2, 8)
    """
    if not isinstance(widths, (Sequence, np.ndarray)) or isinstance(widths, str) or len(widths) < 2:
        raise InputError(f"`widths` must be two or more widths, inputs first, got {widths!r}.")
    sizes = [cast.count(f"widths[{i}]", int(w) if isinstance(w, np.integer) else w, 1) for i, w in enumerate(widths)]
    told = _Perceptron(sizes, activation, output_activation, init, bias, residual, batch_norm, dropout)
    layers = functools.cache(told.layers)
    values = _drawn(layers, (sizes[0],), gain, seed)
    return Network(layers(float(gain) if np.ndim(gain) == 0 else 1.0), (sizes[0],), values)


class _Perceptron(NamedTuple):
    """What `mlp` is told, gain and seed apart."""

    widths: list[int]
    activation: str
    output_activation: str | None
    init: str
    bias: float | None
    residual: bool
    batch_norm: bool
    dropout: float

    def layers(self, gain: float) -> tuple[Layer, ...]:
        """The layers, from weights of this gain."""
        dense = functools.partial(Dense, bias=self.bias, init=self.init, gain=gain)
        made: list[Layer] = []
        for a, b in zip(self.widths[:-2], self.widths[1:-1], strict=True):
            block: list[Layer] = [dense(a, b)]
            if self.batch_norm:
                block.append(BatchNorm(b))
            block.append(Activation(self.activation))
            if self.dropout:
                block.append(Dropout(self.dropout))
            made += [Residual(block)] if self.residual and a == b else block
        made.append(dense(*self.widths[-2:]))
        return (*made, Activation(self.output_activation)) if self.output_activation is not None else tuple(made)
