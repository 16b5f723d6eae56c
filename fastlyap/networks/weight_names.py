"""Which tensor is which: the names that PyTorch, Keras and Flax give to parameters, sorted into layers.

Sources: `torch.nn.RNNBase` (weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0) and `torch.nn.RNNCellBase` (without
the layer); `keras.layers` (kernel, recurrent_kernel, bias behind the path of the layer); `flax.linen.recurrent` (one
`Dense` for each gate, ii ... ho for an LSTM, ir ... hn for a GRU, i and h for a simple cell) and
`flax.nnx.nn.recurrent` (dense_i, dense_h, or if_ for if).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fastlyap.errors import InputError

LAYOUTS = ("torch", "keras", "flax")
TORCH = re.compile(r"((?:.*\.)?)((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+))?(_reverse)?")
LEAVES = {"torch": ("weight", "bias"), "keras": ("kernel", "bias"), "flax": ("kernel", "bias")}
ENDS = {
    "torch": "weight_ih_l0, weight_hh_l0, bias_ih_l0 ... or weight, bias", "keras": "kernel, recurrent_kernel, bias",
    "flax": "kernel, bias",
}  # fmt: skip
FLAX_GATES = {
    "lstm": ("ii", "if", "ig", "io", "hi", "hf", "hg", "ho"), "gru": ("ir", "iz", "in", "hr", "hz", "hn"),
    "packed": ("dense_i", "dense_h"), "rnn": ("i", "h"),
}  # fmt: skip
NOT_READ = {
    "torch": {
        r"_l\d+_reverse$": "bidirectional layers",
        r"weight_hr_l\d+$": "projections (proj_size)",
        r"running_mean$|running_var$|num_batches_tracked$": "batch normalisation",
    },
    "keras": {
        r"(^|[./])(forward|backward)_|(^|[./])bidirectional": "bidirectional layers",
        r"moving_mean|moving_variance": "batch normalisation",
    },
    "flax": {r"(^|[./])(forward|backward)_rnn": "bidirectional layers", r"batch_stats": "batch normalisation"},
}


class Layer(NamedTuple):
    """One layer: the name in front of its tensors' own, its number under that name, the keys by what they are."""

    name: str
    number: int
    keys: dict[str, str]


class Names(NamedTuple):
    """Recurrent layers, dense layers, and keys that belong to neither."""

    recurrent: list[Layer]
    dense: list[Layer]
    strange: list[str]


def sorted_names(keys: Iterable[str], layout: str) -> Names:
    """Keys of one layout as layers, in the order in which they come.

    Raises
    ------
    InputError
        For keys of bidirectional layers, projections and batch normalisation, which are named.
    """
    found = Names([], [], [])
    layers: dict[tuple[str, int], Layer] = {}
    for key in keys:
        for pattern, what in NOT_READ[layout].items():
            if re.search(pattern, key):
                raise InputError(f"{what} cannot be read: `{key}`; pass `prefix=` to choose other layers.")
        name, number, role = _PARSERS[layout](key)
        if not role:
            found.strange.append(key)
            continue
        layer = layers.setdefault((name, number), Layer(name, number, {}))
        if role in layer.keys:
            raise InputError(f"`{key}` and `{layer.keys[role]}` both name the {role} of one layer.")
        layer.keys[role] = key
    for layer in layers.values():
        (found.recurrent if _is_recurrent(layer, layout) else found.dense).append(layer)
    return _regrouped(found) if layout == "flax" else found


def _torch(key: str) -> tuple[str, int, str]:
    recurrent = TORCH.fullmatch(key)
    if recurrent:
        name, role, number, _ = recurrent.groups()
        return name.rstrip("."), int(number or 0), role
    name, _, leaf = key.rpartition(".")
    return name, 0, leaf if leaf in LEAVES["torch"] else ""


def _keras(key: str) -> tuple[str, int, str]:
    *path, leaf = re.split(r"[/.]", re.sub(r":\d+$", "", key))
    return "/".join(path), 0, leaf if leaf in ("recurrent_kernel", *LEAVES["keras"]) else ""


def _flax(key: str) -> tuple[str, int, str]:
    *path, leaf = re.split(r"[/.]", key)
    if leaf not in LEAVES["flax"]:
        return "", 0, ""
    gate = path[-1].rstrip("_") if path else ""
    if gate in sum(FLAX_GATES.values(), ()):
        return ".".join(path[:-1]), 0, f"{gate}.{leaf}"
    return ".".join(path), 0, leaf


_PARSERS = {"torch": _torch, "keras": _keras, "flax": _flax}


def _is_recurrent(layer: Layer, layout: str) -> bool:
    if layout == "torch":
        return not set(layer.keys) <= {"weight", "bias"}
    if layout == "keras":
        return "recurrent_kernel" in layer.keys or bool(re.search(r"_cell(_\d+)?$", layer.name))
    return any("." in role for role in layer.keys)


def _regrouped(found: Names) -> Names:
    """Dense layers that happen to be called as gates of Flax are (i alone, say), taken out of `recurrent`."""
    recurrent = []
    for layer in found.recurrent:
        gates = {role.partition(".")[0] for role in layer.keys}
        if gates in ({"i"}, {"h"}):
            (gate,) = gates
            name = f"{layer.name}.{gate}".strip(".")
            found.dense.append(Layer(name, 0, {role.partition(".")[2]: key for role, key in layer.keys.items()}))
        else:
            recurrent.append(layer)
    return found._replace(recurrent=recurrent)


def flax_kind(layer: Layer) -> str:
    """"lstm", "gru", "rnn", or "packed" for the fused kernels of nnx, by the names of the gates.

    Raises
    ------
    InputError
        For gates of other cells.
    """
    gates = {role.partition(".")[0] for role in layer.keys}
    fitting = [kind for kind, names in FLAX_GATES.items() if gates <= set(names)]
    if not fitting:
        raise InputError(
            f"`{layer.name}` has the gates {', '.join(sorted(gates))}, of no cell that can be read; there are "
            "SimpleCell, GRUCell, LSTMCell and OptimizedLSTMCell."
        )
    return fitting[0]


def in_order(layers: list[Layer], order: Iterable[str] | None, where: str) -> list[Layer]:
    """Layers as they follow each other: by `order`, names of layers, or by the numbers in their names.

    Raises
    ------
    InputError
        Where neither says which comes first.
    """
    names = list(dict.fromkeys(layer.name for layer in layers))
    if order is not None:
        wanted = [re.sub(r"[/.]$", "", name) for name in order]
        if sorted(wanted) != sorted(names):
            raise InputError(f"`order` must name each of {', '.join(map(repr, names))} once, got {list(order)}.")
    elif len({_stem(name) for name in names}) > 1:
        raise InputError(
            f"`order` is missing: {where} has layers {', '.join(map(repr, names))}, whose names do not say which comes "
            f"first; pass order={names}, first to last."
        )
    else:
        wanted = sorted(names, key=_numbers)
    return sorted(layers, key=lambda layer: (wanted.index(layer.name), layer.number))


def _stem(name: str) -> str:
    return re.sub(r"_?\d+", "", name)


def _numbers(name: str) -> list[list[int]]:
    return [[int(digits) for digits in re.findall(r"\d+", part)] for part in re.split(r"[/.]", name)]
