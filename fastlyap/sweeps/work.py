"""What a worker does: compute chunks, write each, and say how it went. Runs in this process or in another one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastlyap.errors import InputError
from fastlyap.status import Status
from fastlyap.sweeps import devices, places
from fastlyap.sweeps import store as stores
from fastlyap.sweeps.job import Job, arrays_of, labels_of

Shapes = dict[str, tuple[tuple[int, ...], np.dtype]]  # path of an array: its axes behind the batch's, its type


class Outcome(NamedTuple):
    """Of one chunk: its number, seconds, points, failed ones, worst status; arrays and labels where the driver writes.

    numbers : chunk; arrays, told : None once they are written.
    """

    chunk: int
    seconds: float
    points: int
    failed: int
    worst: int
    arrays: dict[str, np.ndarray] | None = None
    told: dict[str, Any] | None = None


@dataclass(frozen=True)
class Piece:
    """One chunk, or the members `chosen` of it, to be computed."""

    chunk: int
    job: Job
    chosen: np.ndarray | None = None
    done: int = 0  # steps that its stored state has behind it


@dataclass(frozen=True)
class Task:
    """Pieces for one worker.

    target : where it writes, or None: the results go back; name : of the store there, by which a worker knows that it
    sees the same one; timeout : seconds for a piece, or None; nonce : tells two tasks of the same pieces apart, for
    schedulers that remember answers.
    """

    pieces: tuple[Piece, ...]
    target: Any = None
    name: str = ""
    timeout: float | None = None
    mixed: bool = False
    nonce: int = 0


def perform(task: Task, progress: Callable[[float], Any] | None = None) -> list[Outcome]:
    """Compute the pieces of a task one after another."""
    store = None if task.target is None else _seen_from_here(task)
    found = []
    for piece in task.pieces:
        with devices.own(piece.job.plan.backend):
            outcome = compute(piece, task, progress)
        if store is not None and piece.chosen is None and outcome.arrays is not None:
            store.write(piece.chunk, outcome.arrays, piece.job.request.steps + piece.done, outcome.seconds)
            outcome = outcome._replace(arrays=None, told=None)
        found.append(outcome)
    return found


def _seen_from_here(task: Task) -> stores.Store | None:
    """The driver's store, if it can be reached; else None, and results go back with the answer."""
    try:
        store = places.open_store(task.target, str(task.target), "r+")
    except (OSError, InputError):
        return None
    return store if store.manifest.get("name") == task.name else None


def compute(piece: Piece, task: Task, progress: Callable[[float], Any] | None = None) -> Outcome:
    """The results of one piece."""
    job = piece.job
    here = job.program_here()
    if here != job.plan.program:
        if not task.mixed:
            raise InputError(
                f"`executor` has a worker that runs the program {here}, and this sweep is one of {job.plan.program}; "
                "use workers like this machine, or allow both with mixed=True."
            )
        job = job.for_this_machine()
    start = time.perf_counter()
    result = job.run(_watched(task.timeout, progress))
    arrays = arrays_of(result)
    seconds = time.perf_counter() - start
    return outcome_of(piece.chunk, seconds, arrays, labels_of(result))


def outcome_of(chunk: int, seconds: float, arrays: dict[str, np.ndarray], told: Any = None) -> Outcome:
    """What is reported of a chunk with these arrays."""
    codes = arrays[stores.STATUS]
    worst = int(codes.max(initial=0))
    return Outcome(chunk, seconds, len(codes), int(Status.failed(codes).sum()), worst, arrays, told)


def _watched(timeout: float | None, progress: Callable[[float], Any] | None) -> Any:
    """A progress callback that ends the work when its time is over; False where nobody asks.

    The clock starts when the first slice of work is done, since what comes before is compilation.
    """
    if timeout is None:
        return progress or False
    begun: list[float] = []

    def look(share: float) -> None:
        if not begun:
            begun.append(time.monotonic())
        if time.monotonic() - begun[0] > timeout:
            raise TimeoutError(f"no result after {timeout:g} s")
        if progress is not None:
            progress(share)

    return look


def halves(piece: Piece) -> list[Piece]:
    """A piece in two, by members; its job must be that of `chosen` already."""
    points = np.arange(len(piece.job)) if piece.chosen is None else piece.chosen
    middle = len(points) // 2
    parts = [slice(0, middle), slice(middle, len(points))]
    return [replace(piece, job=piece.job.part(part), chosen=points[part]) for part in parts]


def filler(shapes: Shapes, points: int) -> dict[str, np.ndarray]:
    """Results of members that killed their worker: NaN, and FAILED."""
    found = {}
    for path, (own, dtype) in shapes.items():
        found[path] = np.full((points, *own), np.nan if dtype.kind == "f" else 0, dtype)
    found[stores.STATUS] = np.full(points, int(Status.FAILED), np.int8)
    return found
