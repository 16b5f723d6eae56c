"""Trained weights of PyTorch, Keras and Flax as cells and networks, without importing any of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import recurrent, torch_modules, weight_names
from fastlyap.networks.cells import Cell
from fastlyap.networks.layers import Activation, Dense, Layer
from fastlyap.networks.network import Network
from fastlyap.networks.safetensors_file import TensorFile
from fastlyap.networks.weight_source import Source
from fastlyap.networks.weight_stacks import Choice, Stack, stack


def from_torch(
    module_or_state_dict: Any,
    *,
    kind: str | None = None,
    activation: str | Iterable[str] | None = None,
    prefix: str = "",
    readout: str | None = None,
    order: Iterable[str] | None = None,
) -> Network | Cell:
    """A network or recurrent cell with the weights of a PyTorch module.

    Parameters
    ----------
    module_or_state_dict : torch.nn.Module, or mapping of names to tensors or arrays
        `torch.nn.RNN`, `GRU`, `LSTM` (stacked), one of their `...Cell`s, a stack of `torch.nn.Linear`, or a module that
        contains one of these; or its `state_dict()`. Of any floating type, on any device; torch is not imported.
    kind : "mlp", "rnn", "gru", "lstm", optional
        What is expected; by default what the shapes say.
    activation : str or one str per layer, optional
        Of an RNN (by default what the module says; "tanh" for a state dict), or behind the layers of a stack of Linear,
        all but the last. It is read from a `torch.nn.Sequential` and has to be given for other modules and state dicts.
    prefix : str
        Only parameters whose names begin so, "encoder." say; others are ignored then.
    readout : str, optional
        Name of the Linear layer behind a recurrent cell, "fc" say, `prefix` included.
    order : names of layers, optional
        First to last, for layers whose names have no numbers.

    Returns
    -------
    Network or Cell
        A cell has the state (h_1, h_2, ...), of an LSTM (h_1, c_1, h_2, c_2, ...), all in float64.

    Raises
    ------
    InputError
        For parameters that are missing, left over, not finite or of shapes that do not fit, and for what cannot be
        read: bidirectional layers, proj_size, batch normalisation. The message names them.

    Examples
    --------
    >>> import numpy as np
    >>> import fastlyap as fl
    >>> weights = {"weight_ih_l0": np.eye(6, 2), "weight_hh_l0": np.eye(6)}  # torch.nn.RNN(2, 6, bias=False)
    >>> fl.networks.from_torch(weights).dim
    6
    """
    said = torch_modules.described(module_or_state_dict, prefix)
    if said.activation is not None:
        given = activation if activation is None or isinstance(activation, str) else tuple(activation)
        if given not in (None, said.activation):
            raise InputError(f"`activation` is {said.activation!r} in the module, got {given!r}; leave it out.")
        activation = said.activation
    choice = Choice(kind, prefix, readout, said.order if order is None else order)
    return _built(stack(Source(said.tensors, "torch", "state_dict"), choice), activation)


def from_safetensors(
    path: str | os.PathLike,
    layout: str = "torch",
    *,
    kind: str | None = None,
    activation: str | Iterable[str] | None = None,
    prefix: str = "",
    readout: str | None = None,
    order: Iterable[str] | None = None,
    variant: str | None = None,
) -> Network | Cell:
    """A network or recurrent cell with the weights in a safetensors file.

    Parameters
    ----------
    path : str or path
        Written by `safetensors.torch.save_file(module.state_dict(), path)`; for Keras by
        `safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, path)`; for Flax by
        `safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep="."), path)`. bfloat16, float16, float32
        and float64 are read.
    layout : "torch", "keras" or "flax"
        Whose names, gate orders and transpositions. `flax` means `flax.linen`, and `flax.nnx` too.
    kind, activation, prefix, readout, order :
        As for `from_torch`. Files hold no activations: "tanh" for an RNN by default, needed for a stack of layers.
    variant : "torch" or "original", optional
        Of a Keras GRU without biases, "original" meaning `reset_after=False`; with biases their shape says it.

    Returns
    -------
    Network or Cell

    Raises
    ------
    InputError
        As for `from_torch`, and for files that are cut short or inconsistent.
    """
    cast.choice("layout", layout, weight_names.LAYOUTS)
    if variant is not None:
        cast.choice("variant", variant, ("torch", "original"))
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"`path` must be the name of a file, got {type(path).__name__}.")
    choice = Choice(kind, prefix, readout, order, variant)
    return _built(stack(Source(TensorFile(path), layout, "path"), choice), activation)


def _built(found: Stack, activation: str | Iterable[str] | None) -> Network | Cell:
    return _network(found, activation) if found.kind == "mlp" else _cell(found, activation)


def _cell(found: Stack, activation: str | Iterable[str] | None) -> Cell:
    """The recurrent layers of a stack with their read-out, starting from the state 0 as the frameworks do."""
    if found.kind != "rnn" and activation not in (None, "tanh"):
        raise InputError(f"`activation` of a cell of kind {found.kind!r} must be 'tanh', got {activation!r}.")
    weights = {f"{at}.{name}": value for at, layer in enumerate(found.layers) for name, value in layer.items()}
    sizes = len(weights["0.input"]), len(weights["0.hidden"]), len(found.layers)
    outputs = None
    if found.readout is not None:
        outputs = found.readout["weight"].shape[1]
        weights |= {"readout.bias": np.zeros(outputs)} | {f"readout.{name}": v for name, v in found.readout.items()}
    if found.kind == "rnn":
        cell = recurrent.rnn(*sizes, outputs=outputs, activation=activation or "tanh")  # type: ignore[arg-type]
    elif found.kind == "gru":
        cell = recurrent.gru(*sizes, outputs=outputs, variant=found.variant)
    else:
        cell = recurrent.lstm(*sizes, outputs=outputs)
    return replace(cell.with_parameters(**weights), x0=np.zeros(cell.dim))


def _network(found: Stack, activation: str | Iterable[str] | None) -> Network:
    """Dense layers with activations between them."""
    count = len(found.layers)
    if activation is None and count > 1:
        raise InputError(
            f"`activation` is missing: weights do not say what stands between {count} layers; pass one name, or one "
            'for each layer, "identity" for none.'
        )
    if isinstance(activation, str) or activation is None:
        names = [activation or "identity"] * (count - 1) + ["identity"]
    else:
        names = list(activation) if isinstance(activation, Iterable) else []
    if len(names) != count:
        raise InputError(f"`activation` must be one name or one for each of {count} layers, got {activation!r}.")
    layers: list[Layer] = []
    values: dict[str, np.ndarray] = {}
    for parts, name in zip(found.layers, names, strict=True):
        values |= {f"{len(layers)}.{key}": value for key, value in parts.items()}
        layers.append(Dense(*parts["weight"].shape, bias=0.0 if "bias" in parts else None))
        if name != "identity":
            layers.append(Activation(name))
    return Network(tuple(layers), found.layers[0]["weight"].shape[:1], values, "eval")
