"""Named tensors of a trained network as a stack of layers in our layout, with every check on names and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import gate_orders, weight_names
from fastlyap.networks.gate_orders import Recurrent
from fastlyap.networks.weight_names import Layer, Names
from fastlyap.networks.weight_source import Reader, Source

KINDS = ("mlp", "rnn", "gru", "lstm")


class Choice(NamedTuple):
    """Which of the layers to take, and what they are expected to be."""

    kind: str | None = None
    prefix: str = ""
    readout: str | None = None
    order: Iterable[str] | None = None
    variant: str | None = None


class Stack(NamedTuple):
    """Layers first to last, by the names of their parameters, and the read-out of a recurrent cell.

    Recurrent: input (m, G H), hidden (H, G H), bias (G H,), of PyTorch's GRU also hidden_bias (G H,). Dense, and the
    read-out: weight (in, out) and, if there is one, bias (out,).
    """

    kind: str
    layers: list[dict[str, np.ndarray]]
    readout: dict[str, np.ndarray] | None = None
    variant: str = "torch"


def stack(source: Source, choice: Choice) -> Stack:
    """The chosen layers of a source.

    Raises
    ------
    InputError
        Naming what is missing, left over, of a wrong shape, or cannot be read.
    """
    if choice.kind is not None:
        cast.choice("kind", choice.kind, KINDS)
    if choice.order is not None and (isinstance(choice.order, str) or not isinstance(choice.order, Iterable)):
        raise InputError(f"`order` must be names of layers, got {choice.order!r}.")
    names, out = _chosen(source, choice)
    if not names.recurrent and not names.dense and out is None:
        raise InputError(
            f"`{source.where}` must hold recurrent or dense layers, whose names end in "
            f"{weight_names.ENDS[source.layout]}, got {source.listed()}."
        )
    recurrent = bool(names.recurrent) and choice.kind != "mlp"
    others = names.dense if recurrent else names.recurrent
    extra = names.strange + [key for layer in others for key in layer.keys.values()]
    if extra:
        raise InputError(
            f"{source.listed(extra)} in {source.where} is left over; choose layers with `prefix=`, and the dense layer "
            "behind recurrent ones with `readout=`."
        )
    if recurrent:
        return _recurrent(source, choice, names, None if out is None else _dense(source, out))
    if choice.kind in gate_orders.GATES or out is not None:
        argument = "kind" if out is None else "readout"
        raise InputError(f"`{argument}` needs recurrent layers, and {source.where} has none: {source.listed()}.")
    ordered = weight_names.in_order(names.dense, choice.order, source.where)
    layers = [_dense(source, layer) for layer in ordered]
    _check_widths(ordered, [np.shape(layer["weight"]) for layer in layers])
    return Stack("mlp", layers)


def _chosen(source: Source, choice: Choice) -> tuple[Names, Layer | None]:
    """The layers below the prefix without the read-out, and the read-out."""
    for name, value in (("prefix", choice.prefix), ("readout", choice.readout)):
        if not isinstance(value, str) and (name, value) != ("readout", None):
            raise InputError(f"`{name}` must be a string, got {value!r}.")
    keys = [key for key in source.tensors if key.startswith(choice.prefix)]
    if not keys:
        raise InputError(f"`prefix` {choice.prefix!r} begins no name in {source.where}, which has {source.listed()}.")
    if choice.readout is None:
        return weight_names.sorted_names(keys, source.layout), None
    begin = choice.readout.rstrip("./")
    own = [key for key in source.tensors if key.startswith((begin + ".", begin + "/"))]
    found = weight_names.sorted_names(own, source.layout)
    if len(found.dense) != 1 or found.recurrent or found.strange:
        raise InputError(
            f"`readout` must name one dense layer, got {choice.readout!r}; {source.where} has {source.listed()}."
        )
    return weight_names.sorted_names([key for key in keys if key not in own], source.layout), found.dense[0]


def _recurrent(source: Source, choice: Choice, names: Names, readout: dict[str, np.ndarray] | None) -> Stack:
    modules = sorted({layer.name for layer in names.recurrent})
    if source.layout == "torch" and len(modules) > 1 and choice.order is None:
        raise InputError(
            f"`prefix` must choose one recurrent module of {', '.join(map(repr, modules))}, or `order` name them "
            "as a stack."
        )
    ordered = weight_names.in_order(names.recurrent, choice.order, source.where)
    for name in modules:
        numbers = [layer.number for layer in ordered if layer.name == name]
        if numbers != list(range(len(numbers))):
            raise InputError(f"`{name}` in {source.where} must have layers 0, 1, ..., got {numbers}.")
    layers = [_recurrent_layer(source, layer, choice) for layer in ordered]
    if len({layer[:2] for layer in layers}) > 1:
        pairs = zip(ordered, layers, strict=True)
        kinds = ", ".join(f"{at.name!r} {layer.kind} ({layer.variant})" for at, layer in pairs)
        raise InputError(f"`{source.where}` must have layers of one kind, got {kinds}; choose with `prefix=`.")
    units = [len(layer.parameters["hidden"]) for layer in layers]
    if len(set(units)) > 1:
        raise InputError(
            f"`{source.where}` must have layers with equally many units, got {units}: {modules}; stacks of different "
            "sizes are not supported, choose one layer with `prefix=`."
        )
    found = Stack(layers[0].kind, [layer.parameters for layer in layers], readout, layers[0].variant)
    shapes = [(len(layer["input"]), len(layer["hidden"])) for layer in found.layers]
    if readout is not None:
        ordered, shapes = [*ordered, Layer(str(choice.readout), 0, {})], [*shapes, np.shape(readout["weight"])]
    _check_widths(ordered, shapes)
    return found


def _recurrent_layer(source: Source, layer: Layer, choice: Choice) -> Recurrent:
    reader = Reader(source, layer)
    kind = _kind(source, layer, reader)
    if choice.kind not in (None, kind):
        raise InputError(f"`kind` is {choice.kind!r}, got layers of kind {kind!r} in {source.where}: {layer.name!r}.")
    if source.layout == "keras":
        found = gate_orders.from_keras(kind, reader.fetch, reader.has, choice.variant)
    else:
        read = {"torch": gate_orders.from_torch, "flax": gate_orders.from_flax}[source.layout]
        found = read(kind, reader.fetch, reader.has)
    reader.close()
    return found


def _kind(source: Source, layer: Layer, reader: Reader) -> str:
    """What the shape of the hidden weights, or their names, say."""
    if source.layout == "flax":
        kind = weight_names.flax_kind(layer)
        if kind != "packed":
            return kind
    role = {"torch": "weight_hh", "keras": "recurrent_kernel", "flax": "dense_h.kernel"}[source.layout]
    shape = reader.fetch(role, (None, None)).shape
    wide, hidden = shape if source.layout == "torch" else shape[::-1]
    return gate_orders.kind_of(f"{source.where}[{layer.keys[role]!r}]", wide, hidden)


def _dense(source: Source, layer: Layer) -> dict[str, np.ndarray]:
    reader = Reader(source, layer)
    role = weight_names.LEAVES[source.layout][0]
    weight = reader.fetch(role, (None, None))
    weight = np.ascontiguousarray(weight.T) if source.layout == "torch" else weight
    found = {"weight": weight}
    if reader.has("bias"):
        found["bias"] = reader.fetch("bias", (weight.shape[1],))
    reader.close()
    return found


def _check_widths(layers: list[Layer], shapes: Sequence[tuple[int, ...]]) -> None:
    """Every layer must take as many numbers as the one before it gives."""
    for at in range(1, len(shapes)):
        if shapes[at][0] != shapes[at - 1][1]:
            raise InputError(
                f"`{layers[at].name}` takes {shapes[at][0]} numbers, and {layers[at - 1].name!r} before it gives "
                f"{shapes[at - 1][1]}; set `order=` if they are in the wrong order."
            )
