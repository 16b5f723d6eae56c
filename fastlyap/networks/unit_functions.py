"""What units of recurrent cells do, elementwise, recorded once; first and second derivatives are the recording's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlyap import math
from fastlyap.networks.activations import LEAK
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.graph import Node
from fastlyap.trace.recorder import record

UNITS: dict[str, Callable] = {
    "identity": lambda z: +z,
    "tanh": math.tanh,
    "sigmoid": math.sigmoid,
    "erf": lambda z: math.erf(np.sqrt(np.pi) / 2.0 * z),
    "relu": lambda z: math.maximum(z, 0.0),
    "leaky_relu": lambda z: math.where(z > 0.0, z, LEAK * z),
    "elu": lambda z: math.where(z > 0.0, z, math.exp(math.minimum(z, 0.0)) - 1.0),
    "softplus": math.softplus,
    "silu": lambda z: z * math.sigmoid(z),
    "gelu": lambda z: 0.5 * z * (1.0 + math.erf(z / np.sqrt(2.0))),
    "sin": math.sin,
    "cos": math.cos,
}


def _lstm(i: Any, f: Any, g: Any, o: Any, c: Any) -> tuple:
    """(h', c') of the arguments of the gates and the old c."""
    new = math.sigmoid(f) * c + math.sigmoid(i) * math.tanh(g)
    return math.sigmoid(o) * math.tanh(new), new


def _gru(r: Any, z: Any, n: Any, m: Any, h: Any) -> tuple:
    """h'; m is what the reset gate acts on."""
    keep = math.sigmoid(z)
    return ((1.0 - keep) * math.tanh(n + math.sigmoid(r) * m) + keep * h,)


def _update(z: Any, n: Any, h: Any) -> tuple:
    keep = math.sigmoid(z)
    return ((1.0 - keep) * math.tanh(n) + keep * h,)


FUNCTIONS: dict[str, tuple[int, Callable]] = {
    "lstm": (5, _lstm),
    "gru": (5, _gru),
    "update": (3, _update),
    "reset": (2, lambda r, h: (math.sigmoid(r) * h,)),
    "product": (2, lambda a, b: (a * b,)),
}


class Unit(NamedTuple):
    """A function of a unit's numbers: nodes of its values, and by places in them of its derivatives, nonzeros only."""

    nodes: tuple[Node, ...]
    values: int
    first: dict[tuple[int, int], int]
    second: dict[tuple[int, int, int], int]


@functools.cache
def unit(name: str) -> Unit:
    """The unit of this name, an activation or one of `FUNCTIONS`."""
    count, function = FUNCTIONS[name] if name in FUNCTIONS else (1, lambda z: (UNITS[name](z),))
    names = tuple(f"a{i}" for i in range(count))
    outputs = record(lambda t, x, p: function(*x), state_names=names, parameters={}, components=(1, 2)).outputs
    nodes, first, second = list(outputs), {}, {}
    for o, row in enumerate(jacobian_rows(outputs)):
        for j, node in row.items():
            first[o, j] = len(nodes)
            nodes.append(node)
            for m, again in jacobian_rows((node,))[0].items():
                second[o, j, m] = len(nodes)
                nodes.append(again)
    return Unit(tuple(nodes), len(outputs), first, second)
