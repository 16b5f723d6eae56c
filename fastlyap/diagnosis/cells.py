"""Numbers of the steps of a recurrent cell: states forward, gradients back through time, exponents beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast, lyapunov
from fastlyap.errors import InputError
from fastlyap.machines import covectors

STARTS = 32  # members of an autonomous cell or of one drive
STEPS = 200  # of an autonomous cell, by default
TRANSIENT = 500  # before them
NUMBERS = 4_000_000  # of Jacobians at a time
LEADING = 4  # exponents
LONG = 2_000  # steps that exponents are averaged over where no drive ends them
SPREAD = 0.1
FAR = float(np.finfo(np.float64).max)  # states of unbounded cells may grow while they are numbers


class Steps(NamedTuple):
    """widths, variance : (T,); logs : (T, members) of the norms of gradients by the states."""

    widths: np.ndarray
    variance: np.ndarray
    logs: np.ndarray


class Sequence(NamedTuple):
    """drive (members, T, m) or None; starts (members, n); T steps."""

    drive: np.ndarray | None
    starts: np.ndarray
    steps: int

    def first(self, count: int) -> Sequence:
        """Fewer members."""
        return Sequence(None if self.drive is None else self.drive[:count], self.starts[:count], self.steps)


def sequence(cell: Any, drive: Any, seed: int) -> Sequence:
    """Check the drive, or number of steps; starts near the cell's own."""
    m, rng = cell.architecture.inputs, np.random.default_rng(seed)
    if not cell.architecture.driven:
        if drive is not None and (isinstance(drive, bool) or np.ndim(drive)):
            raise InputError(f"`x` of {cell.name}, which reads no drive, must be a number of steps or None.")
        steps, given, members = STEPS if drive is None else cast.count("x", drive, 2), None, STARTS
    else:
        given = cast.real_array("x", [] if drive is None else drive)
        if given.ndim < 2 or given.shape[-1] != m or given.shape[-2] < 2 or given.size == 0:
            raise InputError(f"`x` must be a drive of shape (..., T, {m}) with T >= 2, got {given.shape}.")
        given = given.reshape(-1, *given.shape[-2:])
        members = _members(cell, len(given) if len(given) > 1 else STARTS)
        given = np.broadcast_to(given[:members], (members, *given.shape[1:]))
        steps = given.shape[1]
    members = _members(cell, members)
    base = np.broadcast_to(cell.x0, (members, cell.dim))
    noise = rng.standard_normal(base.shape) * SPREAD * (1.0 + np.abs(base))
    return Sequence(given, base + noise, steps)


def _members(cell: Any, wish: int) -> int:
    return int(max(1, min(wish, NUMBERS // cell.dim**2)))


def measure(cell: Any, given: Sequence, end: np.ndarray | None, seed: int) -> Steps:
    """Covectors `end` (members, n) at the last state, random ones by default, pulled back step by step."""
    T, members = given.steps, len(given.starts)
    drive = {"drive": given.drive, "transient": 0} if given.drive is not None else {"transient": TRANSIENT}
    run = {**lyapunov.spectrum.__kwdefaults__, "k": 1, "steps": T, "every": 1, "escape_radius": FAR, **drive}
    request = lyapunov.spectrum_request(cell, given.starts, None, run)
    w = np.random.default_rng(seed).standard_normal((members, cell.dim)) if end is None else end
    states, logs = covectors.pulled_back(request, lyapunov.spectrum_plan(request, "auto", None), w)
    with np.errstate(over="ignore", invalid="ignore"):
        return Steps(np.full(T, cell.dim), np.mean(states**2, axis=(0, 2)), logs.T)


def exponents(cell: Any, given: Sequence) -> np.ndarray:
    """Medians over some members of the leading exponents."""
    few, k = given.starts[:LEADING], min(LEADING, cell.dim)
    if given.drive is not None:
        run: dict[str, Any] = {"drive": given.drive[: len(few)]}
    else:
        run = {"steps": max(LONG, 5 * given.steps), "transient": TRANSIENT}
    found = lyapunov.spectrum(cell, few, k=k, escape_radius=FAR, progress=False, **run)
    return np.median(found.exponents, axis=0)


def last_covector(cell: Any, given: Sequence, loss: Any) -> np.ndarray:
    """The gradient of a loss of the last outputs by the last state; of each sequence's own loss."""
    run = {"drive": given.drive} if given.drive is not None else {"transient": TRANSIENT}
    state = lyapunov.trajectory(cell, given.starts, steps=given.steps, **run).state[:, -1]
    about = cell.architecture
    last = (about.layers - 1) * about.dim // about.layers
    h = state[:, last : last + about.hidden]
    weight = cell.parameters.get("readout.weight")
    y = h if weight is None else h @ weight + cell.parameters["readout.bias"]
    w = loss.cotangent(y) * len(y)
    found = np.zeros_like(state)
    found[:, last : last + about.hidden] = w if weight is None else w @ np.asarray(weight).T
    return found
