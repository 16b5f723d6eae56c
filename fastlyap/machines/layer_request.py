"""What `fl.finite_time` was asked of a network: arguments checked before anything is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import samples
from fastlyap.networks.stretches import Stretch, chosen
from fastlyap.request import LayersRequest

MEANINGLESS = {  # arguments of systems, and what their absence looks like
    "steps": None, "transient": 0, "drive": None, "dt": None, "t0": 0.0, "integrator": None, "rtol": None, "atol": None,
    "escape_radius": 1e8,
}  # fmt: skip


def layers_request(net: Any, x: Any, parameters: Any, o: dict[str, Any]) -> LayersRequest:
    """Check every argument of `finite_time` for a network."""
    for name, usual in MEANINGLESS.items():
        if o.get(name, usual) != usual:
            raise InputError(
                f"`{name}` has no meaning for a network, whose stretch is its layers; leave it out, or choose `layers`."
            )
    if parameters is not None:
        raise InputError("`parameters` of a network are its own; use `net.with_parameters(...)`.")
    if str(o["dtype"]) != "float64":
        raise InputError(f'`dtype` must be "float64" for a network, got {o["dtype"]!r}.')
    if x is None:
        raise InputError(f"`x0` is missing: pass samples of shape (..., B, {', '.join(map(str, net.input_shape))}).")
    program = net.program
    if program.coupled:
        raise InputError(
            "`net` is in train mode, where batch norm couples the samples: no sample has a Jacobian of its own; use "
            "`net.eval()`."
        )
    layers, stretches = chosen(program, o["layers"])
    seed = cast.count("seed", o["seed"], 0)
    given = samples.given(net, net.arena, x, seed)
    front = given.front
    if not net.batch_shape and not program.random:  # one long row of samples, whatever shape they came in
        given = samples.given(net, net.arena, np.reshape(x, (-1, *net.input_shape)), seed)
    tolerance = 1e-10 if o["tolerance"] is None else cast.positive("tolerance", o["tolerance"])
    most = cast.count("max_sweeps", o["max_sweeps"], 1)
    k = _count(o["k"], stretches)
    total = len(chosen(program, slice(None))[1])
    return LayersRequest(net, given, front, layers, tuple(stretches), total, k, tolerance, most, seed)


def _count(k: Any, stretches: list[Stretch]) -> int:
    """Exponents of these layers: by default as many as their narrowest place is wide."""
    n, m = stretches[0].n, stretches[-1].m
    if k is None:
        return min(n, *(s.m for s in stretches))
    k = cast.count("k", k, 1)
    if k > min(n, m):
        raise InputError(f"`k` must be at most {min(n, m)}, the Jacobian of these layers being {m} x {n}, got {k}.")
    return k


def named(widths: tuple[int, ...]) -> str:
    """What a network of these widths is called."""
    shown = [*map(str, widths[:4]), "...", *map(str, widths[-2:])] if len(widths) > 7 else map(str, widths)
    return "network " + "-".join(shown)
