"""Gradients of exponents by the plain path: the same request, forward in time, one run of tangents per parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.backend.reference import dynamics
from fastlyap.reference.sensitivity.exponents import exponents


def found(request: Any) -> tuple:
    """As `frame_gradient.Found`, of all members."""
    run, names, shapes = dynamics(request), request.names, request.system.shapes
    sizes = [int(np.prod(shapes[name], dtype=int)) for name in names]
    moved = _moved(request, run)
    x = request.members.x
    made = exponents(run, moved, x, request.frame, steps=request.steps, transient=request.transient,
                     every=request.every, radius=request.integration.escape_radius)  # fmt: skip
    weights = request.weighted(made.exponents)
    with np.errstate(all="ignore"):
        slopes = weights @ made.gradient
    parts = np.split(slopes, np.cumsum(sizes), axis=-1)
    named = {name: part.reshape(*part.shape[:2], *shapes[name]) for name, part in zip(names, parts, strict=False)}
    return made.exponents, weights, named, parts[-1], made.status, made.failed_step


def _moved(request: Any, run: Any) -> list[Callable]:
    """Functions of h (B,), the dynamics with one of the parameters asked for larger by h."""
    if request.system.architecture is None:
        return [functools.partial(_with_column, run, column) for column in request.columns]
    return [
        functools.partial(_with_weight, run, name, place)
        for name in request.names
        for place in np.ndindex(request.system.shapes[name])
    ]


def _with_column(run: Any, column: int, h: np.ndarray) -> Any:
    p = run.p.copy()
    p[:, column] += h
    return replace(run, p=p)


def _with_weight(run: Any, name: str, place: tuple[int, ...], h: np.ndarray) -> Any:
    weight = run.weights[name].copy()
    weight[(slice(None), *place)] += h
    return replace(run, weights={**run.weights, name: weight})
