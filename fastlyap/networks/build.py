"""Make networks: from layers, or multilayer perceptrons from their widths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks.convolution_layers import Conv1d, Conv2d
from fastlyap.networks.layers import Activation, Dense, Dropout, Layer, Residual, checked, sequence
from fastlyap.networks.network import Network
from fastlyap.networks.normalisation_layers import BatchNorm, LayerNorm


def Sequential(layers: Sequence[Layer], *, input_shape: Any = None, seed: int = 0) -> Network:
    """A network of layers, one after the other.

    Parameters
    ----------
    layers : sequence of layers
        `Dense, Activation, BatchNorm, LayerNorm, Residual, Dropout, Conv1d, Conv2d, Flatten`.
    input_shape : int or tuple of int
        Shape of one sample; needed where the first layer does not say it: (channels, height, width) of pictures.
    seed : int
        Of the initial weights, drawn layer after layer from `np.random.default_rng(seed)`.

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
    rng = np.random.default_rng(cast.count("seed", seed, 0))
    values: dict[str, np.ndarray] = {}
    for layer, inner, prefix in sequence(made, shape):
        values |= layer.draw(inner, prefix, rng)
    return Network(made, shape, values)


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
    gain: float = 1.0, bias: float | None = 0.0, seed: int = 0, residual: bool = False, batch_norm: bool = False,
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
    gain : float
        Factor of the initial weights. With "lecun" it is the sigma_w of mean-field theory.
    bias : float or None
        What all biases start from; None for a network without.
    seed : int
        Of `np.random.default_rng`; weights are drawn layer after layer.
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
    """
    if not isinstance(widths, (Sequence, np.ndarray)) or isinstance(widths, str) or len(widths) < 2:
        raise InputError(f"`widths` must be two or more widths, inputs first, got {widths!r}.")
    sizes = [cast.count(f"widths[{i}]", int(w) if isinstance(w, np.integer) else w, 1) for i, w in enumerate(widths)]
    layers: list[Layer] = []
    for a, b in zip(sizes[:-2], sizes[1:-1], strict=True):
        block: list[Layer] = [Dense(a, b, bias=bias, init=init, gain=gain)]
        if batch_norm:
            block.append(BatchNorm(b))
        block.append(Activation(activation))
        if dropout:
            block.append(Dropout(dropout))
        layers += [Residual(block)] if residual and a == b else block
    layers.append(Dense(sizes[-2], sizes[-1], bias=bias, init=init, gain=gain))
    if output_activation is not None:
        layers.append(Activation(output_activation))
    return Sequential(layers, seed=seed)
