"""Recurrent cells on whole sequences: outputs over time, and back-propagation through time, for any batch at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast, hardware
from fastlyap.errors import InputError
from fastlyap.kernel.cells import Sizes
from fastlyap.kernel.sequences import Room
from fastlyap.networks.layout import arrays, pooled
from fastlyap.reference.unrolled import Unrolled
from fastlyap.request import Members
from fastlyap.trace import sequences as module
from fastlyap.trace.cells import FORMULAS, sizes_of

JOB_BYTES = 2**27  # sequences with common weights that are worked on together
BACKENDS = ("auto", "cpu", "reference")


class Outputs(NamedTuple):
    """outputs : (..., T, q) of the read-out, without one the last layer's h; states : (..., T, n) after each step."""

    outputs: np.ndarray
    states: np.ndarray


class Gradients(NamedTuple):
    """Derivatives of <cotangent, outputs>: by x0 (..., n) and by the drive (..., T, m), with all batch axes, and by the
    parameters, each of its shape in the cell, summed over all sequences that share it."""

    x0: np.ndarray
    drive: np.ndarray
    parameters: dict[str, np.ndarray]


@dataclass(frozen=True)
class Batch:
    """Sequences, checked and broadcast: x (S, n), drive (S', T, m) with the number of each sequence's, members."""

    cell: Any
    members: Members
    drive: np.ndarray
    which: np.ndarray

    @property
    def steps(self) -> int:
        return self.drive.shape[1]

    def inputs(self, index: np.ndarray) -> np.ndarray:
        """(T, B, m) of some sequences, time first."""
        return np.ascontiguousarray(self.drive[self.which[index]].swapaxes(0, 1))


def batch_of(cell: Any, drive: Any, x0: Any) -> Batch:
    """Every argument checked; nothing has been compiled yet."""
    about = cell.architecture
    if cell.noise_count:
        raise InputError(f"`forward` and `backward` run cells without noise, and {cell.name} has some.")
    if about.closed or about.kind == "random_rnn":
        other = f"use rnn(0, {about.hidden})" if about.kind == "random_rnn" else "use the cell it was made of"
        raise InputError(f"`forward` and `backward` run cells along a drive, and {cell.name} has none; {other}.")
    u = cast.real_array("drive", drive)
    if u.ndim < 2 or u.shape[-1] != about.inputs or u.shape[-2] == 0:
        raise InputError(f"`drive` must have shape (..., T, {about.inputs}), T >= 1, for {cell.name}, got {u.shape}.")
    members = cast.members(cell, x0, None, u)
    lead = u.shape[:-2]
    count = math.prod(lead)
    which = np.broadcast_to(np.arange(count).reshape(lead), members.shape).ravel()
    return Batch(cell, members, u.reshape(count, *u.shape[-2:]), which)


def forward(cell: Any, drive: Any, x0: Any, backend: str, threads: int | None) -> Outputs:
    """Outputs and states of every sequence."""
    batch = batch_of(cell, drive, x0)
    if cast.choice("backend", backend, BACKENDS) == "reference":
        made = _reference(batch)
        return _shaped(batch, made.outputs, made.states)
    S, T, about = len(batch.members), batch.steps, cell.architecture
    outputs, states = np.empty((S, T, about.width)), np.empty((S, T, about.dim))

    def work(job: Job) -> None:
        outputs[job.index], states[job.index] = job.run()

    _each(work, jobs(batch), threads)
    return _shaped(batch, outputs, states)


