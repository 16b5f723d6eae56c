"""Central differences of the losses of a network: every number moved up and down, all members side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fastlyap import status
from fastlyap.errors import InputError
from fastlyap.machines.orbit import Members
from fastlyap.networks.samples import LARGEST_SEED
from fastlyap.request import NetGradientRequest


def run(request: NetGradientRequest, losses: Callable[[NetGradientRequest], np.ndarray]) -> Members:
    """Every member's losses and their difference quotients; `losses` gives (points * members, objectives)."""
    value = losses(request)
    gradient = np.empty((*value.shape, request.width))
    bad, j = ~np.isfinite(value), 0
    for name, own in request.own_shapes.items():
        h = request.method.of(name)
        for place in range(int(np.prod(own, dtype=int))):
            sides = (_moved(request, name, place, side * h, 2 * j + more) for side, more in ((1, 3), (-1, 2)))
            up, down = map(losses, sides)
            with np.errstate(all="ignore"):
                gradient[..., j] = (up - down) / (2.0 * h)
            bad |= ~np.isfinite(up) | ~np.isfinite(down)
            j += 1
    code = np.where(bad.any(axis=1), status.NOT_FINITE, status.OK).astype(np.int8)
    return Members(value, gradient, code, np.where(code > 0, 0, -1), value[:, None], value**2, {})


def _moved(request: NetGradientRequest, name: str, place: int, h: float, apart: int) -> NetGradientRequest:
    """The request with one number moved, and for independent noise with another seed."""
    net, inputs = request.network, request.inputs
    if name == "x0":
        x = inputs.x.copy().reshape(-1, inputs.samples * net.program.n_in)
        x[:, place] += h
        inputs = replace(inputs, x=x.reshape(-1))
    else:
        values = net.parameters[name].copy()
        flat = values.reshape(*values.shape[: values.ndim - len(net.shapes[name])], -1)
        flat[..., place] += h
        net = net.with_parameters(**{name: values})
        inputs = replace(inputs, parameters=net.arena.flat, parameter_places=net.arena.places(request.shape))
    if request.method.noise == "independent":
        if inputs.seed + apart > LARGEST_SEED:
            raise InputError("`seed` is too large for independent noise; use a smaller one.")
        inputs = replace(inputs, seed=inputs.seed + apart)
    return replace(request, network=net, inputs=inputs)
