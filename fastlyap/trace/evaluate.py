"""Evaluate an expression graph on numbers, arrays, or whatever else `fastlyap.math` and NumPy understand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap import math
from fastlyap.trace.graph import FUNCTIONS, Node, topological

_OPERATIONS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
    "mod": math.mod, "floordiv": lambda a, b: math.floor(np.divide(a, b)), "where": math.where, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "sum": lambda *terms: math.sum(terms),
    **{name: getattr(math, name) for name in FUNCTIONS},
}  # fmt: skip


def replay(
    outputs: Sequence[Node], x: Sequence[Any], p: Sequence[Any] = (), t: Any = 0.0, w: Sequence[Any] = ()
) -> list[Any]:
    """Values of the outputs for states x[i], flat parameters p[i], time t and normals w[i] (none: 0) of any kind."""
    values: dict[Node, Any] = {}
    leaves = {"x": x, "p": p}
    with np.errstate(all="ignore"):
        for node in topological(outputs):
            if node.op == "const":
                values[node] = np.float64(node.value)
            elif node.op == "t":
                values[node] = t
            elif node.op == "w":
                values[node] = w[node.value] if len(w) else np.float64(0.0)
            elif node.op in leaves:
                values[node] = leaves[node.op][node.value]
            else:
                values[node] = _OPERATIONS[node.op](*[values[a] for a in node.args])
    return [values[node] for node in outputs]


def evaluate(outputs: Sequence[Node], x: Any, p: Any = (), t: Any = 0.0) -> np.ndarray:
    """Values of the outputs as one array.

    Parameters
    ----------
    outputs : M nodes
    x : (n, ...) states, p : (n_parameters, ...) flat parameters, t : (...) time; trailing axes broadcast

    Returns
    -------
    (M, ...) array, float64 (complex128 for complex `x` or `p`)
    """
    x, p = np.asarray(x), np.asarray(p)
    found = replay(outputs, x, p, np.asarray(t)[()])
    shape = np.broadcast_shapes(x.shape[1:], p.shape[1:], np.shape(t))
    result = np.empty((len(outputs), *shape), dtype=np.result_type(np.float64, x.dtype, p.dtype))
    for i, value in enumerate(found):
        result[i] = value
    return result
