"""Recurrent cells on the host: their inputs over time, how many steps these allow, and where weights and inputs lie.

Step number t, counted from the start of the transient, reads u[t]. Members share what they have in common: a batch of
drives or weights is never copied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast
from fastlyap.definition import SIZE
from fastlyap.errors import InputError
from fastlyap.machines import delays
from fastlyap.request import Integration, Members

UNENDING = 2**62  # steps


@dataclass(frozen=True)
class Drive:
    """Inputs u (..., T, m) of all steps, or a function of the step number that gives u (..., m)."""

    values: np.ndarray | None
    function: Callable | None = None
    constant: bool = False

    @property
    def steps(self) -> int:
        """How many steps there are inputs for."""
        return UNENDING if self.values is None or self.constant else self.values.shape[-2]

    def table(self, steps: int, inputs: int) -> np.ndarray:
        """(..., T, m) for the first `steps` steps at least."""
        if self.function is None:
            assert self.values is not None
            return self.values
        rows = [cast.real_array(f"drive({t})", self.function(t)) for t in range(steps)]
        if len({row.shape for row in rows}) > 1 or rows[0].ndim == 0 or rows[0].shape[-1] != inputs:
            shapes = ", ".join(str(shape) for shape in dict.fromkeys(row.shape for row in rows))
            raise InputError(f"`drive` must return one shape (..., {inputs}) at all steps, got {shapes}.")
        return np.stack(rows, axis=-2)


def given(system: Any, drive: Any) -> Drive | None:
    """The drive of a call, checked against the system; None for systems that read none."""
    about = system.architecture
    if about is None or not about.driven:
        if drive is not None:
            why = "is autonomous: its input is its own read-out" if about and about.closed else "reads no inputs"
            raise InputError(f"`drive` must be left out for {system.name}, which {why}.")
        return None
    m = about.inputs
    if drive is None:
        raise InputError(
            f"`drive` is missing: {system.name} reads {m} input{'s' * (m > 1)} at every step; pass an array "
            f"(..., T, {m}), a function of the step number, or drive=0 for no input."
        )
    if callable(drive):
        return Drive(None, drive)
    array = cast.real_array("drive", drive)
    if array.ndim == 0 and array == 0:
        return Drive(np.zeros((1, m)), constant=True)
    if array.ndim < 2 or array.shape[-1] != m:
        advice = f"; the last axis holds the {m} inputs of {system.name}, the one before it the steps"
        raise InputError(f"`drive` must have shape (..., T, {m}), got {array.shape}{advice}.")
    if array.shape[-2] == 0:
        raise InputError(f"`drive` must have at least one step, got shape {array.shape}.")
    return Drive(array)


class Counts(NamedTuple):
    """Of a call, in steps."""

    steps: int
    transient: int


def counts(drive: Drive | None, steps: Any, transient: Any, usual: tuple[int | None, int], around: int = 1) -> Counts:
    """Steps and transient of a call; by default what is `usual`, with a drive no transient and all that is left of it.

    around : how many times the transient is run.
    """
    limited = drive is not None and drive.steps < UNENDING
    if transient is None:
        transient = usual[1] if drive is None else 0
    transient = cast.count("transient", transient, 0)
    if steps is None and limited:
        assert drive is not None
        steps = drive.steps - around * transient
        if steps < 1:
            raise InputError(f"`transient` must leave a step of the drive's {drive.steps}, got {transient}.")
    if steps is None:
        if usual[0] is None:
            raise InputError("`steps` is missing; it must be a whole number >= 1.")
        steps = usual[0]
    return Counts(cast.count("steps", steps, 1), transient)


def members(
    system: Any, how: Integration, x0: Any, parameters: Any, drive: Drive | None, steps: int, *, volume: bool = True
) -> Members:
    """The batch of a call whose members take so many steps in all; `volume` as in `laid_out`."""
    if system.architecture is None:
        return delays.members(system, how, x0, parameters)
    if callable(x0):
        raise InputError(f"`x0` must be an array for {system.name}, which has no delay, got a function.")
    table = None if drive is None else checked(drive, how, steps, system.architecture.inputs)
    return laid_out(system, cast.members(system, x0, parameters, table), table, volume)


def checked(drive: Drive, how: Integration, steps: int, inputs: int) -> np.ndarray:
    """The inputs (..., T, m), if there are enough of them."""
    if how.t0 < 0 or how.t0 != round(how.t0):
        raise InputError(f"`t0` is the number of the first step of a driven cell, a whole number >= 0, got {how.t0:g}.")
    needed = int(how.t0) + steps
    if drive.steps < needed:
        raise InputError(
            f"`drive` has {drive.steps} steps and {needed} are asked for, transient or warm-up included; pass a longer "
            "drive or fewer `steps`."
        )
    return drive.table(needed, inputs)


def laid_out(system: Any, batch: Members, table: np.ndarray | None, volume: bool = True) -> Members:
    """The batch with the places of weights and inputs as its parameters, and the row of numbers they lie in.

    volume : whether |det| of the weights is wanted with them.
    """
    from fastlyap.networks.layout import Laid, arrays, pooled  # SciPy, which importing the verbs must not wait for

    weights = {name: _squeezed(value, len(system.shapes[name])) for name, value in batch.parameters.items()}
    nothing, mixed = np.zeros((1, 1)), system.noise_directions
    parts = arrays(system.architecture, weights, volume)
    parts += [Laid(nothing if mixed is None else mixed, 2), Laid(nothing if table is None else table, 2)]
    pool, places = pooled(parts, batch.shape)
    length = np.full((len(places), 1), 1 if table is None else table.shape[-2])
    columns = [places, length]
    if system.noise_count:
        own = system.shapes[SIZE]
        columns.append(np.broadcast_to(batch.parameters[SIZE], batch.shape + own).reshape(len(batch), -1))
    return replace(batch, p=np.concatenate(columns, axis=1, dtype=np.float64), pool=pool, drive=table)


def _squeezed(array: np.ndarray, own: int) -> np.ndarray:
    """Without the batch axes in front that are of length 1."""
    while array.ndim > own and array.shape[0] == 1:
        array = array[0]
    return array


def token(members: Members, steps: int) -> str:
    """A digest of the first so many inputs; empty without a drive."""
    if members.drive is None:
        return ""
    u = np.ascontiguousarray(members.drive[..., : min(steps, members.drive.shape[-2]), :])
    return blake2b(str(u.shape).encode() + u.tobytes(), digest_size=16).hexdigest()


def told(request: Any) -> dict[str, str]:
    """What a result's settings say of its drive; nothing without one."""
    begun = 0 if request.state is None else int(request.state["step"].max(initial=0))
    steps = int(request.integration.t0) + request.transient + begun + request.steps
    return {} if request.members.drive is None else {"drive": token(request.members, steps)}


def went_on(
    system: Any, how: Integration, batch: Members, drive: Drive | None, done: int, steps: int, old: str
) -> Members:
    """The members of a result whose drive's first `done` steps must have the digest `old`, laid out for more."""
    if drive is None:
        return laid_out(system, batch, None)
    batch = laid_out(system, batch, checked(drive, how, done + steps, system.architecture.inputs))
    if token(batch, int(how.t0) + done) != old:
        raise InputError("`drive` must begin with the inputs of the result to `resume`, in the same batch shape.")
    return batch


def rank_lost(system: Any, log_det: np.ndarray) -> np.ndarray:
    """Of which members of a recurrent cell the steps themselves say that they have no volume: weights of lower rank,
    dead units. Their exponents -inf are no failure of the frame."""
    return np.isneginf(log_det) & (system.architecture is not None)
