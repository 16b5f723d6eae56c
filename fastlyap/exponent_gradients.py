"""The verb `exponent_gradient`: how the exponents of a finite run change with the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastlyap import cast, lyapunov
from fastlyap.errors import InputError, Interrupted
from fastlyap.gradients import wrt_names
from fastlyap.machines import drives
from fastlyap.machines.exponent_gradient_result import ExponentGradient
from fastlyap.machines.frame_gradient import ExponentGradientRequest, run
from fastlyap.machines.run import Stopped
from fastlyap.result import raise_failures

INTEGRATORS = ("map", "rk4", "euler")
USUAL = (1_000, 100)  # steps and transient
INTERVALS = {"map": 1, "flow": 10}  # steps between factorisations


def exponent_gradient_request(system: Any, k: Any, wrt: Any, x0: Any, parameters: Any, o: dict[str, Any]) -> Any:
    """Check every argument of `exponent_gradient`; nothing has been compiled yet."""
    system = _differentiable(cast.system(system))
    names, by_start = wrt_names(wrt, system)
    drive = drives.given(system, o["drive"])
    steps, transient = drives.counts(drive, o["steps"], o["transient"], USUAL)
    how = lyapunov.integration(system, o)
    if how.integrator not in INTEGRATORS:
        raise InputError(f'`integrator` must be "rk4" or "euler" for gradients of exponents, got {how.integrator!r}.')
    table = None
    if drive is not None:
        table = drives.checked(drive, how, steps + transient, system.architecture.inputs)
    members = cast.members(system, x0, parameters, table)
    first, columns = 0, list[int]()
    for name, own in system.shapes.items():
        size = math.prod(own)
        columns += range(first, first + size) if name in names and system.architecture is None else ()
        first += size
    every = INTERVALS[system.kind] if o["every"] is None else cast.count("every", o["every"], 1)
    return ExponentGradientRequest(
        system, how, replace(members, drive=table),
        cast.exponent_count(k, system.dim), steps, transient, every, tuple(n for n in system.shapes if n in names),
        tuple(columns), by_start, _weights(o["weights"]), cast.count("seed", o["seed"], 0),
    )  # fmt: skip


def _differentiable(system: Any) -> Any:
    """Refuse systems whose exponents cannot be differentiated yet."""
    why = {
        "has a delay": bool(system.delays), "draws noise": system.noise_count > 0,
        "consists of compiled functions": system.recording is None and system.architecture is None,
        "is restricted to a subspace": system.subspace is not None,
    }  # fmt: skip
    for words, holds in why.items():
        if holds:
            raise InputError(f"`system` {system.name} {words}; gradients of exponents need a rule that is recorded, or "
                             "a recurrent cell, without noise and delay.")  # fmt: skip
    return system


def _weights(given: Any) -> Callable | None:
    """The weights of exponents (B, k) as a function of them."""
    if given is None:
        return None
    if callable(given):
        return lambda exponents: given(exponents)
    fixed = cast.real_array("weights", given)
    if fixed.ndim != 1:
        raise InputError(f"`weights` must be k numbers, or a function of the exponents (..., k), got {fixed.shape}.")
    return lambda exponents: fixed


def exponent_gradient(
    system: Any,
    k: int | None = None,
    wrt: Any = None,
    x0: Any = None,
    parameters: Any = None,
    *,
    weights: Any = None,
    steps: int | None = None,
    transient: int | None = None,
    every: int | None = None,
    drive: Any = None,
    dt: float | None = None,
    t0: float = 0.0,
    integrator: str | None = None,
    escape_radius: float = 1e8,
    seed: int = 0,
    backend: str = "auto",
    threads: int | None = None,
    progress: Any = None,
    throw: bool = False,
) -> ExponentGradient:
    """Exponents of a finite run and their exact derivatives, through the factorisations of the frame.

    Parameters
    ----------
    system : System or recurrent cell
    k : int, optional
        The leading exponents; all by default.
    wrt : str or sequence of str, optional
        Parameters to differentiate by, all by default; also "x0", the state at the start of the transient.
    x0, parameters, drive : as in `fl.spectrum`
    weights : (k,) or callable, optional
        Gradient of sum(weights * exponents) alone, one sweep instead of k. For a loss L of the exponents give dL as a
        function: `weights=lambda e: 2 * e / e.shape[-1]` for mean(e**2), which gradient flossing reduces.
    steps, transient : int
        Steps counted, 1000 by default or all that the drive has, and before them, 100 by default, none with a drive.
    every : int, optional
        Steps between factorisations, 1 for maps and 10 for flows by default; nothing depends on it but rounding.
    integrator : "rk4" or "euler"
    seed : int
        Of the frame at the start, the same for all members.
    Others as in `fl.spectrum`.

    Returns
    -------
    ExponentGradient
        `exponents (..., k)`, `gradient` by name, (..., k, own shape) or, with weights, (..., own shape).

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C.

    Notes
    -----
    The derivative is that of the numbers returned, the transient included: second derivatives of the rule go through
    the reverse of every factorisation. In chaos it grows with the length of the run, as backpropagation does, and is
    then `UNTRUSTED`: short runs are what it is for. Engelken, Gradient flossing, arXiv 2312.17306 (2023).
    """
    given = dict(locals(), dtype="float64", rtol=None, atol=None)
    request = exponent_gradient_request(system, k, wrt, x0, parameters, given)
    cast.choice("backend", backend, ("auto", "cpu", "reference"))
    try:
        result = run(request, backend, threads, progress)
    except Stopped:
        raise Interrupted("stopped by Ctrl-C", partial=None) from None
    if throw:
        raise_failures(result)
    return result
