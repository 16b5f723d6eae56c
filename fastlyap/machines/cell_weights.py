"""Weights of recurrent cells in gradients: which numbers there are, and batches with each of them moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.definition import SIZE
from fastlyap.errors import InputError
from fastlyap.machines import drives, noise
from fastlyap.request import GradientRequest, Members

MOST = 4096  # numbers that central differences are taken by


def count(system: Any, names: Any) -> int:
    """How many numbers the parameters of these names are."""
    return sum(int(np.prod(system.shapes[name], dtype=int)) for name in names)


def inside_noise(request: GradientRequest) -> bool:
    """Whether all states that the wanted parameters move within a step have noise.

    Weights of a layer move its own states and those of the layers that read it.
    """
    system, about = request.system, request.system.architecture
    V, n = system.noise_directions, system.dim
    inside = np.eye(n) if V is None else V @ np.linalg.pinv(V)
    first = noise.own_columns(system) - len(system.noise_recording.outputs)
    sizes = request.members.p[:, first : noise.own_columns(system)] * np.ones(n)
    for name in request.names:
        if name == SIZE:
            continue
        layer = int(name.split(".")[0]) if name[0].isdigit() else 0
        moved = slice(layer * (n // about.layers), None)
        if np.any(sizes[:, moved] == 0) or not np.allclose(inside[moved], np.eye(n)[moved], atol=1e-9):
            return False
    return True


def moved(request: GradientRequest, sizes: np.ndarray) -> tuple[Members, list[Members]]:
    """A batch of copies; and one by one the members, then with number 0, 1 ... of the gradient moved up and down.

    All of them read their weights from one row of numbers, in which there is what is moved, and once all else.
    """
    members, system = request.members, request.system
    numbers = len(request.columns)
    if numbers > MOST:
        raise InputError(f"`wrt` must be at most {MOST} numbers for fl.FiniteDifference of a cell, got {numbers}; each "
                         "takes two runs. Name fewer parameters, or use another method.")  # fmt: skip
    copies = 1 + 2 * len(sizes)
    parameters, first = {}, 0
    for name, value in members.parameters.items():
        parameters[name] = value[None]
        if name in request.names:
            size = int(np.prod(system.shapes[name], dtype=int))
            many = np.repeat(value[None], copies, axis=0).reshape(copies, -1, size)
            for j in range(size):
                many[1 + 2 * (first + j), :, j] += sizes[first + j]
                many[2 + 2 * (first + j), :, j] -= sizes[first + j]
            parameters[name] = many.reshape(copies, *value.shape)
            first += size
    table = members.drive
    if table is not None and table.ndim > 2:  # its batch axes are those of the points
        table = table[..., None, :, :]
    batch = Members(
        np.tile(members.x, (copies, 1)), members.p, (copies, *members.shape), ("moved", *members.dims), parameters
    )
    laid = drives.laid_out(system, batch, table, volume=False)
    B, keys = len(members), members.p[:, noise.own_columns(system) :]
    return replace(laid, drive=members.drive), [
        replace(members, p=np.concatenate([laid.p[i * B : (i + 1) * B], keys], axis=1), pool=laid.pool)
        for i in range(copies)
    ]
