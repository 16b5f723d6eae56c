"""What `fl.gradient` was asked of a network: arguments checked before anything is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.loss import Loss, Terminal, recorded
from fastlyap.machines.layer_request import named
from fastlyap.method import (
    Backprop,
    FastResponse,
    FiniteDifference,
    KernelDifferentiation,
    Method,
    PathKernel,
    Shadowing,
)
from fastlyap.method import method as checked_method
from fastlyap.networks import samples
from fastlyap.networks.program import NOISE_SIZE
from fastlyap.networks.stretches import stretches
from fastlyap.objective import check_slope
from fastlyap.request import NetGradientRequest
from fastlyap.result import SystemInfo

MEANINGLESS: dict[str, tuple[Any, ...]] = {  # arguments of systems, and what their absence looks like
    "steps": (None, 10_000), "transient": (None, 0, 1_000), "drive": (None,), "dt": (None,), "t0": (0.0,),
    "integrator": (None,), "rtol": (None,), "atol": (None,), "escape_radius": (1e8,), "spread": ("auto", 0),
}  # fmt: skip


def net_request(net: Any, objective: Any, wrt: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> NetGradientRequest:
    """Check every argument of `gradient` for a network."""
    for name, usual in MEANINGLESS.items():
        if o.get(name, usual[0]) not in usual:
            raise InputError(f"`{name}` has no meaning for a network, whose layers are its steps; leave it out.")
    losses = _losses(objective)
    if parameters is not None:
        net = net.with_parameters(**parameters)
    method = _method(checked_method(o["method"]), net)
    names, by_start = _wrt(wrt, net)
    seed, count = cast.count("seed", o["seed"], 0), cast.count("members", o["members"], 1)
    count = count if net.program.random else 1
    x = _samples(net, x0, losses)
    given = samples.given(net, net.arena, x, seed)
    for loss in losses:
        _check_outputs(loss, net, given.front)
        if isinstance(loss, Terminal) and not isinstance(method, FiniteDifference):
            blind = isinstance(method, KernelDifferentiation) and net.structure.noise == "all"
            if not blind:
                check_slope(recorded(loss.fn, net.structure.sizes[1]), method.name)
    if isinstance(method, (KernelDifferentiation, PathKernel)):
        _check_noise(net, method, count)
    shown = net
    if isinstance(method, Backprop) and method.window is not None and not net.structure.noise and depth(net) > 1:
        net = net.with_noise(0.0, readout=False)  # covectors are dropped where noise would be
        given = samples.given(net, net.arena, x, seed)
    labels = {
        "parameters": dict(shown.parameters), "x0": np.broadcast_to(x, (*given.front, *net.input_shape)),
        "dims": tuple(f"axis_{i}" for i in range(len(given.batch))),
        "system": SystemInfo(named(net.widths), "net", net.structure.sizes[0]),
    }  # fmt: skip
    return NetGradientRequest(net, given.inputs, given.batch, losses, names, by_start, count, seed, method,
                              bool(o["keep_members"]), labels)  # fmt: skip


def _losses(objective: Any) -> tuple[Loss, ...]:
    found = tuple(objective) if isinstance(objective, (tuple, list)) else (objective,)
    for one in found:
        if not isinstance(one, Loss):
            hint = "; wrap it: fl.loss.terminal(fn)" if callable(one) else ""
            raise InputError("`objective` of a network must be fl.loss.cross_entropy(labels), fl.loss.mse(targets), "
                             f"fl.loss.terminal(fn) or a tuple of them, got {one!r:.60}{hint}.")  # fmt: skip
    if not found:
        raise InputError("`objective` must hold at least one loss, got an empty tuple.")
    return found


def _method(method: Method | str, net: Any) -> Method:
    if not isinstance(method, Method):
        return PathKernel() if net.program.normals else Backprop()
    if isinstance(method, (Shadowing, FastResponse)):
        raise InputError(f"`method` {method.name} is for averages along the orbit of a system, which a network does "
                         "not have; use fl.Backprop, or with noise fl.PathKernel.")  # fmt: skip
    if isinstance(method, (KernelDifferentiation, PathKernel)) and method.window != "auto":
        raise InputError(f"`window` of {method.name} is for averages along an orbit; leave it out for a network.")
    return method


def _wrt(wrt: Any, net: Any) -> tuple[tuple[str, ...], bool]:
    """Names of parameters in the network's order, and whether the input is among what to differentiate by."""
    known = tuple(net.parameters)
    given = known if wrt is None else (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in given:
        if name == NOISE_SIZE and name not in known:
            raise InputError('`wrt` "noise_size" is a parameter of networks with noise; use net.with_noise(sigma).')
        if name not in known and name != "x0":
            raise InputError(f"`wrt` has no `{name}` in this network; there are: {', '.join([*known, 'x0'])}.")
    if not given:
        raise InputError('`wrt` is empty: the network has no parameters; name "x0".')
    return tuple(name for name in known if name in given), "x0" in given


def _samples(net: Any, x0: Any, losses: tuple[Loss, ...]) -> Any:
    """The samples, with the batch axes that losses have and they lack."""
    if x0 is None:
        raise InputError(f"`x0` is missing: pass samples of shape (..., B, {', '.join(map(str, net.input_shape))}).")
    x, own = np.asarray(x0), 1 + len(net.input_shape)
    axes = [loss.batch_shape for loss in losses]
    if not any(axes) or x.ndim < own:
        return x0
    try:
        batch = np.broadcast_shapes(x.shape[: x.ndim - own], *axes)
    except ValueError:
        shapes = ", ".join(map(str, axes))
        raise InputError(f"`objective` with batch axes {shapes} does not fit samples of shape {x.shape}.") from None
    return np.broadcast_to(x, (*batch, *x.shape[x.ndim - own :])).copy()


def _check_outputs(loss: Loss, net: Any, front: tuple[int, ...]) -> None:
    """Refuse losses that do not fit the outputs."""
    if len(net.output_shape) != 1:
        raise InputError(f"`system` must have outputs of shape (B, m) for a loss, got {net.output_shape} of each "
                         "sample; end with Flatten().")  # fmt: skip
    if hasattr(loss, "laid_out"):
        loss.laid_out((*front, *net.output_shape))
    elif isinstance(loss, Terminal):
        recorded(loss.fn, net.structure.sizes[1])


def _check_noise(net: Any, method: Method, count: int) -> None:
    """Refuse kernel methods where there is nothing for them to use."""
    if not net.program.normals:
        raise InputError(f"`method` {method.name} needs noise, which this network has not; use net.with_noise(sigma).")
    if np.any(net.parameters[NOISE_SIZE] <= 0):
        raise InputError(f"`noise_size` must be above 0 for {method.name}, got {net.parameters[NOISE_SIZE].min():g}.")
    if net.program.coupled and isinstance(method, PathKernel) and isinstance(method.beta, str):
        raise InputError('`beta` "auto" is not available where batch norm in train mode couples the samples; give a '
                         "number, or use net.eval().")  # fmt: skip
    if count < 2:
        raise InputError(f"`members` must be at least 2 for {method.name}, got {count}: the mean of the others is "
                         "taken off each.")  # fmt: skip
    if isinstance(method, PathKernel) and not isinstance(method.beta, str):
        method.schedule(len(net.structure.disturbed), "layers with noise")


def depth(net: Any) -> int:
    """Layers of a network, its read-out included."""
    return max(len(stretches(net.program)), 1)