def backward(cell: Any, drive: Any, cotangent: Any, x0: Any, backend: str, threads: int | None) -> Gradients:
    """Gradients of every sequence."""
    batch = batch_of(cell, drive, x0)
    T, about, shape = batch.steps, cell.architecture, batch.members.shape
    given = cast.real_array("cotangent", cotangent)
    if given.ndim < 2 or given.shape[-2:] != (T, about.width):
        raise InputError(f"`cotangent` must have the outputs' shape (..., {T}, {about.width}), got {given.shape}.")
    try:
        dY = np.broadcast_to(given, (*shape, T, about.width)).reshape(len(batch.members), T, about.width)
    except ValueError:
        raise InputError(
            f"`cotangent` must have the outputs' shape {(*shape, T, about.width)}, got {given.shape}."
        ) from None
    found = Collected(batch)
    if cast.choice("backend", backend, BACKENDS) == "reference":
        found.x0, found.drive, weights = _reference(batch).back(dY)
        found.found = [(s, {key: value[s] for key, value in weights.items()}) for s in range(len(batch.members))]
    else:
        _each(lambda job: found.take(job, *job.pull(dY[job.index])), jobs(batch), threads)
    return found.result()


def _reference(batch: Batch) -> Unrolled:
    """By the plain path, every sequence with weights of its own."""
    cell, shape = batch.cell, batch.members.shape
    weights = {
        key: np.broadcast_to(value, shape + cell.shapes[key]).reshape(-1, *cell.shapes[key])
        for key, value in cell.parameters.items()
    }
    return Unrolled(cell.architecture, weights, batch.members.x, batch.drive[batch.which])


def _shaped(batch: Batch, outputs: np.ndarray, states: np.ndarray) -> Outputs:
    shape = batch.members.shape
    return Outputs(outputs.reshape(shape + outputs.shape[1:]), states.reshape(shape + states.shape[1:]))


def _each(work: Callable, everything: Iterator[Job], threads: int | None) -> None:
    """Every job done, side by side; each keeps BLAS to one thread, so that sums do not depend on how many there are."""
    count = hardware.cores() if threads is None else cast.count("threads", threads, 1)
    todo = list(everything)
    with hardware.one_blas_thread():
        if count == 1 or len(todo) == 1:
            for job in todo:
                work(job)
            return
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, todo))


