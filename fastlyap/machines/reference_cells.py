"""Recurrent cells of a gradient on the plain path: rules of numbers, whose derivatives by weights are dual numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.definition import SIZE
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.noise import Noise
from fastlyap.reference.sensitivity.cells import rule
from fastlyap.request import GradientRequest


def dynamics(request: GradientRequest, index: Any) -> Dynamics:
    """The members of `index`, each with weights and inputs of its own."""
    members, system = request.members, request.system
    flat = [
        np.broadcast_to(value, members.shape + system.shapes[name]).reshape(len(members), -1)
        for name, value in members.parameters.items()
    ]
    drive = members.drive
    if drive is not None:
        own = drive.shape[-2:]
        if drive.ndim > 2:  # its batch axes are those of the points
            drive = drive[..., None, :, :]
        drive = np.broadcast_to(drive, members.shape + own).reshape(-1, *own)[index]
    names = tuple(members.parameters)

    def sizes(t: Any, x: Any, p: Any) -> list:
        return [p[SIZE]] if system.shapes[SIZE] == () else list(p[SIZE])

    noise = Noise(sizes, system.noise_directions, True, system.noise_count, request.seed)
    return Dynamics(
        rule(system.architecture, drive), np.concatenate(flat, axis=1)[index], names,
        tuple(system.shapes[name] for name in names), tuple(system.state_names), t0=request.integration.t0,
        noise=noise if system.noise_count else None,
    )  # fmt: skip


def columns(request: GradientRequest) -> tuple[int, ...]:
    """Numbers of what is differentiated by in the flat parameters of these dynamics."""
    first, found = 0, list[int]()
    for name in request.members.parameters:
        size = int(np.prod(request.system.shapes[name], dtype=int))
        if name in request.names:
            found += range(first, first + size)
        first += size
    return tuple(found)
