"""Exponents of a network over a plane of inputs, arranged as a map: horizontal axis first, as sweeps are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.errors import InputError


def over_inputs(result: Any, extent: Sequence[float] | None) -> Any:
    """`result` with two batch axes that have coordinates.

    Samples (ny, nx, 2) or in one row (ny * nx, 2) that fill a grid are found out by their values; of other samples
    (ny, nx, n) the rows are the vertical axis, and `extent` says what they span.
    """
    x, shape = result.x0, result.status.shape
    if x.shape[-1] == 2 and len(shape) in (1, 2):
        found = _grid(x.reshape(-1, 2))
        if found is not None:
            return _arranged(result, *found)
    if len(shape) != 2:
        raise InputError(
            "`result` must be over a grid of inputs for a map, samples of shape (ny, nx, 2) such as "
            f"np.stack(np.meshgrid(a, b), axis=-1), got samples of shape {x.shape}."
        )
    if extent is None:
        raise InputError(f"`extent` is missing: samples of shape {x.shape} do not say what the axes of a map are.")
    ends = np.asarray(extent, dtype=float)
    across, up = np.linspace(ends[0], ends[1], shape[1]), np.linspace(ends[2], ends[3], shape[0])
    order = np.arange(result.status.size).reshape(shape).T
    return _arranged(result, across, up, order, ("horizontal", "vertical"))


def _grid(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Values along both axes, and which sample lies where, if all combinations occur once."""
    (across, i), (up, j) = (np.unique(points[:, c], return_inverse=True) for c in (0, 1))
    if len(across) * len(up) != len(points) or min(len(across), len(up)) < 2:
        return None
    order = np.full((len(across), len(up)), -1)
    order[i.ravel(), j.ravel()] = np.arange(len(points))
    return (across, up, order) if order.min() >= 0 else None


def _arranged(
    result: Any, across: np.ndarray, up: np.ndarray, order: np.ndarray, names: tuple[str, str] = ("x[0]", "x[1]")
) -> Any:
    """The exponents at places `order` (nx, ny), with coordinates."""
    exponents = result.exponents.reshape(result.status.size, -1)[order]
    return replace(
        result, exponents=exponents, status=result.status.reshape(-1)[order], dims=names, x0=None,
        parameters={names[0]: across[:, None], names[1]: up[None, :]},
    )  # fmt: skip
