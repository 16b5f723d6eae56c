"""Parameters as states that stand still: the transpose of a step then gives the derivative by them as well.

The augmented state is (x, theta), theta some of the flat parameters. A covector (w, g) that is pulled back through
the exact discrete step collects g_n = g_{n+1} + B_n' w_{n+1}, B_n the derivative of the step by theta: the adjoint of
the parameters needs no engine of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.trace.cuts import rebuild
from fastlyap.trace.derivatives import ZERO
from fastlyap.trace.graph import Node, leaf, topological
from fastlyap.trace.recorder import Recording


def restated(outputs: Sequence[Node], columns: Sequence[int], n: int) -> tuple[Node, ...]:
    """The outputs with flat parameter columns[j] read as state n + j."""
    place = {column: leaf("x", n + j) for j, column in enumerate(columns)}
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        new[node] = place.get(node.value, node) if node.op == "p" else rebuild(node, new)
    return tuple(new[output] for output in outputs)


def widened(recording: Recording, outputs: Sequence[Node], columns: Sequence[int]) -> Recording:
    """The outputs, restated and followed by zeros, as a recording of the augmented dimension."""
    n, size = recording.dim, recording.dim + len(columns)
    found = restated(outputs, columns, n)
    found += (ZERO,) * (size - len(found))
    return Recording(size, found, recording.parameter_names, recording.parameter_shapes)


def _ruled(recording: Recording, columns: Sequence[int], kind: str) -> Recording:
    """The rule of the augmented state: theta' = theta of a map, d theta / dt = 0 of a flow."""
    n = recording.dim
    still = tuple(leaf("x", n + j) if kind == "map" else ZERO for j in range(len(columns)))
    outputs = restated(recording.outputs, columns, n) + still
    return Recording(n + len(columns), outputs, recording.parameter_names, recording.parameter_shapes)


def augmented(system: Any, columns: Sequence[int]) -> Any:
    """The system on (x, theta), theta its flat parameters `columns`, which it no longer reads as parameters.

    Parameters
    ----------
    system : System with a recorded rule, without delay
    columns : numbers in the flat parameter vector

    Returns
    -------
    System
        Of dimension n + p; all parameters keep their columns. Its noise acts on the states x alone.
    """
    n, p = system.dim, len(columns)
    changed: dict[str, Any] = {}
    if system.noise_recording is not None:
        sizes = system.noise_recording.outputs
        changed["noise_recording"] = widened(system.noise_recording, sizes * n if len(sizes) == 1 else sizes, columns)
        directions = np.eye(n) if system.noise_directions is None else system.noise_directions
        changed["noise_directions"] = np.concatenate([directions, np.zeros((p, directions.shape[1]))])
    names = (*system.state_names, *(f"parameter_{j}" for j in range(p)))
    return replace(
        system, state_names=names, recording=_ruled(system.recording, columns, system.kind), x0=None, known=None,
        function=None, parts=None, subspace=None, **changed,
    )  # fmt: skip