@dataclass(frozen=True)
class Job:
    """Sequences `index` whose weights are the same, those at `places` of the pool."""

    batch: Batch
    index: np.ndarray
    pool: np.ndarray
    places: np.ndarray

    def run(self, keep: bool = False) -> Any:
        """Outputs and states (B, T, ...); with `keep` also what the way back needs."""
        about, T, B = self.batch.cell.architecture, self.batch.steps, len(self.index)
        z, H = Sizes(*sizes_of(about, "float64")), about.hidden
        U = self.batch.inputs(self.index)
        states = np.empty((T + 1, B, about.dim))
        states[0] = self.batch.members.x[self.index]
        C, Y = np.empty(about.layers * T * B * z.stored * H), np.empty((T, B, about.width))
        rows = np.empty(T * B * z.gates * H if keep else B * z.gates * H)
        room = Room(
            np.empty(T * B * H), np.empty(T * B * z.gates * H), rows, np.empty(T * B * H if keep else 0),
            np.empty(B * about.dim if keep else 0), np.empty(2 * B * H), np.empty(2 * B * H),
        )  # fmt: skip
        P = (self.pool, self.places)
        module.entry(about.kind, "forward")(
            z, about.outputs, P, B, T, U.ravel(), states.ravel(), C, Y.ravel(), room
        )  # fmt: skip
        if keep:
            return z, P, U, states, C, room
        return Y.swapaxes(0, 1), states[1:].swapaxes(0, 1)

    def pull(self, dY: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cotangents of x0 (B, n) and of the drive (B, T, m), and the gradients of the weights as laid out."""
        about, T, B = self.batch.cell.architecture, self.batch.steps, len(self.index)
        z, P, U, states, C, room = self.run(keep=True)
        layout = own_layout(about)
        D, dU = np.zeros(layout.size), np.empty(T * B * about.inputs)
        module.entry(about.kind, "backward")(
            z, about.outputs, P, B, T, U.ravel(), states.ravel(), C, dY.swapaxes(0, 1).ravel(),
            (D, layout.places), dU, room,
        )  # fmt: skip
        return room.rows.reshape(B, about.dim), dU.reshape(T, B, about.inputs).swapaxes(0, 1), D


class Layout(NamedTuple):
    """Where the arrays of one net lie in a row of numbers: places, slices of the parameters, and its length."""

    places: np.ndarray
    parts: dict[str, slice]
    size: int


def own_layout(about: Any) -> Layout:
    """Of one net by itself."""
    laid = arrays(about, {key: np.zeros(shape) for key, shape in about.shapes.items()}, volume=False)
    pool, places = pooled(laid, ())
    keys = [f"{layer}.{word}" for layer in range(about.layers) for word in ("input", "hidden", "bias", "hidden_bias")]
    keys += ["readout.weight", "readout.bias"]
    parts = {
        key: slice(int(first), int(first) + part.array.size)
        for key, first, part in zip(keys, places[0], laid, strict=False)
        if key in about.shapes
    }
    return Layout(places[0], parts, len(pool))


def own_arrays(about: Any, D: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters' arrays in the numbers of one net."""
    found, H = {}, about.hidden
    for key, part in own_layout(about).parts.items():
        numbers = D[part]
        if about.kind == "gru_original" and key.endswith(".hidden"):
            halves = numbers[: 2 * H * H].reshape(H, 2 * H), numbers[2 * H * H :].reshape(H, H)
            found[key] = np.concatenate(halves, axis=1)
        else:
            found[key] = numbers.reshape(about.shapes[key])
    return found


def jobs(batch: Batch) -> Iterator[Job]:
    """Sequences that share all weights, in groups that fit in memory; never chosen from the number of threads."""
    about, members = batch.cell.architecture, batch.members
    pool, places = pooled(arrays(about, dict(batch.cell.parameters), volume=False), members.shape)
    formulas = FORMULAS[about.kind]
    numbers = about.dim + about.hidden * (about.layers * formulas.stored + 2 * formulas.gates + 2) + about.inputs
    most = max(1, JOB_BYTES // (8 * batch.steps * numbers))
    kinds, number = np.unique(places, axis=0, return_inverse=True)
    order = np.argsort(number.ravel(), kind="stable")
    for index in np.split(order, np.cumsum(np.bincount(number.ravel(), minlength=len(kinds)))[:-1]):
        for first in range(0, len(index), most):
            yield Job(batch, index[first : first + most], pool, places[index[0]])


class Collected:
    """Gradients of all sequences, filled in job by job."""

    def __init__(self, batch: Batch) -> None:
        self.batch, about = batch, batch.cell.architecture
        S = len(batch.members)
        self.x0, self.drive = np.empty((S, about.dim)), np.empty((S, batch.steps, about.inputs))
        self.found: list[tuple[int, dict[str, np.ndarray]]] = []

    def take(self, job: Job, x0: np.ndarray, drive: np.ndarray, D: np.ndarray) -> None:
        """The gradients of a job."""
        self.x0[job.index], self.drive[job.index] = x0, drive
        self.found.append((int(job.index[0]), own_arrays(self.batch.cell.architecture, D)))

    def result(self) -> Gradients:
        """All together."""
        batch, shape = self.batch, self.batch.members.shape
        found = {key: np.zeros(np.shape(value)) for key, value in batch.cell.parameters.items()}
        for key, total in found.items():
            own = batch.cell.shapes[key]
            lead = total.shape[: total.ndim - len(own)]
            member = np.broadcast_to(np.arange(math.prod(lead)).reshape(lead), shape).ravel()
            flat = total.reshape(-1, *own)
            for first, parts in sorted(self.found, key=lambda pair: pair[0]):
                flat[member[first]] += parts[key]
        return Gradients(
            self.x0.reshape(shape + self.x0.shape[1:]), self.drive.reshape(shape + self.drive.shape[1:]), found
        )
