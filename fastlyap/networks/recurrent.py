"""Recurrent cells by name: simple, LSTM, gated recurrent unit, and the random network of chaos in neural networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.networks import initialise
from fastlyap.networks.architecture import Architecture
from fastlyap.networks.cells import Cell, parameters

VARIANTS = {"torch": "gru", "original": "gru_original"}


def rnn(
    inputs: int, hidden: int, layers: int = 1, *, outputs: int | None = None, activation: str = "tanh",
    gain: Any = 1.0, seed: Any = 0,
) -> Cell:  # fmt: skip
    """The simple recurrent network h' = phi(u Wx + h Wh + b).

    Parameters
    ----------
    inputs, hidden, layers : int
        Inputs (0 for an autonomous cell), units of each layer, layers.
    outputs : int, optional
        Width of a dense read-out of the last layer.
    activation : str
        One of `fastlyap.networks.activations.ACTIVATIONS`.
    gain : float or array
        Hidden weights are normal with variance gain^2 / hidden, input weights with variance 1 / inputs; an array makes
        a batch of cells.
    seed : int or array of int
        Of the weights; an array makes a batch of cells.

    Returns
    -------
    Cell
        With parameters "0.input" (inputs, hidden), "0.hidden" (hidden, hidden), "0.bias" (hidden,), "1.input" ...,
        "readout.weight", "readout.bias"; biases are 0.

    Raises
    ------
    InputError
        For sizes that are no whole numbers, unknown activations, and arrays of gains and seeds that do not broadcast.
    """
    return _made(Architecture("rnn", inputs, hidden, layers, _width(outputs), activation), gain, seed)


def lstm(
    inputs: int, hidden: int, layers: int = 1, *, outputs: int | None = None, gain: Any = 1.0,
    forget_bias: Any = 0.0, seed: Any = 0,
) -> Cell:  # fmt: skip
    """Long short-term memory with state (h, c) of each layer, 2 H exponents; gates i, f, g, o along the last axis.

    Parameters
    ----------
    forget_bias : float or array
        Bias of the forget gate; 1 or more lets a new cell remember. An array makes a batch of cells.
    Others as in `rnn`; weights have 4 H columns.

    Notes
    -----
    Hochreiter & Schmidhuber, Neural Computation 9 (1997) 1735; Gers, Schmidhuber & Cummins, ibid. 12 (2000) 2451.
    """
    cell = _made(Architecture("lstm", inputs, hidden, layers, _width(outputs)), gain, seed)
    forget = cast.real_array("forget_bias", forget_bias)
    if not np.any(forget):
        return cell
    bias = np.zeros((*forget.shape, 4 * hidden))
    bias[..., hidden : 2 * hidden] = forget[..., None]
    return cell.with_parameters(**{f"{layer}.bias": bias for layer in range(layers)})


def gru(
    inputs: int, hidden: int, layers: int = 1, *, outputs: int | None = None, variant: str = "torch",
    gain: Any = 1.0, seed: Any = 0,
) -> Cell:  # fmt: skip
    """Gated recurrent unit, h' = (1 - z) n + z h; gates r, z, n along the last axis.

    Parameters
    ----------
    variant : "torch" or "original"
        "torch" (and cuDNN, Keras' `reset_after=True`): n = tanh(u Wx + b + r (h Wh + b_h)), with "0.hidden_bias"
        beside "0.bias". "original" (Cho et al. 2014, Keras' `reset_after=False`): n = tanh(u Wx + b + (r h) Wh).
    Others as in `rnn`; weights have 3 H columns.
    """
    kind = VARIANTS[cast.choice("variant", variant, tuple(VARIANTS))]
    return _made(Architecture(kind, inputs, hidden, layers, _width(outputs)), gain, seed)


def random_rnn(n: int, g: Any = 1.0, seed: Any = 0) -> Cell:
    """The random network x' = g J tanh(x), J normal with variance 1 / n: at rest below g = 1, chaotic above.

    Parameters
    ----------
    n : int
        Number of units.
    g : float or array
        Gain, the cell's parameter "g"; an array makes a batch of cells.
    seed : int or array of int
        J is `standard_normal((n, n)) / sqrt(n)` of `np.random.default_rng(seed)`, "0.hidden" its transpose (rows are
        vectors), and x0 that generator's next `standard_normal(n)`. An array makes a batch of networks.

    Returns
    -------
    Cell
        Autonomous.

    Notes
    -----
    Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61 (1988) 259; Engelken, Wolf & Abbott, Phys. Rev. Research 5
    (2023) 043044.
    """
    architecture = Architecture("random_rnn", 0, cast.count("n", n, 1))
    gain = initialise.gains("g", g)
    initialise.members("g", gain, initialise.seeds(seed))

    def draw(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        return generator.standard_normal((n, n)).T / np.sqrt(n), generator.standard_normal(n)

    weights, x0 = _drawn(draw, seed)
    return _cell(architecture, {"g": gain, "0.hidden": weights}, x0)


def _width(outputs: Any) -> int:
    return 0 if outputs is None else cast.count("outputs", outputs, 1)


def _drawn(draw: Callable, seed: Any) -> list[np.ndarray]:
    """What `draw(generator)` gives for every seed, batch axes in front."""
    seeds = initialise.seeds(seed)
    drawn = [draw(np.random.default_rng(int(each))) for each in seeds.flat]
    return [np.reshape(parts, seeds.shape + np.shape(parts[0])) for parts in zip(*drawn, strict=True)]


def _made(architecture: Architecture, gain: Any, seed: Any) -> Cell:
    """A cell with random weights; its state starts at small random numbers."""
    shapes = architecture.shapes
    scale, _ = initialise.members("gain", initialise.gains("gain", gain), initialise.seeds(seed))

    def draw(generator: np.random.Generator) -> list[np.ndarray]:
        parts = [
            np.zeros(shape) if "bias" in key else generator.standard_normal(shape) / np.sqrt(shape[0])
            for key, shape in shapes.items()
        ]
        return [*parts, 0.5 * generator.standard_normal(architecture.dim)]

    *found, x0 = _drawn(draw, seed)
    weights = dict(zip(shapes, found, strict=True))
    for key in (key for key in weights if key.endswith(".hidden")):
        weights[key] = scale[..., None, None] * weights[key]
    return _cell(architecture, weights, x0)


def _cell(architecture: Architecture, weights: dict[str, np.ndarray], x0: np.ndarray) -> Cell:
    x0.flags.writeable = False
    return Cell(
        kind="map", name=architecture.kind, state_names=architecture.state_names,
        parameters=parameters(architecture.shapes, weights), recording=None, x0=x0, architecture=architecture,
    )  # fmt: skip
